# SPDX-License-Identifier: GPL-2.0-only
#
# virtio-table.awk [-v json=FILE] THRESHOLDS BARS OUTPUT: what virtio-host.sh has
# measured, side by side. Fails where Lodge takes more than its threshold, where one was
# not measured, and where there was an exit to userspace in the steady state.

BEGIN {
	slack = 1.01	# what another build of the same may differ by
}

FILENAME == ARGV[1] {
	if ($1 == "amd-virtio")
		limit[$3] = $4
	next
}

# bar[operation, with whom it is compared]
FILENAME == ARGV[2] {
	if ($1 == "virtio")
		bar[$2, $3] = $4
	next
}

$1 == "steady" {
	chains = $2
	user = $3
}

# The same disk, by the same QEMU: it is not the same from boot to boot.
$1 == "vhost" && $2 == "disk_read" {
	if ($3 < value["qemu", $2])
		value["qemu", $2] = $3
	next
}

$1 == "lodge" || $1 == "qemu" || $1 == "vhost" || $1 == "kvm" {
	value[$1, $2] = $3
}

function ratio(op, who,    r)
{
	if (!value[who, op])
		return sprintf(" %9s %5s ", "-", "-")
	r = value["lodge", op] / value[who, op]
	if ((op, who) in bar && r > bar[op, who]) {
		missed++
		return sprintf(" %9d %5.2f*", value[who, op], r)
	}
	return sprintf(" %9d %5.2f ", value[who, op], r)
}

function line(op,    lodge)
{
	lodge = value["lodge", op]
	if (!lodge || !limit[op]) {
		print op ": not measured, or without a threshold"
		bad++
		return
	}
	printf "%-16s %9d%s%s%s", op, lodge, ratio(op, "qemu"), ratio(op, "vhost"),
		ratio(op, "kvm")
	if ((op, "instructions") in bar && lodge > bar[op, "instructions"]) {
		printf "  misses %d", bar[op, "instructions"]
		missed++
	}
	if (lodge > limit[op] * slack) {
		printf "  OVER ITS THRESHOLD of %d", limit[op]
		bad++
	} else if (lodge * slack < limit[op]) {
		printf "  (threshold %d)", limit[op]
	}
	print ""
	if (json)
		printf "%s\n  { \"operation\": \"%s\", \"lodge\": %d, \"qemu\": %d, \"vhost\": %d, \"kvm\": %d }",
			n++ ? "," : "", op, lodge, value["qemu", op], value["vhost", op],
			value["kvm", op] >json
}

END {
	printf "%-16s %9s %15s %15s %15s\n", "instructions", "Lodge", "QEMU", "vhost-net",
		"KVM, eventfd"
	if (json)
		printf "{ \"operations\": [" >json
	line("disk_read")
	line("udp_round_trip")
	line("doorbell_back")
	if (json)
		printf "\n], \"chains\": %d, \"user\": %d }\n", chains, user >json
	printf "%d chains in the steady state, %d exits to userspace\n", chains, user
	if (!chains || user)
		bad++
	print missed + 0 " miss what is aimed at (*), " bad + 0 " failed"
	exit bad > 0
}
