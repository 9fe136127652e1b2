#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit.sh amd|intel|amd-nrips: load the test build of the module in an emulated
# host and print its KUnit results as flat KTAP, a line for each case. A suite
# that was built and did not report is a failure.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
cpu=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Names of the suites in the sources that were built.
suites()
{
	find build/kunit/src -name '*_test.c' -print0 |
		xargs -0 sed -n 's/.*\.name = "\(lodge_[a-z0-9_]*\)".*/\1/p' |
		sort
}

ko=build/kunit/lodge.ko
[[ -f $ko ]] || { echo "no $ko: make kunit-module" >&2; exit 1; }
# shellcheck disable=SC2016
timeout 600 selftests/lab/lab --cpu "$cpu" --kernel test --no-load \
	--add "$ko:kunit.ko" -- sh -c '
	/kmod/insmod kunit.ko; status=$?
	dmesg | sed "s/^\[[^]]*\] //"; exit $status' >"$log"
status=$?
((status == 0)) || tail -n 40 "$log" >&2

suites | awk -v status="$status" '
# 6.1 prints no plan for the suites of a module: these are the names to expect.
NR == FNR {
	want[$1] = 1
	total++
	next
}
/^    # Subtest: / {
	suite = $3
}
/^    (not )?ok [0-9]+/ && suite ~ /^lodge_/ {
	line = $0
	sub(/^ +/, "", line)
	result = line ~ /^not/ ? "not ok" : "ok"
	sub(/^(not )?ok [0-9]+ (- )?/, "", line)
	print result, ++cases, suite "." line
}
/^(not )?ok [0-9]+ / {
	name = $NF
	if ($0 ~ /# SKIP/)
		next
	delete want[name]
}
END {
	for (name in want)
		print "not ok", ++cases, name ": built, but did not report"
	if (!total)
		print "not ok", ++cases, "no suite was built"
	if (status)
		print "not ok", ++cases, "the lab ended with " status
	print "1.." cases + 0
}' - <(sed 's/\r$//' "$log")
exit "$status"
