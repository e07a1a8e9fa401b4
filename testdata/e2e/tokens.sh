# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of keys in PKCS #11 tokens: SoftHSM, in which keys are made and put, and
# the module of token.c, with the limits of a key service. Sourced by run.sh after
# signing.sh, whose keys and modules it uses.

# shellcheck disable=SC2034 # run.sh installs them
TOKENS_PACKAGES=(gcc libc6-dev libengine-pkcs11-openssl libssl-dev opensc openssl softhsm2)

# Looked for where it must not be.
TOKEN_PIN=8264-pin-of-the-token

tokens_setup() {
	local headers
	mkdir "$SIGN/bin" "$SIGN/softhsm" "$SIGN/token"
	cp "$MODHASH" "$SIGN/bin/modhash"
	CGO_ENABLED=1 go -C "$ROOT_DIR" build -trimpath -buildvcs=false -o "$SIGN/bin/modhash-pkcs11" ./cmd/modhash-pkcs11
	headers=$(go -C "$ROOT_DIR" list -m -f '{{.Dir}}' github.com/miekg/pkcs11)
	gcc -Wall -Wextra -Wno-cast-function-type -O1 -shared -fPIC -I"$headers" -o "$SIGN/mock.so" "$E2E_DIR/token.c" -lcrypto
	printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$SIGN/token" >"$SIGN/softhsm.conf"
	find /usr/lib -name libsofthsm2.so -print -quit >"$SIGN/softhsm.module"
	[ -s "$SIGN/softhsm.module" ]
	printf '%s' "$TOKEN_PIN" >"$SIGN/pin"
	printf 'not-the-pin' >"$SIGN/wrong-pin"
	chmod 600 "$SIGN/pin" "$SIGN/wrong-pin"
}

# mht ARGUMENT…: modhash with its helper beside it.
mht() { TMPDIR=$WORK/tmp "$SIGN/bin/modhash" "$@"; }

# --- SoftHSM ----------------------------------------------------------------

soft() { SOFTHSM2_CONF=$SIGN/softhsm.conf PKCS11_MODULE_PATH=$(cat "$SIGN/softhsm.module") "$@"; }
tool() { soft pkcs11-tool --module "$(cat "$SIGN/softhsm.module")" --token-label modhash --login --pin "$TOKEN_PIN" "$@"; }
soft_uri() { printf 'pkcs11:token=modhash;object=%s' "$1"; }

# softhsm: keys made in the token, with certificates that OpenSSL lets it sign, and
# one from a file.
softhsm() {
	local key
	soft softhsm2-util --init-token --free --label modhash --pin "$TOKEN_PIN" --so-pin 87654321
	tool --keypairgen --key-type rsa:2048 --label made-rsa --id 01
	tool --keypairgen --key-type EC:secp384r1 --label made-p384 --id 02
	for key in made-rsa made-p384; do
		soft openssl req -new -x509 -config "$GENKEY" -sha256 -days 36500 -batch -engine pkcs11 -keyform engine \
			-key "$(soft_uri $key);type=private?pin-value=$TOKEN_PIN" -out "$SIGN/keys/$key.crt"
	done
	openssl x509 -in "$SIGN/keys/made-p384.crt" -outform DER -out "$SIGN/made-p384.der"
	tool --write-object "$SIGN/made-p384.der" --type cert --id 02 --label another-label
	soft softhsm2-util --import "$SIGN/keys/rsa2048.pem" --token modhash --label put --id 03 --pin "$TOKEN_PIN"
	soft softhsm2-util --import "$SIGN/keys/rsa3072.pem" --token modhash --label twin --id 04 --pin "$TOKEN_PIN"
	soft softhsm2-util --import "$SIGN/keys/rsa4096.pem" --token modhash --label twin --id 05 --pin "$TOKEN_PIN"
}

