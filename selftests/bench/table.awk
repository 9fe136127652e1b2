# SPDX-License-Identifier: GPL-2.0-only
#
# table.awk -v cpu=HOST -v mode=MITIGATIONS [-v json=FILE] [-v some=1]
#	THRESHOLDS BARS OUTPUT: the table of what was measured. Fails where Lodge
# takes more than its threshold, when an operation of the thresholds was not
# measured (unless only some were to be), and when Lodge and KVM were not
# protected alike.

BEGIN {
	slack = 1.01	# what another build of the same may differ by
}

FILENAME == ARGV[1] {
	if ($1 == cpu && $2 == mode)
		limit[$3] = $4
	next
}

FILENAME == ARGV[2] {
	if ($1 == cpu || ($1 == "*" && cpu != "amd"))
		bar[$2] = $3
	next
}

$1 == "state" {
	text = $0
	sub(/^state [a-z]+ /, "", text)
	what = text
	sub(/:.*/, "", what)
	sub(/^[^:]*: /, "", text)
	state[$2, what] = text
	if ($2 == "lodge")
		bugs[what] = 1
}

$1 == "lodge" || $1 == "kvm" {
	if (!($2 in seen))
		order[++count] = $2
	seen[$2] = 1
	value[$1, $2] = $3
}

function line(op, kvm, lodge,    note)
{
	note = ""
	if (!lodge) {
		printf "%-16s %8d %8s   %5s  not offered\n", op, kvm, "-", "-"
		return
	}
	if (op in bar && kvm && lodge > kvm * bar[op]) {
		note = sprintf("  misses %.2f", bar[op])
		missed++
	}
	if (op in limit && lodge > limit[op] * slack) {
		note = note sprintf("  OVER ITS THRESHOLD of %d", limit[op])
		bad++
	}
	if (op in limit && lodge * slack < limit[op])
		note = note sprintf("  (threshold %d)", limit[op])
	printf "%-16s %8s %8d   %5s%s\n", op, kvm ? kvm : "-", lodge,
		kvm ? sprintf("%.2f", lodge / kvm) : "-", note
	if (json)
		printf "%s\n  { \"operation\": \"%s\", \"kvm\": %s, \"lodge\": %d }",
			n++ ? "," : "", op, kvm ? kvm : "null", lodge >json
}

# A wake-up without the system calls around it
function wake(vmm, op, calls)
{
	return value[vmm, op] - calls * value[vmm, "syscall"]
}

function less(op, bare, calls,    kvm, lodge)
{
	if (!(value["kvm", op] && value["lodge", op] && value["kvm", bare]))
		return
	kvm = value["kvm", op] - wake("kvm", bare, calls)
	lodge = value["lodge", op] - wake("lodge", bare, calls)
	line(op "-wake", kvm, lodge)
}

# What an operation takes more of than another, which has a bar in instructions.
function more(op, base,    name, kvm, n)
{
	if (!(value["lodge", op] && value["lodge", base]))
		return
	name = op "-" base
	kvm = value["kvm", op] ? value["kvm", op] - value["kvm", base] : "-"
	n = value["lodge", op] - value["lodge", base]
	printf "%-16s %8s %8d", name, kvm, n
	if (n > bar[name]) {
		printf "          misses %d", bar[name]
		missed++
	}
	print ""
}

function differ(what)
{
	print "not protected alike: " what
	bad++
}

# What Lodge says of itself against what KVM and the kernel say.
function compare_protection(    what, lodge, kvm)
{
	for (what in bugs) {
		if (what == "untrusted")
			continue
		lodge = state["lodge", what]
		kvm = state["kvm", what]
		# KVM adds a word of its own on this one.
		if (what == "l1tf") {
			sub(/; VMX:.*/, "", lodge)
			sub(/; VMX:.*/, "", kvm)
		}
		if (lodge != kvm)
			differ(what ": " lodge "; with KVM: " kvm)
		if (mode != "off" && kvm ~ /^Vulnerable/)
			print "open on both: " what ": " kvm
	}
	# It flushes the L1 data cache exactly if it says that nothing is missing.
	if (cpu != "intel")
		return
	if (("lodge", "untrusted") in state) {
		if (state["kvm", "l1d_flush"] != "never")
			differ("KVM flushes the L1 data cache: " state["kvm", "l1d_flush"])
	} else if (state["kvm", "l1d_flush"] == "never") {
		differ("KVM does not flush the L1 data cache")
	}
}

END {
	printf "%s, mitigations=%s; instructions\n", cpu, mode
	printf "%-16s %8s %8s   %5s\n", "operation", "KVM", "Lodge", "ratio"
	if (json)
		printf "{ \"host\": \"%s\", \"mitigations\": \"%s\", \"operations\": [",
			cpu, mode >json
	for (i = 1; i <= count; i++)
		if (order[i] != "empty")
			line(order[i], value["kvm", order[i]], value["lodge", order[i]])
	# Who wakes and who is woken; who is woken
	less("ipi_halted", "thread_wake", 2)
	less("hlt_timer", "timer_wake", 1)
	more("cpuid_ring", "cpuid")
	more("cpuid_events", "cpuid")
	if (json)
		print "\n] }" >json
	compare_protection()
	for (op in limit)
		if (!(op in seen) && !some) {
			print op ": not measured"
			bad++
		}
	print missed + 0 " miss what is aimed at, " bad + 0 " failed"
	exit bad > 0
}
