#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bare.sh CPU [PROGRAM...]: bare-metal guests in an emulated host, on Lodge and
# then on KVM. What Lodge fails is a failure; where KVM does otherwise,
# bare/differences says why, or that is one, too.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
cpu=${1:-amd}
shift
(($#)) || set -- cpu apic event insn irq real time

timeout 1200 selftests/lab/lab --cpu "$cpu" --timeout 1100 \
	--add selftests/bare/host.sh -- sh host.sh "$@" |
	tr -d '\r\0' | awk -v cpu="$cpu" -v want="$*" -f selftests/bare/compare.awk \
	selftests/bare/differences -
exit "${PIPESTATUS[2]}"
