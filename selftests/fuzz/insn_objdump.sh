#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Compare the decoder's lengths with objdump's: insn_objdump.sh INSN_FUZZ FILE...
fuzz=$1
shift
objdump -d --insn-width=15 "$@" | awk -F'\t' '
	NF >= 3 && $1 ~ /^ *[0-9a-f]+:$/ && $3 !~ /\(bad\)|^\.byte|^data16$|^rex|^(lock|repz|repnz|cs|ds|es|ss|fs|gs|addr32) *$/ {
		gsub(/ +$/, "", $2)
		print split($2, unused, " "), $2, "#", $3
	}' | "$fuzz" --lengths
