# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Rules about keys and certificates. Sourced after rows.sh.

# build.config without hashes: what may have a key of its own.
SIGNED=('# CONFIG_MODULE_HASHES is not set')
IKCONFIG=(CONFIG_IKCONFIG=y)

# The same on top of small.config.
SIGNATURES=(CONFIG_MODULE_SIG=y '# CONFIG_MODULE_SIG_ALL is not set' CONFIG_MODULE_SIG_SHA256=y)
TRUSTING=("${SIGNATURES[@]}" 'CONFIG_MODULE_SIG_KEY=""' CONFIG_IKCONFIG=y)

cause_throwaway_key() {
	local ON=("${SIGNATURES[@]}" 'CONFIG_MODULE_SIG_KEY="certs/signing_key.pem"')
	local OFF=("${SIGNATURES[@]}" 'CONFIG_MODULE_SIG_KEY=""')
	compared throwaway-key error small certs/system_certificates.o
}

cause_key_path() {
	local name
	for name in "${BUILDERS[@]}"; do cp "$KEYS_DIR/throwaway-a.crt" "$TREES/$name/trusted.pem"; done
	local ON=("${TRUSTING[@]}" "one:CONFIG_SYSTEM_TRUSTED_KEYS=\"$TREES/one/trusted.pem\""
		"two:CONFIG_SYSTEM_TRUSTED_KEYS=\"$TREES/two/trusted.pem\"")
	local OFF=("${TRUSTING[@]}" 'CONFIG_SYSTEM_TRUSTED_KEYS="../trusted.pem"')
	compared key-path warning small kernel/configs.o
}

# The certificate is on a token; its PIN is what the image must not hold. What tells
# is the kernel's own script. This source's extract-cert wants a provider of OpenSSL
# that the distribution does not have; it has an engine too, for older ones.
cause_key_pin() {
	local uri='pkcs11:token=modhash;object=modhash' pin=271828 on said_on lib
	lib=$(find /usr/lib -name libsofthsm2.so | sed -n 1p)
	[ -n "$lib" ] || fail 'libsofthsm2.so is missing'
	local TOKEN=("SOFTHSM2_CONF=$TREES/one/token/softhsm2.conf" "PKCS11_MODULE_PATH=$lib")
	local ON=("${SIGNED[@]}" "${IKCONFIG[@]}" "CONFIG_MODULE_SIG_KEY=\"$uri;pin-value=$pin\"" "${TOKEN[@]}")
	local OFF=("${SIGNED[@]}" "${IKCONFIG[@]}" "CONFIG_MODULE_SIG_KEY=\"$uri\"" "KBUILD_SIGN_PIN=$pin" "${TOKEN[@]}")
	token_make one "$pin" "$lib"
	change_source one certs/extract-cert.c
	sed -i 's/^#if OPENSSL_VERSION_MAJOR >= 3$/#if 0/' "$TREES/one/src/certs/extract-cert.c"
	tree_state one build "${ON[@]}"
	embedded "pin-value=$pin"
	on=$RESULT
	lint_state key-pin build "${ON[@]}"
	said_on=$LINT
	tree_state one build "${OFF[@]}"
	embedded "pin-value=$pin"
	lint_state key-pin build "${OFF[@]}"
	row key-pin "${ON[2]}, CONFIG_IKCONFIG=y" "${OFF[2]}, CONFIG_IKCONFIG=y" 'extract-ikconfig bzImage' \
		error - "holds pin-value=$pin" 'does not' "$said_on" "$LINT" "$on" "$RESULT"
}

# embedded TEXT: whether the configuration in the image holds it.
embedded() {
	"$TREES/one/src/scripts/extract-ikconfig" "$TREES/one/build/$IMAGE" >"$WORK/ikconfig"
	grep -q '^CONFIG_IKCONFIG=y' "$WORK/ikconfig" || fail "the image has no configuration"
	RESULT='does not'
	! grep -qF -e "$1" "$WORK/ikconfig" || RESULT="holds $1"
}

