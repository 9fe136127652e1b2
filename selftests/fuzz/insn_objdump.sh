#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Compare the decoder's lengths with those of objdump, for each FILE's code.
# usage: PROGRAM FUZZER FILE...
fuzz=$1
shift
objdump -d --insn-width=15 "$@" | awk -F'\t' '
	# What objdump calls bad, and prefixes that it shows on their own
	$3 ~ /\(bad\)|^\.byte|^rex|^(data16|addr32|lock|repn?z|[c-gs]s) *$/ {
		next
	}
	NF >= 3 && $1 ~ /^ *[0-9a-f]+:$/ {
		gsub(/ +$/, "", $2)
		print split($2, unused, " "), $2, "#", $3
	}' | "$fuzz" --lengths
