#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Where the module cannot work it says so in one line and does not load.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
count=0
failed=0

report()
{
	count=$((count + 1))
	if (($1)); then
		failed=1
		echo "not ok $count $2"
	else
		echo "ok $count $2"
	fi
}

# refused CPU ERROR LINE: insmod fails with ERROR, the log has one line.
# shellcheck disable=SC2016
refused()
{
	local out

	out=$(timeout 600 selftests/lab/lab --cpu "$1" --no-load -- sh -c '
		dmesg -c >/dev/null; /kmod/insmod /lodge.ko 2>&1; echo "status $?"
		dmesg | grep "lodge:" | grep -v taint; lodge check; echo "check $?"')
	printf '%s\n' "$out" | sed 's/^/# /'
	grep -qF "$2" <<<"$out"
	report $? "$1: insmod fails: $2"
	[[ $(grep -c '\] lodge: ' <<<"$out") -eq 1 ]]
	report $? "$1: one line in the log"
	grep -q "$3" <<<"$out"
	report $? "$1: which names the remedy"
	grep -q '^check [1-9]' <<<"$out"
	report $? "$1: lodge check says no"
}

echo "KTAP version 1"
echo "1..8"
refused none "No such device" "VT-x nor AMD-V: enable"
refused no-npt "No such device" "nested pag"
exit $failed
