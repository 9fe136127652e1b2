#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Runs inside an emulated host: host.sh [-l] [OPERATION...] measures Lodge, then,
# without -l, KVM.
# `state VMM WHAT: VALUE' says which protections either has: table.awk compares.

VULNERABILITIES=/sys/devices/system/cpu/vulnerabilities

# What the kernel says of the CPU's bugs while hypervisor $1 is loaded.
vulnerabilities()
{
	for file in "$VULNERABILITIES"/*; do
		echo "state $1 ${file##*/}: $(cat "$file")"
	done
}

case $LAB_CPU in
intel)	kvm=kvm_intel args="enable_apicv=0" ;;
*)	kvm=kvm_amd args="" ;;
esac
# Lodge flushes the L1 data cache only where the CPU has a command for it: KVM's
# way of reading 64 KiB would then be a protection that one of them lacks.
if [ $kvm = kvm_intel ] && ! grep -qw flush_l1d /proc/cpuinfo; then
	args="$args vmentry_l1d_flush=never"
fi

alone=0
[ "$1" != -l ] || { alone=1; shift; }
vulnerabilities lodge
# No polling in HLT, on neither side
echo 0 >/sys/module/lodge/parameters/halt_poll_ns
lodge check | sed -n 's/^warn: untrusted: /state lodge untrusted: /p'
/selftests/bench_lodge "$@" || exit 1
# Again, where the log does not learn of writes from the CPU's marks: the last figure counts.
case " ${*:-write_protected} " in
*" write_protected "*)
	/kmod/rmmod lodge && /kmod/insmod /lodge.ko dirty_marks=0 &&
		/selftests/bench_lodge write_protected || exit 1 ;;
esac
[ $alone = 0 ] || exit 0

/kmod/rmmod lodge || exit 1
# Timers that fire when they are due: KVM sets them early
# and waits for the rest with the CPU busy, which hides what waking costs.
/kmod/modprobe kvm halt_poll_ns=0 lapic_timer_advance_ns=0 || exit 1
# shellcheck disable=SC2086
/kmod/modprobe $kvm $args || exit 1
vulnerabilities kvm
file=/sys/module/$kvm/parameters/vmentry_l1d_flush
[ ! -e "$file" ] || echo "state kvm l1d_flush: $(cat "$file")"
/selftests/bench_kvm "$@"
