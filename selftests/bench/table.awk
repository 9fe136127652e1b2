# SPDX-License-Identifier: GPL-2.0-only
#
# table.awk [-v json=FILE] THRESHOLDS OUTPUT: the table of what was measured on
# host `cpu' with mitigations `mode'. Fails where Lodge takes more than its
# threshold, and when an operation of the thresholds was not measured.

BEGIN {
	slack = 1.01	# what another build of the same may differ by
}

FNR == NR {
	if ($1 == cpu && $2 == mode)
		limit[$3] = $4
	next
}

$1 == "lodge" || $1 == "kvm" {
	if (!($2 in seen))
		order[++count] = $2
	seen[$2] = 1
	value[$1, $2] = $3
}

function line(op,    lodge, kvm, verdict)
{
	lodge = value["lodge", op]
	kvm = value["kvm", op]
	verdict = ""
	if (op in limit && lodge > limit[op] * slack) {
		verdict = sprintf("  over its threshold of %d", limit[op])
		bad++
	} else if (op in limit && lodge * slack < limit[op]) {
		verdict = sprintf("  (threshold %d)", limit[op])
	}
	if (kvm)
		printf "%-16s %8d %8d   %5.2f%s\n", op, kvm, lodge, lodge / kvm, verdict
	else
		printf "%-16s %8s %8d   %5s%s\n", op, "-", lodge, "-", verdict
	if (json)
		printf "%s\n  { \"operation\": \"%s\", \"kvm\": %s, \"lodge\": %d }", \
			n++ ? "," : "", op, kvm ? kvm : "null", lodge >json
}

END {
	printf "%s, mitigations=%s; instructions\n", cpu, mode
	printf "%-16s %8s %8s   %5s\n", "operation", "KVM", "Lodge", "ratio"
	if (json)
		printf "{ \"host\": \"%s\", \"mitigations\": \"%s\", \"operations\": [", cpu, mode >json
	for (i = 1; i <= count; i++)
		if (order[i] != "empty")
			line(order[i])
	if (json)
		print "\n] }" >json
	for (op in limit)
		if (!(op in seen) && !some) {
			print op ": not measured"
			bad++
		}
	exit bad > 0
}
