#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lint.sh [--ktap]: the style gate. checkpatch, spelling, kernel-doc and the
# limits on every file, sparse and W=1 on the module, cppcheck and clang-tidy (by
# .clang-tidy) on userspace, shellcheck on the scripts. What is found goes to
# stderr; zero findings is the only pass.

# The checks are called by name.
# shellcheck disable=SC2317
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=checks.sh
. selftests/checks.sh

TARBALL=/usr/src/linux-source-6.1.tar.xz
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/lodge/checkpatch
MAX_FUNCTION=90
MAX_MEDIAN=15
MAX_P90=45
MAX_FILE=1000
# Lines of code of module, vmx, svm and ept; of virtio; of all these
MAX_CORE=14900
MAX_VIRTIO=5000
MAX_MODULE=20000

# Types that do not fit: version checks have one home, compat.h; the X-macro of
# module/ops.h is code; asm goto labels are not the modulo operator; a loop
# macro reads its cursor twice; userspace has neither BIT() nor __aligned().
IGNORE=LINUX_VERSION_CODE,CONSTANT_COMPARISON,COMPLEX_MACRO,MACRO_ARG_REUSE
IGNORE+=,MACRO_ARG_PRECEDENCE,TRAILING_SEMICOLON,MULTISTATEMENT_MACRO_USE_DO_WHILE
IGNORE+=,SPACING,VOLATILE

IGNORE_USER=BIT_MACRO,PREFER_DEFINED_ATTRIBUTE_MACRO

sources()
{
	git ls-files '*.c' '*.h' '*.S'
}

scripts()
{
	git grep -lIE '^#!/bin/(ba|)sh'
}

style()
{
	if [[ ! -e $CACHE/checkpatch.pl ]]; then
		mkdir -p "$CACHE" && tar -xJf "$TARBALL" -C "$CACHE" \
			--strip-components=2 linux-source-6.1/scripts/checkpatch.pl \
			linux-source-6.1/scripts/spelling.txt \
			linux-source-6.1/scripts/const_structs.checkpatch || return 1
	fi
	sources | xargs perl "$CACHE/checkpatch.pl" --no-tree --strict --terse \
		--quiet --no-summary --ignore "$IGNORE,$IGNORE_USER" --file >&2
}

# Everything is compiled anew, so that nothing keeps its warnings to itself.
sparse()
{
	local log

	log=$(mktemp) || return 1
	rm -rf build/lint
	make module O=build/lint KDIR="$(selftests/lab/provide kdir-stock)" \
		W=1 C=1 LODGE_KUNIT= >"$log" 2>&1
	local status=$?
	grep -E 'warning|error|ERROR' "$log" >&2 && status=1
	rm -f "$log"
	return "$status"
}

shell()
{
	scripts | xargs shellcheck -x -P SCRIPTDIR >&2
}

# Words that are none to codespell: programs, registers and names of ours.
spelling()
{
	git ls-files ':!COPYING' |
		xargs codespell -L passt,inout,inflight,ist,nd,extint,ect >&2
}

# What is described exists, and is called so. Members that say all by their names
# need no line: "not described" is no finding.
kernel_doc()
{
	! sources | grep '\.[ch]$' | xargs perl "$(kbuild_scripts)/kernel-doc" -none 2>&1 |
		grep -v ' not described in ' >&2
}

kbuild_scripts()
{
	local scripts=(/usr/lib/linux-kbuild-*/scripts)

	echo "${scripts[0]}"
}

# What userspace/ is made of, the tests apart; acpi.c needs a generated header.
user_sources()
{
	git ls-files 'launcher/*.c' 'liblodge/*.c' 'slirp/*.c'
}

user_flags()
{
	make -s -C userspace flags | grep -v '^-M'
}

cpp_check()
{
	local flags

	mapfile -t flags < <(user_flags | grep '^-[DI]')
	(cd userspace && user_sources | xargs cppcheck -q --std=c11 --error-exitcode=1 \
		--enable=warning,performance,portability "${flags[@]}" >&2)
}

tidy()
{
	local flags

	mapfile -t flags < <(user_flags)
	make -s -C userspace build/dsdt.h >/dev/null &&
	(cd userspace && user_sources | xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$@" -- 2>/dev/null' sh \
		"${flags[@]/#/--extra-arg=}" >&2)
}

# Lengths of all functions, longest last: LINES FILE:LINE.
functions()
{
	sources | grep '\.c$' | xargs awk '
	FNR == 1 { open = 0 }
	/^\{/ { open = FNR }
	/^\}/ && open { print FNR - open - 1, FILENAME ":" open; open = 0 }' |
		sort -n
}

lengths()
{
	functions | awk -v max="$MAX_FUNCTION" -v median="$MAX_MEDIAN" -v p90="$MAX_P90" '
	{ lines[NR] = $1 }
	$1 > max { print "function of " $0 " lines" >"/dev/stderr"; bad = 1 }
	END {
		m = lines[int((NR + 1) / 2)]
		p = lines[int(NR * 0.9)]
		printf "# %d functions: median %d lines, p90 %d\n", NR, m, p
		exit bad || m > median || p > p90
	}'
}

files()
{
	sources | xargs wc -l | awk -v max="$MAX_FILE" '
	$2 != "total" && $1 >= max { print $1 " lines: " $2 >"/dev/stderr"; bad = 1 }
	END { exit bad }'
}

# Lines of code in FOLDER...: no tests, no blank lines, no comments.
code_lines()
{
	# shellcheck disable=SC2016
	git ls-files -- "$@" | grep '\.[chS]$' | grep -v '_test\.' | xargs awk '
	FNR == 1 { comment = 0 }
	{
		line = $0
		sub(/\/\/.*/, "", line)
		code = ""
		while (line != "") {
			at = index(line, comment ? "*/" : "/*")
			if (!comment)
				code = code (at ? substr(line, 1, at - 1) : line)
			if (!at)
				break
			comment = !comment
			line = substr(line, at + 2)
		}
		count += code ~ /[^ \t]/
	}
	END { print count }'
}

size()
{
	local core virtio

	core=$(code_lines module vmx svm ept)
	virtio=$(code_lines virtio)
	echo "# core: $core lines of code; virtio: $virtio; the module: $((core + virtio))"
	if ((core > MAX_CORE || virtio > MAX_VIRTIO || core + virtio > MAX_MODULE)); then
		echo "too many lines of code" >&2
		return 1
	fi
}

# Rooms name no vendor, and nothing but compat knows kernel versions.
rooms()
{
	! git grep -nwiE 'vmx|svm|intel|amd' -- module ept virtio \
		':!module/ops.h' ':!module/main.c' ':!*_test.c' |
		grep -vE 'X86_FEATURE|^[^:]*:[0-9]+:.*(/\*| \*)' >&2 &&
	! git grep -nE '^#[[:space:]]*if(n?def)?[[:space:]]' -- module vmx svm ept virtio |
		grep -vE '_H$|module/compat\.[ch]|module/trace\.h' >&2
}

run_checks style sparse shell spelling kernel_doc cpp_check tidy lengths files size rooms
