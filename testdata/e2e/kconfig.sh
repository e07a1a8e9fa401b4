# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Edits the distribution's own kernel configurations, and runs the kernel's "make
# olddefconfig" over the result: no line that was set is lost or changed, and the
# same edit once more changes nothing. Linux 6.1, 6.12, 6.12 with our patch, and the
# newest, the last with the compiler and the OpenSSL of its release (chroot.sh).
# Sourced after chroot.sh, check.sh and dkms.sh.

KCONFIG_PACKAGES=("${CHROOT_PACKAGES[@]}" bison flex gcc libc6-dev make patch xz-utils)
KCONFIG_TREE=   # the source, with the distribution's .config in .config.debian
KCONFIG_FROM=.config.debian
KCONFIG_RUN=()  # what runs make there

kconfigs() {
	kconfig_tree 6.1 source-6.1 amd64-6.1
	kconfig_edits 6.1
	check kconfig/6.1/no-ml-dsa kconfig_refuses MODULE_SIG_KEY_TYPE_MLDSA_65 --key-type mldsa-65
	check kconfig/6.1/no-sha3 kconfig_refuses MODULE_SIG_SHA3_256 --sig-hash sha3-256
	check kconfig/6.1/no-hashes kconfig_refuses MODULE_HASHES --hashes

	kconfig_tree 6.12 source-6.12 amd64-6.12
	kconfig_edits 6.12
	check kconfig/6.12/bare kconfig_bare
	check kconfig/6.12/sha3 kconfig_keeps --sig-hash sha3-512 --key-type ecdsa
	check kconfig/6.12/no-ml-dsa kconfig_refuses MODULE_SIG_KEY_TYPE_MLDSA_65 --key-type mldsa-65
	check kconfig/6.12/no-hashes kconfig_refuses MODULE_HASHES --hashes
	kconfig_patch
	check kconfig/6.12-patched/hashes kconfig_profile hashes --hashes --set MODULE_SIG_FORCE=y --trusted-key certs/oot.pem
	check kconfig/6.12-patched/hashes-alone kconfig_keeps --unset SECURITY_LOCKDOWN_LSM --unset IMA_APPRAISE_MODSIG \
		--unset MODULE_SIG --hashes

	kconfig_tree split source-split amd64-split-base
	kconfig_edits split
	check kconfig/split/ml-dsa kconfig_keeps --key-type mldsa-65 --sig-hash sha512
	check kconfig/split/no-hashes kconfig_refuses MODULE_HASHES --hashes
}

# kconfig_tree NAME ROLE ROLE: the source of one role, as far as Kconfig needs it, and
# the configuration in the package of the other.
kconfig_tree() {
	local name=$1 config=$3 run='' top=./usr/src/linux-source-\*.tar.xz
	KCONFIG_RUN=()
	KCONFIG_TREE=$WORK/kconfig-$name
	if [ "$name" = split ]; then
		# Where its dkms is, there is all that make needs.
		KCONFIG_TREE=$DKMS_ROOT/linux
		run=$DKMS_ROOT
	fi
	mkdir "$KCONFIG_TREE"
	dpkg-deb --fsys-tarfile "$(corpus_file "$2")" | tar -xO --wildcards "$top" |
		tar -xJ -C "$KCONFIG_TREE" --strip-components=1 --no-same-owner --wildcards '*/Kconfig*' \
			--no-wildcards-match-slash '*/Makefile' '*/.gitignore' --wildcards-match-slash '*/arch/x86/Makefile*' \
			'*/include/asm-generic/vmlinux.lds.h' '*/include/linux/module.h' '*/certs/Makefile' \
			'*/kernel/module/*' '*/scripts/*' \
			--exclude='*/tools' --exclude='*/Documentation/*.rst'
	dpkg-deb --fsys-tarfile "$(corpus_file "$config")" |
		tar -xO --wildcards './boot/config-*' './usr/lib/modules/*/config' 2>/dev/null >"$KCONFIG_TREE/.config.debian" || true
	[ -s "$KCONFIG_TREE/.config.debian" ] || die "no configuration in $(corpus_file "$config")"
	mkdir -p "$KCONFIG_TREE/certs"
	cp "$ROOT_DIR/testdata/keys/throwaway-a.crt" "$KCONFIG_TREE/certs/oot.pem"
	cp "$ROOT_DIR/testdata/keys/throwaway-b.crt" "$KCONFIG_TREE/certs/second.pem"
	cp "$ROOT_DIR/testdata/vectors/signing/ecp384.crt" "$KCONFIG_TREE/certs/ec.pem"
	if [ -n "$run" ]; then KCONFIG_RUN=(in_chroot "$run" make -C "${KCONFIG_TREE#"$run"}"); else KCONFIG_RUN=(make -C "$KCONFIG_TREE"); fi
}

# kconfig_patch: what Kconfig sees of our patch.
kconfig_patch() {
	patch -d "$KCONFIG_TREE" -p1 -s -F0 --no-backup-if-mismatch <"$ROOT_DIR"/kbuild/linux/module-hashes-6.12.patch \
		>"$WORK/log" 2>&1 || die "the patch does not apply: $(tail -n 3 "$WORK/log")"
}