# soft_sign LABEL OPTION…: all modules by a key in the token, into SIGN/token.d.
soft_sign() {
	local label=$1
	shift
	rm -rf "$SIGN/token.d"
	expect 0 '^400 modules signed, 0 were; ' soft mht sign -q --no-sync --key "$(soft_uri "$label")" \
		--pin-file "$SIGN/pin" --out "$SIGN/token.d" "$@" "$SIGN/plain"
}

soft_rsa() {
	soft_sign made-rsa --cert "$SIGN/keys/made-rsa.crt" --hash sha256
	accepted openssl made-rsa "$SIGN/token.d"
}

# soft_p384: the certificate comes out of the token.
soft_p384() {
	soft_sign made-p384 --hash sha384
	accepted openssl made-p384 "$SIGN/token.d"
}

soft_put() {
	soft_sign put --cert "$SIGN/keys/rsa2048.crt" --hash sha512
	sign_with rsa2048 "$SIGN/ours.d" --hash sha512
	diff -r "$SIGN/token.d" "$SIGN/ours.d"
	rm -rf "$SIGN/token.d" "$SIGN/ours.d"
}

# refuses_key TEXT COMMAND…: exit code 2, and this is said; no PIN is.
refuses_key() {
	local text=$1
	shift
	rm -rf "$SIGN/token.d"
	expect 2 '^$' "$@" --out "$SIGN/token.d" "$SIGN/plain"
	grep -qF -e "$text" "$WORK/err" || fail "it does not say $text: $(cat "$WORK/err")"
	! grep -qFf "$SIGN/pin" "$WORK/err" || fail "the PIN is told"
	! grep -qFf "$SIGN/wrong-pin" "$WORK/err" || fail "the wrong PIN is told"
	[ ! -d "$SIGN/token.d" ] || [ -z "$(find "$SIGN/token.d" -type f)" ] || fail "something was written"
}

soft_refusals() {
	local cert=(--cert "$SIGN/keys/rsa2048.crt")
	refuses_key CKR_PIN_INCORRECT soft mht sign --key "$(soft_uri put)" "${cert[@]}" --pin-file "$SIGN/wrong-pin"
	KBUILD_SIGN_PIN=$(cat "$SIGN/wrong-pin") refuses_key CKR_PIN_INCORRECT soft mht sign --key "$(soft_uri put)" "${cert[@]}"
	refuses_key 'there is no PIN for it' soft setsid -w "$SIGN/bin/modhash" sign --key "$(soft_uri put)" "${cert[@]}"
	refuses_key 'object=twin;id=%04, object=twin;id=%05' soft mht sign --key "$(soft_uri twin)" "${cert[@]}" --pin-file "$SIGN/pin"
	refuses_key 'object=made-rsa;id=%01' soft mht sign --key "$(soft_uri none)" "${cert[@]}" --pin-file "$SIGN/pin"
	refuses_key --cert soft mht sign --key "$(soft_uri put)" --pin-file "$SIGN/pin"
	refuses_key 'does not verify with the certificate' soft mht sign \
		--key "pkcs11:token=modhash;id=%04" "${cert[@]}" --pin-file "$SIGN/pin"
}

# soft_sign_file: sign-file with a URI, as CONFIG_MODULE_SIG_KEY may have one.
soft_sign_file() {
	local first
	first=$SIGN/plain/$(head -n 1 "$SIGN/names")
	KBUILD_SIGN_PIN=$TOKEN_PIN soft mht sign-file sha512 "$(soft_uri put)" "$SIGN/keys/rsa2048.crt" "$first" "$WORK/token.ko"
	"$SIGN/theirs" sha512 "$SIGN/keys/rsa2048.pem" "$SIGN/keys/rsa2048.crt" "$first" "$WORK/file.ko"
	cmp "$WORK/token.ko" "$WORK/file.ko"
}

