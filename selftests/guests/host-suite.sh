#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2317,SC2086,SC2015,SC2016
#
# Runs inside an emulated host, in /work, which has the kernels cloud, lean and
# vmlinux and the guests' initrd: host-suite.sh CASE... prints KTAP.

out=/tmp/out			# what the guest said
err=/tmp/err			# what the launcher said
console="console=ttyS0 panic=-1"

case $LAB_CPU in
intel)	kvm=kvm_intel kvm_args="enable_apicv=0" slow=1 ;;
amd)	kvm=kvm_amd kvm_args="" slow=0 ;;
*)	kvm=kvm_amd kvm_args="" slow=1 ;;
esac

# guest COMMAND [OPTION...]: a guest that runs COMMAND and powers off; $kernel is
# lean unless a case chooses another.
kernel=lean
guest()
{
	command=$1
	shift
	lodge run -k $kernel -i initrd -m 256M "$@" \
		-p "$console quiet lodge.cmd=\"$command\"" \
		>$out 2>$err </dev/null
}

# expect STATUS END: how the last guest ended.
expect()
{
	got=$?
	last=$(tail -n 1 $err)
	[ $got -eq "$1" ] && [ "$last" = "lodge: end: $2" ] && return
	echo "# status $got, wanted $1; last line: $last; wanted: $2"
	return 1
}

said()
{
	tr -d '\r' <$out | grep -q -- "$1" && return
	echo "# the guest did not say: $1"
	return 1
}

# wait_for SECONDS PATTERN FILE
wait_for()
{
	tries=$(($1 * 5))
	until tr -d '\r' <"$3" 2>/dev/null | grep -q -- "$2"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# not seen in $1 s: $2"; return 1; }
		sleep 0.2
	done
}

users()
{
	cat /sys/module/lodge/refcnt
}

