#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# debug.sh [IOCTLS]: on the debug kernel, the fuzzer of /dev/lodge until it has
# done that many (default: 50,000), with a new seed, then everything that can fail
# failing in turn, then VMs made and destroyed.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

# shellcheck disable=SC2016
exec timeout "${LODGE_SECONDS:-1800}" selftests/lab/lab --cpu amd --kernel debug \
	--timeout "${LODGE_SECONDS:-1800}" -- env LODGE_VMS="${LODGE_VMS:-60}" sh -c '
	status=0
	test_ioctl_fuzz --random "$1" --ioctls "$2" --seconds "$3" || status=1
	test_fail_nth || status=1
	test_leaks || status=1
	exit $status' sh "$RANDOM$RANDOM" "${1:-50000}" "${LODGE_SECONDS:-900}"
