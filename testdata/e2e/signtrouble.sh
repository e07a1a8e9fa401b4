# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of what is left behind when modules cannot be signed. Sourced by run.sh
# after signing.sh and trouble.sh.

# signing_whole DIR: each module in DIR is the one of SIGN/plain or, whole, the one that
# sign_with left in SIGN/ours.d. Prints how many are the latter.
signing_whole() {
	local neither new
	changed "$SIGN/plain" "$1" >"$SIGN/not-old"
	changed "$SIGN/ours.d" "$1" >"$SIGN/not-new"
	neither=$(sort "$SIGN/not-old" "$SIGN/not-new" | uniq -d | head -n 1)
	[ -z "$neither" ] || fail "neither old nor new: $neither" >&2
	new=$(wc -l <"$SIGN/not-old")
	[ $((new + $(wc -l <"$SIGN/not-new"))) = 400 ] || fail "not 400 modules" >&2
	printf '%d\n' "$new"
}

# changed A B: the files of A that are not the same in B.
changed() { { diff -rq "$1" "$2" || [ $? = 1 ]; } | sed -n "s,^Files $1/\(.*\) and .* differ\$,\1,p; s,^Only in $1.*: ,,p"; }

# signing_killed: 15 times, sign is killed after a while; then the next run signs what is
# left, and takes away what the killed ones left beside it.
signing_killed() {
	local i pid new some=0
	sign_with p384 "$SIGN/ours.d"
	for ((i = 0; i < 15; i++)); do
		rm -rf "$SIGN/killed.d"
		cp -R "$SIGN/plain" "$SIGN/killed.d"
		TMPDIR=$SIGN/killed.tmp "$MODHASH" sign --no-sync --key "$SIGN/keys/p384.pem" --cert "$SIGN/keys/p384.crt" \
			"$SIGN/killed.d" >/dev/null 2>&1 &
		pid=$!
		sleep "0.$(printf '%03d' $((30 + i * 20)))"
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		new=$(signing_whole "$SIGN/killed.d")
		if [ "$new" -gt 0 ] && [ "$new" -lt 400 ]; then some=$((some + 1)); fi
	done
	[ "$some" -gt 0 ] || fail "never killed in the middle of a run"
	mh sign --key "$SIGN/keys/p384.pem" --cert "$SIGN/keys/p384.crt" "$SIGN/killed.d"
	diff -r "$SIGN/killed.d" "$SIGN/ours.d"
	rm -rf "$SIGN/killed.d" "$SIGN/ours.d"
}

# killed_often: the same with processes that sign and unsign without an end.
killed_often() {
	MODHASH_TEST_KILL_ROUNDS=200 go -C "$ROOT_DIR" test -count=1 -run '^TestKill$' -v ./kbuild/rewrite >"$WORK/out"
	grep -q -e '^--- PASS: TestKill ' "$WORK/out"
	cat "$WORK/out"
}

# sign_in_room: on a disk that is full but for the modules, each verb that changes
# modules fails, and they stay as they are.
# shellcheck disable=SC2016 # expanded by the inner shell
sign_in_room() {
	local user=() first
	first=$SIGN/plain/$(head -n 1 "$SIGN/names")
	[ "$(id -u)" = 0 ] || user=(--user --map-root-user)
	mkdir -p "$WORK/disk" "$SIGN/disk"
	cp "$first" "$SIGN/disk/m.ko"
	xz --check=crc32 -c "$first" >"$SIGN/disk/x.ko.xz"
	unshare "${user[@]}" --mount --propagation private bash -euc '
		disk=$1 modhash=$2 key=$3 cert=$4 files=$5
		size=$(cat "$files"/* | wc -c)
		mount -t tmpfs -o size=$((size / 4096 * 4096 + 5 * 4096)) none "$disk"
		cp "$files"/* "$disk"
		cat /dev/zero >"$disk/filler" 2>/dev/null || true
		full() {
			rc=0
			"$@" >/dev/null || rc=$?
			[ "$rc" = 2 ] || [ "$1 $rc" = "$disk/sign-file 1" ] || { echo "exit code $rc of: $*"; exit 1; }
			for f in "$files"/*; do cmp "$f" "$disk/${f##*/}"; done
			[ "$(ls -A "$disk" | tr "\n" " ")" = "filler m.ko x.ko.xz " ] || { echo "left behind:" $(ls -A "$disk"); exit 1; }
		}
		full "$modhash" sign --key "$key" --cert "$cert" "$disk"
		full "$modhash" sign --key "$key" --cert "$cert" --compressor system "$disk/x.ko.xz"
		ln -s "$modhash" "$files.sign-file"
		rc=0
		(exec -a sign-file "$files.sign-file" sha256 "$key" "$cert" "$disk/m.ko") || rc=$?
		[ "$rc" = 1 ] || { echo "exit code $rc of sign-file"; exit 1; }
		full "$modhash" sign --key "$key" --cert "$cert" "$disk/m.ko"
		mount -o remount,ro "$disk"
		full "$modhash" sign --key "$key" --cert "$cert" "$disk"
	' disk "$WORK/disk" "$MODHASH" "$SIGN/keys/p384.pem" "$SIGN/keys/p384.crt" "$SIGN/disk"
	rm -rf "$SIGN/disk" "$SIGN/disk.sign-file"
}

