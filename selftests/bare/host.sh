#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Runs inside an emulated host: host.sh VMM PROGRAM... prints what each
# bare-metal guest said under VMM (lodge or kvm), and how it ended.

case $LAB_CPU in
intel)	kvm=kvm_intel args="enable_apicv=0" ;;
*)	kvm=kvm_amd args="" ;;
esac

run()
{
	case $1 in
	lodge)	lodge run --exit-dev 0xf4 -c 4 -m 64M --timeout 120 \
			-k "/selftests/bare_$2" 2>/tmp/err </dev/null ;;
	*)	/selftests/kvm_run -c 4 "/selftests/bare_$2" 2>/tmp/err ;;
	esac
	echo "@ $1 $2 $? $(tail -n 1 /tmp/err)"
}

vmm=$1
shift
if [ "$vmm" = kvm ]; then
	/kmod/rmmod lodge && /kmod/modprobe $kvm $args || exit 1
fi
for name; do
	run "$vmm" "$name"
done
