# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of `modhash keys`: certificates beside those of the machine's OpenSSL and of
# the newest one, keys that OpenSSL and the kernel's own tools read, certificates in
# kernel images, and rotations that are killed, run at once or find the disk full.
# Sourced by run.sh after signing.sh and tokens.sh, whose keys and tokens it uses.

KEYS=

keys_setup() {
	mkdir "$KEYS"
	mh keys genkey >"$KEYS/x509.genkey"
	# What the kernel's build made its key by.
	cmp "$KEYS/x509.genkey" "$KERNEL/build/certs/x509.genkey"
}

# tbs FILE: what is signed of a certificate.
tbs() { openssl asn1parse -inform DER -in "$1" -strparse 4 -noout -out "$1.tbs"; }

# when FILE start|end: the date of a certificate, as an option takes it.
when() { openssl x509 -inform DER -in "$1" -noout "-$2date" -dateopt iso_8601 | sed 's/.*=//; s/[-: ]//g'; }

# as_machine KEY HASH: OpenSSL 3.0 knows no fixed dates, so it is the first. RSA: the
# same certificate. ECDSA: the same but for the signature, which is random there.
as_machine() {
	local key=$SIGN/keys/$1.pem hash=$2 theirs=$KEYS/theirs.der ours=$KEYS/ours.der serial=0102030405060708090a0b0c0d0e0f1011121314
	openssl version | grep -q '^OpenSSL 3'
	rm -f "$ours"
	openssl req -new -x509 -utf8 -nodes -batch "-$hash" -days 36500 -set_serial 0x$serial -config "$KEYS/x509.genkey" \
		-key "$key" -outform DER -out "$theirs"
	expect 0 '^made ' mh -q keys new --openssl 3 --key "$key" --genkey "$KEYS/x509.genkey" --hash "$hash" --serial $serial \
		--not-before "$(when "$theirs" start)" --not-after "$(when "$theirs" end)" --der "$ours"
	tbs "$theirs"
	tbs "$ours"
	cmp "$theirs.tbs" "$ours.tbs"
	case $1 in rsa*) cmp "$theirs" "$ours" ;; esac
	verified_by openssl "$ours"
}

# as_newest KEY HASH OPTION…: with a deterministic signature all of it is the same.
as_newest() {
	local key=$SIGN/keys/$1.pem hash=$2 style=4 from=20260101000000Z to=21260101000000Z
	shift 2
	if "$OPENSSL" version | grep -q '^OpenSSL 3'; then style=3; fi
	rm -f "$KEYS/ours.der"
	"$OPENSSL" req -new -x509 -utf8 -nodes -batch "-$hash" "$@" -set_serial 0x7f -config "$KEYS/x509.genkey" -key "$key" \
		-not_before "$from" -not_after "$to" -outform DER -out "$KEYS/theirs.der"
	expect 0 '^made ' mh -q keys new --openssl "$style" --key "$key" --genkey "$KEYS/x509.genkey" --hash "$hash" --serial 7f \
		--not-before "$from" --not-after "$to" --der "$KEYS/ours.der"
	cmp "$KEYS/theirs.der" "$KEYS/ours.der"
}

# by_files: files of all shapes, see there.
by_files() {
	local style=4
	if "$OPENSSL" version | grep -q '^OpenSSL 3'; then style=3; fi
	TMPDIR=$WORK/tmp "$E2E_DIR/genkey.py" "$MODHASH" "$OPENSSL" "$style" "$SIGN/keys/rsa2048.pem" "$KEYS" 120
}

# verified_by OPENSSL FILE: it finds the certificate to be signed by its own key.
verified_by() {
	"$1" x509 -inform DER -in "$2" -out "$2.pem"
	"$1" verify -check_ss_sig -no_check_time -CAfile "$2.pem" "$2.pem"
}

# made_key TYPE OPENSSL: keys are read by it, and belong to the certificate; the
# kernel's extract-cert takes the certificate out of the file for its build.
made_key() {
	local dir=$KEYS/$1 bits=()
	if [ "$1" = rsa ]; then bits=(--bits 2048); fi
	expect 0 '^made ' mh -q keys new --type "$1" "${bits[@]}" "$dir"
	[ "$(stat -c %a "$dir/signing_key.pem" "$dir/signing_prv.pem" | sort -u)" = 600 ]
	"$2" pkey -in "$dir/signing_prv.pem" -pubout -out "$dir/key.pub"
	"$2" x509 -inform DER -in "$dir/signing_crt.crt" -noout -pubkey >"$dir/crt.pub"
	cmp "$dir/key.pub" "$dir/crt.pub"
	"$2" x509 -in "$dir/signing_crt.pem" -outform DER | cmp - "$dir/signing_crt.crt"
	verified_by "$2" "$dir/signing_crt.crt"
	"$KERNEL/build/certs/extract-cert" "$dir/signing_key.pem" "$dir/extracted"
	cmp "$dir/extracted" "$dir/signing_crt.crt"
	expect 0 '^-----BEGIN PUBLIC KEY' mh keys export --form public-pem "$dir"
	cmp "$WORK/out" "$dir/key.pub"
}