# soft_many: sign-file as make -j calls it, with the token for all at once.
soft_many() {
	local name dir=$SIGN/many
	mkdir -p "$dir/ours" "$dir/theirs"
	while read -r name; do
		cp "$SIGN/plain/$name" "$dir/ours"
		cp "$SIGN/plain/$name" "$dir/theirs"
	done < <(head -n 64 "$SIGN/names")
	find "$dir/ours" -type f -print0 | KBUILD_SIGN_PIN=$TOKEN_PIN soft xargs -0 -n 1 -P 16 \
		"$SIGN/bin/modhash" sign-file sha512 "$(soft_uri put)" "$SIGN/keys/rsa2048.crt"
	find "$dir/theirs" -type f -exec "$SIGN/theirs" sha512 "$SIGN/keys/rsa2048.pem" "$SIGN/keys/rsa2048.crt" {} \;
	diff -r "$dir/theirs" "$dir/ours"
	rm -r "$dir"
}

soft_tests() { CGO_ENABLED=1 go -C "$ROOT_DIR" test -count=1 -tags softhsm ./cmd/modhash-pkcs11; }

# secret: while modules are signed, no process has the PIN among its arguments, and
# none is written.
secret() {
	local pid rc=0 seen=0
	rm -rf "$SIGN/token.d"
	soft mht sign --key "$(soft_uri put)" --cert "$SIGN/keys/rsa2048.crt" --pin-file "$SIGN/pin" \
		--out "$SIGN/token.d" "$SIGN/plain" >"$WORK/out" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if grep -qaF -- modhash-pkcs11 /proc/[0-9]*/cmdline 2>/dev/null; then seen=$((seen + 1)); fi
		! grep -laFf "$SIGN/pin" /proc/[0-9]*/cmdline 2>/dev/null || fail "a process has the PIN among its arguments"
	done
	wait "$pid" || rc=$?
	[ "$rc" = 0 ] || fail "exit code $rc: $(cat "$WORK/out")"
	[ "$seen" -gt 0 ] || fail "the helper was never seen"
	! grep -qFf "$SIGN/pin" "$WORK/out" || fail "the PIN was written"
}

# --- the key service --------------------------------------------------------

# mock_setup: a slot for each key; the one of P-521 has no certificate.
mock_setup() {
	local key
	for key in rsa2048 p256 p384; do
		openssl x509 -in "$SIGN/keys/$key.crt" -outform DER -out "$SIGN/mock-$key.der"
		printf '%s %s %s\n' "$key" "$SIGN/keys/$key.pem" "$SIGN/mock-$key.der"
	done >"$SIGN/mock.conf"
	printf 'p521 %s -\n' "$SIGN/keys/p521.pem" >>"$SIGN/mock.conf"
}

# mock_sign KEY OPTION…: the command; MOCK_ variables are passed on.
mock_sign() {
	local key=$1
	shift
	rm -f "$SIGN/mock.log"
	MOCK_TOKEN=$SIGN/mock.conf MOCK_TOKEN_LOG=$SIGN/mock.log mht sign -q --no-sync --pkcs11-module "$SIGN/mock.so" \
		--key "pkcs11:token=$key" "$@"
}

mock_rsa() {
	local hash
	for hash in sha256 sha384 sha512; do
		rm -rf "$SIGN/token.d"
		expect 0 '^400 modules signed, ' mock_sign rsa2048 --hash "$hash" --out "$SIGN/token.d" "$SIGN/plain"
		sign_with rsa2048 "$SIGN/ours.d" --hash "$hash"
		diff -r "$SIGN/token.d" "$SIGN/ours.d"
	done
	rm -rf "$SIGN/token.d" "$SIGN/ours.d"
	# The service takes the first for SHA-256, and does not know the others.
	refuses_key 'does not verify' mock_sign rsa2048 --hash sha3-256
	refuses_key CKR_DATA_LEN_RANGE mock_sign rsa2048 --hash sha224
}

