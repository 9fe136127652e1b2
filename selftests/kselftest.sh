#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kselftest.sh CPU [PROGRAM...]: the tests of /dev/lodge in an emulated host, by
# LODGE_KERNEL on another kernel than usual, by LODGE_HUGE_1G with so many pages of 1 GiB.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
cpu=${1:-amd}
shift
# Threads against a guest that never stops: not on Bochs's one slow CPU.
several=()
# Exceptions without end: what Bochs's SVM makes of them is not known.
[[ $cpu == intel ]] && several=(interrupts:apicv=0 unruly paging)
[[ $cpu == amd ]] && several=(memory memory:dirty_marks=0 paging locks storm smp stress unruly leaks
				 ioctl_fuzz)
(($#)) || set -- system vm vcpu stats run io virtio virtio_net interrupts pv hostile lifetime host "${several[@]}"

# Longer than it takes to call a CPU stalled.
spin=${LODGE_SPIN_SECONDS:-25}
[[ $cpu == amd ]] && spin=${LODGE_SPIN_SECONDS:-60}
[[ $cpu == amd-nrips ]] && spin=2

limit=${LODGE_SECONDS:-900}
# Every program runs, whatever became of the one before; what follows a colon is
# a parameter of the module. The host can swap.
# shellcheck disable=SC2016
exec timeout "$limit" selftests/lab/lab --cpu "$cpu" \
	${LODGE_KERNEL:+--kernel "$LODGE_KERNEL"} \
	${LODGE_HUGE_1G:+--mem 3072 --append "hugepagesz=1G hugepages=$LODGE_HUGE_1G"} \
	--timeout $((limit - 30)) -- sh -c '
	export LODGE_SPIN_SECONDS=$1 LODGE_STORM_SECONDS=$2 LODGE_HUGE_PAGES=$3
	export LODGE_STRESS_ROUNDS=$4
	shift 4
	modprobe zram 2>/dev/null
	echo 64M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null &&
		swapon /dev/zram0
	status=0
	# QEMU may execute for ever what another CPU has patched.
	allowed=$(taskset -p $$ | sed "s/.* //")
	others_online()
	{
		for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
			[ ! -e "$cpu" ] || echo "$1" >"$cpu"
		done
	}
	reload()
	{
		others_online 0
		until [ "$(cat /sys/module/lodge/refcnt)" = 0 ]; do sleep 0.1; done
		/kmod/rmmod lodge && /kmod/insmod /lodge.ko "$@" || status=1
		others_online 1
		# With none of its CPUs left, a task may use them all.
		taskset -p "$allowed" $$ >/dev/null
	}
	for name; do
		echo "# program: $name"
		case $name in *:*) reload "${name#*:}" ;; esac
		test_${name%:*} 2>&1
		case $? in 0|4) ;; *) status=1 ;; esac
		case $name in *:*) reload ;; esac
	done
	exit $status' sh "$spin" "${LODGE_STORM_SECONDS:-8}" "${LODGE_HUGE_PAGES:-32}" \
	"${LODGE_STRESS_ROUNDS:-6000}" "$@"