# signs TYPE: the kernel's sign-file takes the files, and what modhash signs with
# them OpenSSL accepts.
signs() {
	local dir=$KEYS/$1 first
	first=$(head -n 1 "$SIGN/names")
	cp "$SIGN/plain/$first" "$KEYS/theirs.ko"
	cp "$SIGN/plain/$first" "$KEYS/ours.ko"
	"$SIGN/theirs" sha256 "$dir/signing_prv.pem" "$dir/signing_crt.crt" "$KEYS/theirs.ko"
	expect 0 '^1 module signed' mh sign --hash sha256 --key "$dir/signing_key.pem" "$KEYS/ours.ko"
	case $1 in rsa) cmp "$KEYS/theirs.ko" "$KEYS/ours.ko" ;; esac
	expect 0 '^0 modules signed, 1 were' mh sign --hash sha256 --key "$dir/signing_key.pem" "$KEYS/theirs.ko"
}

# in_own: the kernel that was built here trusts the key of its build, and no other.
in_own() {
	expect 0 '^trusted: ' mh keys check --config "$KERNEL/build/.config" "$KERNEL/build/vmlinux" "$KERNEL/build/certs/signing_key.x509"
	says "as that of the build's own key"
	expect 1 '^not trusted: ' mh keys check --config "$KERNEL/build/.config" "$KERNEL/build/vmlinux" "$KEYS/rsa/signing_crt.pem"
	expect 0 '' mh keys extract --select build --der -o "$KEYS/build.der" "$KERNEL/build/vmlinux"
	cmp "$KEYS/build.der" "$KERNEL/build/certs/signing_key.x509"
}

# in_image ROLE: the distribution's kernel trusts the key that its build made, which
# openssl reads as the list has it.
in_image() {
	local image config der=$KEYS/$1.der serial
	image=$(image_in "$WORK/$1/tree")
	config=$(find "$WORK/$1/tree" -path '*/boot/config-*' -type f | one_line config)
	expect 0 '' mh keys extract --select build --der -o "$der" "$image"
	openssl x509 -inform DER -in "$der" -noout -subject | grep -q 'Build time autogenerated kernel key'
	serial=$(openssl x509 -inform DER -in "$der" -noout -serial | sed 's/.*=//' | tr A-F a-f)
	expect 0 '^1 certificate in ' mh keys extract --select "$(printf '%040s' "$serial" | tr ' ' 0)" "$image"
	says "serial $serial"
	expect 0 '^trusted: ' mh keys check --config "$config" "$image" "$der"
	expect 1 '^not trusted: ' mh keys check --config "$config" "$image" "$KEYS/rsa/signing_crt.crt"
}

# rotation_whole DIR: the current key is there, alone or among others, and is a pair.
rotation_whole() {
	expect 0 'the current one is ' mh keys show "$1"
	openssl pkey -in "$1/current/signing_key.pem" -pubout >"$KEYS/1.pub"
	openssl x509 -inform DER -in "$1/current/signing_crt.crt" -noout -pubkey | cmp - "$KEYS/1.pub"
	openssl x509 -in "$1/current/signing_key.pem" -noout -pubkey | cmp - "$KEYS/1.pub"
}

# rotation_killed: whenever it is killed, there is a whole current key, which the
# configuration names.
rotation_killed() {
	local tree=$KEYS/tree i rc killed=0 done=0
	mkdir "$tree"
	printf 'CONFIG_SYSTEM_TRUSTED_KEYRING=y\nCONFIG_SYSTEM_TRUSTED_KEYS=""\n' >"$tree/.config"
	mh -q keys rotate --config "$tree/.config" "$tree/keys"
	for ((i = 0; i < 25; i++)); do
		rc=0
		TMPDIR=$WORK/tmp timeout -s KILL "0.$(printf %03d $((i * 3 + 5)))" \
			"$MODHASH" -q keys rotate --period always --keep 3 --config "$tree/.config" "$tree/keys" >/dev/null || rc=$?
		case $rc in 0) done=$((done + 1)) ;; 137) killed=$((killed + 1)) ;; *) fail "exit code $rc" ;; esac
		rotation_whole "$tree/keys"
		grep -qx 'CONFIG_SYSTEM_TRUSTED_KEYS="keys/current/signing_crt.pem"' "$tree/.config"
	done
	[ "$killed" -gt 0 ] || fail "none was killed"
	mh -q keys rotate --period always --keep 1 --config "$tree/.config" "$tree/keys"
	[ "$(find "$tree/keys" -mindepth 1 -maxdepth 1 | wc -l)" = 3 ] || fail "left behind: $(ls -A "$tree/keys")"
	printf '%d killed, %d not\n' "$killed" "$done"
}

