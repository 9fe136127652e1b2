#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# virtio.sh [--gate]: what disk and network cost a Linux guest, beside KVM with QEMU and
# vhost-net in the same emulated host. --gate: on Lodge alone, as KTAP.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

OUT=build/bench
FIRMWARE=(seabios/bios-256k.bin qemu/kvmvapic.bin qemu/linuxboot_dma.bin)

# measure [-l]. QEMU delivers an interrupt that VMRUN has injected once more when its time
# slice ends before the guest's next exit, even with IF=0 (helper_vmrun() leaves its vector
# in exception_index), which may find a guest with a lock of its own: then from the start.
measure()
{
	local add=() file try

	if (($# == 0)); then
		add=(--add "$(command -v qemu-system-x86_64):/usr/bin/")
		for file in "${FIRMWARE[@]}"; do
			add+=(--add "/usr/share/$file:/usr/share/qemu/")
		done
	fi
	for try in 1 2 3 4 5; do
		timeout 400 selftests/lab/lab --cpu amd --kernel test --count --timeout 300 \
			"${add[@]}" --add "$(selftests/lab/provide test)/vmlinuz:lean" \
			--add "$(selftests/lab/provide guest-initrd):initrd" \
			--add selftests/bench/virtio-host.sh -- sh virtio-host.sh "$@" \
			>"$OUT/virtio.raw" 2>"$OUT/virtio.log" && break
		echo "try $try: $(tail -n 1 "$OUT/virtio.log")" >&2
		((try < 5)) || { tail -n 30 "$OUT/virtio.log" >&2; return 1; }
	done
	tr -d '\r\0' <"$OUT/virtio.raw" >"$OUT/virtio.out"
}

gate()
{
	measure -l || return
	awk -v cpu=amd-virtio -v mode=auto -f selftests/bench/gate.awk selftests/bench/thresholds \
		"$OUT/virtio.out" disk_read udp_round_trip doorbell_back || return
	awk '
		$1 == "steady" { chains = $2; user = $3 }
		END {
			bad = !chains || user
			printf "1..1\n%sok 1 steady: %d chains, %d exits to userspace\n",
				bad ? "not " : "", chains, user
			exit bad
		}' "$OUT/virtio.out"
}

main()
{
	mkdir -p "$OUT"
	[[ ${1-} == --gate ]] && { gate; exit; }
	measure && awk -v json="$OUT/virtio.json" -f selftests/bench/virtio-table.awk \
		selftests/bench/thresholds selftests/bench/bars "$OUT/virtio.out"
}

main "$@"
