#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The walk of a person with a kernel of their own: the three commands of modhash-kernel
# (kbuild/share/kernel) with the distribution's source, its two builds in full, and the
# kernel of the finished package, booted. One line per check, as ../e2e/run.sh.
#
#   MODHASH            the program (default: bin/modhash)
#   MODHASH_CACHE      see ../e2e/lib.sh; the kernel's source comes from there
#   MODHASH_DRIVER     where kernels are built (default: /var/tmp/modhash-e2e-driver)
#
# Needs a Debian system, a mirror of Debian, root, and 6 GB; takes as long as two full
# builds of a small kernel.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e/check.sh
. "$E2E_DIR/check.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e-kernel/source.sh
. "$ROOT_DIR/testdata/e2e-kernel/source.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e-kernel/build.sh
. "$KERNEL_DIR/build.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e-kernel/packages.sh
. "$KERNEL_DIR/packages.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e-kernel/boot.sh
. "$KERNEL_DIR/boot.sh"

PERSON= # their folder

# driver_folder: what a person begins with: a source without our patch, the
# patch, a config that has nothing of all this, and a certificate.
driver_folder() {
	builder_make one
	source_unpack one
	kernel_configure one hashes none
	PERSON=$TREES/one/person
	rm -rf "$PERSON"
	mkdir "$PERSON"
	sed '/MODULE_HASHES/d' "$TREES/one/build/.config" >"$PERSON/config"
	cp "$KEYS_DIR/throwaway-a.crt" "$PERSON/oot.pem"
	cp "$(kernel_patch)" "$PERSON/hashes.patch"
	rm -f "$TREES/one/src/.patched" "$TREES/one/src/$CERTIFICATE"
	patch -d "$TREES/one/src" -p1 -s -R -F0 --no-backup-if-mismatch <"$PERSON/hashes.patch"
	mv "$TREES/one/src" "$PERSON/linux"
	printf '%s\n' SOURCE=linux 'PATCHES=(hashes.patch)' CONFIG=config CERTIFICATE=oot.pem TARGET=bindeb-pkg >"$PERSON/kernel.conf"
	make -s -C "$ROOT_DIR" install DESTDIR="$TREES/installed" PREFIX=/usr >>"$LOG" 2>&1 || die "make install failed, see $LOG"
	cp "$MODHASH" "$TREES/installed/usr/bin/modhash"
	own one "$PERSON"
}

# typed COMMAND…: by the person. What it answers stays in WORK/out.
typed() {
	local LOG=$WORK/out
	: >"$LOG"
	# What as_builder fixes for other tests the command has to fix by itself.
	# shellcheck disable=SC2016 # expanded by the inner shell
	as_builder one env -u KBUILD_BUILD_TIMESTAMP -u KBUILD_BUILD_USER -u KBUILD_BUILD_HOST -u KBUILD_BUILD_VERSION -u MODHASH \
		PATH="$TREES/installed/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin" DEBFULLNAME=modhash DEBEMAIL=modhash@example.org \
		bash -c 'cd person && exec "$@"' typed "$@" </dev/null || {
		tail -n 30 "$LOG"
		fail "failed: $*"
	}
}

driver_update() {
	typed modhash-kernel update
	grep -q '^CONFIG_MODULE_HASHES=y$' "$PERSON/work/one/build/.config"
	cmp "$PERSON/work/one/build/.config" "$PERSON/work/two/in-another-place/build/.config"
}

driver_build() {
	typed modhash-kernel build
	says 'identical: 19 modules, all identical'
	[ -z "$(find "$PERSON/work" -name signing_key.pem)" ] || fail 'a build has made a key'
}

driver_package() {
	local package
	typed modhash-kernel package
	says 'verified: all 19 modules' '  admits  '
	package=$(find "$PERSON/packages" -name 'linux-image-*.deb' ! -name '*dbg*')
	expect 0 '^verified: all 19 modules are as stated; the kernel image too$' mh verify "$package.modhash" "$package"
}

# driver_boots: all of the package's modules load where nothing but hashes and the
# certificate counts.
driver_boots() {
	local folder=$WORK/boots unpacked=$WORK/unpacked modlib
	package_unpack "$(find "$PERSON/packages" -name 'linux-image-*.deb' ! -name '*dbg*')" "$unpacked"
	modlib=$(package_modlib "$unpacked")
	cases_of "$folder" all "$PERSON/work/one/build" "$modlib"
	boot "$(find "$unpacked" -type f -name 'vmlinuz*')" "$folder" sig_enforce "$folder.log"
	[ "$(grep -cP '^@result\t[^\t]*\t0\tnone\t0$' "$folder.log.lines")" = 19 ]
}

main() {
	[ -f "$CORPUS" ] || "$E2E_DIR/corpus.sh"
	cache_open
	need_packages "${KERNEL_PACKAGES[@]}" "${PACKAGE_PACKAGES[@]}"
	scratch WORK /var/tmp
	mkdir "$WORK/tmp"
	MODHASH=$(realpath "${MODHASH:-$ROOT_DIR/bin/modhash}")
	PROG=("$MODHASH")
	export MODHASH_TREES=${MODHASH_DRIVER:-/var/tmp/modhash-e2e-driver}
	trees_open
	driver_folder
	# The cache is not needed any more, and this takes long.
	exec 9>&-
	init_build
	check driver/update driver_update
	check driver/build driver_build
	check driver/package driver_package
	check driver/boots driver_boots
	rm -rf "$PERSON"
	say "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" = 0 ]
}

main "$@"
