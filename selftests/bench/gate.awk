# SPDX-License-Identifier: GPL-2.0-only
#
# gate.awk -v cpu=HOST -v mode=MITIGATIONS THRESHOLDS OUTPUT WANTED...: KTAP, a case
# for each WANTED operation: measured, and not over its threshold by a tenth. What
# is worse by less, `make bench' shows.

BEGIN {
	slack = 1.1
	for (i = 3; i < ARGC; i++)
		want[i] = ARGV[i]
	last = ARGC
	ARGC = 3
}

FILENAME == ARGV[1] {
	if ($1 == cpu && $2 == mode)
		limit[$3] = $4
	next
}

$1 == "lodge" {
	value[$2] = $3
}

END {
	print "KTAP version 1"
	print "1.." last - 3
	for (i = 3; i < last; i++) {
		op = want[i]
		good = value[op] > 0 && limit[op] > 0 && value[op] <= limit[op] * slack
		bad += !good
		printf "%sok %d %s: %d instructions, threshold %d\n", good ? "" : "not ",
			i - 2, op, value[op], limit[op]
	}
	exit bad > 0
}