# token_make NAME PIN LIBRARY: the token lies in the builder's folder.
token_make() {
	local dir=$TREES/$1/token pin=$2 lib=$3
	rm -rf "$dir"
	mkdir -p "$dir/tokens"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$dir/tokens" >"$dir/softhsm2.conf"
	own "$1" "$dir"
	openssl x509 -in "$KEYS_DIR/throwaway-a.crt" -outform DER -out "$WORK/token.der"
	(
		export SOFTHSM2_CONF=$dir/softhsm2.conf
		softhsm2-util --init-token --free --label modhash --pin "$pin" --so-pin "$pin"
		pkcs11-tool --module "$lib" --token-label modhash --login --pin "$pin" \
			--write-object "$WORK/token.der" --type cert --label modhash --id 01
	)
	own "$1" "$dir"
}

# One builder, one key, two installations: a signature with ECDSA is another each time.
# With RSA it is the same, but a second builder does not have the key.
cause_sign_needs_key() {
	local key='CONFIG_MODULE_SIG_KEY="certs/modules.pem"'
	local ON=("${SIGNED[@]}" CONFIG_MODULE_SIG_ALL=y "$key") OFF=("${SIGNED[@]}" "$key")
	openssl req -new -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -days 36500 -batch \
		-subj /CN=throw-away -keyout "$WORK/ec.key" -out "$WORK/ec.crt" 2>/dev/null
	give_key "$WORK/ec.key" "$WORK/ec.crt"
	installed sign-needs-key warning 'modules_install, twice with the same ECDSA key' different
	give_key /dev/null "$KEYS_DIR/throwaway-a.crt"
	installed sign-needs-key warning 'modules_install, with the certificate alone' 'cannot be installed'
}

# give_key KEY CRT: what certs/modules.pem is.
give_key() {
	mkdir -p "$TREES/one/build/certs"
	cat "$1" "$2" >"$TREES/one/build/certs/modules.pem"
	own one "$TREES/one/build/certs"
}

# installed RULE SEVERITY SHOWN-BY WANT-ON: what becomes of two modules_install with ON;
# with OFF they install the same.
installed() {
	local rule=$1 severity=$2 by=$3 want=$4 on said_on
	tree_state one build "${ON[@]}"
	install_twice "${ON[@]}"
	on=$RESULT
	lint_state "$rule" build "${ON[@]}"
	said_on=$LINT
	tree_state one build "${OFF[@]}"
	install_twice "${OFF[@]}"
	lint_state "$rule" build "${OFF[@]}"
	row "$rule" "$(words "${ON[@]}")" "$(words "${OFF[@]}")" "$by" \
		"$severity" - "$want" identical "$said_on" "$LINT" "$on" "$RESULT"
}

# install_twice SETTING…: RESULT is whether the modules are the same.
install_twice() {
	local CONFIG_LINES VARIABLES
	settings_of one "$@"
	RESULT='cannot be installed'
	tree_install one build || return 0
	rm -rf "$TREES/one/root.before"
	mv "$TREES/one/root" "$TREES/one/root.before"
	tree_install one build || return 0
	RESULT=identical
	diff -r --exclude=build "$TREES/one/root.before" "$TREES/one/root" >/dev/null || RESULT=different
}

# tree_install NAME DIR: modules_install into TREES/NAME/root, with the VARIABLES.
# Returns make's result.
tree_install() {
	local name=$1 dir=$2
	rm -rf "$TREES/$name/root"
	mkdir "$TREES/$name/root"
	own "$name" "$TREES/$name/root"
	tree_make "$name" "$dir" INSTALL_MOD_PATH="$TREES/$name/root" DEPMOD=true modules_install
}

cause_sign_without_key() {
	local ON=("${SIGNED[@]}" CONFIG_MODULE_SIG_ALL=y) OFF=("${SIGNED[@]}")
	installed sign-without-key error modules_install 'cannot be installed'
}