# refuses_to_sign TEXT ARGUMENT…: exit code 2, this is said, nothing of a key is, and
# the module is as it was.
refuses_to_sign() {
	local text=$1
	shift
	expect 2 '^$' setsid -w "$MODHASH" sign "$@" "$SIGN/refused/m.ko"
	grep -qF -e "$text" "$WORK/err" || fail "it does not say $text: $(cat "$WORK/err")"
	! grep -qF -e 1234 -e 'PRIVATE KEY' "$WORK/err" || fail "a secret is told: $(cat "$WORK/err")"
	cmp "$SIGN/refused/m.ko" "$SIGN/plain/$(head -n 1 "$SIGN/names")"
	[ "$(ls -A "$SIGN/refused")" = m.ko ] || fail "left behind: $(ls -A "$SIGN/refused")"
}

wrong_keys() {
	local keys=$SIGN/keys
	mkdir "$SIGN/refused"
	cp "$SIGN/plain/$(head -n 1 "$SIGN/names")" "$SIGN/refused/m.ko"
	openssl pkcs8 -topk8 -in "$keys/p384.pem" -passout pass:1234 -out "$keys/encrypted.pem"
	chmod 600 "$keys/encrypted.pem"
	sed '3s/./_/' "$keys/p384.pem" >"$keys/damaged.pem"
	openssl req -new -x509 -key "$keys/p384.pem" -subj /CN=none -days 1 -out "$keys/no-id.crt" \
		-config <(printf '[req]\ndistinguished_name=dn\n[dn]\n')
	printf 4321 >"$SIGN/pin.wrong"
	refuses_to_sign 'does not belong to the certificate' --key "$keys/p384.pem" --cert "$keys/p256.crt"
	refuses_to_sign 'does not belong to the certificate' --key "$keys/p384.pem" --cert "$keys/rsa2048.crt"
	refuses_to_sign 'no certificate was given' --key "$keys/p384.pem"
	refuses_to_sign 'there is no PIN for it' --key "$keys/encrypted.pem" --cert "$keys/p384.crt"
	refuses_to_sign 'the PIN is wrong, or the key is damaged' --key "$keys/encrypted.pem" --cert "$keys/p384.crt" \
		--pin-file "$SIGN/pin.wrong"
	refuses_to_sign damaged.pem --key "$keys/damaged.pem" --cert "$keys/p384.crt"
	refuses_to_sign 'no private key in it' --key "$keys/p384.crt" --cert "$keys/p384.crt"
	refuses_to_sign p384.pem --key "$keys/p384.pem" --cert "$keys/p384.pem"
	refuses_to_sign 'subject key identifier' --key "$keys/p384.pem" --cert "$keys/no-id.crt" --key-id
	rm -r "$SIGN/refused"
}

# expired: to a kernel the dates of a certificate do not matter, to sign-file neither.
expired() {
	local first dates=(-not_before 20010101000000Z -not_after 20020101000000Z)
	first=$SIGN/plain/$(head -n 1 "$SIGN/names")
	"$OPENSSL" req -new -x509 -config "$GENKEY" -key "$SIGN/keys/rsa2048.pem" "${dates[@]}" -batch -out "$SIGN/expired.crt"
	"$SIGN/theirs" sha256 "$SIGN/keys/rsa2048.pem" "$SIGN/expired.crt" "$first" "$WORK/theirs.ko"
	cp "$first" "$WORK/ours.ko"
	mh sign --hash sha256 --key "$SIGN/keys/rsa2048.pem" --cert "$SIGN/expired.crt" "$WORK/ours.ko"
	cmp "$WORK/theirs.ko" "$WORK/ours.ko"
}

sign_troubled() {
	check sign/killed signing_killed
	check sign/killed-often killed_often
	check sign/full-or-read-only-disk sign_in_room
	check sign/wrong-keys wrong_keys
	check sign/expired-certificate expired
}
