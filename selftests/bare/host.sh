#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Runs inside an emulated host: host.sh PROGRAM... prints what each bare-metal
# guest said on Lodge, then on KVM, and how it ended: `@ VMM PROGRAM STATUS LAST'.

case $LAB_CPU in
intel)	kvm=kvm_intel args="enable_apicv=0" ;;
amd)	kvm=kvm_amd args="" ;;
*)	kvm="" ;;
esac

limit=100
for name; do
	lodge run --test-dev --exit-dev 0xf4 -c 4 -m 64M --timeout $limit \
		-k "/selftests/bare_$name" 2>/tmp/err >/tmp/out </dev/null
	status=$?
	cat /tmp/out
	echo "@ lodge $name $status $(tail -n 1 /tmp/err)"
done
[ "$kvm" ] || exit 0
# Bochs never leaves a guest that waits with IF=0, and KVM has no way round it:
# there KVM runs what needs one CPU.
[ "$LAB_CPU" = intel ] && set -- cpu event
# shellcheck disable=SC2086
/kmod/rmmod lodge && /kmod/modprobe $kvm $args || exit 1
for name; do
	KVM_RUN_SECONDS=$limit /selftests/kvm_run -c 4 "/selftests/bare_$name" 2>/tmp/err >/tmp/out
	status=$?
	cat /tmp/out
	echo "@ kvm $name $status $(tail -n 1 /tmp/err)"
done