# mock_ec KEY HASH OPTION…: of all lengths of signatures that came, some were short.
mock_ec() {
	local key=$1 hash=$2
	shift 2
	rm -rf "$SIGN/token.d"
	expect 0 '^400 modules signed, ' mock_sign "$key" --hash "$hash" "$@" --out "$SIGN/token.d" "$SIGN/plain"
	accepted openssl "$key" "$SIGN/token.d"
	[ "$(grep -c '^signature ' "$SIGN/mock.log")" = 400 ]
	! grep -q login "$SIGN/mock.log" || fail "there was a login"
	sort "$SIGN/mock.log" | uniq -c
	if [ "$key" = p521 ]; then
		[ "$(sort -u "$SIGN/mock.log" | wc -l)" -gt 1 ] || fail "no short signature was met"
	fi
	rm -rf "$SIGN/token.d"
}

mock_no_certificate() { refuses_key --cert mock_sign p521; }

# mock_pin: one login, right or wrong.
mock_pin() {
	export MOCK_TOKEN_PIN=$TOKEN_PIN
	refuses_key CKR_PIN_INCORRECT mock_sign rsa2048 --pin-file "$SIGN/wrong-pin"
	[ "$(cat "$SIGN/mock.log")" = login ] || fail "not one login: $(cat "$SIGN/mock.log")"
	rm -rf "$SIGN/token.d"
	expect 0 '^400 modules signed, ' mock_sign rsa2048 --pin-file "$SIGN/pin" --out "$SIGN/token.d" "$SIGN/plain"
	[ "$(grep -c login "$SIGN/mock.log")" = 1 ] || fail "not one login"
	rm -rf "$SIGN/token.d"
}

# mock_fault FAULT TEXT: it comes at the 100th signature. What was signed before is
# whole, the other modules are as they were, and nothing is left beside them.
mock_fault() {
	local name new=0 old=0
	rm -rf "$SIGN/token.d"
	cp -R "$SIGN/plain" "$SIGN/token.d"
	sign_with rsa2048 "$SIGN/ours.d" --hash sha256
	export MOCK_TOKEN_FAULT=$1:100
	expect 2 '^$' mock_sign rsa2048 --hash sha256 "$SIGN/token.d"
	grep -qF -e "$2" "$WORK/err" || fail "it does not say $2: $(cat "$WORK/err")"
	while read -r name; do
		if cmp -s "$SIGN/token.d/$name" "$SIGN/ours.d/$name"; then
			new=$((new + 1))
		else
			cmp "$SIGN/token.d/$name" "$SIGN/plain/$name"
			old=$((old + 1))
		fi
	done <"$SIGN/names"
	case $new in ?|??) ;; *) fail "$new new modules, $old old ones" ;; esac
	[ "$new" != 0 ] || fail "none was signed"
	[ "$(find "$SIGN/token.d" -type f | wc -l)" = 400 ] || fail "something is left behind"
	rm -rf "$SIGN/token.d" "$SIGN/ours.d"
}

tokens() {
	check token/setup tokens_setup
	check token/softhsm/setup softhsm
	check token/softhsm/tests soft_tests
	check token/softhsm/rsa-made-there soft_rsa
	check token/softhsm/p384-made-there soft_p384
	check token/softhsm/rsa-put-there soft_put
	check token/softhsm/sign-file soft_sign_file
	check token/softhsm/sign-file-at-once soft_many
	check token/softhsm/refusals soft_refusals
	check token/softhsm/pin-is-secret secret
	check token/service/setup mock_setup
	check token/service/rsa mock_rsa
	check token/service/p256 mock_ec p256 sha256
	check token/service/p384 mock_ec p384 sha384
	check token/service/p384/sha256 mock_ec p384 sha256
	check token/service/p384/sha512 mock_ec p384 sha512
	check token/service/p521 mock_ec p521 sha512 --cert "$SIGN/keys/p521.crt"
	check token/service/no-certificate mock_no_certificate
	check token/service/pin mock_pin
	check token/service/wrong-signature mock_fault bad 'does not verify'
	check token/service/removed mock_fault removed CKR_DEVICE_REMOVED
}
