#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [SECONDS]: build the fuzzers with the sanitizers and run each that long
# (default: 10), with new seeds. What the seed was is in the output.
# run.sh rings MILLIONS: that many million rounds of the ring fuzzer, on every CPU, of
# which each should do some 250,000 in a second.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

OUT=build/fuzz
FLAGS=(-O1 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter -Wno-sign-compare
       "-fsanitize=address,undefined" -fno-sanitize-recover)
seconds=${1:-10}

# fuzz NAME ROUNDS SOURCE|FLAG...
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

rings()
{
	local millions=$1 begin=$SECONDS first=$((RANDOM << 15 | RANDOM)) status

	gcc "${FLAGS[@]}" -O2 -o "$OUT/rings" selftests/fuzz/ring_fuzz.c "${RING_FUZZ[@]}" || return 1
	# shellcheck disable=SC2016
	seq "$first" $((first + millions - 1)) | xargs -P "$(nproc)" -I SEED sh -c \
		'"$0" 1000000 SEED >"$0.SEED" 2>&1 && rm "$0.SEED" || { echo "# ring_fuzz 1000000 SEED"; sed "s/^/# /" "$0.SEED"; exit 255; }' \
		"$OUT/rings"
	status=$?
	echo "# $millions million rounds from seed $first on in $((SECONDS - begin)) s"
	return "$status"
}

number=0
failed=0
report()
{
	local status=$?

	number=$((number + 1))
	if ((status)); then
		echo "not ok $number $1"
		failed=1
	else
		echo "ok $number $1"
	fi
}

mkdir -p "$OUT"
# shellcheck source=targets.sh
. selftests/fuzz/targets.sh
if [[ ${1-} == rings ]]; then
	echo 1..1
	rings "$2"
	report rings
	exit "$failed"
fi
echo 1..3
fuzz ring_fuzz 50000 "${RING_FUZZ[@]}"
report ring_fuzz
fuzz insn_fuzz 20000 "${INSN_FUZZ[@]}"
report insn_fuzz
fuzz load_fuzz 20000 "${LOAD_FUZZ[@]}"
report load_fuzz
exit "$failed"
