# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The walk of a person who comes from Arch-SKM: several configurations share a key that
# is rotated in one call with their edit, the kernel is built, its package of headers
# brings the certificate and what signs, and dkms signs with it. The kernel loads its
# own modules by their hashes. Sourced by walks.sh.

arch_walk() {
	walk_begin sig+hashes
	check walk/arch/rotate arch_rotate
	check walk/arch/build arch_build
	check walk/arch/headers arch_headers
	dkms_chroot 3.0 bookworm "linux-headers-$(release_of amd64-6.1)"
	check walk/arch/dkms arch_dkms
	check walk/arch/loads arch_loads
}

# arch_rotate: what stood in the place of prepare() of a PKGBUILD. A week later the key
# is still young enough.
arch_rotate() {
	person <<-'END'
		cd src
		cp ../build/.config config.desktop
		grep -v SYSTEM_TRUSTED_KEYS config.desktop >config.laptop
		modhash keys rotate --period 6mo --config 'config.*' --source . certs-local
		modhash keys rotate --period 6mo --config 'config.*' --source . certs-local
		modhash keys show certs-local
	END
	told 'rotated: certs-local/' '2 changes in 2 of 2 files' 'kept: certs-local/' '1 key in certs-local, the current one is '
	# The other certificate that one of them trusts is kept.
	grep -qx 'CONFIG_SYSTEM_TRUSTED_KEYS="certs/trusted-keys.pem"' "$WALKER/src/config.desktop"
	grep -qx 'CONFIG_SYSTEM_TRUSTED_KEYS="certs-local/current/signing_crt.pem"' "$WALKER/src/config.laptop"
	[ "$(stat -c %a "$WALKER/src/certs-local/current/signing_key.pem")" = 600 ]
}

arch_build() {
	person <<-'END'
		cp src/config.laptop build/.config
		make -C build olddefconfig
		make -C build
		make -C build INSTALL_MOD_PATH="$HOME/root.arch" DEPMOD=true modules_install
		modhash keys show src/certs-local build/vmlinux
	END
	told '      trusted by build/vmlinux (built in)'
	expect 0 '^trusted: ' mh keys check --config "$WALKER/build/.config" "$WALKER/build/vmlinux" \
		"$WALKER/src/certs-local/current/signing_crt.pem"
	expect 0 '^verified: the kernel admits all 19 modules and nothing else by hash$' mh verify \
		--image "$WALKER/build/arch/x86/boot/bzImage" --keys "$WALKER/src/certs-local/current/signing_crt.pem" "$WALKER/root.arch"
}

# arch_headers: no private key is in the package.
arch_headers() {
	person PKGDEST="$WALKER/headers" PKGEXT=.pkg.tar.zst PACKAGER=modhash CARCH=x86_64 <<-'END'
		mkdir headers
		cp walk/PKGBUILD headers/
		cd headers
		makepkg --nodeps
	END
	tar -tf "$WALKER"/headers/*.pkg.tar.zst | grep '/build/certs-local/' | sed 's,.*/,,' | sort | tr '\n' ' ' >"$WORK/names"
	[ "$(cat "$WORK/names")" = ' khash modhash sign-file signing_crt.crt signing_crt.pem ' ] || fail "in there is: $(cat "$WORK/names")"
}

# arch_dkms: in a system that has the headers' package, the kernel's modules, and the
# key; dkms is that of the release.
arch_dkms() {
	local to
	DKMS_RELEASE=$(basename "$(package_modlib "$WALKER/root.arch")")
	tar --zstd -xf "$(echo "$WALKER"/headers/*.pkg.tar.zst)" -C "$DKMS_ROOT" --no-same-owner usr
	to=$DKMS_ROOT/usr/lib/modules/$DKMS_RELEASE
	cp -r "$(package_modlib "$WALKER/root.arch")/kernel" "$to/"
	in_chroot "$DKMS_ROOT" depmod "$DKMS_RELEASE"
	install -D -m 600 "$WALKER/src/certs-local/current/signing_prv.pem" "$DKMS_ROOT/etc/modhash/private.pem"
	install -D -m 644 "$KERNEL_DIR/walk/framework.conf" "$DKMS_ROOT/etc/dkms/framework.conf.d/modhash.conf"
	dkms_build
	cp "$(dkms_module '')" "$WALKER/given/o-mine.ko"
	expect 0 '^verified: 1 module signed' mh verify --keys "$WALKER/src/certs-local/current/signing_crt.pem" "$WALKER/given/o-mine.ko"
	says 'rsa with sha256'
	# The same module as nobody signed it, and as somebody else did.
	cp "$WALKER/given/o-mine.ko" "$WALKER/given/o-unsigned.ko"
	mh -q unsign "$WALKER/given/o-unsigned.ko"
	cp "$WALKER/given/o-unsigned.ko" "$WALKER/given/o-foreign.ko"
	install -m 600 "$KEYS_DIR/throwaway-b.key" "$WORK/key"
	mh -q sign --key "$WORK/key" --cert "$KEYS_DIR/throwaway-b.crt" --hash sha256 "$WALKER/given/o-foreign.ko"
}

arch_loads() {
	walk_boots arch "$WALKER/build/arch/x86/boot/bzImage" "$(package_modlib "$WALKER/root.arch")"
	answered arch 19 "$IN_TREE" 0
	answered arch 1 'o-mine[.]ko' 0
	answered arch 4 'o-(unsigned|foreign|foreign-changed|mine-changed)[.]ko' EKEYREJECTED
	# Nothing of it taints but that it is from elsewhere.
	grep -qP '^arch\to-mine[.]ko\t[^\t]*\t0\t-\t0\t0\t0\tO$' "$WORK/arch.tsv"
	expect 0 '^trusted: ' mh keys check --release 6.12.117 "$WORK/arch.keys" "$WALKER/src/certs-local/current/signing_crt.pem"
}
