#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Runs inside an emulated host: host.sh VMM PROGRAM... prints what each bare-metal
# guest said on that VMM, lodge or kvm, and how it ended: `@ VMM PROGRAM STATUS LAST'.
# PROGRAM_N is PROGRAM with the parameter apicv of Lodge's module being N.

limit=100
vmm=$1
shift

run()
{
	if [ "$vmm" = lodge ]; then
		lodge run --test-dev --exit-dev 0xf4 -c 4 -m 64M --timeout $limit -k "$1" </dev/null
	else
		KVM_RUN_SECONDS=$limit /selftests/kvm_run -c 4 "$1"
	fi
}

case $vmm:$LAB_CPU in
kvm:intel)	/kmod/modprobe kvm_intel enable_apicv=0 || exit ;;
kvm:*)		/kmod/modprobe kvm_amd || exit ;;
esac
for name; do
	case $name in *_[0-2])
		/kmod/rmmod lodge && /kmod/insmod /lodge.ko "apicv=${name##*_}" || exit ;;
	esac
	run "/selftests/bare_${name%_[0-2]}" 2>/tmp/err >/tmp/out
	status=$?
	cat /tmp/out
	echo "@ $vmm $name $status $(tail -n 1 /tmp/err)"
done
