# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of modhash as sign-file, called as the kernel's build and packages call that.
# Sourced by run.sh; signing.sh makes keys and modules.

# same_call ARGUMENT…: both programs, in folders with the same files:
# they exit alike and leave the same.
same_call() {
	local side rc=() dir
	for side in theirs ours; do
		dir=$SIGN/call.$side
		rm -rf "$dir"
		mkdir "$dir"
		cp "$SIGN/plain/$(head -n 1 "$SIGN/names")" "$dir/m.ko"
		cp "$SIGN/keys/rsa2048.pem" "$dir/key.pem"
		cp "$SIGN/keys/rsa2048.crt" "$dir/key.crt"
		openssl x509 -in "$dir/key.crt" -outform DER -out "$dir/key.x509"
		cat "$dir/key.pem" "$dir/key.crt" >"$dir/both.pem"
		cp "$SIGN/encrypted.pem" "$SIGN/keys/rsa3072.pem" "$dir"
		echo message >"$dir/raw"
		: >"$dir/empty"
		mkdir "$dir/folder"
		(
			cd "$dir"
			if [ "$side" = theirs ]; then exec "$SIGN/theirs" "$@"; fi
			cp -P "$SIGN/sign-file-ours" sign-file
			code=0
			./sign-file "$@" || code=$?
			rm sign-file
			exit $code
		) >"$SIGN/call.$side.log" 2>&1 && rc+=(0) || rc+=($?)
	done
	[ "${rc[0]}" = "${rc[1]}" ] || fail "exit codes ${rc[*]} of: $*; $(tail -n 1 "$SIGN/call.ours.log")"
	rm -f "$SIGN/call.theirs"/*.~signed~ # which it leaves where it fails
	diff -r "$SIGN/call.theirs" "$SIGN/call.ours" || fail "of: $*"
}

# called: as the kernel's build, dkms and packages call it, and wrongly.
called() {
	openssl pkcs8 -topk8 -in "$SIGN/keys/rsa2048.pem" -passout pass:1234 -out "$SIGN/encrypted.pem"
	same_call sha256 both.pem key.x509 m.ko # scripts/Makefile.modinst
	same_call sha512 key.pem key.x509 m.ko  # dkms
	same_call sha512 key.pem key.crt m.ko out.ko
	same_call sha256 key.pem key.crt m.ko m.ko
	same_call -p sha256 key.pem key.crt m.ko
	same_call -d sha256 key.pem key.crt m.ko
	same_call -dp sha256 key.pem key.crt m.ko
	same_call -p sha256 key.pem key.crt m.ko out.ko
	same_call -k sha384 key.pem key.crt m.ko
	same_call -kp sha384 both.pem both.pem m.ko
	same_call sha256 -k key.pem key.crt m.ko
	same_call -s raw sha256 dummy m.ko # Debian's packages
	same_call -s raw sha256 dummy m.ko out.ko
	same_call -s empty sha256 dummy m.ko
	same_call -ps raw sha256 dummy m.ko
	same_call RSA-SHA256 key.pem key.crt m.ko
	same_call SHA256 key.pem key.crt m.ko
	same_call sha256 key.pem key.crt empty
	KBUILD_SIGN_PIN=1234 same_call sha256 encrypted.pem key.crt m.ko
	KBUILD_SIGN_PIN=4321 same_call sha256 encrypted.pem key.crt m.ko
	same_call sha256 encrypted.pem key.crt m.ko
	same_call sha256 rsa3072.pem key.crt m.ko
	same_call sha255 key.pem key.crt m.ko
	same_call sha256 none key.crt m.ko
	same_call sha256 key.pem none m.ko
	same_call sha256 key.pem key.crt none
	same_call sha256 key.pem key.crt folder
	same_call sha256 key.pem key.crt m.ko none/out.ko
	same_call sha256 m.ko key.crt m.ko
	same_call sha256 key.pem m.ko m.ko
	same_call
	same_call sha256 key.pem key.crt
	same_call -x sha256 key.pem key.crt m.ko
	same_call sha256 key.pem key.crt m.ko out.ko more
	same_call -s none sha256 dummy m.ko
}

# by_theirs: a message that modhash detached, put on the module by sign-file -s.
by_theirs() {
	local name
	rm -rf "$SIGN/messages"
	expect 0 '^400 signatures written' mh detach --key "$SIGN/keys/p384.pem" --cert "$SIGN/keys/p384.crt" \
		--to "$SIGN/messages" "$SIGN/plain"
	sign_with p384 "$SIGN/ours.d"
	while read -r name; do
		"$SIGN/theirs" -s "$SIGN/messages/$name.p7s" sha256 dummy "$SIGN/plain/$name" "$WORK/signed.ko"
		cmp "$WORK/signed.ko" "$SIGN/ours.d/$name"
	done < <(head -n 100 "$SIGN/names")
	rm -rf "$SIGN/messages" "$SIGN/ours.d"
}

sign_files() {
	check sign/sign-file called
	check sign/attached-by-sign-file by_theirs
}
