# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What an emulated host is made of: Debian packages, kernels, the Bochs root.
# Each is built when absent into a folder of its own, named by a hash of what
# made it and moved into place when complete: a folder that exists is good, and
# any number of builders may race for it.

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_CACHE=${LODGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lodge}

# Raise a recipe's number when its steps change in a way that matters.
RECIPE_TEST=1
RECIPE_STOCK=1
RECIPE_CLOUD=1
RECIPE_BOCHS=2
RECIPE_INITRD=1
RECIPE_ROOT=1

PACKAGES_QEMU=(qemu-system-x86 busybox-static cpio kmod)
PACKAGES_BOCHS=(build-essential grub-common grub-pc-bin xorriso lz4
		busybox-static cpio kmod)
PACKAGES_KERNEL=(linux-source-6.1 build-essential flex bison bc libelf-dev
		 libssl-dev lz4 kmod xz-utils)
PACKAGES_HEADERS=(build-essential linux-headers-amd64)

# Modules worth having in a host, and in a guest; what a kernel has built in
# or does not know is left out.
HOST_MODULES=(kvm kvm-amd kvm-intel irqbypass tun msr cpuid zram brd null_blk
	      loop vhost_net vhost_vsock virtio_pci virtio_blk virtio_net
	      virtio_console virtio_rng virtio_balloon ata_piix sd_mod ext4
	      lkdtm hwpoison-inject rtc-cmos mce-inject kunit)
GUEST_MODULES=(virtio_pci virtio_mmio virtio_blk virtio_net virtio_console
	       virtio_rng virtio_balloon vmw_vsock_virtio_transport ext4
	       virtiofs 9p 9pnet_virtio pvpanic-mmio button evdev)

say()
{
	printf 'lab: %s\n' "$*" >&2
}

die()
{
	say "$*"
	exit 125
}

# Run a long step with its output in a log, shown only when it fails.
quietly()
{
	local log=$1
	shift

	if ! "$@" >>"$log" 2>&1 </dev/null; then
		say "failed: $*"
		tail -n 30 "$log" >&2
		return 1
	fi
}

#
# Debian packages
#

missing_packages()
{
	local p

	for p in "$@"; do
		[[ $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) == \
		   "install ok installed" ]] || echo "$p"
	done
}

apt_log()
{
	mkdir -p "$LAB_CACHE"
	echo "$LAB_CACHE/.apt.log"
}

