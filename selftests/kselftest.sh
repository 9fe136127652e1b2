#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kselftest.sh CPU [PROGRAM...]: the tests of /dev/lodge in an emulated host.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
cpu=${1:-amd}
shift
# Threads against a guest that never stops: not on Bochs's one slow CPU.
several=()
# Exceptions without end: what Bochs's SVM makes of them is not known.
[[ $cpu == intel ]] && several=(unruly)
[[ $cpu == amd ]] && several=(memory smp unruly)
(($#)) || set -- system vm vcpu stats run io virtio interrupts pv hostile lifetime host "${several[@]}"

# A second on Bochs's clock is thousands of millions of instructions.
spin=2
[[ $cpu == amd ]] && spin=60

# Every program runs, whatever became of the one before.
# shellcheck disable=SC2016
exec timeout 900 selftests/lab/lab --cpu "$cpu" -- sh -c '
	export LODGE_SPIN_SECONDS=$1
	shift
	status=0
	for name; do
		echo "# program: $name"
		test_$name 2>&1
		case $? in 0|4) ;; *) status=1 ;; esac
	done
	exit $status' sh "$spin" "$@"
