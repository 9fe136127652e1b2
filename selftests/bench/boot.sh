#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh [lodge|kvm]: what the boot of the lean kernel to its init takes, each in
# an emulated host of its own: on Lodge, and on KVM with Debian's QEMU.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

OUT=build/bench
FIRMWARE=/usr/share/qemu

# measure VMM
measure()
{
	local vmm=$1 add=() file

	add=(--add "$(selftests/lab/provide test)/vmlinuz:lean"
	     --add selftests/bench/boot-host.sh --add selftests/bench/boot.awk)
	if [[ $vmm == kvm ]]; then
		add+=(--add "$(command -v qemu-system-x86_64):/usr/bin/")
		for file in bios-microvm.bin qboot.rom linuxboot_dma.bin pvh.bin kvmvapic.bin; do
			add+=(--add "$FIRMWARE/$file:$FIRMWARE/")
		done
	fi
	timeout 2400 selftests/lab/lab --cpu amd --kernel test --count --timeout 2300 \
		"${add[@]}" -- sh boot-host.sh "$vmm" >"$OUT/boot-$vmm.out" \
		2>"$OUT/boot-$vmm.log"
}

main()
{
	local vmm status=0

	(($#)) || set -- lodge kvm
	mkdir -p "$OUT"
	for vmm; do
		measure "$vmm" || { status=1; tail -n 20 "$OUT/boot-$vmm.log" >&2; }
	done
	cat "$OUT"/boot-*.out | tr -d '\r\0' |
		awk -v json="$OUT/boot.json" -f selftests/bench/boot-table.awk || status=1
	exit "$status"
}

main "$@"
