#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guests.sh CPU [CASE...]: whole Linux guests in one emulated host; the cases are
# the functions of guests/host-suite.sh. LODGE_KERNEL: another kernel for the host.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
cpu=${1:-amd}
shift
provide=selftests/lab/provide
test_dir=$($provide test) || exit 1
cloud_dir=$($provide cloud) || exit 1
initrd=$($provide guest-initrd) || exit 1

# What a host does is chosen by what it costs there. QEMU switches tasks by itself,
# ignoring a TSS's T bit and refusing conforming code of a lower DPL, and on amd-nrips
# Bochs panics there: the task guest runs on Intel.
case $cpu in
amd)
	cases=(cloud_boot tables smp_lean smp_cloud clocks_short topology memory memory_kinds typed
	       clock rtc_alarm
	       lean_boot pvh no_reboot reset smp_reset power_button terminated
	       panic panic_wins panic_ignored time_out stalled triple_fault exit_dev multiboot
	       firmware usage
	       disk_pci disk_packed disk_mmio disk_readonly disk_direct disk_reset
	       power_cut console_pty console_ports net_pci net_mmio net_queues net_link devices
	       hostile_driver
	       observe_stat observe_trace observe_ftrace observe_timeline sandbox
	       hotplug two_killed busy_module kvm_idle kvm_holds kvm_comes_later
	       load_cycles)
	;;
intel)
	cases=(lean_boot smp_lean clocks_short memory typed clock pvh no_reboot reset smp_reset
	       terminated panic time_out triple_fault exit_dev multiboot task
	       firmware disk_pci hostile_driver two_killed busy_module kvm_idle
	       kvm_holds kvm_comes_later load_cycles cloud_boot)
	;;
*)
	cases=(lean_boot typed clock no_reboot triple_fault load_cycles)
	;;
esac
(($#)) && cases=("$@")

# What others made is fetched when it is asked for.
adds=() scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
for name in "${cases[@]}"; do
	case $name in
	installer)	dir=$($provide installer) || exit 1
			adds+=(--add "$dir/linux:installer-linux"
			       --add "$dir/initrd.gz:installer-initrd") ;;
	power_button)	for dir in "$cloud_dir"/modules/lib/modules/*/kernel/drivers; do
				adds+=(--add "$dir/acpi/button.ko"
				       --add "$dir/input/evdev.ko")
			done ;;
	memory_1g)	adds+=(--mem 3072 --append "hugepagesz=1G hugepages=1") ;;
	overcommit)	adds+=(--mem 512 --disk 2G) ;;
	disk_qcow2|devices|hostile_driver)
			adds+=(--add /usr/bin/qemu-nbd:/usr/bin/qemu-nbd
			       --add /usr/bin/qemu-img:/usr/bin/qemu-img) ;;&
	share_*|devices|hostile_driver)
			adds+=(--add /usr/sbin/diod:/usr/sbin/diod) ;;
	debian_root)	dir=$($provide debian-root) || exit 1
			cp --sparse=always "$dir/root.img" "$scratch/" || exit 1
			adds+=(--disk "$scratch/root.img" --add "$dir/vmlinuz:debian-linux"
			       --add "$dir/initrd:debian-initrd") ;;
	memtest)	adds+=(--add "$($provide memtest):memtest") ;;
	stock_smp)	adds+=(--add "$($provide stock)/vmlinuz:stock") ;;
	esac
done

# The lab ends first, and says what the host said last.
limit=${LODGE_SECONDS:-1500}
timeout $((limit + 60)) selftests/lab/lab --cpu "$cpu" \
	${LODGE_KERNEL:+--kernel "$LODGE_KERNEL"} \
	--timeout "$limit" "${adds[@]}" \
	--add "$cloud_dir/vmlinuz:cloud" --add "$test_dir/vmlinuz:lean" \
	--add "$test_dir/vmlinux:vmlinux" --add "$initrd:initrd" \
	--add selftests/guests/host-suite.sh -- \
	env NET_MIB="${NET_MIB:-8}" VSOCK_MIB="${VSOCK_MIB:-4}" KILLS="${KILLS:-3}" \
	STRIDE="${STRIDE:-5}" PINGS="${PINGS:-100}" LINK_MIB="${LINK_MIB:-4}" \
	LINK_AGAIN="${LINK_AGAIN-}" \
	sh host-suite.sh "${cases[@]}"
