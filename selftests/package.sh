#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# package.sh: build the Debian packages, let lintian read them, install them in a
# bare Debian 12, where DKMS builds the module, and remove them again. KTAP.

# The checks are called by name.
# shellcheck disable=SC2317
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
# What is mounted here is gone with this process.
[[ ${1-} == --alone ]] || exec unshare -m "$0" --alone
# shellcheck source=lab/host.sh
. selftests/lab/host.sh
# shellcheck source=checks.sh
. selftests/checks.sh

RECIPE_BOOKWORM=2
work=$(mktemp -d) || exit 1
root=$work/root
trap 'umount -R "$root" "$work/upper" 2>/dev/null; rm -rf "$work"' EXIT

build_bookworm()
{
	quietly "$2" debootstrap --variant=minbase \
		--include=dkms,linux-headers-amd64,systemd,udev,libslirp0 \
		bookworm "$1" ${LODGE_MIRROR:+"$LODGE_MIRROR"} || return 1
	rm -rf "$1"/var/cache/apt/archives/*.deb
}

# From a copy of what git knows, so that nothing else gets into a package.
builds()
{
	mkdir "$work/lodge" || return 1
	git ls-files -co --exclude-standard |
		cpio -pdm --quiet "$work/lodge" || return 1
	(cd "$work/lodge" && dpkg-buildpackage -us -uc -b >&2) &&
		ls "$work"/{lodge-dkms,lodge,lodge-slirp,liblodge-dev}_*.deb >&2
}

lintian_clean()
{
	local found

	found=$(lintian --allow-root --display-info --pedantic "$work"/*.changes) || return 1
	[[ ! $found ]] && return
	echo "$found" >&2
	return 1
}

in_root()
{
	chroot "$root" env DEBIAN_FRONTEND=noninteractive PATH="$PATH" "$@" >&2
}

contents()
{
	(cd "$root" && find etc usr boot var/lib/dkms -xdev ! -type d | sort)
}

installs()
{
	local base

	base=$(cached bookworm "$RECIPE_BOOKWORM" build_bookworm) || return 1
	mkdir "$work"/{root,upper,work} &&
	mount -t tmpfs tmpfs "$work/upper" && mkdir "$work"/upper/{up,work} &&
	mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/upper/up,workdir=$work/upper/work" \
		"$root" &&
	mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" || return 1
	contents >"$work/before"
	cp "$work"/*.deb "$root/root/" &&
	in_root sh -c 'dpkg -i /root/lodge-dkms_*.deb /root/lodge_*.deb \
		/root/lodge-slirp_*.deb /root/liblodge-dev_*.deb' &&
	in_root lodge --version && in_root getent group lodge &&
	in_root sh -c '/usr/libexec/lodge-slirp; [ $? -eq 2 ]'
}

# For the one kernel whose headers are there.
dkms_builds()
{
	# shellcheck disable=SC2016
	in_root sh -c '
		for k in /lib/modules/*; do
			dkms install lodge/$1 -k "${k##*/}" || exit
			modinfo -k "${k##*/}" lodge || exit
		done' sh "$(cat VERSION)"
}

leaves_nothing()
{
	in_root dpkg --purge liblodge-dev lodge lodge-slirp lodge-dkms || return 1
	contents | diff "$work/before" - | grep '^[<>]' | grep -v 'modules/[^/]*/modules\.' >"$work/left"
	cat "$work/left" >&2
	[[ ! -s $work/left ]]
}

need_packages debootstrap debhelper dh-dkms help2man lintian acpica-tools cpio \
	libseccomp-dev libslirp-dev libglib2.0-dev pkg-config
run_checks builds lintian_clean installs dkms_builds leaves_nothing
