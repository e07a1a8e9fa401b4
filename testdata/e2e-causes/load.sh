# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Rules about what the kernel loads: the kernel is booted and asked. Sourced after
# keys.sh and ../e2e-kernel/boot.sh. Only the first builder builds.

COMPRESSED=4 # MODULE_INIT_COMPRESSED_FILE of finit_module

# answers KERNEL MODE FLAGS FILE: RESULT is what that kernel says in a MODE of boot.sh
# to one module: "loads", or the name of the errno.
answers() {
	local image=$1 mode=$2 flags=$3 file=$4 folder=$WORK/boot
	rm -rf "$folder"
	mkdir -p "$folder/m"
	cp "$file" "$folder/m/module"
	printf 'it\tfinit_module\t%s\t0\t/m/module\n' "$flags" >"$folder/cases"
	echo 1 >"$folder/count"
	cp "$WORK/init" "$folder/init"
	(cd "$folder" && find init cases m | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$folder.cpio"
	boot "$image" "$folder" "$mode" "$folder.$mode"
	RESULT=$(awk -F '\t' '$1 == "@result" { print $3 }' "$folder.$mode.lines")
	[ "$RESULT" != 0 ] || RESULT=loads
}

# one_state SETTING…: the first builder builds this state and installs its modules in
# TREES/one/root; the path of one of them, as it was built, is MODULE, and as
# installed, without what a compression adds, INSTALLED.
MODULE='' INSTALLED='' KERNEL=''
one_state() {
	local CONFIG_LINES VARIABLES
	tree_state one build "$@"
	settings_of one "$@"
	tree_install one build || broken modules_install
	MODULE=$TREES/one/build/lib/crc7.ko
	KERNEL=$TREES/one/build/$IMAGE
	INSTALLED=$(kernel_modlib_of one)/kernel/lib/crc7.ko
}

kernel_modlib_of() {
	local found=("$TREES/$1"/root/lib/modules/*)
	printf '%s\n' "${found[0]}"
}

# asked RULE SEVERITY WANT-ON WANT-OFF MODE WHAT FUNCTION: what the kernel in the
# states ON and OFF says in that mode to what FUNCTION has written to WORK/module;
# WHAT names it. FLAGS are those of the call.
FLAGS=0
asked() {
	local rule=$1 severity=$2 want_on=$3 want_off=$4 mode=$5 what=$6 make=$7 off said_off
	one_state "${OFF[@]}"
	"$make"
	answers "$KERNEL" "$mode" "$FLAGS" "$WORK/module"
	off=$RESULT
	lint_state "$rule" build "${OFF[@]}"
	said_off=$LINT
	one_state "${ON[@]}"
	"$make"
	answers "$KERNEL" "$mode" "$FLAGS" "$WORK/module"
	lint_state "$rule" build "${ON[@]}"
	row "$rule" "$(words "${ON[@]}")" "$(words "${OFF[@]}")" "boot, $mode: $what" "$severity" "$OFF_LINT" \
		"$want_on" "$want_off" "$LINT" "$said_off" "$RESULT" "$off"
}

unsigned() { cp "$MODULE" "$WORK/module"; }
installed_module() { cp "$INSTALLED" "$WORK/module"; }

# The module comes with the proof that the kernel with hashes looks at.
cause_no_hashes() {
	local ON=("${SIGNED[@]}") OFF=()
	one_state
	cp "$INSTALLED" "$WORK/proven"
	asked no-hashes note EKEYREJECTED loads sig_enforce 'a module with its proof' proven
}
proven() { cp "$WORK/proven" "$WORK/module"; }

cause_not_enforced() {
	local ON=() OFF=(CONFIG_MODULE_SIG_FORCE=y)
	asked not-enforced note loads EKEYREJECTED permissive 'a module without trailer' unsigned
}

# The kernel checks signatures with SHA-256, but out-of-tree modules come with
# another hash.
cause_sig_hash_builtin() {
	local LINT_ARGS=(--hash sha3-256) OFF=(CONFIG_CRYPTO_SHA3=y) ON
	ON=('# CONFIG_CRYPTO_SHA3 is not set')
	asked sig-hash-builtin error EKEYREJECTED loads sig_enforce 'a module signed with sha3-256' signed_sha3
	ON=(CONFIG_CRYPTO_SHA3=m)
	asked sig-hash-builtin error EKEYREJECTED loads sig_enforce 'a module signed with sha3-256' signed_sha3
}
signed_sha3() {
	"$TREES/one/build/scripts/sign-file" sha3-256 "$KEYS_DIR/throwaway-a.key" "$KEYS_DIR/throwaway-a.crt" \
		"$MODULE" "$WORK/module"
}

cause_sig_key_builtin() {
	local trusted='CONFIG_SYSTEM_TRUSTED_KEYS="../ec.pem"' LINT_ARGS=(--key-type ecdsa) ON OFF
	openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -days 36500 -batch \
		-subj /CN=throw-away -keyout "$WORK/ec.key" -out "$TREES/one/ec.pem" 2>/dev/null
	OFF=("$trusted" CONFIG_CRYPTO_ECDSA=y)
	ON=("$trusted" '# CONFIG_CRYPTO_ECDSA is not set')
	asked sig-key-builtin error EKEYREJECTED loads sig_enforce 'a module signed with an ECDSA key' signed_ec
	ON=("$trusted" CONFIG_CRYPTO_ECDSA=m)
	asked sig-key-builtin error EKEYREJECTED loads sig_enforce 'a module signed with an ECDSA key' signed_ec
}
signed_ec() {
	"$TREES/one/build/scripts/sign-file" sha256 "$WORK/ec.key" "$TREES/one/ec.pem" "$MODULE" "$WORK/module"
}

COMPRESS_XZ=(CONFIG_MODULE_COMPRESS=y CONFIG_MODULE_COMPRESS_ALL=y CONFIG_MODULE_COMPRESS_XZ=y)

cause_no_decompress() {
	local FLAGS=$COMPRESSED ON=("${COMPRESS_XZ[@]}" '# CONFIG_MODULE_DECOMPRESS is not set')
	local OFF=("${COMPRESS_XZ[@]}" CONFIG_MODULE_DECOMPRESS=y)
	asked no-decompress warning EOPNOTSUPP loads permissive 'a .ko.xz, handed over as it is' installed_xz
}
installed_xz() { cp "$INSTALLED.xz" "$WORK/module"; }

# The same kernel, other modules: lint looks at those that are installed.
cause_decompress_other() {
	local FLAGS=$COMPRESSED state=("${COMPRESS_XZ[@]}" CONFIG_MODULE_DECOMPRESS=y) LINT_ENV on said_on config
	one_state "${state[@]}"
	lint_environment
	config=$TREES/one/build/.config
	answers "$KERNEL" permissive "$FLAGS" "$INSTALLED.xz"
	lint_says decompress-other "${LINT_ENV[@]}" "$config" "$(kernel_modlib_of one)"
	local off=$RESULT said_off=$LINT
	find "$TREES/one/root" -name '*.ko.xz' -exec unxz {} +
	find "$TREES/one/root" -name '*.ko' -exec zstd -q --rm {} +
	answers "$KERNEL" permissive "$FLAGS" "$INSTALLED.zst"
	on=$RESULT
	lint_says decompress-other "${LINT_ENV[@]}" "$config" "$(kernel_modlib_of one)"
	said_on=$LINT
	row decompress-other "$(words "${state[@]}"), modules compressed with zstd" 'the same, modules compressed with xz' \
		'boot, permissive: a module as it is installed' error - EINVAL loads "$said_on" "$said_off" "$on" "$off"
}

# Stripped after it was hashed, with the proof that belongs to it unstripped.
cause_strip_mismatch() {
	local LINT_ENV said_on said_off on off
	one_state
	lint_environment
	answers "$KERNEL" sig_enforce 0 "$INSTALLED"
	off=$RESULT
	lint_state strip-mismatch build
	said_off=$LINT
	strip --strip-debug -o "$WORK/module" "$MODULE"
	! cmp -s "$WORK/module" "$MODULE" || fail 'strip changed nothing'
	cat "${MODULE%.ko}.merkle" >>"$WORK/module"
	answers "$KERNEL" sig_enforce 0 "$WORK/module"
	on=$RESULT
	lint_state strip-mismatch build INSTALL_MOD_STRIP=1
	said_on=$LINT
	row strip-mismatch 'INSTALL_MOD_STRIP=1 only when modules are installed' - 'boot, sig_enforce: the module as installed' \
		error - EKEYREJECTED loads "$said_on" "$said_off" "$on" "$off"
	local VARIABLES=()
	on='can be installed'
	VARIABLES=(INSTALL_MOD_STRIP=1)
	tree_install one build || on='cannot be installed'
	row strip-mismatch 'INSTALL_MOD_STRIP=1 only when modules are installed' - 'make modules_install' \
		error - 'cannot be installed' 'can be installed' "$said_on" "$said_off" "$on" 'can be installed'
}

# Last: without any authentication struct module is another, and all that knows it is
# compiled again.
cause_no_authentication() {
	local ON=('# CONFIG_MODULE_HASHES is not set' '# CONFIG_MODULE_SIG is not set') OFF=()
	asked no-authentication warning loads EKEYREJECTED sig_enforce 'a module without trailer' unsigned
}
