#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# matrix.sh: build the module and its KUnit suites for every kernel they are made
# for: 6.1 here, later ones in a Debian 13 root with the compiler those kernels were
# built with. A warning from the compiler, sparse or objtool is a failure. KTAP.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# What is mounted here is gone with this process.
[[ ${1-} == --alone ]] || exec unshare -m "$0" --alone
# shellcheck source=lab/host.sh
. selftests/lab/host.sh

RECIPE_MATRIX=1
MATRIX_PACKAGES=make,gcc,libc6-dev,kmod,sparse,linux-headers-amd64

# Debian 13's own kernel, and the one that its backports have.
# Called by name.
# shellcheck disable=SC2317
build_matrix()
{
	local root=$1 log=$2 mirror

	quietly "$log" debootstrap --variant=minbase --include="$MATRIX_PACKAGES" \
		trixie "$root" ${LODGE_MIRROR:+"$LODGE_MIRROR"} || return 1
	mirror=$(sed -n 's/^deb \([^ ]*\) trixie main.*/\1/p' "$root/etc/apt/sources.list")
	echo "deb $mirror trixie-backports main" >"$root/etc/apt/sources.list.d/backports.list"
	quietly "$log" chroot "$root" apt-get update &&
	quietly "$log" chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y \
		--no-install-recommends -t trixie-backports linux-headers-amd64 || return 1
	rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
}

# builds LOG COMMAND...: it does, and nobody complains. No kernel of Debian has KUnit
# to link with.
builds()
{
	local log=$1
	shift

	"$@" KBUILD_MODPOST_WARN=1 >"$log" 2>&1 &&
		! grep -E 'warning|error|WARNING|ERROR' "$log" |
			grep -v '^WARNING: modpost: .*kunit_.*undefined!$' >&2 && return
	tail -n 30 "$log" >&2
	return 1
}

number=0
failed=0
report()
{
	local status=$1
	shift

	number=$((number + 1))
	if ((status)); then
		echo "not ok $number $*"
		failed=1
	else
		echo "ok $number $*"
	fi
}

need_packages debootstrap sparse "${PACKAGES_HEADERS[@]}"
root=$(cached matrix "$(hash_of $RECIPE_MATRIX "$MATRIX_PACKAGES")" build_matrix) || exit 1
kernels=("$root"/usr/src/linux-headers-*-amd64)
echo "1..$(((${#kernels[@]} + 1) * 2))"
logs=$(mktemp -d)
work=$logs/work
mkdir "$work"
trap 'umount "$root/mnt" "$root/proc" 2>/dev/null; rm -rf "$logs"' EXIT

for kunit in "" 1; do
	builds "$logs/log" make module O="$work/6.1-$kunit" W=1 C=1 LODGE_KUNIT=$kunit \
		KDIR="$(provide_kdir_stock)"
	report $? "6.1${kunit:+, with KUnit}"
done

mount -t tmpfs tmpfs "$root/mnt" && mount -t proc proc "$root/proc" || exit 1
git ls-files -co --exclude-standard | cpio -pdm --quiet "$root/mnt" || exit 1
for dir in "${kernels[@]}"; do
	name=${dir##*/linux-headers-}
	for kunit in "" 1; do
		builds "$logs/log" chroot "$root" make -C /mnt module O="/mnt/build/$name-$kunit" \
			W=1 C=1 LODGE_KUNIT=$kunit KDIR="${dir#"$root"}"
		report $? "$name${kunit:+, with KUnit}"
	done
done
exit "$failed"
