#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Runs inside an emulated host: host.sh [OPERATION...] measures Lodge, then KVM.

case $LAB_CPU in
intel)	kvm=kvm_intel args="enable_apicv=0" ;;
*)	kvm=kvm_amd args="" ;;
esac

/selftests/bench_lodge "$@" || exit 1
/kmod/rmmod lodge || exit 1
# shellcheck disable=SC2086
/kmod/modprobe $kvm $args || exit 1
echo 0 >/sys/module/kvm/parameters/halt_poll_ns
/selftests/bench_kvm "$@"
