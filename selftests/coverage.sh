#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.sh: which lines the tests that need no hypervisor execute, by gcov: the
# launcher's unit tests, and the fuzzers of rings and instructions. A line for each
# file, and one for each kind of code.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

OUT=build/coverage
ROUNDS=${LODGE_ROUNDS:-200000}

# From a copy: instrumented objects are nothing to be found by another build.
copy()
{
	rm -rf "$OUT"
	mkdir -p "$OUT/src"
	git ls-files -co --exclude-standard | cpio -pdm --quiet "$OUT/src"
}

# fuzz NAME SOURCE|FLAG...: build a fuzzer with counters and run it.
fuzz()
{
	local name=$1
	shift

	gcc -O0 -g --coverage -std=gnu11 -D_GNU_SOURCE -w -o "$name" "selftests/fuzz/$name.c" \
		"$@" && ./"$name" "$ROUNDS" 1
}

# The fuzzer of loaders counts in its own objects, the unit tests in theirs.
run()
(
	cd "$OUT/src" || return
	# shellcheck source=fuzz/targets.sh
	. selftests/fuzz/targets.sh
	make -s -C userspace check CFLAGS='-O0 -g --coverage' &&
	fuzz ring_fuzz "${RING_FUZZ[@]}" &&
	fuzz insn_fuzz "${INSN_FUZZ[@]}"
)

# gcov's report as EXECUTED LINES FILE.
counts()
{
	local dir

	for dir in userspace .; do
		(cd "$OUT/src/$dir" &&
			find . -path ./userspace -prune -o -name '*.gcda' -exec gcov -n {} + 2>/dev/null) |
			awk -v dir="$dir/" -F"'" '
			/^File/ { file = $2 }
			/^Lines executed/ && file !~ /^\/|tests\/|_fuzz\.c|\.h$/ {
				split($0, part, /[:% ]+/)
				print part[3] * part[5] / 100, part[5],
					(dir == "./" ? "" : dir) file
				file = "/"
			}'
	done
}

copy || exit 1
run >"$OUT.log" 2>&1 || { tail -n 30 "$OUT.log" >&2; exit 1; }
counts | sort -k 3 | awk '
function show(name, got, all)
{
	printf "%-40s %6d of %6d lines %6.1f %%\n", name, got, all, all ? got * 100 / all : 0
}
{
	kind = $3 ~ /^userspace/ ? "userspace" : "the module'\''s pure logic"
	show($3, $1, $2)
	executed[kind] += $1
	lines[kind] += $2
}
END {
	for (kind in lines)
		show(kind, executed[kind], lines[kind])
}'
