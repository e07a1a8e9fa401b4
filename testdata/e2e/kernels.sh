#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds a small kernel (kernel.config) from the distribution's source, once,
# and packs it by every package target that the kernel itself has. Run corpus.sh
# first. The result lies in the cache under a key made of the source's version,
# the config and this script, and is made anew only when one of them changes:
#
#   kernels/KEY/kernel.env         RELEASE=, SOURCE= (for `.`)
#               deb/               make bindeb-pkg
#               pacman/            make pacman-pkg, recompressed to gz and xz too
#               rpm/gz, xz, zst    make binrpm-pkg, by the payload's compression
#               tar/               make tar-pkg, targz-pkg, tarxz-pkg, tarzst-pkg
#               installed/none, gz, xz, zst
#                                  make modules_install with MODULE_COMPRESS_…,
#                                  and the image beside the modules
#               installed/unstripped
#                                  the same without INSTALL_MOD_STRIP
#               build/             the build tree, less objects and tools
#               build-stripped/    the same with its modules stripped
#               hashes/            the kernel once more with a place for a
#                                  hashset: vmlinux holds zeros there, and
#                                  vmlinux.root, of which the kernel's makefile
#                                  made bzImage, the root over build-stripped/,
#                                  by reference.py and dd
#
# The kernel's own deb and pacman targets always strip modules (strip -d), so the
# others are made with INSTALL_MOD_STRIP=1 as well: stripping changes the bytes
# that are hashed, as it changes those that are signed. All of the above except
# unstripped/ and build/ hold the same payloads, and those two hold the same.
#
#   pe/KEY/unsigned.efi, signed.efi
#
# is the distribution's kernel image, an EFI program, made 1 byte longer than a
# multiple of 8, without and with a signature by a key that is thrown away.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CONFIG=$E2E_DIR/kernel.config
BUILDER=modhash-build # makepkg refuses to run as root
JOBS=$(nproc)

NEEDED=(bc binutils bison build-essential bzip2 cpio debhelper dpkg-dev fakeroot flex kmod
	libdw-dev libelf-dev libssl-dev make makepkg openssl pacman-package-manager perl python3 rpm
	rsync sbsigntool tar util-linux xz-utils zstd)

# key FILE…: a short digest over strings on standard input and files.
key() { cat - "$@" | sha256sum | cut -c 1-16; }

# builder COMMAND…: run it in WORK as an ordinary user, with nothing of our
# environment: a MAKEFLAGS of an outer make would change the kernel's build.
builder() {
	local who=()
	if [ "$(id -u)" = 0 ]; then
		who=(setpriv --reuid "$BUILDER" --regid "$BUILDER" --clear-groups --)
	fi
	(
		cd "$WORK"
		exec "${who[@]}" env -i PATH="/usr/sbin:/usr/bin:/sbin:/bin" HOME="$WORK" LC_ALL=C TZ=UTC \
			KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' \
			KBUILD_BUILD_USER=modhash KBUILD_BUILD_HOST=modhash KBUILD_BUILD_VERSION=1 \
			"$@"
	) >>"$LOG" 2>&1 9>&-
}

# step TEXT COMMAND…: run it as the builder and say how long it took.
step() {
	local text=$1 start=$SECONDS
	shift
	if ! builder "$@"; then
		tail -n 40 "$LOG" >&2
		die "$text failed, see $LOG"
	fi
	say "$text: $((SECONDS - start)) s"
}

# kmake TARGET… [NAME=VALUE…]: the kernel's make, in its build tree.
kmake() {
	local text=$1
	# Each package target counts .version up and would make release 2 of
	# the package, then 3.
	rm -f "$WORK/build/.version"
	step "make $text" env INSTALL_MOD_STRIP="${STRIP_MODULES-1}" DEB_BUILD_OPTIONS="parallel=$JOBS terse" \
		DEB_BUILD_PROFILES=pkg.linux-upstream.nokernelheaders \
		PACMAN_EXTRAPACKAGES= PKGDEST="$WORK/pacman" PKGEXT=.pkg.tar.zst \
		make -C build -j "$JOBS" KBUILD_VERBOSE=0 "$@"
}

make_builder() {
	if [ "$(id -u)" != 0 ] || id "$BUILDER" >/dev/null 2>&1; then return 0; fi
	useradd --system --user-group --no-create-home --home-dir /nonexistent \
		--shell /usr/sbin/nologin "$BUILDER"
}

