# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# run_checks FUNCTION...: call each, and say in KTAP what became of it. The
# status is 1 when one failed.

run_checks()
{
	local number=0 failed=0 check

	echo "1..$#"
	for check; do
		number=$((number + 1))
		if $check; then
			echo "ok $number $check"
		else
			echo "not ok $number $check"
			failed=1
		fi
	done
	return "$failed"
}
