# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Rules about the environment of a build and what goes into the image from it: the
# second build differs. Sourced after rows.sh. Of small.config only the files are built
# that can differ; the image takes them as they are.

BANNER=init/version-timestamp.o
INITRAMFS=usr/initramfs_data.o

cause_build_timestamp() {
	local ON=(KBUILD_BUILD_TIMESTAMP=) OFF=() LEAK=(date '+%a %b %e' "$BANNER")
	compared build-timestamp error small "$BANNER"
	LEAK=()
	ON=(KBUILD_BUILD_TIMESTAMP=now)
	compared build-timestamp error small "$INITRAMFS"
}

# Where no zone is named, that of the builder counts.
cause_timestamp_zone() {
	local FORGET=(usr/initramfs_data.cpio)
	local ON=(KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00' two:TZ=JST-9)
	local OFF=(KBUILD_BUILD_TIMESTAMP='2026-01-01 00:00:00 UTC' two:TZ=JST-9)
	compared timestamp-zone warning small "$INITRAMFS"
}

cause_timestamp_form() {
	local FORGET=(usr/initramfs_data.cpio)
	local ON=(KBUILD_BUILD_TIMESTAMP='release 6.12.117') OFF=()
	compared timestamp-form warning small "$INITRAMFS"
}

cause_build_user() {
	local ON=(KBUILD_BUILD_USER=) OFF=() LEAK=(user "$(builder_of one)" "$BANNER")
	compared build-user error small "$BANNER"
}

cause_build_host() {
	local ON=(KBUILD_BUILD_HOST=) OFF=() LEAK=(host host-one "$BANNER")
	compared build-host error small "$BANNER"
}

# The first builder has built here before, so that its count is another.
cause_build_version() {
	local ON=(KBUILD_BUILD_VERSION=) OFF=() name
	for name in "${BUILDERS[@]}"; do rm -f "$TREES/$name/small/.version"; done
	echo 7 >"$TREES/one/small/.version"
	own one "$TREES/one/small/.version"
	compared build-version error small "$BANNER"
}

# The first builder's source is a git tree, the second's a folder of the same files.
cause_localversion_auto() {
	local ON=(CONFIG_LOCALVERSION_AUTO=y) OFF=('# CONFIG_LOCALVERSION_AUTO is not set' LOCALVERSION=)
	local DIFF=(10 'CONFIG_LOCALVERSION_AUTO in a git tree and in a folder' version.release explained lib/crc7.ko)
	git_tree one Makefile
	compared localversion-auto warning small lib/crc7.ko
}

# The files of the initramfs were made at different times.
cause_initramfs_mtime() {
	local ON=('CONFIG_INITRAMFS_SOURCE="../initramfs"' KBUILD_BUILD_TIMESTAMP=)
	local OFF=('CONFIG_INITRAMFS_SOURCE="../initramfs"') FORGET=(usr/initramfs_data.cpio) name n=0
	for name in "${BUILDERS[@]}"; do
		rm -rf "$TREES/$name/initramfs"
		mkdir -p "$TREES/$name/initramfs"
		echo hello >"$TREES/$name/initramfs/file"
		n=$((n + 1))
		touch -d "2026-01-0$n 00:00:00" "$TREES/$name/initramfs/file" "$TREES/$name/initramfs"
	done
	compared initramfs-mtime error small "$INITRAMFS"
}

# With a time there remains a note: the version of xz counts.
cause_ikheaders() {
	local ON=(CONFIG_SYSFS=y CONFIG_IKHEADERS=m KBUILD_BUILD_TIMESTAMP=) OFF=(CONFIG_SYSFS=y CONFIG_IKHEADERS=m) OFF_LINT=note
	local FORGET=(kernel/kheaders_data.tar.xz)
	local DIFF=(22 'CONFIG_IKHEADERS, headers of other dates' change changed kernel/kheaders.ko)
	compared ikheaders error small kernel/kheaders.ko
}