# unpack DEB: the kernel's source into WORK/src. What is left out is a third of
# it and takes no part in a build for this machine.
unpack() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	step "unpacking the source" bash -euo pipefail -c '
		mkdir src
		dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards "./usr/src/linux-source-*.tar.xz" |
			tar -xJ -C src --strip-components=1 \
				--exclude="*/drivers/gpu/drm/amd/include/asic_reg" --exclude="*/tools/testing"
		' unpack "$1"
}

configure() {
	local line
	mkdir "$WORK/build"
	cp "$CONFIG" "$WORK/kernel.config"
	[ "$(id -u)" != 0 ] || chown "$BUILDER:" "$WORK/build" "$WORK/kernel.config"
	step "configuring" make -C src O="$WORK/build" KCONFIG_ALLCONFIG="$WORK/kernel.config" allnoconfig
	while read -r line; do
		case $line in
		CONFIG_* | '# CONFIG_'*' is not set')
			grep -qxF -e "$line" "$WORK/build/.config" || die "the kernel does not accept $line"
			;;
		esac
	done <"$CONFIG"
}

# install_tree NAME [NAME=VALUE…]: modules as `make modules_install` leaves them,
# and the image where current kernels keep it.
install_tree() {
	local name=$1 dir=$WORK/installed/$1
	shift
	kmake modules_install INSTALL_MOD_PATH="$dir" "$@"
	step "installing the image in $name" install -m 644 build/arch/x86/boot/bzImage \
		"$dir/lib/modules/$RELEASE/vmlinuz"
}

# recompress FILE.zst: FILE.gz and FILE.xz beside it, by the system's programs.
recompress() {
	zstd -q -dc "$1" | gzip -n >"${1%.zst}.gz"
	zstd -q -dc "$1" | xz -T0 >"${1%.zst}.xz"
}

