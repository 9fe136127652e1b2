#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# trace.sh [--update] [-l] CPU: which costly instructions an operation executes, on
# Lodge and, without -l, on KVM; KTAP, against selftests/bench/budgets.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

OUT=build/bench
BUDGETS=selftests/bench/budgets
OPERATIONS=(cpuid hypercall rdmsr wrmsr out_user eoi_x2apic in_pic in_shadow
	    doorbell_pio doorbell_mmio deadline cr8)

# update CPU COUNTS: what was counted becomes the budget, but for CPUID on Intel.
update()
{
	local rest

	rest=$(awk -v cpu="$1" '$1 != cpu || $2 == "cpuid" && cpu == "intel"' "$BUDGETS")
	{
		printf '%s\n' "$rest"
		awk -v cpu="$1" '$2 == "lodge" && $4 !~ /^(instructions|locked|syscall|iret|lfence)$/ &&
			!($3 == "cpuid" && cpu == "intel") { print cpu, $3, $4, $5 }' "$2" | sort
	} >"$BUDGETS"
}

main()
{
	local update=0 alone=() cpu file

	while [[ ${1-} == -* ]]; do
		case $1 in
		--update)	update=1 ;;
		-l)		alone=(-l) ;;
		esac
		shift
	done
	cpu=${1:-intel}
	file=$OUT/trace-$cpu
	mkdir -p "$file"
	timeout 2400 selftests/lab/lab --cpu "$cpu" --kernel test --trace --timeout 2300 \
		--logs "$file" --add selftests/bench/host.sh \
		-- sh host.sh "${alone[@]}" -t "${OPERATIONS[@]}" >"$file/raw" 2>"$file/log" ||
		{ tail -n 20 "$file/log" >&2; exit 1; }
	tr -d '\r\0' <"$file/raw" >"$file/out"
	awk -f selftests/bench/trace.awk "$file/out" "$file/emulator" >"$file/counts" || exit
	((update)) && update "$cpu" "$file/counts"
	awk -v cpu="$cpu" -f selftests/bench/budgets.awk "$BUDGETS" "$file/counts"
}

main "$@"
