#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Runs inside an emulated host with the kernel lean: boot-host.sh lodge|kvm boots
# it to its init, quiet and verbose, each once as it is and once traced:
#
#	boot VMM MODE total|guest|exits|user|exit-REASON NUMBER
#
# in instructions. total: from the launcher's start to its end, less idle time.
# guest: executed in guest mode. That is the time between the tracepoints of
# entries and exits, less what the hypervisor itself takes there, which is learnt
# from a guest of which every instruction between its exits is known.

vmm=$1
TRACING=/sys/kernel/tracing
# Of one OUT in the loop of the benchmark's out_post
KNOWN=3

mkdir -p root/dev
cp /selftests/bench_init root/init
(cd root && find . | cpio -o -H newc) >initrd 2>/dev/null

case $vmm in
kvm)	/kmod/rmmod lodge
	/kmod/modprobe kvm halt_poll_ns=0 lapic_timer_advance_ns=0
	/kmod/modprobe kvm_amd || exit 1
	events="kvm/kvm_entry kvm/kvm_exit kvm/kvm_userspace_exit"
	;;
lodge)	# Before the entry, and just after the exit; each call of the last but
	# the first follows an exit to userspace.
	echo p:lodge_entry svm_run >$TRACING/kprobe_events &&
	echo p:lodge_exit svm_exit_handler reason=%di:x32 >>$TRACING/kprobe_events &&
	echo p:lodge_user lodge_vcpu_run >>$TRACING/kprobe_events || exit 1
	events="kprobes/lodge_entry kprobes/lodge_exit kprobes/lodge_user"
	;;
esac

# boot ARGS: the ticks it took. Its init ends it, by a triple fault.
boot()
{
	args="console=ttyS0 panic=-1 reboot=t $1"
	rm -f console
	case $vmm in
	kvm)	timeout 600 bench_boot 0 qemu-system-x86_64 -M microvm,acpi=off -accel kvm \
			-cpu host -m 256M -smp 1 -nodefaults -no-user-config -display none \
			-no-reboot -serial file:console -kernel lean -initrd initrd \
			-append "$args" 2>err </dev/null ;;
	lodge)	timeout 600 bench_boot 126 lodge run -k lean -i initrd -m 256M \
			--serial file=console -p "$args" 2>err </dev/null ;;
	esac || { cat err console >&2; exit 1; }
	[ "$1" = quiet ] || grep -q "Run /init" console || { cat console >&2; exit 1; }
}

# trace 0|1
trace()
{
	for event in $events; do
		echo "$1" >"$TRACING/events/$event/enable" || exit 1
	done
}

# traced COMMAND...: its trace in the file trace
traced()
{
	echo x86-tsc >$TRACING/trace_clock
	echo 65536 >$TRACING/buffer_size_kb
	echo >$TRACING/trace
	trace 1
	"$@" >/dev/null
	trace 0
	cat $TRACING/trace >trace
	grep -q "entries-in-buffer" trace
}

# What is between the tracepoints without the guest, each time
calibrate()
{
	traced "bench_$vmm" out_post
	awk -v known=$KNOWN -f boot.awk trace
}

overhead=$(calibrate)
echo "boot $vmm - overhead $overhead"
for mode in quiet verbose; do
	words=quiet
	[ $mode = quiet ] || words=loglevel=8
	total=$(boot $words) || exit 1
	echo "boot $vmm $mode total $total"
	traced boot $words
	awk -v overhead="$overhead" -f boot.awk trace | sed "s/^/boot $vmm $mode /"
done
