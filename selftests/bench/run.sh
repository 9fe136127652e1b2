#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What an exit costs, on KVM and on Lodge in the same emulated host, in
# instructions. Tables go to stdout, what was measured to build/bench.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

OUT=build/bench
THRESHOLDS=selftests/bench/thresholds
BARS=selftests/bench/bars
HOSTS=(amd amd-nrips intel)
MODES=(off auto)
OPERATIONS=()
UPDATE=0
GATE=0
# What matters most; one host, without KVM, is enough to see that it got worse.
GATE_OPERATIONS=(cpuid cpuid_ring hypercall rdmsr wrmsr out_user mmio_user eoi_x2apic
		 self_ipi_x2apic in_pic in_shadow out_post doorbell_pio doorbell_mmio
		 deadline touch_4k touch_2m write_protected)

usage()
{
	cat <<END
usage: run.sh [--host CPU] [--mitigations off|auto] [--update] [OPERATION...]
measures the OPERATIONs (default: all) in emulated hosts (default: ${HOSTS[*]}),
booted without and with the kernel's mitigations, and compares with
$THRESHOLDS, which --update writes anew.
       run.sh --gate: some of them, on Lodge alone, as KTAP
END
}

# measure CPU MODE: the lab's output in OUT/CPU-MODE.out
measure()
{
	local file=$OUT/$1-$2 alone=()

	((GATE)) && alone=(-l)
	timeout 2400 selftests/lab/lab --cpu "$1" --kernel test --count --timeout 2300 \
		--append "mitigations=$2" --add selftests/bench/host.sh \
		-- sh host.sh "${alone[@]}" "${OPERATIONS[@]}" >"$file.raw" 2>"$file.log" ||
		{ tail -n 20 "$file.log" >&2; return 1; }
	tr -d '\r\0' <"$file.raw" >"$file.out"
	rm "$file.raw"
}

# update CPU MODE: what was measured becomes the threshold.
update()
{
	local rest

	rest=$(grep -v "^$1 $2 " "$THRESHOLDS")
	{
		printf '%s\n' "$rest"
		awk -v cpu="$1" -v mode="$2" '
			$1 == "lodge" && $2 !~ /^(empty|syscall|thread_wake|timer_wake)$/ {
				if (!($2 in value))
					order[n++] = $2
				value[$2] = $3
			}
			END { for (i = 0; i < n; i++) print cpu, mode, order[i], value[order[i]] }
			' "$OUT/$1-$2.out"
	} >"$THRESHOLDS"
}

parse_options()
{
	while (($#)); do
		case $1 in
		--host)		HOSTS=("$2"); shift ;;
		--mitigations)	MODES=("$2"); shift ;;
		--update)	UPDATE=1 ;;
		--gate)		GATE=1 ;;
		-h|--help)	usage; exit 0 ;;
		-*)		usage >&2; exit 2 ;;
		*)		OPERATIONS+=("$1") ;;
		esac
		shift
	done
}

# report CPU MODE: the table, and the same as JSON
report()
{
	local file=$OUT/$1-$2

	awk -v cpu="$1" -v mode="$2" -v json="$file.json" -v some="${#OPERATIONS[@]}" \
		-f selftests/bench/table.awk "$THRESHOLDS" "$BARS" "$file.out"
}

gate()
{
	OPERATIONS=("${GATE_OPERATIONS[@]}")
	measure amd-nrips auto &&
	awk -v cpu=amd-nrips -v mode=auto -f selftests/bench/gate.awk "$THRESHOLDS" \
		"$OUT/amd-nrips-auto.out" "${OPERATIONS[@]}"
}

# A function, so that the shell has read it all when it begins.
main()
{
	local cpu mode status=0

	parse_options "$@"
	mkdir -p "$OUT"
	((GATE)) && { gate; exit; }
	for cpu in "${HOSTS[@]}"; do
		for mode in "${MODES[@]}"; do
			measure "$cpu" "$mode" || { status=1; continue; }
			((UPDATE)) && update "$cpu" "$mode"
			report "$cpu" "$mode" || status=1
			echo
		done
	done
	exit "$status"
}

main "$@"
