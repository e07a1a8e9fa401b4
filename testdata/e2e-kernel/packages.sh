# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The kernel's own package targets: what they carry, that both builders get the same,
# and that a kernel boots from one. Sourced after build.sh.

# Strip options for the packages: the kernel's deb and pacman targets always strip.
STRIPPED=1

# The packages that pack.
PACKAGE_PACKAGES=(debhelper dpkg-dev fakeroot kmod makepkg pacman-package-manager rpm rsync)

# pack NAME TARGET [NAME=VALUE…]: a package target of the kernel, with all that the
# package can be told not to take from the builder; README.md of the kernel side has
# the same list. Both builders give makepkg the folder TREES/packing.
PACK_EPOCH=1767225600
pack() {
	local name=$1 packing=$TREES/packing
	shift
	# The targets count .version up and would make release 2 of the package.
	rm -f "$TREES/$name/build/.version"
	rm -rf "$packing"
	mkdir "$packing"
	install -D -m 755 "$PATCH_DIR/pack/makepkg" "$TREES/bin/pack/makepkg"
	own "$name" "$packing"
	as_builder "$name" env PATH="$TREES/bin/pack:/usr/sbin:/usr/bin:/sbin:/bin" \
		DEB_BUILD_OPTIONS="parallel=$JOBS terse" \
		DEB_BUILD_PROFILES=pkg.linux-upstream.nokernelheaders \
		DEBFULLNAME=modhash DEBEMAIL=modhash@example.org KDEB_CHANGELOG_DIST=unstable \
		PACMAN_EXTRAPACKAGES= PKGDEST="$TREES/$name/pacman" PKGEXT=.pkg.tar.zst PACKAGER=modhash \
		PACMAN_FOLDER="$packing" SOURCE_DATE_EPOCH=$PACK_EPOCH \
		TAR_OPTIONS="--mtime=@$PACK_EPOCH --sort=name --exclude=lib/modules/*/build" \
		make -C build -j "$JOBS" KBUILD_VERBOSE=0 "$@"
}

RPM_OPTIONS="--without devel --define '_buildhost modhash' \
--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1'"

# packages NAME: all of them, in TREES/NAME/packages; what they hold, as installed
# by make, in TREES/NAME/stripped.
packages() {
	local name=$1 dir=$TREES/$1 target start
	local KERNEL_ENV=("${KERNEL_ENV[@]}" INSTALL_MOD_STRIP=$STRIPPED)
	kernel_build "$name" stripped sig+hashes none
	rm -rf "$dir/packages" "$dir/pacman" "$dir"/*.deb "$dir/build/rpmbuild" "$dir"/build/*.tar
	mkdir -p "$dir/packages" "$dir/pacman"
	own "$name" "$dir/pacman"
	for target in bindeb-pkg pacman-pkg binrpm-pkg tar-pkg; do
		start=$SECONDS
		pack "$name" "$target" MAKEPKGOPTS=--nodeps RPMOPTS="$RPM_OPTIONS" || {
			tail -n 20 "$LOG" >&2
			die "make $target of $name failed, see $LOG"
		}
		say "$name: make $target: $((SECONDS - start)) s"
	done
	cp "$dir"/linux-image-*.deb "$dir"/pacman/linux-upstream-*.pkg.tar.zst \
		"$dir"/build/rpmbuild/RPMS/*/kernel-[0-9]*.rpm "$dir"/build/linux-*.tar "$dir/packages/"
}

# package_unpack FILE FOLDER
package_unpack() {
	rm -rf "$2"
	mkdir -p "$2"
	case $1 in
	*.deb) dpkg-deb -x "$1" "$2" ;;
	*.rpm) rpm2cpio "$1" | (cd "$2" && cpio -id --quiet) ;;
	*.tar) tar -xf "$1" -C "$2" ;;
	*.tar.zst) tar --zstd -xf "$1" -C "$2" ;;
	*) fail "what is $1?" ;;
	esac
}

# package_modlib FOLDER: the folder of modules in what package_unpack wrote.
package_modlib() {
	local modlib
	modlib=$(find "$1" -path '*/lib/modules/*' -name modules.order -printf '%h\n')
	[ -n "$modlib" ] || fail "no modules in ${1##*/}"
	printf '%s\n' "$modlib"
}

