# SPDX-License-Identifier: GPL-2.0-only
#
# Reads a trace of entries and exits, with the TSC as its clock. With -v known=N,
# of a guest that executes N instructions between exits: prints what else is
# between the tracepoints. With -v overhead=N, that: what the guest executed, and
# exits by reason.

function stamp(    s)
{
	if (!match($0, /[0-9]+: (kvm|lodge)_[a-z_]*:/))
		return 0
	s = substr($0, RSTART, RLENGTH)
	event = s
	sub(/^[0-9]+: /, "", event)
	sub(/:$/, "", event)
	sub(/:.*/, "", s)
	return s
}

function add(ticks)
{
	total += ticks
	exits++
	# The most frequent of all is the median of a loop.
	if (++often[ticks] > often[mode])
		mode = ticks
}

/LOST/ {
	lost = 1
}

{
	now = stamp()
	if (!now)
		next
}

event ~ /_entry$/ {
	entered = now
}

event == "kvm_userspace_exit" || event == "lodge_user" {
	user++
}

event == "kvm_exit" || event == "lodge_exit" {
	match($0, /reason[ =][A-Za-z0-9_-]+/)
	reason[substr($0, RSTART + 7, RLENGTH - 7)]++
	if (entered)
		add(now - entered)
	entered = 0
}

END {
	if (lost) {
		print "events were lost" >"/dev/stderr"
		exit 1
	}
	if (known) {
		print mode - known
		exit
	}
	printf "guest %.0f\nexits %d\nuser %d\n", total - exits * overhead, exits, user
	for (r in reason)
		printf "exit-%s %d\n", r, reason[r]
}
