#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bare.sh CPU [PROGRAM...]: bare-metal guests in an emulated host, on Lodge and
# then on KVM in another. What Lodge fails is a failure; where KVM does otherwise,
# bare/differences says why, or that is one, too. APICV: values of the module's
# parameter apicv besides its default, for which the local APIC is tested again.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
cpu=${1:-amd}
shift
(($#)) || set -- cpu apic event insn irq real time

# Bochs never leaves a guest that waits with IF=0, and KVM has no way round it:
# there KVM runs what needs one CPU.
case $cpu in
intel)		kvm=() && for name; do
			case $name in cpu|event) kvm+=("$name") ;; esac
		done ;;
amd)		kvm=("$@") ;;
*)		kvm=() ;;
esac

lodge=("$@")
[[ $cpu == intel ]] && for mode in ${APICV-0}; do
	for name; do
		case $name in apic|irq)	lodge+=("${name}_$mode") ;; esac
	done
done

# in_host "VMM PROGRAM..." [LAB'S OPTION]...
in_host()
{
	# shellcheck disable=SC2086
	timeout 700 selftests/lab/lab --cpu "$cpu" --timeout 600 \
		--add selftests/bare/host.sh "${@:2}" -- sh host.sh $1
}

# QEMU executes patched code stale on another CPU, and KVM patches its own: one CPU.
{
	in_host "lodge ${lodge[*]}"
	((${#kvm[@]})) && in_host "kvm ${kvm[*]}" --smp 1 --no-load
} | tr -d '\r\0' | awk -v cpu="$cpu" -v want="${lodge[*]}" -v kvm="${kvm[*]}" \
	-f selftests/bare/compare.awk selftests/bare/differences -
exit "${PIPESTATUS[2]}"