need_packages()
{
	local missing log

	mapfile -t missing < <(missing_packages "$@")
	((${#missing[@]})) || return 0
	((EUID == 0)) || die "these packages are needed:" \
		"apt-get install ${missing[*]}"
	log=$(apt_log)
	say "installing ${missing[*]}"
	(
		flock 9
		export DEBIAN_FRONTEND=noninteractive
		quietly "$log" apt-get install -y --no-install-recommends \
			"${missing[@]}" 2>/dev/null ||
		{
			quietly "$log" apt-get update &&
			quietly "$log" apt-get install -y \
				--no-install-recommends "${missing[@]}"
		}
	) 9>"$LAB_CACHE/.apt.lock" || die "cannot install ${missing[*]}"
}

# Download PACKAGE and unpack it under DEST.
unpack_deb()
{
	local package=$1 dest=$2 log=$3

	mkdir -p "$dest/deb"
	chmod 755 "$dest" "$dest/deb"
	(
		cd "$dest/deb" || exit 1
		apt-get download "$package" >>"$log" 2>&1 ||
		{
			quietly "$log" apt-get update &&
			quietly "$log" apt-get download "$package"
		}
	) || return 1
	dpkg-deb -x "$dest"/deb/*.deb "$dest/root" || return 1
	rm -r "$dest/deb"
}

#
# The cache
#

hash_of()
{
	printf '%s\n' "$@" | sha256sum | cut -c1-16
}

# cached NAME KEY BUILDER: print the folder that BUILDER (called with an empty
# folder and a log file) fills for this KEY.
cached()
{
	local name=$1 key=$2 builder=$3 path tmp

	path=$LAB_CACHE/$name-$key
	if [[ ! -d $path ]]; then
		mkdir -p "$LAB_CACHE"
		exec 8>"$LAB_CACHE/.$name.lock"
		flock 8
	fi
	if [[ ! -d $path ]]; then
		tmp=$(mktemp -d "$LAB_CACHE/.$name.XXXXXX")
		chmod 755 "$tmp"
		say "building $name into $path (once)"
		if ! "$builder" "$tmp" "$LAB_CACHE/.$name.log" 8>&- ||
		   ! mv -T "$tmp" "$path"; then
			rm -rf "$tmp"
			die "cannot build $name, see $LAB_CACHE/.$name.log"
		fi
	fi
	exec 8>&-
	echo "$path"
}

#
# Kernels. Each folder has vmlinuz, release and modules/ (a small tree for
# modprobe: /lib/modules of the host).
#

# The module files that NAME... need under FROM (a modules tree), in TO.
copy_modules()
{
	local from=$1 to=$2 release=$3 name file
	shift 3

	for name in "$@"; do
		modprobe -d "$from" -S "$release" --show-depends "$name" \
			2>/dev/null
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u |
	while read -r file; do
		install -D -m 644 "$file" "$to/${file#"$from"/}"
	done
	mkdir -p "$to/lib/modules/$release"
	cp "$from/lib/modules/$release"/modules.{builtin,order} \
		"$to/lib/modules/$release/"
	cp "$from/lib/modules/$release"/modules.builtin.modinfo \
		"$to/lib/modules/$release/" 2>/dev/null
	depmod -b "$to" "$release"
}

# The ABI whose headers are installed decides which stock kernel is taken.
stock_abi()
{
	local d best=

	for d in /usr/src/linux-headers-6.1.0-*-amd64; do
		[[ -d $d && $d != *-cloud-* && $d != *-rt-* ]] || continue
		best=$(printf '%s\n' "$best" "${d#*headers-}" | sort -V | tail -1)
	done
	[[ $best ]] && echo "$best"
}

stock_version()
{
	dpkg-query -W -f '${Version}' "linux-headers-$1" 2>/dev/null
}

need_stock_headers()
{
	stock_abi >/dev/null || need_packages "${PACKAGES_HEADERS[@]}"
}

# kernel_from_deb DEST LOG RELEASE MODULE...
kernel_from_deb()
{
	local dest=$1 log=$2 release=$3 root=$1/root
	shift 3

	unpack_deb "linux-image-$release" "$dest" "$log" || return 1
	cp "$root/boot/vmlinuz-$release" "$dest/vmlinuz" || return 1
	echo "$release" >"$dest/release"
	depmod -b "$root" "$release" || return 1
	copy_modules "$root" "$dest/modules" "$release" "$@" || return 1
	cp "$root/boot/config-$release" "$dest/config"
	rm -rf "$root"
}

build_stock()
{
	kernel_from_deb "$1" "$2" "$(stock_abi)" "${HOST_MODULES[@]}"
}

build_cloud()
{
	local abi

	abi=$(stock_abi)
	kernel_from_deb "$1" "$2" "${abi%-amd64}-cloud-amd64" \
		"${GUEST_MODULES[@]}"
}

provide_stock()
{
	local abi

	need_stock_headers
	need_packages kmod
	abi=$(stock_abi)
	cached stock "$(hash_of $RECIPE_STOCK "$abi" "$(stock_version "$abi")" \
		"${HOST_MODULES[@]}")" build_stock
}

provide_cloud()
{
	local abi

	need_stock_headers
	need_packages kmod
	abi=$(stock_abi)
	cached cloud "$(hash_of $RECIPE_CLOUD "$abi" "$(stock_version "$abi")" \
		"${GUEST_MODULES[@]}")" build_cloud
}

provide_kdir_stock()
{
	need_stock_headers
	echo "/usr/src/linux-headers-$(stock_abi)"
}

#
# Guests that others made, as their packages hold them.
#

build_deb()
{
	unpack_deb "$LAB_PACKAGE" "$1" "$2"
}

# provide_deb PACKAGE: the folder that holds its files.
provide_deb()
{
	local version

	version=$(apt-cache policy "$1" | sed -n 's/^  Candidate: //p')
	LAB_PACKAGE=$1 cached "deb-$1" "$(hash_of "$version")" build_deb | sed 's,$,/root,'
}

#
# Debian 12 on a disk: vmlinuz and initrd as its cloud kernel's package makes them,
# and root.img. root has no password; the network is what DHCP says.
#

build_debian_root()
{
	local dest=$1 log=$2 root=$1/root

	quietly "$log" debootstrap --variant=minbase \
		--include=systemd-sysv,udev,dbus,linux-image-cloud-amd64,initramfs-tools,iproute2 \
		bookworm "$root" ${LODGE_MIRROR:+"$LODGE_MIRROR"} || return 1
	cp "$root"/boot/vmlinuz-* "$dest/vmlinuz" &&
		cp "$root"/boot/initrd.img-* "$dest/initrd" &&
		quietly "$log" chroot "$root" passwd -d root &&
		quietly "$log" chroot "$root" systemctl enable systemd-networkd || return 1
	echo "/dev/vda / ext4 defaults 0 1" >"$root/etc/fstab"
	echo debian >"$root/etc/hostname"
	printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' \
		>"$root/etc/systemd/network/dhcp.network"
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/boot/* "$root"/var/lib/apt/lists/*
	quietly "$log" mkfs.ext4 -q -d "$root" "$dest/root.img" 1G && rm -rf "$root"
}

provide_debian_root()
{
	need_packages debootstrap e2fsprogs
	cached debian-root "$(hash_of $RECIPE_ROOT \
		"$(apt-cache policy linux-image-cloud-amd64 | sed -n 's/^  Candidate: //p')")" \
		build_debian_root
}

#
# Bochs 3.0, from the sources of Debian 13: Debian's own builds have the debugger,
# and without it the same Bochs is four times as fast. Its BIOS comes ready-made.
#

BOCHS_MORE=() BOCHS_EDIT=
BOCHS_OPTIONS=(--with-nogui --enable-smp --enable-cpu-level=6 --enable-x86-64
	       --enable-vmx=2 --enable-svm --enable-avx --enable-evex --enable-cet
	       --enable-pci --enable-long-phy-address --enable-monitor-mwait
	       --enable-protection-keys --enable-x86-debugger
	       --enable-all-optimizations --disable-docbook)

# trixie LOG DIR COMMAND...: apt-get for Debian 13, with its state in DIR.
trixie()
{
	local log=$1 dir=$2 uri
	shift 2

	uri=${LODGE_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' \
		'Codename: bookworm' | head -n 1)}
	mkdir -p "$dir/lists/partial"
	printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' \
		deb "$uri" deb-src "$uri" >"$dir/sources"
	(
		cd "$dir" && apt-get -o Dir::Etc::SourceList="$dir/sources" \
			-o Dir::Etc::SourceParts=/dev/null \
			-o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir" \
			-o APT::Sandbox::User=root "$@" >>"$log" 2>&1
	)
}

# A mirror may lack the description of a source package; its files suffice.
build_bochs()
{
	local dest=$1 log=$2 apt=$1/apt source=$1/source deb

	trixie "$log" "$apt" update &&
	trixie "$log" "$apt" download bochsbios vgabios || return 1
	trixie "$log" "$apt" source --download-only bochs
	for deb in "$apt"/*.deb; do
		dpkg-deb -x "$deb" "$dest" || return 1
	done
	mkdir "$source" &&
	tar -xf "$apt"/bochs_*.orig.tar.xz -C "$source" --strip-components=1 &&
	(
		cd "$source" &&
		{ [[ -z $BOCHS_EDIT ]] || sed -i "$BOCHS_EDIT" cpu/event.cc cpu/vapic.cc; } &&
		quietly "$log" ./configure "${BOCHS_OPTIONS[@]}" "${BOCHS_MORE[@]}" \
			CFLAGS=-O2 CXXFLAGS=-O2 &&
		quietly "$log" make -j"$(nproc)"
	) &&
	strip -o "$dest/bochs" "$source/bochs" &&
	rm -r "$apt" "$source"
}

# The same with its debugger, which tells what is executed.
provide_bochs_debugger()
{
	need_packages "${PACKAGES_BOCHS[@]}"
	BOCHS_MORE=(--enable-debugger --disable-debugger-gui --disable-readline)
	cached bochs-debugger "$(hash_of $RECIPE_BOCHS "${BOCHS_OPTIONS[@]}" \
		"${BOCHS_MORE[@]}")" build_bochs
}

# The same with two faults mended, of interrupts that the CPU delivers to a guest by
# itself: it did so with IF=0 when an interrupt of the host's came, and a fault on the
# way to the handler left the VMCS with some earlier event as the one under way.
provide_bochs_mended()
{
	need_packages "${PACKAGES_BOCHS[@]}"
	BOCHS_EDIT='/^void BX_CPU_C::HandleExtInterrupt/,/^}/ {
		s/if (is_pending(BX_EVENT_PENDING_VMX_VIRTUAL_INTR))/if (is_unmasked_event_pending(BX_EVENT_PENDING_VMX_VIRTUAL_INTR))/
	}
	/^void BX_CPU_C::VMX_Deliver_Virtual_Interrupt/,/^}/ {
		s/Bit8u vector = vm->rvi;/&\n  vm->idt_vector_info = vector | BX_EXTERNAL_INTERRUPT << 8;/
	}'
	cached bochs-mended "$(hash_of $RECIPE_BOCHS "${BOCHS_OPTIONS[@]}" "$BOCHS_EDIT")" \
		build_bochs
}

provide_bochs()
{
	need_packages "${PACKAGES_BOCHS[@]}"
	cached bochs "$(hash_of $RECIPE_BOCHS "${BOCHS_OPTIONS[@]}")" build_bochs
}

#
# A guest's initrd: busybox and an init that answers or obeys.
#

build_guest_initrd()
{
	local dest=$1 stage=$1/stage

	mkdir -p "$stage/bin"
	cp "$(command -v busybox)" "$stage/bin/busybox" || return 1
	cp "$LAB_DIR/guest-init" "$stage/init"
	chmod 755 "$stage/init"
	pack_cpio "$stage" >"$dest/initrd" || return 1
	rm -r "$stage"
}

# The tree under DIR as a cpio archive; everything belongs to root.
pack_cpio()
{
	(
		cd "$1" || exit 1
		find . -mindepth 1 -print0 |
			cpio --quiet -0 -o -H newc -R 0:0
	)
}

provide_guest_initrd()
{
	local dir

	need_packages busybox-static cpio
	dir=$(cached guest-initrd "$(hash_of $RECIPE_INITRD \
		"$(sha256sum <"$(command -v busybox)")" \
		"$(cat "$LAB_DIR/guest-init")")" build_guest_initrd) || exit
	echo "$dir/initrd"
}