# kconfig_edits NAME: what every one of these kernels has.
kconfig_edits() {
	check "kconfig/$1/stable-key" kconfig_profile stable-key --trusted-key certs/oot.pem --set MODULE_SIG_KEY:= \
		--unset MODULE_SIG_ALL --set MODULE_SIG_FORCE=y --sig-hash sha384
	check "kconfig/$1/throw-away" kconfig_profile throw-away --set MODULE_SIG_KEY:=certs/signing_key.pem \
		--set MODULE_SIG_ALL=y --set MODULE_SIG_FORCE=y --key-type rsa --sig-hash sha256 --trusted-key certs/oot.pem
	check "kconfig/$1/permissive" kconfig_profile permissive --set MODULE_SIG_KEY:= --unset MODULE_SIG_ALL \
		--unset MODULE_SIG_FORCE
	check "kconfig/$1/two-certificates" kconfig_keeps --trusted-key certs/oot.pem --trusted-key certs/second.pem
	check "kconfig/$1/ecdsa-certificate" kconfig_ecdsa
	check "kconfig/$1/built-in" kconfig_keeps --key-type ecdsa --sig-hash sha512 --set CRYPTO_SHA512=y \
		--set CRYPTO_ECDSA=y --set MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS=y
	for form in none gzip xz zstd; do check "kconfig/$1/compress-$form" kconfig_keeps --compress "$form"; done
	check "kconfig/$1/unknown" kconfig_refuses NO_SUCH_THING --set NO_SUCH_THING=y
}

kconfig_start() {
	cp "$KCONFIG_TREE/$KCONFIG_FROM" "$KCONFIG_TREE/.config"
	rm -f "$KCONFIG_TREE/certs/trusted-keys.pem"
	chmod 640 "$KCONFIG_TREE/.config"
}

# kconfig_edit ARGUMENT…: with names of files from the top of the tree.
kconfig_edit() { (cd "$KCONFIG_TREE" && mh kconfig "$@" .config); }

# kconfig_keeps EDIT…: Kconfig keeps every line that the edit has set, and nothing is
# left for a second one.
kconfig_keeps() {
	local lost
	kconfig_start
	kconfig_edit "$@" >"$WORK/out"
	[ "$(stat -c %a "$KCONFIG_TREE/.config")" = 640 ] || fail "the mode is another"
	grep -vxFf "$KCONFIG_TREE/$KCONFIG_FROM" "$KCONFIG_TREE/.config" >"$WORK/set" || true
	"${KCONFIG_RUN[@]}" -s olddefconfig >"$WORK/log" 2>&1 || fail "make olddefconfig: $(tail -n 3 "$WORK/log")"
	lost=$(grep -vxFf "$KCONFIG_TREE/.config" "$WORK/set" || true)
	[ -z "$lost" ] || fail "Kconfig lost $lost"
	cp "$KCONFIG_TREE/.config" "$WORK/config"
	expect 0 '^nothing to change in 1 file$' kconfig_edit "$@"
	cmp "$WORK/config" "$KCONFIG_TREE/.config"
	"${KCONFIG_RUN[@]}" -s olddefconfig >"$WORK/log" 2>&1
	cmp "$WORK/config" "$KCONFIG_TREE/.config"
}

# kconfig_ecdsa: the kernel can check what it trusts.
kconfig_ecdsa() {
	kconfig_keeps --trusted-key certs/ec.pem
	grep -qx 'CONFIG_CRYPTO_ECDSA=y' "$KCONFIG_TREE/.config"
	grep -qx 'CONFIG_SYSTEM_TRUSTED_KEYS="certs/ec.pem"' "$KCONFIG_TREE/.config"
}

# kconfig_profile PROFILE EDIT…: and what is left has all that the profile wants.
kconfig_profile() {
	local profile=$1
	shift
	kconfig_keeps "$@"
	expect 0 "^\.config: profile $profile: nothing is missing\$" kconfig_edit --check "$profile"
}

# kconfig_bare: from a configuration with nothing in it, where Kconfig drops what does
# not bring with it all that it needs.
kconfig_bare() {
	local KCONFIG_FROM=.config.bare
	"${KCONFIG_RUN[@]}" -s allnoconfig >"$WORK/log" 2>&1 || fail "make allnoconfig: $(tail -n 3 "$WORK/log")"
	cp "$KCONFIG_TREE/.config" "$KCONFIG_TREE/$KCONFIG_FROM"
	kconfig_profile stable-key --set MODULES=y --set MODULE_SIG=y --set MODULE_SIG_KEY:= --unset MODULE_SIG_ALL \
		--set MODULE_SIG_FORCE=y --trusted-key certs/ec.pem
	kconfig_start
	expect 1 '^$' kconfig_edit --compress zstd --trusted-key certs/ec.pem
	[ "$(grep -c 'Kconfig would drop' "$WORK/err")" = 5 ] || fail "it says: $(cat "$WORK/err")"
	cmp "$KCONFIG_TREE/$KCONFIG_FROM" "$KCONFIG_TREE/.config"
}

# kconfig_refuses NAME EDIT…: by that name, and nothing is written.
kconfig_refuses() {
	local name=$1
	shift
	kconfig_start
	expect 1 '^$' kconfig_edit "$@"
	grep -qF "the source tree . does not know CONFIG_$name" "$WORK/err" || fail "it says: $(cat "$WORK/err")"
	cmp "$KCONFIG_TREE/.config.debian" "$KCONFIG_TREE/.config"
}
