#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [SECONDS]: build the fuzzers with the sanitizers and run each that long
# (default: 10), with new seeds. What the seed was is in the output.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

OUT=build/fuzz
FLAGS=(-O1 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter -Wno-sign-compare
       -Iselftests/fuzz/shim
       "-fsanitize=address,undefined" -fno-sanitize-recover)
seconds=${1:-10}

# fuzz NAME ROUNDS SOURCE...
fuzz()
{
	local name=$1 rounds=$2 end=$((SECONDS + seconds)) seed=1
	shift 2

	gcc "${FLAGS[@]}" -o "$OUT/$name" "selftests/fuzz/$name.c" "$@" || return 1
	while ((SECONDS < end)); do
		"$OUT/$name" "$rounds" "$seed" >"$OUT/$name.log" 2>&1 || {
			echo "# $name $rounds $seed"
			sed 's/^/# /' "$OUT/$name.log"
			return 1
		}
		seed=$((RANDOM << 15 | RANDOM))
	done
}

mkdir -p "$OUT"
echo 1..2
failed=0
if fuzz ring_fuzz 50000 virtio/ring.c virtio/packed.c; then
	echo "ok 1 ring_fuzz"
else
	echo "not ok 1 ring_fuzz"
	failed=1
fi
if fuzz insn_fuzz 20000 module/{decode,emulate,execute,simd,translate}.c; then
	echo "ok 2 insn_fuzz"
else
	echo "not ok 2 insn_fuzz"
	failed=1
fi
exit "$failed"
