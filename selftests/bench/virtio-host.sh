#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Runs inside an emulated host with the kernel lean, the guests' initrd and QEMU:
# virtio-host.sh [-l] measures disk and network of a guest on Lodge, then, without -l,
# of the same guest on KVM with QEMU, once with QEMU's network and once with
# vhost-net; the disk is /dev/ram0, without a page cache, each time.
#
#	VMM OPERATION MEDIAN LEAST MOST		instructions
#	steady CHAINS USER			on Lodge: requests and packets, and
#						exits to userspace meanwhile

CHAINS=100			# of each device, at least

(cd /selftests && echo bench_virtio | cpio -o -H newc 2>/dev/null) >program
cat initrd program >image
args="console=ttyS0 panic=-1 quiet lodge.cmd=\"ifconfig eth0 10.0.0.2 up; /bench_virtio\""
bench_virtio echo &
echo=$!
trap 'kill $echo' EXIT

fail()
{
	echo "$*" >&2
	cat err console >&2
	kill -9 $guest
	exit 1
}

# wait_for PATTERN FILE
wait_for()
{
	tries=80
	until grep -q "$1" "$2"; do
		tries=$((tries - 1))
		{ [ $tries -gt 0 ] && kill -0 $guest; } || fail "not seen: $1"
		sleep 0.1
	done
}

# Both sides of the tap; the disk is all there, and has nothing to say.
begin()
{
	: >console
	dd if=/dev/zero of=/dev/ram0 bs=64k 2>/dev/null
	"$@" >console 2>err </dev/null &
	guest=$!
	wait_for tap0 /proc/net/dev
	ip addr add 10.0.0.1/24 dev tap0
	ip link set tap0 up
	wait_for '^steady' console
}

# end VMM
end()
{
	printf x | dd of=/dev/ram0 conv=notrunc,fsync 2>/dev/null
	wait $guest || fail "the guest ended badly"
	tr -d '\r' <console | sed -n "s/^\(disk_read\|udp_round_trip\) /$1 &/p"
}

# Exits to userspace, then chains of the disk, of what came in and of what went out
counts()
{
	lodge stat --json --rings bench | tr -d ' ' |
		grep -o '"user":[0-9]*\|"chains":[0-9]*' | sed -n 's/.*://; 1p; 3,5p' | tr '\n' ' '
}

# goes_on: until CHAINS more of each were served: how many in all, and the exits
goes_on()
{
	before=$(counts)
	tries=200
	until echo "$before $(counts)" | awk -v chains=$CHAINS '
		NF != 8 || $6 - $2 < chains || $7 - $3 < chains || $8 - $4 < chains { exit 1 }
		{ print $6 + $7 + $8 - $2 - $3 - $4, $5 - $1 }'; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || fail "stands still: $before, $(counts)"
		sleep 0.02
	done
}

# While the guest only reads and sends nobody but its rings' threads is asked. That it
# said so has been written when it goes on.
steady()
{
	goes_on >/dev/null
	echo "steady $(goes_on)"
}

echo 0 >/sys/module/lodge/parameters/halt_poll_ns
begin lodge run --name bench -k lean -i image -m 256M -d /dev/ram0,direct -n tap=tap0 -p "$args"
steady
end lodge
bench_lodge doorbell_back || exit
[ "$1" != -l ] || exit 0

/kmod/rmmod lodge || exit
/kmod/modprobe kvm halt_poll_ns=0 lapic_timer_advance_ns=0 && /kmod/modprobe kvm_amd || exit
for net in qemu vhost; do
	vhost=off
	[ $net = qemu ] || vhost=on
	begin qemu-system-x86_64 -M pc -accel kvm -cpu host -m 256M -smp 1 -nodefaults \
		-no-user-config -display none -no-reboot -serial stdio -kernel lean -initrd image \
		-append "$args" -drive file=/dev/ram0,format=raw,cache=none,aio=native,if=virtio \
		-netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=$vhost \
		-device virtio-net-pci,netdev=net,romfile=
	end $net
done
bench_kvm doorbell_back
