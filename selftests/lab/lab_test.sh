#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The lab's own verdicts, as KTAP: `lab_test.sh [all]'. Only `all' boots Bochs.

set -u

dir=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cases=0
failed=0

report()
{
	local result=$1
	shift

	cases=$((cases + 1))
	if [[ $result -eq 0 ]]; then
		echo "ok $cases $*"
		return
	fi
	failed=$((failed + 1))
	sed 's/^/# /' "$tmp/err"
	echo "not ok $cases $*"
}

# lab STATUS END STDOUT ARG...: run the lab on the test kernel and compare; the
# STDOUT is a glob pattern.
# shellcheck disable=SC2053
lab()
{
	local status=$1 end=$2 out=$3 got
	shift 3

	"$dir/lab" --kernel test --no-load "$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	[[ $got -eq $status ]] &&
	[[ $(tail -n 1 "$tmp/err") == "lab: end: $end" ]] &&
	[[ $(cat "$tmp/out") == $out ]]
}

# splats N EXPECT TEXT: how many the log has.
splats()
{
	: >"$tmp/err"
	[[ $(printf '%b\n' "$3" |
		EXPECT=$2 awk -f "$dir/splat.awk" | wc -l) -eq $1 ]]
}

test_splats()
{
	local trace="[    1.0] Call Trace:\n[    1.0]  foo+0x1/0x2"
	local warn="[    1.0] WARNING: CPU: 0 PID: 1 at a.c:1 foo+0x1/0x2"

	splats 0 '' "[    0.1] Spectre V2 : WARNING: see the web page"
	report $? "splat: a warning in prose is none"
	splats 1 '' "$warn\n$trace"
	report $? "splat: WARN and its trace count once"
	splats 0 'a\.c:1 foo' "$warn\n$trace"
	report $? "splat: an expected one is forgiven"
	splats 1 'a.c:1 foo' "$warn\n$trace\n[ 2.0] BUG: bad page state"
	report $? "splat: another after it is not"
	splats 1 '' "$trace"
	report $? "splat: a bare trace"
	splats 0 '' "[    1.0] sh invoked oom-killer: x\n$trace"
	report $? "splat: the OOM killer's trace is none"
	splats 0 '' "[    1.0] x: vmalloc error: size 8192, failed\n$trace"
	report $? "splat: a failed allocation's trace is none"
	splats 1 '' "[    1.0] rcu: INFO: rcu_preempt self-detected stall on CPU"
	report $? "splat: RCU stall"
	splats 1 '' "[    1.0] watchdog: BUG: soft lockup - CPU#0 stuck"
	report $? "splat: soft lockup"
	splats 1 '' "[    1.0] INFO: task foo:12 blocked for more than 120 s"
	report $? "splat: hung task"
	splats 0 '' "[    1.0] traps: foo[9] general protection fault ip:1"
	report $? "splat: a user program's fault is none"
}

test_usage()
{
	lab 125 failure '' --cpu z80 -- true
	report $? "unknown CPU"
	lab 125 failure '' --smp 0 -- true
	report $? "no CPU at all"
	lab 125 failure ''
	report $? "no command"
	lab 125 failure '' --add "$tmp/missing" -- true
	report $? "--add of a missing file"
	lab 125 failure '' --disk 1M --cpu intel -- true
	report $? "--disk on Bochs"
}

# shellcheck disable=SC2016
test_runs()
{
	local provoke=/sys/kernel/debug/provoke-crash/DIRECT

	lab 7 'command 7' "it's  *out*" -- \
		sh -c 'echo "$1"; echo err >&2; exit 7' sh "it's  *out*"
	report $? "status, quoting, stdout"
	grep -qx err "$tmp/err"
	report $? "stderr apart"
	lab 124 timeout 'begun' --timeout 20 -- sh -c 'echo begun; sleep 1000'
	report $? "time-out"
	lab 125 failure '*' -- sh -c 'echo c >/proc/sysrq-trigger'
	report $? "panic"
	lab 125 failure '*' -- \
		sh -c "modprobe lkdtm; echo WARNING >$provoke"
	report $? "WARN"
	lab 0 'command 0' '' --expect-splat 'drivers/misc/lkdtm' -- \
		sh -c "modprobe lkdtm; echo WARNING >$provoke"
	report $? "expected WARN"
	echo hello >"$tmp/file"
	lab 0 'command 0' 'hello' --add "$tmp/file:sub/" -- cat sub/file
	report $? "--add"
	lab 0 'command 0' 'vda*node1*2' --disk 8M --nodes 2 -- sh -c \
		'cd /sys/block && echo vd*; cd /sys/bus/node/devices && echo *;
		 nproc'
	report $? "--disk, --nodes"
	lab 0 'command 0' '*kvm*' -- sh -c 'modprobe kvm_amd; ls /dev/kvm'
	report $? "amd: KVM loads"
	lab 1 'command 1' '' --cpu none -- grep -w -o -m1 svm /proc/cpuinfo
	report $? "none: no SVM"
	lab 0 'command 0' '2 3' -- sh -c 'echo $(nproc) $(nproc --all)'
	report $? "amd: a first CPU for the kernel alone"
	lab 0 'command 0' '1' --count -- nproc
	report $? "--count"
}

test_bochs()
{
	lab 3 'command 3' '*vmx*' --cpu intel -- \
		sh -c 'grep -w -o -m1 vmx /proc/cpuinfo; exit 3'
	report $? "intel: VMX"
	lab 0 'command 0' '*nrip_save*' --cpu amd-nrips -- \
		grep -w -o -m1 nrip_save /proc/cpuinfo
	report $? "amd-nrips: NRIPS"
	lab 1 'command 1' '*svm*' --cpu no-npt -- sh -c \
		'grep -w -o -m1 svm /proc/cpuinfo; grep -w -m1 npt /proc/cpuinfo'
	report $? "no-npt: SVM without NPT"
	lab 125 failure '*' --cpu intel -- sh -c 'echo c >/proc/sysrq-trigger'
	report $? "intel: panic"
}

echo "KTAP version 1"
test_splats
test_usage
test_runs
[[ ${1-} == all ]] && test_bochs
echo "1..$cases"
echo "# $failed of $cases failed"
((failed == 0))