at_once() {
	local pids=() pid i
	for ((i = 0; i < 8; i++)); do
		TMPDIR=$WORK/tmp "$MODHASH" keys rotate --period always "$KEYS/at-once" >/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	rotation_whole "$KEYS/at-once"
	[ "$(find "$KEYS/at-once" -mindepth 1 -maxdepth 1 -type d | wc -l)" = 8 ]
}

# full: with no room on the disk the old key stays the current one, and nothing is
# left; with room a new one is made.
# shellcheck disable=SC2016 # expanded by the inner shell
full() {
	local user=()
	[ "$(id -u)" = 0 ] || user=(--user --map-root-user)
	mkdir "$KEYS/disk"
	unshare "${user[@]}" --mount --propagation private bash -euc '
		mount -t tmpfs -o size=64k none "$1"
		"$2" -q keys rotate "$1/keys"
		was=$(readlink "$1/keys/current")
		for room in 0 1 2 3 4 5 6 7 8; do
			head -c 1000000 /dev/zero >"$1/filler" 2>/dev/null || true
			truncate -s "$(($(stat -c %s "$1/filler") - room * 4096))" "$1/filler"
			rc=0
			"$2" -q keys rotate --period always "$1/keys" 2>"$3" || rc=$?
			"$2" keys show "$1/keys"
			[ -z "$(find "$1/keys" -name ".new*")" ]
			if [ "$rc" = 0 ]; then break; fi
			[ "$rc" = 2 ]
			grep -q "no space left" "$3"
			[ "$(readlink "$1/keys/current")" = "$was" ]
			[ "$(find "$1/keys" -mindepth 1 -maxdepth 1 -type d | wc -l)" = 1 ]
		done
		echo "room for $room pages is enough"
		[ "$rc" = 0 ] && [ "$room" -gt 2 ]
		[ "$(readlink "$1/keys/current")" != "$was" ]
	' disk "$KEYS/disk" "$MODHASH" "$WORK/err"
}

# in_token: a key in a token gets its first certificate, the one that the key in the
# file gets; one that was made in the token tells its public half.
in_token() {
	local fixed=(--not-before 2026-01-01 --der)
	soft mht -q keys new "${fixed[@]}" --key "$(soft_uri put)" --pin-file "$SIGN/pin" "$KEYS/token.der"
	mh -q keys new "${fixed[@]}" --key "$SIGN/keys/rsa2048.pem" "$KEYS/file.der"
	cmp "$KEYS/token.der" "$KEYS/file.der"
	soft mht -q keys new "${fixed[@]}" --key "$(soft_uri made-p384)" --pin-file "$SIGN/pin" "$KEYS/made.der"
	verified_by openssl "$KEYS/made.der"
	openssl x509 -in "$SIGN/keys/made-p384.crt" -noout -pubkey >"$KEYS/1.pub"
	openssl x509 -inform DER -in "$KEYS/made.der" -noout -pubkey | cmp - "$KEYS/1.pub"
}

with_keys() {
	local key
	KEYS=$WORK/keys-made
	check keys/genkey keys_setup
	for key in rsa2048 rsa3072 rsa4096 p256 p384 p521; do
		check "keys/as-openssl-3.0/$key" as_machine "$key" sha512
	done
	for key in rsa2048 p384; do
		check "keys/as-openssl-3.0/$key/sha256" as_machine "$key" sha256
		check "keys/as-newest-openssl/$key/sha3-384" as_newest "$key" sha3-384 -sigopt "$([ "$key" = p384 ] && echo nonce-type:1 || echo rsa_padding_mode:pkcs1)"
	done
	for key in p256 p384 p521; do check "keys/as-newest-openssl/$key" as_newest "$key" sha512 -sigopt nonce-type:1; done
	for key in mldsa44 mldsa65 mldsa87; do check "keys/as-newest-openssl/$key" as_newest "$key" sha512 -sigopt deterministic:1; done
	check keys/as-newest-openssl/120-files by_files
	for key in rsa p256 p384 p521; do check "keys/made/$key" made_key "$key" openssl; done
	check keys/made/mldsa65 made_key mldsa65 "$OPENSSL"
	for key in rsa p384; do check "keys/made/$key/signs" signs "$key"; done
	check keys/token in_token
	check keys/image/own in_own
	check keys/image/6.1 in_image amd64-6.1
	check keys/image/6.12 in_image amd64-6.12
	check keys/rotate/at-once at_once
	check keys/rotate/killed rotation_killed
	check keys/rotate/full-disk full
}
