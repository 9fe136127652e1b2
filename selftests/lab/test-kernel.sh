# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The lean kernel of test-kernel.fragment, from Debian's source package:
# vmlinuz, a stripped vmlinux (which boots by PVH), the modules, and build/, as
# much of the tree as modules built out of tree need.

SOURCE_TAR=/usr/src/linux-source-6.1.tar.xz

configure_test()
{
	local src=$1 obj=$2 log=$3 line lost=0

	quietly "$log" make -C "$src" O="$obj" \
		KCONFIG_ALLCONFIG="$LAB_DIR/test-kernel.fragment" \
		allnoconfig || return 1
	while read -r line; do
		[[ $line == CONFIG_* ]] || continue
		grep -qxF "$line" "$obj/.config" && continue
		say "test-kernel.fragment: $line did not survive"
		lost=1
	done <"$LAB_DIR/test-kernel.fragment"
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

# assemble_test SRC OBJ DEST LOG: a finished build's harvest.
assemble_test()
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

build_test()
{
	local dest=$1 log=$2 work=$1/work

	say "the test kernel takes ten minutes on two cores; log: $log"
	mkdir -p "$work/src" "$work/obj"
	: >"$log"
	quietly "$log" tar -C "$work/src" --strip-components=1 \
		-xf "$SOURCE_TAR" &&
	configure_test "$work/src" "$work/obj" "$log" &&
	quietly "$log" make -C "$work/obj" -j"$(nproc)" bzImage modules &&
	assemble_test "$work/src" "$work/obj" "$dest" "$log" &&
	rm -rf "$work"
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

provide_kdir_test()
{
	local dir

	dir=$(provide_test) || exit
	echo "$dir/build"
}
