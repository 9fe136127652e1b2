# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The lean kernel of test-kernel.fragment, from Debian's source package:
# vmlinuz, a stripped vmlinux (which boots by PVH), the modules, and build/, as
# much of the tree as modules built out of tree need. The debug kernel is the
# same with what debug-kernel.fragment changes.

SOURCE_TAR=/usr/src/linux-source-6.1.tar.xz

# fragment test|debug: the options of that kernel
fragment()
{
	local files=("$LAB_DIR/test-kernel.fragment")

	[[ $1 == debug ]] && files=("$LAB_DIR/debug-kernel.fragment" "${files[@]}")
	sed -n 's/^# \(CONFIG_.*\) is not set$/\1=n/p; /^CONFIG_/p' "${files[@]}" |
		awk -F= '!seen[$1]++'
}

configure_kernel()
{
	local kernel=$1 src=$2 obj=$3 log=$4 line lost=0

	fragment "$kernel" >"$obj/fragment"
	quietly "$log" make -C "$src" O="$obj" \
		KCONFIG_ALLCONFIG="$obj/fragment" allnoconfig || return 1
	while read -r line; do
		[[ $line == *=n ]] && line="# ${line%=n} is not set"
		grep -qxF "$line" "$obj/.config" && continue
		[[ $line == '#'* ]] && ! grep -q "^${line:2:-11}=" "$obj/.config" && continue
		say "$kernel-kernel.fragment: $line did not survive"
		lost=1
	done <"$obj/fragment"
	return $lost
}

# What `make -C build M=...` reads: as Debian's header packages, one tree made
# of the source's headers and makefiles and the objects' generated ones.
assemble_kdir()
{
	local src=$1 obj=$2 kdir=$3

	mkdir -p "$kdir/arch/x86" "$kdir/tools/objtool"
	cp -a "$src"/{Makefile,Kbuild,Kconfig,include,scripts} "$kdir/" &&
	cp -a "$src"/arch/x86/{Makefile,Makefile_32.cpu,include} \
		"$kdir/arch/x86/" &&
	cp -a "$obj/.config" "$obj/Module.symvers" "$kdir/" &&
	cp -a "$obj/include" "$obj/scripts" "$kdir/" &&
	cp -a "$obj/arch/x86/include" "$kdir/arch/x86/" &&
	cp -a "$obj/tools/objtool/objtool" "$kdir/tools/objtool/" || return 1
	rm -f "$kdir/source"
	find "$kdir" \( -name '*.o' -o -name '.*.cmd' \) -delete
}

# assemble_kernel SRC OBJ DEST LOG: a finished build's harvest.
assemble_kernel()
{
	local src=$1 obj=$2 dest=$3 log=$4 release all=$3/all

	release=$(cat "$obj/include/config/kernel.release") || return 1
	cp "$obj/arch/x86/boot/bzImage" "$dest/vmlinuz" &&
	cp "$obj/System.map" "$dest/" && cp "$obj/.config" "$dest/config" &&
	strip -o "$dest/vmlinux" "$obj/vmlinux" &&
	quietly "$log" make -C "$obj" INSTALL_MOD_PATH="$all" \
		INSTALL_MOD_STRIP=1 modules_install || return 1
	echo "$release" >"$dest/release"
	rm -f "$all/lib/modules/$release"/{build,source}
	mv "$all" "$dest/modules"
	assemble_kdir "$src" "$obj" "$dest/build"
}

build_kernel()
{
	local kernel=$1 dest=$2 log=$3 work=$2/work

	say "the $kernel kernel takes ten minutes or more on two cores; log: $log"
	mkdir -p "$work/src" "$work/obj"
	: >"$log"
	quietly "$log" tar -C "$work/src" --strip-components=1 \
		-xf "$SOURCE_TAR" &&
	configure_kernel "$kernel" "$work/src" "$work/obj" "$log" &&
	quietly "$log" make -C "$work/obj" -j"$(nproc)" bzImage modules &&
	assemble_kernel "$work/src" "$work/obj" "$dest" "$log" &&
	rm -rf "$work"
}

build_test()
{
	build_kernel test "$@"
}

build_debug()
{
	build_kernel debug "$@"
}

test_key()
{
	hash_of $RECIPE_TEST "$(cat "$LAB_DIR/test-kernel.fragment")" \
		"$(dpkg-query -W -f '${Version}' linux-source-6.1)" \
		"$(gcc -dumpfullversion)"
}

provide_test()
{
	need_packages "${PACKAGES_KERNEL[@]}"
	cached test "$(test_key)" build_test
}

provide_debug()
{
	need_packages "${PACKAGES_KERNEL[@]}"
	cached debug "$(hash_of "$(test_key)" \
		"$(cat "$LAB_DIR/debug-kernel.fragment")")" build_debug
}

# provide_kdir test|debug
provide_kdir()
{
	local dir

	dir=$("provide_$1") || exit
	echo "$dir/build"
}