# The module may take a moment to be free after a process was reaped.
unused()
{
	tries=50
	while [ "$(users)" != 0 ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# $(users) users are left"; return 1; }
		sleep 0.1
	done
}

# A program of that name ends within ten seconds.
gone()
{
	tries=50
	while pidof "$1" >/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# $1 is left"; return 1; }
		sleep 0.2
	done
}

#
# Boots
#

cloud_boot()
{
	lodge run -k cloud -i initrd -m 256M \
		-p "$console quiet lodge.cmd=\"grep MemTotal /proc/meminfo; date\"" \
		>$out 2>$err </dev/null
	expect 0 poweroff && said '^Linux .*cloud' && said 'model name' &&
		said 'lodge.cmd: status 0' && said ' UTC 20'
}

# smp KERNEL CPUS: as many workers as CPUs share the load; each CPU's timer runs.
smp()
{
	kernel=$1
	guest "nproc; for i in \$(seq $2); do (n=0; while [ \$n -lt 20000 ]; do n=\$((n + 1)); done; echo worker \$i) & done; wait; grep LOC /proc/interrupts; dmesg | grep -E ' stall|lockup|warped| BUG: |WARNING: CPU' | grep -v lodge.cmd" \
		-c "$2" --timeout $((60 + $2 * 10))
	expect 0 poweroff && said "^$2\$" || return
	[ "$(tr -d '\r' <$out | grep -c '^worker ')" -eq "$2" ] ||
		{ echo "# not every worker came back"; return 1; }
	tr -d '\r' <$out | awk -v cpus="$2" '
		$1 == "LOC:" { for (i = 2; i <= cpus + 1; i++) ran += $i > 0 }
		/ stall|lockup|warped| BUG: |WARNING: CPU/ { print "# " $0; bad = 1 }
		END { exit bad || ran != cpus }'
}

smp_lean()
{
	smp lean 4
}

# The CPU delivers the interrupts.
smp_apicv()
{
	unused && /kmod/rmmod lodge && /kmod/insmod /lodge.ko apicv=2 || return
	smp lean 2
	status=$?
	unused && /kmod/rmmod lodge && /kmod/insmod /lodge.ko && return $status
}

smp_cloud()
{
	smp cloud 4
}

# clocks KERNEL SECONDS: on four CPUs that compute, switch and wait, no clock goes back.
clocks()
{
	{ cat initrd; (cd /selftests && echo guest_load | cpio -o -H newc 2>/dev/null); } >/tmp/load
	lodge run -k "$1" -i /tmp/load -m 256M -c 4 --timeout $((60 + $2 * 30)) \
		-p "$console quiet lodge.cmd=\"/guest_load $2\"" >$out 2>$err </dev/null
	expect 0 poweroff || return
	tr -d '\r' <$out | grep '^load: ' | sed 's/^/# /'
	said '^load: 4 CPUs' && said 'lodge.cmd: status 0'
}

clocks_short()
{
	clocks lean 2
}

clocks_long()
{
	clocks cloud 20
}

# More than the host has, by far.
smp_64()
{
	smp cloud 64
}

lean_boot()
{
	guest "cat /proc/interrupts"
	expect 0 poweroff && said '^Linux .*lodge-test' && said 'model name' &&
		said 'lodge.cmd: status 0'
}

pvh()
{
	lodge run -i initrd -m 256M -p "$console quiet lodge.cmd=true" vmlinux \
		>$out 2>$err </dev/null
	expect 0 poweroff && said 'lodge.cmd: status 0'
}

# Four CPUs, the PCI bus, and what they are told about each other.
topology()
{
	pin=0
	[ ! -e /sys/devices/system/cpu/cpu1 ] || pin=1
	lodge run -k cloud -i initrd -m 512M -c 4,pin=$pin --timeout 120 \
		-p "$console quiet lodge.cmd=\"nproc; cat /sys/bus/pci/devices/*/class; grep cores /proc/cpuinfo\"" \
		>$out 2>$err </dev/null
	expect 0 poweroff && said '^4$' && said '^0x060000' &&
		[ "$(grep -c 'cpu cores.*: 4' $out)" = 4 ]
}

memory()
{
	guest "grep MemTotal /proc/meminfo"
	expect 0 poweroff || return
	kib=$(tr -d '\r' <$out | sed -n 's/MemTotal: *\([0-9]*\) kB/\1/p')
	[ "${kib:-0}" -gt 200000 ] && [ "$kib" -le 262144 ] ||
		{ echo "# 256 MiB show as $kib KiB"; return 1; }
	guest "grep MemTotal /proc/meminfo" -m 512M || return
	kib=$(tr -d '\r' <$out | sed -n 's/MemTotal: *\([0-9]*\) kB/\1/p')
	[ "${kib:-0}" -gt 450000 ] && [ "$kib" -le 524288 ] ||
		{ echo "# 512 MiB show as $kib KiB"; return 1; }
}

# Wherever it comes from, it is the same to the guest.
memory_kinds()
{
	echo 40 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	for kind in huge=2M huge=2M,shared shared,prefault file=/tmp/ram thp=off,prefault,node=0 \
		merge,thp=on,bind=0; do
		lodge run -k $kernel -i initrd -m 64M,$kind -p "$console quiet lodge.cmd=true" \
			>$out 2>$err </dev/null
		expect 0 poweroff && said 'lodge.cmd: status 0' ||
			{ echo "# -m 64M,$kind"; cat $err; return 1; }
	done
	[ "$(wc -c </tmp/ram)" -eq 67108864 ] || { echo "# the file has another size"; return 1; }
	rm /tmp/ram
	echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	guest true -m 64M,huge=2M
	expect 125 error && grep -q '^hint: .*nr_hugepages' $err || return
	guest true -m 64M,bind=7
	expect 125 error && grep -q 'no such NUMA node' $err || return
	guest true -m 64M,merge,shared
	expect 125 error
}

# A page of 1 GiB, which the host has kept since it booted
memory_1g()
{
	pages=/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages
	[ "$(cat $pages)" = 1 ] || return 4
	rm -f $out
	guest "dd if=/dev/zero of=/tmp/x bs=1M count=400; grep MemTotal /proc/meminfo; sleep 5" \
		-m 1G,huge=1G --name one &
	pid=$!
	wait_for 60 '^MemTotal' $out && [ "$(cat $pages)" = 0 ] && lodge info --mem one >/tmp/info
	taken=$?
	sed 's/^/# /' /tmp/info
	wait $pid
	expect 0 poweroff && [ $taken = 0 ]
}

# ksm FILE VALUE
ksm()
{
	echo "$2" >/sys/kernel/mm/ksm/"$1"
}

# Two idle guests of one kernel have most of what is equal once; then one of them
# writes to pages that the other has, too.
merge()
{
	[ -e /sys/kernel/mm/ksm ] || return 4
	ksm sleep_millisecs 0 && ksm pages_to_scan 4000 && ksm run 1
	for n in 1 2; do
		mkfifo /tmp/in.$n
		lodge run -k lean -i initrd -m 64M,merge --name merge$n -p "$console quiet \
			lodge.cmd=\"seq 600000 >/tmp/f; echo ready; read t; [ \$t = 1 ] || seq 600000 | tr 1 \$t | dd of=/tmp/f conv=notrunc bs=4k; echo written; read x; seq 600000 | tr 1 \$t | cmp - /tmp/f && echo whole\"" \
			</tmp/in.$n >/tmp/out.$n 2>/tmp/err.$n &
		eval "pid$n=\$!"
	done
	exec 7>/tmp/in.1 8>/tmp/in.2
	merge_and_write
	result=$?
	exec 7>&- 8>&-
	ksm run 2
	# shellcheck disable=SC2154
	[ $result -eq 0 ] || kill -9 $pid1 $pid2
	for n in 1 2; do
		eval "wait \$pid$n"
		err=/tmp/err.$n
		expect 0 poweroff || result=1
	done
	rm -f /tmp/in.1 /tmp/in.2
	return $result
}

merge_and_write()
{
	for n in 1 2; do
		wait_for 100 '^ready' /tmp/out.$n || return
	done
	begin=$(cut -d. -f1 /proc/uptime)
	tries=120
	until [ "$(cat /sys/kernel/mm/ksm/pages_sharing)" -gt 1000 ] &&
	      same=$(same $pid1 $pid2) && shared=$(cat /sys/kernel/mm/ksm/pages_sharing) &&
	      [ $((shared * 100)) -gt $((same * 60)) ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# $shared of $same pages are merged"; return 1; }
		sleep 1
	done
	echo "# $shared of $same equal pages merged after $(($(cut -d. -f1 /proc/uptime) - begin)) s"
	lodge info --mem merge2 | sed 's/^/# /'
	[ "$(number merged "$(lodge info --mem --json merge2)")" -gt 4194304 ] || return
	echo 2 >&7
	echo 1 >&8
	for n in 1 2; do
		wait_for 100 '^written' /tmp/out.$n || return
	done
	echo >&7
	echo >&8
	for n in 1 2; do
		wait_for 100 '^whole' /tmp/out.$n || { tail -n 5 /tmp/out.$n; return 1; }
	done
}

swapped()
{
	awk '/^pswp/ { printf "%s %s  ", $1, $2 }' /proc/vmstat
}

# Three guests of twice the host's memory fill theirs; the host has a disk to swap to.
overcommit()
{
	{ mkswap /dev/vda && swapon /dev/vda; } >/dev/null || return 4
	each=$(awk '/^MemTotal:/ { print int(($2 / 1024 + 64) * 2 / 3) + 1 }' /proc/meminfo)
	{ cat initrd; (cd /selftests && echo guest_fill | cpio -o -H newc 2>/dev/null); } >/tmp/fill
	for n in 1 2 3; do
		lodge run -k lean -i /tmp/fill -m ${each}M --name fill$n --timeout 1500 \
			-p "$console quiet lodge.cmd=\"/guest_fill $((each - 60)) 2\"" \
			>/tmp/out.$n 2>/tmp/err.$n </dev/null &
		eval "pid$n=\$!"
	done
	(sleep 60; lodge info --mem fill1) >/tmp/info 2>&1 &
	result=0
	for n in 1 2 3; do
		eval "wait \$pid$n"
		out=/tmp/out.$n
		err=/tmp/err.$n
		expect 0 poweroff && said "^fill: $((each - 60)) MiB, 2 rounds, 0 words wrong" ||
			result=1
	done
	echo "# 3 guests of $each MiB; $(grep MemTotal /proc/meminfo); $(swapped)"
	sed 's/^/# /' /tmp/info
	grep -q '^oom_kill 0$' /proc/vmstat || { echo "# out of memory"; return 1; }
	swapoff /dev/vda && return $result
}

# Commands typed on the console are answered.
typed()
{
	rm -f /tmp/in
	mkfifo /tmp/in
	lodge run -k lean -i initrd -m 256M -p "$console quiet" \
		</tmp/in >$out 2>$err &
	pid=$!
	exec 7>/tmp/in
	wait_for 60 "This is a guest" $out
	sleep 1
	echo 'echo six times seven: $((6 * 7))' >&7
	wait_for 20 "six times seven: 42" $out
	echo 'poweroff -f' >&7
	exec 7>&-
	(sleep 60; kill -9 $pid) 2>/dev/null &
	watchdog=$!
	wait $pid
	expect 0 poweroff
	result=$?
	kill $watchdog 2>/dev/null
	return $result
}

# A second of the guest's is a second, by its clock and by ours.
clock()
{
	guest "cat /proc/uptime; sleep 1; cat /proc/uptime; cat /sys/devices/system/clocksource/clocksource0/current_clocksource"
	expect 0 poweroff || return
	tr -d '\r' <$out | awk '
		/^[0-9.]+ [0-9.]+$/ { time[n++] = $1 }
		END {
			took = time[1] - time[0]
			print "# sleep 1 took " took " s"
			exit !(n == 2 && took > 0.98 && took < 1.5)
		}'
}

# The clock's alarm interrupts by itself, or, with the HPET on its line, as an
# ACPI event.
rtc_alarm()
{
	for how in "" hpet=disable; do
		lodge run -k cloud -i initrd -m 256M -p "$console quiet $how \
			lodge.cmd=\"echo +2 >/sys/class/rtc/rtc0/wakealarm; sleep 5; grep -e rtc0 -e acpi /proc/interrupts\"" \
			>$out 2>$err </dev/null
		expect 0 poweroff && said ' [89]: *[1-9]' || return
	done
}

#
# Ends
#

no_reboot()
{
	guest "reboot -f" --no-reboot
	expect 0 reset
}

# Reset restarts the guest in place.
reset()
{
	three_boots
}

smp_reset()
{
	three_boots -c 3
}

three_boots()
{
	guest "reboot -f" "$@" &
	pid=$!
	tries=300
	until [ "$(grep -c '^Linux' $out)" -ge 3 ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || break
		sleep 0.2
	done
	kill -9 $pid
	killall -9 lodge
	wait $pid 2>/dev/null
	[ $tries -gt 0 ] || { echo "# three boots were not seen"; return 1; }
}

# SIGTERM is the power button; this guest obeys it.
power_button()
{
	printf '%s\n' button.ko evdev.ko | cpio -o -H newc >modules 2>/dev/null
	lodge run -k cloud -i initrd -i modules -m 256M -c 2 -p "$console quiet \
		lodge.cmd=\"insmod /button.ko; insmod /evdev.ko; echo ready; head -c 24 /dev/input/event0 >/dev/null; echo pressed\"" \
		>$out 2>$err </dev/null &
	pid=$!
	wait_for 60 '^ready' $out && sleep 1 && kill -TERM $pid
	wait $pid
	expect 0 poweroff && said '^pressed'
}

# Nobody listens here, so the guest ends at once.
terminated()
{
	guest "echo running; sleep 1000" -c 2 &
	wait_for 100 '^running' $out || return
	killall -TERM lodge
	wait $!
	expect 126 killed
}

panic()
{
	guest "echo c >/proc/sysrq-trigger"
	expect 255 panic
}

# panic=-1 resets at once; the panic is what counts.
panic_wins()
{
	guest "echo c >/proc/sysrq-trigger" --no-reboot
	expect 255 panic
}

panic_ignored()
{
	guest "echo c >/proc/sysrq-trigger" --no-reboot --panic ignore
	expect 0 reset
}

time_out()
{
	lodge run -k lean -i initrd -m 256M --timeout 3 -p "$console quiet" \
		>$out 2>$err </dev/null
	expect 124 timeout
}

# A reader that does not read cannot keep the guest from ending.
stalled()
{
	mkfifo /tmp/stalled
	# shellcheck disable=SC2217
	sleep 1000 </tmp/stalled &
	sleeper=$!
	lodge run -k lean -i initrd -m 256M --timeout 15 \
		-p "$console quiet lodge.cmd=\"while :; do dmesg; done\"" \
		2>$err >/tmp/stalled </dev/null
	expect 124 timeout
	result=$?
	kill $sleeper
	return $result
}

triple_fault()
{
	lodge run -k lean -i initrd -m 256M \
		-p "$console quiet reboot=t lodge.cmd=\"reboot -f\"" \
		>$out 2>$err </dev/null
	expect 126 triple-fault
}

# Neither Linux has /dev/port: a guest of our own writes to the port.
exit_dev()
{
	lodge run --exit-dev 0xf4 /selftests/guest_exit_dev \
		>$out 2>$err </dev/null
	expect 7 "exit-dev 3"
}

# Linux has nothing to say against the tables that it finds.
tables()
{
	lodge run -k cloud -i initrd -m 256M \
		-p "$console lodge.cmd=\"ls /sys/firmware/acpi/tables; ls /sys/firmware/dmi/entries\"" \
		>$out 2>$err </dev/null
	expect 0 poweroff &&
		said 'APIC .*DSDT .*FACP .*FACS .*HPET .*MCFG' && said '127-0' &&
		said 'MMCONFIG at .* reserved' && said 'root bus resource .mem 0xc0000000' &&
		said 'x86/PAT: Configuration' || return
	tr -d '\r' <$out | grep -iE 'ACPI.*(error|warning|exception)|\[firmware bug|skipping PAT|hpet.*disabl' |
		sed 's/^/# /' | grep . && return 1
	return 0
}

# A Multiboot kernel of our own looks at all that it was promised.
multiboot()
{
	printf 'module: text' >/tmp/module
	lodge run --exit-dev 0xf4 --test-dev --timeout 60 -m 64M -c 2 -k /selftests/guest_multiboot \
		-i "/tmp/module one two" -i /tmp/module -p "2 words" \
		>$out 2>$err </dev/null
	expect 1 "exit-dev 0" && said '^ok 17 ' && said '^ok 18 '
}

# Hardware task switches of every kind. QEMU's TCG does them itself, and not all.
task()
{
	lodge run --exit-dev 0xf4 --timeout 60 -m 64M -k /selftests/guest_task \
		>$out 2>$err </dev/null
	expect 1 "exit-dev 0" && said '^ok 21 ' || { tr -d '\r' <$out | grep -v '^ok'; return 1; }
}

# An image of our own runs from the reset vector.
firmware()
{
	lodge run --exit-dev 0xf4 --timeout 60 -m 16M --firmware /selftests/guest_firmware \
		>$out 2>$err </dev/null
	expect 1 "exit-dev 0" && said '^firmware: started'
}

usage()
{
	lodge run -k /nonexistent >$out 2>$err </dev/null
	expect 125 error || return
	grep -q '^hint: ' $err || { echo "# no hint"; return 1; }
	lodge run --no-such-option >$out 2>$err </dev/null
	[ $? -eq 125 ] || return
	lodge run --help | grep -q -- --exit-dev || return
	lodge check >$out 2>&1 || { sed 's/^/# /' $out; return 1; }
}

#
# Guests that others made
#

# until_said SECONDS PATTERN OPTION...: a guest that is left as soon as it said it.
until_said()
{
	seconds=$1
	pattern=$2
	shift 2
	lodge run --timeout "$seconds" "$@" >$out 2>$err </dev/null &
	pid=$!
	wait_for "$seconds" "$pattern" $out
	result=$?
	kill -9 $pid
	wait $pid 2>/dev/null
	return $result
}

# With less than 737 MiB it asks nothing about languages, unless told to.
installer()
{
	until_said 900 "Select a language" -k installer-linux -i installer-initrd -m 512M \
		-p "console=ttyS0 TERM=vt102 lowmem=+0"
}

# A pass over little memory; what it says is drawn, character by character.
memtest()
{
	until_said 900 "Pass: *[1-9]" -k memtest -m 64M -p "console=ttyS0,115200" || return
	! grep -q "Errors: *[1-9]" $out
}

# A Debian 12 on a disk, with its own initrd and systemd, to its login prompt; then
# root looks around and switches off.
debian_root()
{
	rm -f /tmp/in
	mkfifo /tmp/in
	lodge run -k debian-linux -i debian-initrd -m 768M -c 2 --timeout 1500 -d /dev/vda,root \
		-n user --rng -p "$console" </tmp/in >$out 2>$err &
	pid=$!
	exec 7>/tmp/in
	wait_for 1400 'debian login:' $out && echo "# login prompt: $(cut -d. -f1 /proc/uptime) s" &&
		echo root >&7 && wait_for 300 'root@debian:' $out &&
		echo 'systemctl is-system-running --wait; ip -4 -o addr; findmnt -no SOURCE,FSTYPE /; systemctl poweroff' >&7
	wait $pid
	expect 0 poweroff
	result=$?
	exec 7>&-
	[ $result -eq 0 ] && said 'running$' && said 'inet 10.0.2.15/24' &&
		said '/dev/vda ext4$'
}

# Debian's kernel for all machines.
stock_smp()
{
	smp stock 2
}

#
# Virtio
#

# disk OPTION...: the guest sees what is in the file, and the file gets what the
# guest flushes.
disk()
{
	dd if=/dev/urandom of=/tmp/disk bs=64k count=64 2>/dev/null
	before=$(sha256sum </tmp/disk)
	guest "sha256sum /dev/vda; cat /sys/block/vda/serial; echo; dd if=/dev/urandom of=/dev/vda bs=64k count=32 seek=16 conv=fsync; sha256sum /dev/vda" \
		-d /tmp/disk,serial=lodge-1,queues=2 "$@"
	expect 0 poweroff && said "^${before%% *} " && said '^lodge-1' || return
	after=$(sha256sum </tmp/disk)
	[ "$before" != "$after" ] || { echo "# nothing was written"; return 1; }
	said "^${after%% *} "
}

disk_pci()
{
	disk
}

disk_packed()
{
	disk --packed
}

disk_mmio()
{
	disk --transport mmio
}

# A disk that is not to be written to: not by the guest, not by a trick.
disk_readonly()
{
	dd if=/dev/urandom of=/tmp/disk bs=64k count=4 2>/dev/null
	before=$(sha256sum </tmp/disk)
	guest "sha256sum /dev/vda; blockdev --setrw /dev/vda; dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync" \
		-d /tmp/disk,ro
	expect 0 poweroff && said "^${before%% *} " || return
	[ "$before" = "$(sha256sum </tmp/disk)" ]
}

# An image that qemu-nbd serves: read, written, reset, and trimmed.
disk_qcow2()
{
	dd if=/dev/urandom of=/tmp/raw bs=64k count=64 2>/dev/null
	before=$(sha256sum </tmp/raw)
	qemu-img convert -O qcow2 /tmp/raw /tmp/disk.qcow2 || return
	guest "sha256sum /dev/vda; dd if=/dev/urandom of=/dev/vda bs=64k count=32 seek=16; sync; dd if=/dev/urandom of=/dev/vda bs=4k count=99 seek=7 oflag=direct; blkdiscard -o 1048576 -l 65536 /dev/vda; sha256sum /dev/vda" \
		-d /tmp/disk.qcow2,format=qcow2 "$@"
	expect 0 poweroff && said "^${before%% *} " || return
	# It lets go of the image when its client has gone.
	tries=50
	until qemu-img convert -O raw /tmp/disk.qcow2 /tmp/raw 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# the image is in use"; return 1; }
		sleep 0.2
	done
	after=$(sha256sum </tmp/raw)
	[ "$before" != "$after" ] && said "^${after%% *} " || return
	echo text >/tmp/disk.qcow2
	guest true -d /tmp/disk.qcow2,format=qcow2
	expect 125 error && grep -q 'qemu-nbd does not serve it' $err
}

# 1024 requests of 4 KiB at 500 a second, then 4 MiB at 2 MiB a second: less the
# tenth of a second that may be had at once.
disk_rate()
{
	for rate in 500:0 0:2M; do
		dd if=/dev/urandom of=/tmp/disk bs=64k count=64 2>/dev/null
		guest "cat /proc/uptime; dd if=/dev/vda of=/dev/null bs=4k iflag=direct; cat /proc/uptime" \
			-d /tmp/disk,rate=$rate
		expect 0 poweroff && said '^1024+0 records out' || return
		tr -d '\r' <$out | awk '
			/^[0-9.]+ [0-9.]+$/ { time[n++] = $1 }
			END {
				took = time[1] - time[0]
				print "# took " took " s"
				exit !(n == 2 && took > 1.7)
			}' || return
	done
}

# Without the host's page cache, asynchronously.
disk_direct()
{
	modprobe brd rd_nr=1 rd_size=4096 || return 4
	dd if=/dev/urandom of=/dev/ram0 bs=64k count=64 2>/dev/null
	before=$(sha256sum </dev/ram0)
	guest "sha256sum /dev/vda; dd if=/dev/urandom of=/dev/vda bs=64k count=32 oflag=direct; dd if=/dev/vda bs=4k iflag=direct | sha256sum" \
		-d /dev/ram0,direct
	expect 0 poweroff && said "^${before%% *} " || return
	after=$(sha256sum </dev/ram0)
	[ "$before" != "$after" ] && said "^${after%% *} " || return
	unused && rmmod brd
}

# A guest that starts again finds its disk again.
disk_reset()
{
	dd if=/dev/urandom of=/tmp/disk bs=64k count=16 2>/dev/null
	sum=$(sha256sum </tmp/disk)
	guest "sha256sum /dev/vda; reboot -f" -d /tmp/disk &
	pid=$!
	tries=300
	until [ "$(tr -d '\r' <$out | grep -c "^${sum%% *}")" -ge 3 ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || break
		sleep 0.2
	done
	kill -9 $pid
	killall -9 lodge
	wait $pid 2>/dev/null
	[ $tries -gt 0 ] || { echo "# the disk was not seen three times"; return 1; }
	unused
}

# A disk in the host's memory with a volatile cache: a write is in the cache, a flush
# moves it to where it stays, and when the power goes the cache is gone. Killing a
# process shows nothing, as what it wrote to any other file is in the page cache.
nullb=/sys/kernel/config/nullb/nullb0
disk=/dev/nullb0
make_disk()
{
	mkdir $nullb || return
	for set in "size 128" "blocksize 512" "memory_backed 1" "cache_size 128" "power 1"; do
		echo ${set#* } >$nullb/${set% *} || return
	done
	[ -b $disk ]
}

volatile_disk()
{
	modprobe null_blk nr_devices=0 && mount -t configfs configfs /sys/kernel/config &&
		make_disk
}

power_cycle()
{
	echo 0 >$nullb/power && echo 1 >$nullb/power
}

no_disk()
{
	rmdir $nullb && umount /sys/kernel/config && rmmod null_blk
}

# It keeps what was flushed and nothing else, or nothing could be learnt from it.
forgets()
{
	echo lost | dd of=$disk bs=4k conv=sync 2>/dev/null && power_cycle &&
		[ "$(head -c 4 $disk)" != lost ] || return
	echo kept | dd of=$disk bs=4k conv=sync,fsync 2>/dev/null && power_cycle &&
		[ "$(head -c 4 $disk)" = kept ]
}

# one_cut OPTIONS: killed while it writes, at a random moment, and then the power goes.
# Of all that was flushed, as the guest has said on its console, nothing is lost.
one_cut()
{
	guest "/guest_journal write /dev/vda" -i journal.cpio -d $disk$1 &
	pid=$!
	wait_for 60 '^ack 5\.' $out || { killall -9 lodge; return 1; }
	usleep $(($(od -An -N2 -tu2 /dev/urandom) * 16))
	killall -9 lodge
	wait $pid 2>/dev/null
	unused && power_cycle || return
	tr -d '\r' <$out | sed -n 's/^ack \([0-9]*\)\.$/\1/p' | guest_journal check $disk
}

# KILLS times, with and without the host's page cache
power_cut()
{
	(cd /selftests && echo guest_journal | cpio -o -H newc 2>/dev/null) >journal.cpio
	volatile_disk || return
	forgets
	result=$?
	for n in $(seq ${KILLS:-3}); do
		[ $result -eq 0 ] || break
		one_cut "$([ $((n % 2)) = 0 ] || echo ,direct)"
		result=$?
		# The records of the last time are not there
		rmdir $nullb && make_disk || result=1
	done
	no_disk
	return $result
}

# What the guest says arrives, and what it is told.
console_pty()
{
	rm -f /tmp/pty
	guest "sleep 2; echo from the guest >/dev/hvc0; read line </dev/hvc0; echo the host said: \$line" \
		--console &
	pid=$!
	wait_for 20 'lodge: console: /dev/pts/' $err || { kill -9 $pid; return 1; }
	pty=$(sed -n 's/^lodge: console: //p' $err)
	exec 8<>"$pty"
	stty -F "$pty" raw -echo
	cat <&8 >/tmp/pty &
	reader=$!
	wait_for 60 'from the guest' /tmp/pty
	echo 'six words that are for you' >&8
	wait $pid
	expect 0 poweroff
	result=$?
	kill $reader
	exec 8<&-
	[ $result -eq 0 ] && said '^the host said: six words that are for you'
}

# What the guest of console_ports() does. A read while no client is there is an end.
ports_script()
{
	cat <<'END'
for name in /sys/class/virtio-ports/*/name; do
	[ "$(cat $name)" = org.lodge.test ] && port=$(basename "$(dirname $name)")
done
echo "port $port"
echo from the console >/dev/hvc0
dd if=/dev/urandom of=/tmp/up bs=64k count=16
sha256sum /tmp/up
exec 5<>/dev/$port
cat /tmp/up >&5 &
until cat <&5 >/tmp/down && [ -s /tmp/down ]; do sleep 0.1; done
sha256sum /tmp/down
wait
until cat <&5 >/tmp/second && [ -s /tmp/second ]; do sleep 0.1; done
echo "second client: $(cat /tmp/second)"
END
}

# It stays until it has got what it wants, or the guest has ended.
first_client()
{
	cat /tmp/down
	until [ "$(wc -c </tmp/up)" -eq 1048576 ] || ! kill -0 $pid; do
		sleep 0.1
	done
}

# A console and a named port, whose clients come and go: a MiB each way at once, then
# the words of another.
console_ports()
{
	ports_script >ports.sh
	echo ports.sh | cpio -o -H newc >ports.cpio 2>/dev/null
	rm -f /tmp/pty /tmp/port /tmp/up
	dd if=/dev/urandom of=/tmp/down bs=64k count=16 2>/dev/null
	down=$(sha256sum </tmp/down)
	guest "sh /ports.sh" -i ports.cpio --console \
		--console=port=org.lodge.test,socket=/tmp/port --timeout 120 "$@" &
	pid=$!
	wait_for 20 'lodge: console: /dev/pts/' $err || { kill -9 $pid; return 1; }
	exec 8<>"$(sed -n 's/^lodge: console: //p' $err)"
	cat <&8 >/tmp/pty &
	reader=$!
	first_client | stream unix connect /tmp/port >/tmp/up
	echo to the port | stream unix connect /tmp/port
	wait $pid
	expect 0 poweroff
	result=$?
	kill $reader
	exec 8<&-
	[ $result -eq 0 ] && said '^port vport0p1' && said "^${down%% *}  /tmp/down" &&
		said '^second client: to the port' && grep -q 'from the console' /tmp/pty || return
	up=$(sha256sum </tmp/up)
	said "^${up%% *}  /tmp/up"
}

ports_mmio()
{
	console_ports --transport mmio --packed
}

# The host's end of the guest's network, and a web server there.
serve_tap()
{
	wait_for 20 tap0 /proc/net/dev || return
	ip addr add 10.0.0.1/24 dev tap0
	ip link set tap0 up
	httpd -f -p 10.0.0.1:80 -h /tmp/www &
	server=$!
}

# net OPTION...: pings small and large, and a file from the host's web server.
net()
{
	modprobe tun
	mkdir -p /tmp/www
	dd if=/dev/urandom of=/tmp/www/file bs=64k count=64 2>/dev/null
	sum=$(sha256sum </tmp/www/file)
	guest "ifconfig eth0 10.0.0.2 up; ping -c 20 -i 0.1 10.0.0.1; ping -c 3 -s 9000 10.0.0.1; wget -q -O /tmp/file http://10.0.0.1/file; sha256sum /tmp/file; dd if=/dev/hwrng bs=32 count=1 | wc -c" \
		-n tap=tap0 --rng "$@" &
	pid=$!
	serve_tap || { kill -9 $pid; return 1; }
	wait $pid
	expect 0 poweroff
	result=$?
	kill $server
	[ $result -eq 0 ] || return
	[ "$(tr -d '\r' <$out | grep -c ' 0% packet loss')" -eq 2 ] ||
		{ echo "# packets were lost"; return 1; }
	said "^${sum%% *} " && said '^32$'
}

net_pci()
{
	net
}

net_mmio()
{
	net --transport mmio --packed
}

# Each CPU of the guest sends on a pair of rings of its own, and is answered there.
net_queues()
{
	modprobe tun
	mkdir -p /tmp/www
	rm -f /tmp/www/stop
	dd if=/dev/urandom of=/tmp/www/file bs=64k count=16 2>/dev/null
	sum=$(sha256sum </tmp/www/file)
	guest "ifconfig eth0 10.0.0.2 up; ls /sys/class/net/eth0/queues | xargs echo queues; for n in 1 2 3 4; do taskset \$((n % 2 + 1)) wget -q -O - http://10.0.0.1/file | sha256sum; done; echo ready; until wget -q -O /dev/null http://10.0.0.1/stop; do sleep 0.2; done" \
		-c 2 --name queues -n tap=tap0,queues=2 "$@" &
	pid=$!
	serve_tap || { kill -9 $pid; return 1; }
	wait_for 200 '^ready' $out
	lodge stat --rings queues >/tmp/rings
	touch /tmp/www/stop
	wait $pid
	expect 0 poweroff
	result=$?
	kill $server
	[ $result -eq 0 ] && said '^queues rx-0 rx-1 tx-0 tx-1' || return
	[ "$(tr -d '\r' <$out | grep -c "^${sum%% *} ")" -eq 4 ] || return
	grep '^net' /tmp/rings | sed 's/^/# /'
	# Four of data and the one for control, which is the launcher's
	awk 'NF == 9 && $1 == "net0" { rings++; used += $3 > 0 }
		END { exit !(rings == 5 && used == 5) }' /tmp/rings
}

# What guest $1 of net_link() does with $2: $3 pings, $4 MiB each way.
link_script()
{
	cat <<'END'
link=/sys/class/net/eth0/carrier
dd if=/dev/urandom of=/file bs=1M count=$4
sha256sum </file | sed 's/^/mine /'
httpd -h /
ifconfig eth0 10.0.0.$1 up
round=1
while :; do
	until ping -c 1 -W 1 10.0.0.$2 >/dev/null; do sleep 0.1; done
	ping -A -q -c $3 10.0.0.$2
	wget -q -O - http://10.0.0.$2/file | sha256sum | sed "s/^/came $round /"
	while [ "$(cat $link)" = 1 ]; do sleep 0.1; done
	echo "alone $round"
	round=$((round + 1))
done
END
}

# link_guest N OTHER
link_guest()
{
	lodge run -k lean -i initrd -i link.cpio -m 128M --name link$1 \
		-n link=/tmp/link,mac=52:54:00:00:00:0$1 \
		-p "$console quiet lodge.cmd=\"sh /link.sh $1 $2 ${PINGS:-100} ${LINK_MIB:-4}\"" \
		>/tmp/out.$1 2>/tmp/err.$1 </dev/null &
}

# sent_and_came FROM TO ROUND: what the one has is what the other gets.
sent_and_came()
{
	wait_for 900 "^came $3 [0-9a-f]* " /tmp/out.$2 || return
	sum=$(tr -d '\r' </tmp/out.$1 | sed -n 's/^mine \([0-9a-f]*\) .*/\1/p')
	grep -q "^came $3 $sum " /tmp/out.$2 && return
	echo "# what $1 sent is not what $2 has got"
	return 1
}

# Two guests on a cable. The one that began to listen is killed: the other finds
# itself alone, and with LINK_AGAIN takes the next.
net_link()
{
	link_script >link.sh
	echo link.sh | cpio -o -H newc >link.cpio 2>/dev/null
	rm -f /tmp/link /tmp/out.[123]
	link_guest 1 2
	first=$!
	until [ -S /tmp/link ] || ! kill -0 $first; do sleep 0.1; done
	link_guest 2 1
	second=$!
	sent_and_came 1 2 1 && sent_and_came 2 1 1 && lodge stat --rings link1 >/tmp/rings
	result=$?
	kill -9 $first
	wait $first 2>/dev/null
	first=
	want=2
	[ $result -ne 0 ] || wait_for 60 '^alone 1' /tmp/out.2 || result=1
	if [ $result -eq 0 ] && [ -n "${LINK_AGAIN-}" ]; then
		want=4
		cp /tmp/out.1 /tmp/out.3 && link_guest 1 2 &&
			first=$! && sent_and_came 1 2 2 && sent_and_came 2 1 1
		result=$?
	fi
	kill -9 $first $second
	wait $first $second 2>/dev/null
	grep '^net' /tmp/rings | sed 's/^/# /'
	[ $result -eq 0 ] || { tail -n 5 /tmp/err.[12] /tmp/out.[12] | sed 's/^/# /'; return 1; }
	# One at a time: more might not fit ping's socket. It may not wait long for the last.
	grep -h 'packet loss' /tmp/out.[123] | sed 's/^/# /'
	[ "$(cat /tmp/out.[123] | awk '/packet loss/ { n += $4 >= $1 - 1 } END { print n }')" -eq $want ] ||
		{ echo "# packets were lost"; return 1; }
	# No frames were made of segments: what is no ping is larger than any, on the average.
	awk -v pings=$((2 * ${PINGS:-100})) '
		NF == 9 && $1 == "net0" && $2 == 1 { chains = $3 - pings; bytes = $4 - pings * 110 }
		END { print "# " bytes / chains " bytes each"; exit !(bytes > 1526 * chains) }' \
		/tmp/rings && unused
}

# Without privilege: a file from a server of this host's, and one through a
# forwarded port; NET_MIB of it.
net_user()
{
	mkdir -p /tmp/www
	dd if=/dev/urandom of=/tmp/www/file bs=1M count=${NET_MIB:-8} 2>/dev/null
	sum=$(sha256sum </tmp/www/file)
	httpd -f -p 127.0.0.1:80 -h /tmp/www &
	server=$!
	guest "ifconfig eth0 10.0.2.15 up; wget -q -O - http://10.0.2.2/file | sha256sum; dd if=/dev/urandom of=/tmp/file bs=1M count=4; sha256sum /tmp/file; nc -l -p 22 </tmp/file" \
		-n user,fwd=tcp:2222:22 &
	pid=$!
	wait_for 300 ' /tmp/file' $out || { kill -9 $pid $server; return 1; }
	want=$(tr -d '\r' <$out | sed -n 's| */tmp/file$||p')
	# Neither end may see the other's end of input before it has all of it.
	mkfifo /tmp/open
	exec 6<>/tmp/open
	for n in $(seq 50); do
		back=$(nc 127.0.0.1 2222 <&6 | sha256sum)
		[ "$back" = "$want  -" ] && break
		sleep 0.5
	done
	wait $pid
	expect 0 poweroff
	result=$?
	kill $server
	[ $result -eq 0 ] && said "^${sum%% *} " || return
	[ "$back" = "$want  -" ] || { echo "# what came through the port: $back"; return 1; }
	# A port that is taken is said so, and nothing is left running.
	nc -l -p 2222 &
	server=$!
	wait_for 10 ":08AE " /proc/net/tcp6
	guest true -n user,fwd=tcp:2222:22
	expect 125 error && grep -q 'cannot forward tcp:2222:22' $err
	result=$?
	kill $server
	[ $result -eq 0 ] && gone lodge-slirp && unused
}

# Streams in both directions at once, begun by the guest and by the host;
# VSOCK_MIB each way. Where nobody listens there is no connection.
vsock()
{
	cp /selftests/stream . && echo stream | cpio -o -H newc >stream.cpio 2>/dev/null
	dd if=/dev/urandom of=/tmp/down bs=1M count=${VSOCK_MIB:-4} 2>/dev/null
	down=$(sha256sum </tmp/down)
	stream unix listen /tmp/vsock_5000 </tmp/down >/tmp/up &
	guest "dd if=/dev/urandom of=/tmp/up bs=1M count=${VSOCK_MIB:-4}; sha256sum /tmp/up; /stream vsock connect 5001 </tmp/up; echo refused \$?; /stream vsock connect 5000 </tmp/up | sha256sum; echo listening; /stream vsock listen 6000 </tmp/up | sha256sum" \
		-i stream.cpio --vsock 3,socket=/tmp/vsock "$@" &
	pid=$!
	wait_for 600 '^listening' $out || { kill -9 $pid; return 1; }
	tries=50
	until stream unix connect /tmp/vsock 6000 </tmp/down >/tmp/again 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || break
		sleep 0.2
	done
	wait $pid
	expect 0 poweroff && said '^refused 1' || return
	[ "$(tr -d '\r' <$out | grep -c "^${down%% *} ")" = 2 ] ||
		{ echo "# what the host sent is not what came"; return 1; }
	for file in /tmp/up /tmp/again; do
		up=$(sha256sum <$file)
		said "^${up%% *}  /tmp/up" || return
	done
	[ ! -e /tmp/vsock ] || { echo "# the socket is left"; return 1; }
}

vsock_pci()
{
	vsock
}

vsock_mmio()
{
	vsock --transport mmio --packed
}

# A tree compares equal, what the guest writes is there, and not where it may not.
share()
{
	mkdir -p /tmp/tree/deep/er /tmp/readonly
	cp -r /bin /lib/modules /tmp/tree 2>/dev/null
	dd if=/dev/urandom of=/tmp/tree/deep/er/file bs=1M count=3 2>/dev/null
	ln -s er/file /tmp/tree/deep/link
	sums=$(cd /tmp/tree && find . -type f | sort | xargs sha256sum | sha256sum)
	mount="mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072"
	guest "mkdir /a /b; $mount one /a; $mount two /b; cd /a; find . -type f | sort | xargs sha256sum | sha256sum; readlink deep/link; cp deep/er/file new; sync; rm -r deep; touch /b/x || echo not allowed; ls /b" \
		--share /tmp/tree:one --share /tmp/readonly:two,ro "$@"
	expect 0 poweroff && said "^${sums%% *} " && said '^er/file' && said '^not allowed' || return
	[ "$(wc -c </tmp/tree/new)" = 3145728 ] && [ ! -e /tmp/tree/deep ] || return
	gone diod && [ ! -e /tmp/readonly/x ]
}

share_pci()
{
	share
}

share_mmio()
{
	share --transport mmio --packed
}

# rss_below PID MIB: of a process, within half a minute
rss_below()
{
	tries=150
	until rss=$(awk '/^VmRSS/ { print int($2 / 1024) }' /proc/$1/status 2>/dev/null) &&
	      [ "${rss:-999999}" -lt "$2" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# $rss MiB, wanted less than $2"; return 1; }
		sleep 0.2
	done
}

# A guest of 256 MiB has 96 of them, and more when it needs it; what it has used
# and freed is the host's again.
balloon()
{
	guest "until [ \$(sed -n 's/MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo) -lt 98304 ]; do sleep 0.2; done; echo small; dd if=/dev/zero of=/tmp/x bs=1M count=110 && echo large; rm /tmp/x; echo freed; sleep 1000" \
		--balloon=96M "$@" &
	pid=$!
	wait_for 120 '^small' $out && wait_for 120 '^freed' $out && said '^large' &&
		rss_below "$(pidof lodge)" 140
	result=$?
	kill -9 "$(pidof lodge)"
	wait $pid
	return $result
}

balloon_pci()
{
	balloon
}

balloon_mmio()
{
	balloon --transport mmio -m 256M,shared
}

# number_of KEY: of what lodge balloon says of the guest "devices", in MiB
number_of()
{
	lodge balloon devices | grep -o "$1 [0-9]*M" | tr -dc '0-9'
}

# has MIB: it gets there within a minute.
has()
{
	lodge balloon devices "$1M" >/dev/null || return
	tries=300
	until [ "$(number_of has)" = "$1" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# wanted $1M: $(lodge balloon devices)"; return 1; }
		sleep 0.2
	done
}

# What the guest of devices() does. It goes on until there is a file "stop".
devices_script()
{
	cat <<'END'
sha256sum /dev/vda
dd if=/dev/urandom of=/dev/vda bs=64k count=8 seek=4
sync
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vda bs=64k iflag=direct | sha256sum | sed 's/^/image /'
cat /proc/uptime; dd if=/dev/vdb of=/dev/null bs=4k iflag=direct; cat /proc/uptime
mkdir /a
mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 share /a
cd /a && find . -type f | sort | xargs sha256sum | sha256sum | sed 's/^/tree /'
rm -r deep; cp /bin/busybox new
ifconfig eth0 10.0.2.15 up
wget -q -O - http://10.0.2.2/file | sha256sum | sed 's/^/http /'
dd if=/dev/urandom of=/tmp/up bs=64k count=16
sha256sum </tmp/up | sed 's/^/sent /'
/stream vsock connect 5001 </tmp/up; echo refused $?
/stream vsock connect 5000 </tmp/up | sha256sum | sed 's/^/came /'
echo listening
/stream vsock listen 6000 </tmp/up | sha256sum | sed 's/^/again /'
sum=$(sha256sum /bin/busybox) rounds=0
until [ -e stop ]; do
	[ "$(sha256sum /bin/busybox)" = "$sum" ] && rounds=$((rounds + 1)) || echo damaged
done
dd if=/dev/zero of=/tmp/x bs=1M count=32
# While it tells that pages are free it has 64 MiB less of them.
until [ $(sed -n 's/MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo) -gt 131072 ]; do sleep 0.1; done
echo "rounds: $rounds"
END
}

# One boot that has them all: an image behind qemu-nbd, a limit, a folder, a network
# without privilege, streams, and three quarters of its memory out and in again.
devices()
{
	mkdir -p /tmp/all/tree/deep /tmp/all/www
	for n in $(seq 15); do
		head -c $((n * 4777)) /dev/urandom >/tmp/all/tree/deep/$n
	done
	tree=$(cd /tmp/all/tree && find . -type f | sort | xargs sha256sum | sha256sum)
	head -c 1000000 /dev/urandom >/tmp/all/www/file
	head -c 1048576 /dev/urandom >/tmp/all/raw
	head -c 524288 /dev/urandom >/tmp/all/limited
	image=$(sha256sum </tmp/all/raw)
	qemu-img convert -O qcow2 /tmp/all/raw /tmp/all/disk.qcow2 || return
	cp /selftests/stream . && devices_script >devices.sh
	printf '%s\n' stream devices.sh | cpio -o -H newc >devices.cpio 2>/dev/null
	stream unix listen /tmp/all/vsock_5000 </tmp/all/www/file >/tmp/all/up &
	httpd -f -p 127.0.0.1:80 -h /tmp/all/www &
	server=$!
	guest "sh /devices.sh" -i devices.cpio --name devices -d /tmp/all/disk.qcow2,format=qcow2 \
		-d /tmp/all/limited,rate=200:0 --share /tmp/all/tree -n user \
		--vsock 3,socket=/tmp/all/vsock --balloon --timeout 200 &
	pid=$!
	wait_for 60 '^listening' $out || { kill -9 $server; killall -9 lodge; return 1; }
	tries=50
	until stream unix connect /tmp/all/vsock 6000 </tmp/all/www/file >/tmp/all/again 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || break
		sleep 0.2
	done
	has 64 && rss_below "$(pidof lodge)" 128 && has 256
	result=$?
	lodge stat --rings devices >/tmp/all/rings
	touch /tmp/all/tree/stop
	wait $pid
	expect 0 poweroff && [ $result -eq 0 ] || result=1
	kill $server
	[ $result -eq 0 ] && devices_compare
}

devices_compare()
{
	http=$(sha256sum </tmp/all/www/file)
	said "^${image%% *}  /dev/vda" && said "^tree ${tree%% *} " && said "^http ${http%% *} " &&
		said "^came ${http%% *} " && said "^again ${http%% *} " &&
		said '^refused 1' && said '^rounds: [1-9]' || return
	said '^damaged' >/dev/null && { echo "# memory that it had was taken"; return 1; }
	for file in up again; do
		sum=$(sha256sum </tmp/all/$file)
		said "^sent ${sum%% *} " || return
	done
	cmp /tmp/all/tree/new /bin/busybox && [ ! -e /tmp/all/tree/deep ] || return
	# 128 requests at 200 a second, less what may be had at once
	tr -d '\r' <$out | awk '
		/^[0-9.]+ [0-9.]+$/ { time[n++] = $1 }
		END { print "# limited: " time[1] - time[0] " s"; exit !(n == 2 && time[1] - time[0] > 0.5) }' || return
	# Each ring but those that wait for what never came has been used, and none broken.
	grep '^[a-z]*[0-9] ' /tmp/all/rings | sed 's/^/# /'
	awk '/^TIMES/ { times = 1 }
		times && $2 != "RING" && $5 > 0 { timed++ }
		NF == 9 && $2 != "RING" { rings++; used += $3 > 0; errors += $7 }
		END { exit !(rings == 12 && used >= 9 && timed == used && !errors) }' /tmp/all/rings || return
	gone qemu-nbd && gone diod && gone lodge-slirp && unused || return
	qemu-img convert -O raw /tmp/all/disk.qcow2 /tmp/all/raw || return
	image=$(sha256sum </tmp/all/raw)
	said "^image ${image%% *} "
}

# A driver that breaks every rule on every device, and a guest beside it that works.
hostile_driver()
{
	modprobe tun
	mkdir -p /tmp/empty
	head -c 262144 /dev/urandom >/tmp/neighbour
	head -c 1048576 /dev/zero >/tmp/disk
	qemu-img convert -O qcow2 /tmp/disk /tmp/disk.qcow2 || return
	sum=$(sha256sum </tmp/neighbour)
	lodge run -k lean -i initrd -m 128M -d /tmp/neighbour -p "$console quiet \
		lodge.cmd=\"while :; do dd if=/dev/vda bs=64k iflag=direct | sha256sum; done\"" \
		>/tmp/neighbour.out 2>&1 </dev/null &
	neighbour=$!
	rm -f /tmp/in
	mkfifo /tmp/in
	lodge run --exit-dev 0xf4 --timeout 300 --name hostile -m 64M -c 2 --transport mmio --packed \
		-d /tmp/disk -d /tmp/disk.qcow2,format=qcow2 -n tap=tap9 --rng --balloon \
		--console --console=port=hostile,socket=/tmp/hostile.port --share /tmp/empty --vsock 3,socket=/tmp/hostile -p ${STRIDE:-5} -k /selftests/guest_virtio \
		</tmp/in >$out 2>$err &
	pid=$!
	exec 7>/tmp/in
	wait_for 200 '^broken' $out
	lodge stat --rings hostile >/tmp/rings
	before=$(grep -c "^${sum%% *} " /tmp/neighbour.out)
	echo >&7
	wait $pid
	expect 1 "exit-dev 0"
	result=$?
	exec 7>&-
	tries=100
	until [ "$(grep -c "^${sum%% *} " /tmp/neighbour.out)" -gt $((before + 2)) ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { echo "# the neighbour stands still"; result=1; break; }
		sleep 0.2
	done
	kill -9 $neighbour
	wait $neighbour 2>/dev/null
	tr -d '\r' <$out | grep -v '^ok' | sed 's/^/# /'
	[ $result -eq 0 ] || { sed 's/^/# /' /tmp/rings; return 1; }
	grep '  -' /tmp/neighbour.out | grep -qv "^${sum%% *} " &&
		{ echo "# the neighbour's disk has changed"; return 1; }
	# Every one of them was counted.
	counted=$(awk 'NF == 9 { n += $7 } END { print n }' /tmp/rings)
	said "^broken $counted\$" && [ "$counted" -gt $((1000 / ${STRIDE:-5})) ] && unused
}

#
# Looking at guests
#

# busy NAME [OPTION...]: a guest that is up and goes on doing something.
busy()
{
	called=$1
	shift
	guest "echo running; while :; do sleep 0.01; done" --name "$called" "$@" &
	busy=$!
	wait_for 100 '^running' $out
}

# number NAME JSON: its value for the whole VM in lodge stat --json; the sum of a histogram.
number()
{
	echo "$2" | tr -d ' ' | sed 's/"vcpu":0.*//' | grep -o "\"$1\":[0-9]*\|\"$1\":\[[^]]*" |
		sed 's/.*[:[]//; q' | tr ',' '\n' | awk '{ n += $1 } END { print n + 0 }'
}

# A running guest is found by name and pid, and by nobody when it has ended.
observe_stat()
{
	busy first -c 2 -m 256M,thp=off || return
	pid=$(pidof lodge)
	lodge list | grep -q "^first *$pid *2 *256M" || { lodge list; return 1; }
	lodge run -k lean -i initrd --name first >/dev/null 2>/tmp/second </dev/null
	[ $? -eq 125 ] && grep -q 'guest of this name is running' /tmp/second || return
	lodge stat first >/tmp/stat && lodge stat --exits --vcpus "$pid" >>/tmp/stat &&
		json=$(lodge stat --json -i 2 first) || return
	grep -q '^exits *[1-9]' /tmp/stat && grep -q '^hlt *[1-9]' /tmp/stat &&
		grep -q '^1 *[1-9]' /tmp/stat || { sed 's/^/# /' /tmp/stat; return 1; }
	lodge stat nobody 2>/dev/null && return 1
	# An exit may be under way at either end of the two seconds, on each vCPU.
	exits=$(number exits "$json")
	timed=$(number hist.exit "$json")
	echo "# $exits exits, $timed timed, $(number time.halt "$json") ticks asleep"
	[ "$exits" -gt 50 ] && [ $((timed - exits)) -le 4 ] && [ $((exits - timed)) -le 4 ] &&
		[ "$(number time.halt "$json")" -gt 0 ] || return
	# It touches little of what it has.
	lodge info first | grep -q '^CPUs *2$' && json=$(lodge info --mem --json -i 1 first) || return
	echo "# $json"
	resident=$(number resident "$json")
	accessed=$(number accessed "$json")
	[ "$resident" -gt 16777216 ] && [ "$resident" -le 268435456 ] &&
		[ "$accessed" -gt 0 ] && [ $((accessed * 2)) -lt "$resident" ] &&
		[ "$(number accessed_ms "$json")" -ge 1000 ] &&
		[ "$(number tables "$json")" -gt 4096 ] || return
	lodge info -i 1 first 2>/dev/null && return 1
	# Who asks nonsense is told so, who asks nothing is sent away.
	killall -9 lodge
	wait $busy 2>/dev/null
	[ "$(lodge list | wc -l)" -eq 1 ] && [ -z "$(ls /run/lodge)" ] || { ls /run/lodge; return 1; }
	unused
}

observe_trace()
{
	busy traced -c 2 || return
	lodge trace -t 1 -o /tmp/trace traced && lodge trace -t 1 -o /tmp/trace.dat traced || return
	grep -q 'lodge:lodge_exit: reason=hlt .* cpl=0 long$' /tmp/trace &&
		grep -q 'lodge:lodge_inject: vector=' /tmp/trace &&
		grep -q '^lodge-vcpu1 ' /tmp/trace || { head -n 5 /tmp/trace; return 1; }
	[ "$(head -c 10 /tmp/trace.dat | tail -c 7)" = tracing ] &&
		grep -q 'name: lodge_exit' /tmp/trace.dat || return
	killall -9 lodge
	wait $busy 2>/dev/null
	unused
}

# Both of ftrace's events, at once.
observe_ftrace()
{
	events=/sys/kernel/tracing
	[ -e $events/events/lodge ] || mount -t tracefs tracefs $events || return 4
	[ -e $events/events/lodge ] || return 4
	echo 1 >$events/events/lodge/enable || return
	guest true -c 2
	expect 0 poweroff || return
	echo 0 >$events/events/lodge/enable
	for event in entry exit inject io msr fault; do
		grep -q "lodge_$event: vcpu [01]" $events/trace ||
			{ echo "# no lodge_$event"; head -n 20 $events/trace; return 1; }
	done
	grep -q 'lodge_exit: vcpu 0 reason cpuid rip 0x' $events/trace
	result=$?
	echo >$events/trace
	return $result
}

# Steps of a boot, in their order, as text and as a picture.
observe_timeline()
{
	rm -f /tmp/boot.svg
	guest true -c 2 --timeline=/tmp/boot.svg
	expect 0 poweroff || return
	awk '
		/^timeline, ms:/ { on = 1; next }
		/^exits per second:/ { on = 0 }
		on { if ($1 < last) bad = 1; last = $1; n++ }
		END { exit bad || n != 10 }' $err || { sed 's/^/# /' $err; return 1; }
	grep -q 'first privileged operation' $err && grep -q 'long mode' $err &&
		grep -q 'first user-mode code' $err && grep -q '^[1-9][0-9]* exits' $err || return
	grep -q '^<svg xmlns' /tmp/boot.svg && grep -q 'first interrupt delivered' /tmp/boot.svg &&
		tail -n 1 /tmp/boot.svg | grep -q '^</svg>$'
}

# of_threads KEY PID: what that is for all of its threads.
of_threads()
{
	grep -h "^$1:" /proc/"$2"/task/*/status | tr -d ' \t' | sort -u
}

# What is left of the launcher's rights while its guest runs; it ends as ever.
sandbox()
{
	busy boxed -c 2 || return
	pid=$(pidof lodge)
	[ "$(of_threads Seccomp "$pid")" = Seccomp:2 ] &&
		[ "$(of_threads NoNewPrivs "$pid")" = NoNewPrivs:1 ] &&
		[ "$(of_threads CapEff "$pid")" = CapEff:0000000000000000 ] &&
		[ "$(readlink /proc/"$pid"/root)" = /run/lodge ] ||
		{ cat /proc/"$pid"/task/*/status; return 1; }
	for space in /proc/self/ns/ipc /proc/self/ns/net /proc/self/ns/mnt; do
		[ ! -e $space ] ||
			[ "$(readlink $space)" != "$(readlink /proc/"$pid"/ns/${space##*/})" ] ||
			{ echo "# not its own: $space"; return 1; }
	done
	killall -TERM lodge
	wait $busy
	expect 126 killed && [ -z "$(ls /run/lodge)" ] || return
	busy open --sandbox off || return
	pid=$(pidof lodge)
	[ "$(of_threads Seccomp "$pid")" = Seccomp:0 ] && [ "$(readlink /proc/"$pid"/root)" = / ]
	result=$?
	killall -TERM lodge
	wait $busy
	expect 126 killed && return $result
}

#
# The host's life
#

# The CPU that the guest runs on goes away and comes back.
hotplug()
{
	[ -e /sys/devices/system/cpu/cpu1/online ] || return 4
	guest "i=0; while [ \$i -lt 60 ]; do echo tick \$i; i=\$((i+1)); sleep 0.2; done" &
	pid=$!
	wait_for 60 "tick 3" $out || return
	for n in 1 2 3 4 5; do
		taskset -ap 2 "$(pidof lodge)" >/dev/null 2>&1
		echo 0 >/sys/devices/system/cpu/cpu1/online || return
		sleep 0.5
		echo 1 >/sys/devices/system/cpu/cpu1/online || return
		sleep 0.3
	done
	wait $pid
	expect 0 poweroff && said "tick 59"
}

free_kib()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	# Compaction empties the CPUs' own lists of free pages, too.
	echo 1 >/proc/sys/vm/compact_memory
	awk '/^(MemFree|Slab):/ { print $2 }' /proc/meminfo | tr '\n' ' '
}

# Two guests at once, each killed at a random moment, 50 times over. The lists of free pages that each CPU keeps hide tens
# of MiB when there are huge ones.
two_killed()
{
	echo never >/sys/kernel/mm/transparent_hugepage/enabled
	one_killed 3
	unused || return
	sleep 0.5
	before=$(free_kib)
	one_killed 50 &
	pid=$!
	one_killed 50
	wait $pid
	unused || return
	# What a killed process had is freed a while after it was reaped.
	for n in 1 2 3 4 5 6 7 8 9 10; do
		sleep 1
		now="$before $(free_kib)"
		echo "$now" | awk '{ exit !($3 > $1 - 8192 && $4 < $2 + 4096) }' &&
			break
	done
	echo "$now" | awk '{
		print "# KiB free " $1 ", then " $3 "; slab " $2 ", then " $4
		exit !($3 > $1 - 8192 && $4 < $2 + 4096)
	}'
}

# The moments go from before the VM exists to where the guest boots.
one_killed()
{
	for n in $(seq "$1"); do
		lodge run -k lean -i initrd -m 128M -p "$console" \
			>/dev/null 2>&1 </dev/null &
		victim=$!
		moment=$(($(od -An -N2 -tu2 /dev/urandom) % 1500))
		usleep $((moment * 1000))
		kill -9 $victim
		wait $victim 2>/dev/null
	done
}

busy_module()
{
	spin 300 >$out &
	pid=$!
	wait_for 20 running $out || return
	/kmod/rmmod lodge 2>/dev/null && { echo "# rmmod under a VM"; return 1; }
	kill -9 $pid
	wait $pid 2>/dev/null
	unused && /kmod/rmmod lodge && /kmod/insmod /lodge.ko
}

load_cycles()
{
	unused || return
	for n in $(seq 20); do
		/kmod/rmmod lodge || return
		/kmod/insmod /lodge.ko || return
		[ $((n % (slow ? 20 : 5))) -ne 0 ] || spin 1 >/dev/null || return
		unused || return
	done
}

#
# KVM beside us
#

kvm_idle()
{
	modprobe $kvm $kvm_args || return 4
	guest true
	expect 0 poweroff
	result=$?
	rmmod $kvm kvm || return
	return $result
}

kvm_holds()
{
	modprobe $kvm $kvm_args || return 4
	kvm_hold 300 >$out &
	pid=$!
	wait_for 30 running $out || return
	spin 1 >/dev/null 2>$err && { echo "# a VM beside KVM's"; return 1; }
	grep -q 'errno 16' $err || { sed 's/^/# /' $err; return 1; }
	dmesg | grep -q 'lodge: .*another hypervisor' ||
		{ echo "# no line in the log"; return 1; }
	lodge run -k lean -i initrd >/dev/null 2>$err </dev/null
	expect 125 error || return
	kill -9 $pid
	wait $pid 2>/dev/null
	sleep 0.5
	spin 1 >/dev/null || return
	rmmod $kvm kvm
}

kvm_comes_later()
{
	spin 300 >$out &
	pid=$!
	wait_for 20 running $out || return
	modprobe $kvm $kvm_args || { kill -9 $pid; return 4; }
	kvm_hold 2>$err
	got=$?
	[ $got -eq 16 ] || { echo "# KVM: status $got: $(cat $err)"; return 1; }
	kill -0 $pid || { echo "# our guest is gone"; return 1; }
	kill -9 $pid
	wait $pid 2>/dev/null
	unused && kvm_hold >/dev/null && rmmod $kvm kvm
}

others_online()
{
	for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
		[ ! -e "$cpu" ] || echo "$1" >"$cpu"
	done
}

# QEMU may execute for ever what was there before another CPU patched the code,
# and modules that come and go have much of it patched.
on_one_cpu()
{
	allowed=$(taskset -p $$ | sed 's/.* //')
	others_online 0
	"$1"
	result=$?
	others_online 1
	# With none of its CPUs left, a task may use them all.
	taskset -p "$allowed" $$ >/dev/null
	return $result
}

run_case()
{
	kernel=lean
	: >$out
	: >$err
	case $name in
	load_cycles|busy_module|kvm_*)	on_one_cpu $name ;;
	*)				$name ;;
	esac
}

# What a case that failed has left must not disturb the next.
end_leftovers()
{
	for pid in $(jobs -p); do
		kill -9 "$pid"
	done
	killall -9 lodge lodge-slirp stream httpd nc qemu-nbd diod 2>/dev/null
	wait
}

echo "KTAP version 1"
echo "1..$#"
count=0
failed=0
for name; do
	count=$((count + 1))
	begin=$(cut -d. -f1 /proc/uptime)
	run_case
	status=$?
	took=$(($(cut -d. -f1 /proc/uptime) - begin))
	case $status in
	0)
		echo "ok $count $name # $took s"
		;;
	4)
		echo "ok $count $name # SKIP"
		;;
	*)
		failed=1
		tail -n 15 $err | sed 's/^/# launcher: /'
		tail -n 15 $out | tr -d '\r' | sed 's/^/# guest: /'
		echo "not ok $count $name"
		end_leftovers
		;;
	esac
done
exit $failed