build() {
	local result=$1 source=$2 c=CONFIG_MODULE_COMPRESS module payload
	unpack "$source"
	configure
	kmake all
	RELEASE=$(cat "$WORK/build/include/config/kernel.release")

	kmake bindeb-pkg
	kmake pacman-pkg MAKEPKGOPTS=--nodeps
	for payload in gz:w9.gzdio xz:w2.xzdio zst:w10.zstdio; do
		kmake binrpm-pkg RPMOPTS="--without devel --define '_binary_payload ${payload#*:}'"
		mkdir -p "$result/rpm/${payload%:*}"
		cp "$WORK"/build/rpmbuild/RPMS/*/kernel-[0-9]*.rpm "$result/rpm/${payload%:*}/"
	done
	kmake tar-pkg
	kmake targz-pkg
	kmake tarxz-pkg
	kmake tarzst-pkg
	install_tree none
	install_tree gz $c=y ${c}_ALL=y ${c}_GZIP=y
	install_tree xz $c=y ${c}_ALL=y ${c}_XZ=y
	install_tree zst $c=y ${c}_ALL=y ${c}_ZSTD=y
	STRIP_MODULES='' install_tree unstripped

	mkdir "$result/deb" "$result/pacman" "$result/tar"
	cp "$WORK"/linux-image-*.deb "$result/deb/"
	cp "$WORK"/pacman/linux-upstream-*.pkg.tar.zst "$result/pacman/"
	recompress "$result"/pacman/*.zst
	cp "$WORK"/build/linux-*.tar* "$result/tar/"
	cp -R "$WORK/installed" "$result/installed"
	# The signing key stays behind.
	rsync -rlpt --exclude='*.o' --exclude='*.a' --exclude='.*.cmd' --exclude='.*.d' --exclude=/tools \
		--exclude=/certs/signing_key.pem --exclude=/debian --exclude=/pacman --exclude=/rpmbuild \
		--exclude=/tar-install --exclude='/linux-*.tar*' --exclude=/source --exclude=/PKGBUILD \
		"$WORK/build/" "$result/build/"
	cp -R "$result/build" "$result/build-stripped"
	while read -r module; do
		strip --strip-debug "$result/build-stripped/${module%.o}.ko"
	done <"$result/build/modules.order"
	with_hashset "$result"
	printf 'RELEASE=%s\nSOURCE=%s\n' "$RELEASE" "$(corpus_version source-6.12)" >"$result/kernel.env"
}

# with_hashset RESULT: a section .module_hashes, as the kernel series has it, in
# the kernel that was built, filled between linking it and wrapping it.
with_hashset() {
	local dir=$1/hashes offset
	mkdir "$dir"
	# shellcheck disable=SC2016 # expanded by the inner shell
	step "adding a place for a hashset" sh -c '
		printf "%s\n" "const unsigned char module_hashes_root[36]" \
			"	__attribute__((used, aligned(4), section(\".module_hashes\"))) = {};" >src/init/module_hashes.c
		echo "obj-y += module_hashes.o" >>src/init/Makefile'
	kmake vmlinux
	cp "$WORK/build/vmlinux" "$dir/vmlinux"
	sed 's/\.o$/.ko/' "$1/build-stripped/modules.order" |
		python3 "$E2E_DIR/../vectors/hashes/reference.py" section little "$1/build-stripped" >"$dir/root"
	offset=$(readelf -SW "$dir/vmlinux" | awk '$2 == ".module_hashes" || $3 == ".module_hashes" {
		for (i = 1; i <= NF; i++) if ($i == ".module_hashes") print $(i + 3) }')
	[ -n "$offset" ] || die "vmlinux has no section .module_hashes"
	cp "$dir/root" "$WORK/root"
	step "writing the root" dd if=root of=build/vmlinux bs=1 seek="$((16#$offset))" conv=notrunc
	kmake bzImage
	cp "$WORK/build/vmlinux" "$dir/vmlinux.root"
	cp "$WORK/build/arch/x86/boot/bzImage" "$dir/bzImage"
}

# small_kernel: make what the cache lacks, and let kernels/current lead to it.
small_kernel() {
	local source dir result start=$SECONDS
	source=$(corpus_file source-6.12)
	dir=$CACHE/kernels/$(corpus_version source-6.12)-$(corpus_version source-6.12 |
		key "$CONFIG" "$E2E_DIR/kernels.sh")
	if [ ! -d "$dir" ]; then
		make_builder
		scratch WORK /var/tmp
		scratch result
		mkdir -p "$CACHE/kernels"
		LOG=$CACHE/kernels/build.log
		: >"$LOG"
		# The builder may not look into our cache.
		cp "$source" "$WORK/source.deb"
		chmod 755 "$WORK"
		[ "$(id -u)" != 0 ] || chown "$BUILDER:" "$WORK"
		mkdir "$result/kernel"
		build "$result/kernel" "$WORK/source.deb"
		mv -T "$result/kernel" "$dir"
		say "the small kernel took $((SECONDS - start)) s"
	fi
	ln -sfnT "$(basename "$dir")" "$CACHE/kernels/current"
}

# efi_image: see the head of this file.
efi_image() {
	local source dir tmp size pad
	source=$(corpus_file amd64-6.12-unsigned)
	dir=$CACHE/pe/$(basename "$source" | key "$E2E_DIR/kernels.sh")
	if [ ! -d "$dir" ]; then
		scratch tmp
		mkdir "$tmp/pe"
		dpkg-deb --fsys-tarfile "$source" | tar -xO --wildcards './boot/vmlinuz-*' >"$tmp/pe/unsigned.efi"
		size=$(stat -c %s "$tmp/pe/unsigned.efi")
		pad=$(((9 - size % 8) % 8))
		head -c "$pad" /dev/zero | tr '\0' P >>"$tmp/pe/unsigned.efi"
		openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=modhash-test \
			-keyout "$tmp/key.pem" -out "$tmp/pe/cert.pem" 2>"$tmp/log" || die "$(cat "$tmp/log")"
		sbsign --key "$tmp/key.pem" --cert "$tmp/pe/cert.pem" \
			--output "$tmp/pe/signed.efi" "$tmp/pe/unsigned.efi" >"$tmp/log" 2>&1 ||
			die "sbsign: $(cat "$tmp/log")"
		sbverify --cert "$tmp/pe/cert.pem" "$tmp/pe/signed.efi" >"$tmp/log" 2>&1 ||
			die "sbverify: $(cat "$tmp/log")"
		mkdir -p "$CACHE/pe"
		mv -T "$tmp/pe" "$dir"
	fi
	ln -sfnT "$(basename "$dir")" "$CACHE/pe/current"
}

main() {
	cache_open
	[ -f "$CORPUS" ] || die "$CORPUS is missing: run corpus.sh"
	need_packages "${NEEDED[@]}"
	small_kernel
	efi_image
}

main "$@"
