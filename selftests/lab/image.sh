# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The host's root, packed as one initramfs: busybox, the kernel's few modules,
# what the checkout has built and what --add names.

# A word list as one line of POSIX shell.
quote()
{
	local arg out=

	for arg in "$@"; do
		out+="'${arg//\'/\'\\\'\'}' "
	done
	printf '%s\n' "$out"
}

# The libraries that the dynamic programs under STAGE need.
add_libraries()
{
	local stage=$1 file lib

	find "$stage" -type f -perm -u+x ! -name busybox -print0 |
	while IFS= read -r -d '' file; do
		[[ $(head -c 4 "$file" | tr -d '\0') == $'\x7fELF' ]] || continue
		ldd "$file" 2>/dev/null | grep -o '/[^ ]*'
	done | sort -u |
	while read -r lib; do
		[[ -e $stage/$lib ]] || install -D -m 755 "$lib" "$stage/$lib"
	done
}

# --add SRC[:DST]: DST is relative to the working folder; a DST that ends in /
# is a folder.
add_file()
{
	local stage=$1 src=${2%%:*} dst=

	[[ $2 == *:* ]] && dst=${2#*:}
	[[ -e $src ]] || die "--add: no such file: $src"
	[[ -z $dst || $dst == */ ]] && dst+=$(basename "$src")
	[[ $dst == /* ]] || dst=/work/$dst
	mkdir -p "$stage$(dirname "$dst")"
	cp -rL "$src" "$stage$dst" || die "--add: cannot copy $src"
}

add_checkout()
{
	local stage=$1 top=$2 kernel=$3 file

	for file in lodge lodge-slirp; do
		[[ -x $top/userspace/$file ]] &&
			install -D -m 755 "$top/userspace/$file" "$stage/usr/bin/$file"
	done
	mkdir -p "$stage/selftests"
	for file in "$top"/build/selftests/*; do
		[[ -f $file && -x $file ]] && cp "$file" "$stage/selftests/"
	done
	[[ -f $top/build/$kernel/lodge.ko ]] &&
		cp "$top/build/$kernel/lodge.ko" "$stage/lodge.ko"
	return 0
}

# The module must be there and made for this very kernel.
check_module()
{
	local ko=$1 kernel=$2 release=$3 made hint

	hint="make module KDIR=\$(selftests/lab/provide kdir-$kernel)"
	hint+=" O=build/$kernel"
	[[ -f $ko ]] || die "no build/$kernel/lodge.ko; run: $hint"
	made=$(modinfo -F vermagic "$ko")
	[[ ${made%% *} == "$release" ]] ||
		die "build/$kernel/lodge.ko is for ${made%% *}," \
			"not $release; run: $hint"
}

# The real insmod, apart, since busybox's shell prefers its own: that one tries
# a module that refuses a second time, by the other system call.
add_kmod()
{
	local stage=$1 name

	install -D -m 755 "$(command -v kmod)" "$stage/kmod/kmod"
	for name in insmod rmmod modprobe lsmod modinfo; do
		ln -s kmod "$stage/kmod/$name"
	done
}

# make_image STAGE KERNELDIR CONFIG OUT -- COMMAND...; CONFIG is the text that
# init reads.
make_image()
{
	local stage=$1 kernel=$2 config=$3 out=$4
	shift 5

	mkdir -p "$stage"/{bin,lab,work,dev,proc,sys}
	cp "$(command -v busybox)" "$stage/bin/busybox"
	install -m 755 "$LAB_DIR/init" "$stage/init"
	cp -r "$kernel/modules/lib" "$stage/"
	printf '%s\n' "$config" >"$stage/lab/config"
	quote "$@" >"$stage/lab/command"
	add_kmod "$stage"
	add_libraries "$stage"
	pack_cpio "$stage" >"$out" || die "cannot pack the host's image"
}