# package_carries FILE: the manifest, the modules with their proofs, and the image
# are in it, as make installs them.
package_carries() {
	local out=$WORK/unpacked modlib installed=$TREES/one/stripped
	package_unpack "$1" "$out"
	modlib=$(package_modlib "$out")
	diff -r "$modlib/kernel" "$(kernel_modlib stripped)/kernel"
	cmp "$modlib/modhash.manifest" "$(kernel_modlib stripped)/modhash.manifest"
	cmp "$(find "$out" -type f -name 'vmlinuz*')" "$installed/bzImage"
	mh verify --require-trailer proof "$(kernel_modlib stripped)/modhash.manifest" "$1"
}

# package_boots KIND FILE: the kernel of that package loads all modules that are in
# it by their hashes, in every mode.
package_boots() {
	local kind=$1 out=$WORK/package-$1
	package_unpack "$2" "$out"
	loads_these "package-$kind" "$(find "$out" -type f -name 'vmlinuz*')" \
		"$TREES/one/stripped" "$(package_modlib "$out")"
}

# same_packages: of both builders, byte by byte, by what the program says as well.
same_packages() {
	local file other
	for file in "$TREES"/one/packages/*; do
		other=$TREES/two/packages/${file##*/}
		expect 0 '^identical: 19 modules, all identical; kernel image identical' mh diff "$file" "$other"
		cmp "$file" "$other"
	done
	[ "$(find "$TREES/two/packages" -type f | wc -l)" = 4 ] || fail 'not four packages'
}

# packages_tell_nothing: neither of the folders in which they were built, nor of who built
# them, nor of the day. What makepkg writes down of its own folder is found, and where
# the link to the build tree leads that is installed without a package.
packages_tell_nothing() {
	local file from=(mh lint --no-env --env KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' --env KBUILD_BUILD_USER=modhash
		--env KBUILD_BUILD_HOST=modhash --env KBUILD_BUILD_VERSION=1 --env INSTALL_MOD_STRIP=1 --leak "path=$TREES"
		--leak "user=$(builder_of one)" --leak "date=$(date -u +%F)" "$TREES/one/stripped/config")
	for file in "$TREES"/one/packages/*; do
		case $file in
		*.pkg.tar.zst)
			expect 1 '^1 error, [0-9]+ notes?$' "${from[@]}" "$file"
			says '.BUILDINFO: '
			;;
		*) expect 0 '^[0-9]+ notes?$' "${from[@]}" "$file" ;;
		esac
	done
	expect 1 '^1 error, [0-9]+ notes?$' "${from[@]}" "$TREES/one/stripped/root"
	says 'build (link): '
}

# changelog_dates: of the Debian package. Not that of the builder's clock and zone if
# another is told, and a date whatever KBUILD_BUILD_TIMESTAMP is.
changelog_dates() {
	local told='Thu, 01 Jan 2026 00:00:00 +0000'
	[ "$(changelog Date SOURCE_DATE_EPOCH=$PACK_EPOCH KBUILD_BUILD_TIMESTAMP=2025-01-01)" = "$told" ]
	[ "$(changelog Date KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026')" = "$told" ]
	[ "$(changelog Timestamp KBUILD_BUILD_TIMESTAMP='release 6.12')" -gt $PACK_EPOCH ]
	[ "$(changelog Timestamp)" -gt $PACK_EPOCH ]
}

# changelog FIELD [NAME=VALUE…]
changelog() {
	local dir=$WORK/changelog field=$1 src=$TREES/one/src
	shift
	rm -rf "$dir"
	mkdir -p "$dir/include/config"
	cp "$TREES/one/build/include/config/auto.conf" "$dir/include/config/"
	(cd "$dir" && env -i PATH="$PATH" TZ=JST-9 srctree="$src" KERNELRELEASE=6.12-modhash KDEB_PKGVERSION=1 \
		KDEB_CHANGELOG_DIST=unstable DEBEMAIL=modhash@example.org UTS_MACHINE=x86_64 SRCARCH=x86 ARCH=x86_64 \
		"$@" sh "$src/scripts/package/mkdebian" >&2)
	dpkg-parsechangelog -l "$dir/debian/changelog" -S "$field"
}
