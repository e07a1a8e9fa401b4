# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of signatures, side by side with the distribution's sign-file, and with
# OpenSSL as the other reader: the machine's, and for what that does not know the
# newest one that Debian has, see OPENSSL. Sourced by run.sh after generate.sh, whose
# trees it needs; of the modules of amd64-6.1, 400 are in SIGN/plain, not signed.

# shellcheck disable=SC2034 # run.sh installs them
SIGNING_PACKAGES=(coreutils findutils gcc gzip kmod libc6-dev libssl-dev openssl perl-base util-linux xz-utils zstd)

SIGN=
GENKEY=$ROOT_DIR/testdata/vectors/signing/x509.genkey
HASHES=(sha1 sha224 sha256 sha384 sha512 sha3-256 sha3-384 sha3-512)

# The keys: name, program that makes it, and its arguments.
signing_keys() {
	cat <<-END
		rsa2048 openssl rsa:2048
		rsa3072 openssl rsa:3072
		rsa4096 openssl rsa:4096
		p256 openssl ec -pkeyopt ec_paramgen_curve:P-256
		p384 openssl ec -pkeyopt ec_paramgen_curve:P-384
		p521 openssl ec -pkeyopt ec_paramgen_curve:P-521
		mldsa44 $OPENSSL ml-dsa-44
		mldsa65 $OPENSSL ml-dsa-65
		mldsa87 $OPENSSL ml-dsa-87
	END
}

signing_setup() {
	local dir
	mkdir "$SIGN"
	dir=$(modules_dir "$WORK/amd64-6.1/plain")
	mkdir "$SIGN/plain"
	names "$dir" | awk 'NR % 10 == 1 && ++n <= 400' >"$SIGN/names"
	[ "$(wc -l <"$SIGN/names")" = 400 ]
	(cd "$dir" && xargs -d '\n' cp --parents -t "$SIGN/plain") <"$SIGN/names"
	if [ ! -d "$WORK/kbuild" ]; then unpack "$WORK/kbuild" "$(corpus_file kbuild-6.12)"; fi
	find "$WORK/kbuild" -name sign-file -type f | one_line sign-file >"$SIGN/sign-file"
	ln -s "$(cat "$SIGN/sign-file")" "$SIGN/theirs"
	ln -s "$MODHASH" "$SIGN/sign-file-ours"
	verifier >"$SIGN/cms-verify"
	chmod +x "$SIGN/cms-verify"
	make_openssl
	make_keys
}

# make_openssl: the newest OpenSSL in a folder, with the C library that it needs,
# and a script that runs it. Nothing of it is installed.
make_openssl() {
	local dir=$SIGN/openssl role lib
	mkdir "$dir"
	for role in openssl openssl-libssl openssl-libc6 openssl-zlib1g openssl-libzstd1; do
		dpkg-deb -x "$(corpus_file "$role")" "$dir"
	done
	lib=$dir/usr/lib/x86_64-linux-gnu
	printf '#!/bin/sh\nexport OPENSSL_CONF=/dev/null\nexec %q --library-path %q %q "$@"\n' \
		"$lib/ld-linux-x86-64.so.2" "$lib" "$dir/usr/bin/openssl" >"$OPENSSL"
	chmod +x "$OPENSSL"
	"$OPENSSL" version
	"$OPENSSL" version | grep -Eq '^OpenSSL ([4-9]|3\.[5-9])' || fail "too old for ML-DSA"
}

make_keys() {
	local name program args
	mkdir "$SIGN/keys"
	while read -r name program args; do
		# shellcheck disable=SC2086 # several
		"$program" req -new -x509 -config "$GENKEY" -newkey $args -nodes -sha256 -days 36500 -batch \
			-keyout "$SIGN/keys/$name.pem" -out "$SIGN/keys/$name.crt" 2>&1 ||
			fail "no key $name"
		chmod 600 "$SIGN/keys/$name.pem"
	done < <(signing_keys | sed 's/ ml-dsa\(.*\)$/& /')
}

# verifier: a script, OPENSSL CERT SIGNED NAME…: OpenSSL accepts the signature of
# each, over the bytes of SIGN/plain. Where it starts is told by the length of those.
verifier() {
	cat <<-'END'
		#!/bin/sh
		openssl=$1 cert=$2 signed=$3 plain=${0%/*}/plain
		shift 3
		for name; do
			n=$(stat -c %s "$plain/$name") && cmp -n "$n" "$plain/$name" "$signed/$name" || exit 255
			tail -c "+$((n + 1))" "$signed/$name" |
				"$openssl" cms -verify -inform DER -binary -content "$plain/$name" -certfile "$cert" \
					-CAfile "$cert" -purpose any -out /dev/null 2>"$signed/log.$$" ||
				{ echo "$name: $(tail -n 2 "$signed/log.$$")"; exit 255; }
		done
		rm -f "$signed/log.$$"
	END
}

# accepted OPENSSL KEY TREE [N]: OpenSSL accepts the signatures of the first N.
accepted() {
	head -n "${4:-400}" "$SIGN/names" |
		xargs -d '\n' -n 50 -P "$(nproc)" "$SIGN/cms-verify" "$1" "$SIGN/keys/$2.crt" "$3"
}

# sign_with KEY OUT OPTION…: modhash signs all 400 into a new folder.
sign_with() {
	local key=$1 out=$2
	shift 2
	rm -rf "$out"
	expect 0 '^400 modules signed, 0 were; ' mh sign --no-sync --key "$SIGN/keys/$key.pem" \
		--cert "$SIGN/keys/$key.crt" --out "$out" "$@" "$SIGN/plain"
}

# theirs KEY OUT OPTIONS HASH: sign-file signs them; OPTIONS may be empty.
theirs() {
	local key=$1 out=$2 option=$3 hash=$4
	rm -rf "$out"
	cp -R "$SIGN/plain" "$out"
	(cd "$out" && xargs -d '\n' -n 1 -P "$(nproc)" "$SIGN/theirs" ${option:+"$option"} "$hash" \
		"$SIGN/keys/$key.pem" "$SIGN/keys/$key.crt") <"$SIGN/names"
}

# side_by_side KEY HASH [OPTION]: RSA signatures are the same byte for byte, and so
# is every module around them.
side_by_side() {
	local key=$1 hash=$2 option=${3:-} args=(--hash "$2")
	[ -z "$option" ] || args+=(--key-id)
	theirs "$key" "$SIGN/theirs.d" "$option" "$hash"
	sign_with "$key" "$SIGN/ours.d" "${args[@]}"
	diff -r "$SIGN/theirs.d" "$SIGN/ours.d"
	taken "$key" "$hash" "$option"
	rm -rf "$SIGN/theirs.d" "$SIGN/ours.d"
}

# taken KEY HASH [OPTION]: what sign-file made is found valid: by verify, which finds
# one wrong byte and another key; it counts as signed by this key; its messages are attached to the plain modules, and with one wrong byte in
# one of them nothing is.
taken() {
	local key=$1 args=(--hash "$2") from=$SIGN/messages first
	[ -z "${3:-}" ] || args+=(--key-id)
	expect 0 '^0 modules signed, 400 were; ' mh sign --key "$SIGN/keys/$key.pem" --cert "$SIGN/keys/$key.crt" \
		"${args[@]}" "$SIGN/theirs.d"
	expect 0 '^verified: 400 modules signed by the keys given$' mh verify --keys "$SIGN/keys/$key.crt" "$SIGN/theirs.d"
	expect 1 '^NOT verified: 400 unknown-key$' mh verify --keys "$SIGN/keys/p521.crt" "$SIGN/theirs.d"
	first=$(head -n 1 "$SIGN/names")
	cp "$SIGN/theirs.d/$first" "$WORK/flipped.ko"
	flip "$WORK/flipped.ko" 1000
	expect 1 '^NOT verified: 1 bad-signature$' mh verify --keys "$SIGN/keys/$key.crt" "$WORK/flipped.ko"
	rm -rf "$from" "$SIGN/attached.d"
	expect 0 '^400 signatures written' mh detach --to "$from" "$SIGN/theirs.d"
	expect 0 '^400 signatures attached, 0 were; ' mh attach --no-sync --from "$from" \
		--cert "$SIGN/keys/$key.crt" --out "$SIGN/attached.d" "$SIGN/plain"
	diff -r "$SIGN/theirs.d" "$SIGN/attached.d"
	rm -rf "$SIGN/attached.d"
	flip "$from/$first.p7s" -5
	expect 1 '^$' mh attach --no-sync --from "$from" --cert "$SIGN/keys/$key.crt" --out "$SIGN/attached.d" "$SIGN/plain"
	[ -z "$(find "$SIGN/attached.d" -type f)" ] || fail "something was written"
	rm -rf "$from" "$SIGN/attached.d"
}

# theirs_taken KEY HASH [OPTION]: the same where signatures differ from run to run.
theirs_taken() {
	theirs "$1" "$SIGN/theirs.d" "${3:-}" "$2"
	taken "$@"
	rm -rf "$SIGN/theirs.d"
}

# twice KEY OPTION…: two runs, one with a single worker, write the same bytes.
twice() {
	local key=$1
	shift
	sign_with "$key" "$SIGN/once.d" "$@"
	sign_with "$key" "$SIGN/again.d" "$@" -j 1
	diff -r "$SIGN/once.d" "$SIGN/again.d"
	rm -rf "$SIGN/again.d"
}

# good_for OPENSSL KEY N OPTION…: signatures are reproducible, and OpenSSL accepts
# those of the first N modules.
good_for() {
	local openssl=$1 key=$2 n=$3
	shift 3
	twice "$key" "$@"
	accepted "$openssl" "$key" "$SIGN/once.d" "$n"
	# modinfo asks the machine's OpenSSL.
	[ "$openssl" != openssl ] || shown "$key" "$SIGN/once.d"
}

# shown KEY TREE: modinfo names the signer and the key of each.
shown() {
	local serial
	serial=$(openssl x509 -in "$SIGN/keys/$1.crt" -noout -serial | cut -d = -f 2 | sed 's/..\B/&:/g')
	(cd "$2" && xargs -d '\n' modinfo -F signer) <"$SIGN/names" | sort | uniq -c | sed 's/^ *//' >"$WORK/out"
	[ "$(cat "$WORK/out")" = '400 Throwaway module signing key' ] || fail "signers: $(head -n 3 "$WORK/out")"
	(cd "$2" && xargs -d '\n' modinfo -F sig_key) <"$SIGN/names" | sort | uniq -c | sed 's/^ *//' >"$WORK/out"
	[ "$(cat "$WORK/out")" = "400 $serial" ] || fail "serial numbers: $(head -n 3 "$WORK/out")"
}

old_openssl() { "$OPENSSL" version | grep -q '^OpenSSL 3'; }

# mldsa KEY: OpenSSL 4 reads these messages. Before that it did not know the form;
# then it checks the bare value, and golden files of the tests show the rest.
mldsa() {
	twice "$1"
	if old_openssl; then
		bare "$1"
	else
		accepted "$OPENSSL" "$1" "$SIGN/once.d"
	fi
}

# bare KEY: the last octets of a message are the value of the signature.
bare() {
	local name length value=$WORK/value
	case $1 in mldsa44) length=2420 ;; mldsa65) length=3309 ;; *) length=4627 ;; esac
	while read -r name; do
		tail -c $((length + 40)) "$SIGN/once.d/$name" | head -c "$length" >"$value"
		"$OPENSSL" pkeyutl -verify -rawin -certin -inkey "$SIGN/keys/$1.crt" -in "$SIGN/plain/$name" -sigfile "$value"
	done <"$SIGN/names"
}

# --- compressed modules -----------------------------------------------------

# compressed SUFFIX COMMAND…: 40 modules, compressed by COMMAND as Kbuild does it,
# are signed in place. What then comes out of the system's decompressor is what
# sign-file makes of the plain module; with --compressor system the file is the one
# that Kbuild would have made.
compressed() {
	local suffix=$1 dir=$SIGN/compressed name before
	shift
	rm -rf "$dir" "$SIGN/kbuild"
	mkdir "$dir" "$SIGN/kbuild"
	(cd "$SIGN/plain" && head -n 40 "$SIGN/names" | xargs -d '\n' cp --parents -t "$dir" &&
		head -n 40 "$SIGN/names" | xargs -d '\n' cp --parents -t "$SIGN/kbuild")
	(cd "$SIGN/kbuild" && head -n 40 "$SIGN/names" | xargs -d '\n' -n 1 -P "$(nproc)" "$SIGN/theirs" sha512 \
		"$SIGN/keys/rsa2048.pem" "$SIGN/keys/rsa2048.crt")
	cp -R "$SIGN/kbuild" "$SIGN/want"
	find "$dir" "$SIGN/kbuild" -name '*.ko' -print0 | xargs -0 -n 16 -P "$(nproc)" "$@"
	cp -R "$dir" "$dir.2"
	before=$(find "$dir" -type f -printf '%P %m %u %T@\n' | sort)
	expect 0 '^40 modules signed, 0 were; ' mh sign --no-sync --key "$SIGN/keys/rsa2048.pem" --cert "$SIGN/keys/rsa2048.crt" "$dir"
	[ "$before" = "$(find "$dir" -type f -printf '%P %m %u %T@\n' | sort)" ] || fail "names, modes or times have changed"
	while read -r name; do
		case $suffix in
		gz) gzip -dc "$dir/$name.gz" ;;
		xz) xz -dc "$dir/$name.xz" ;;
		zst) zstd -q -dc "$dir/$name.zst" ;;
		esac | cmp - "$SIGN/want/$name"
	done < <(head -n 40 "$SIGN/names")
	expect 0 '^40 modules signed, 0 were; ' mh sign --no-sync --compressor system --key "$SIGN/keys/rsa2048.pem" \
		--cert "$SIGN/keys/rsa2048.crt" "$dir.2"
	diff -r "$dir.2" "$SIGN/kbuild"
	if [ "$suffix" = xz ]; then kernel_xz "$dir"; fi
	rm -rf "$dir" "$dir.2" "$SIGN/kbuild" "$SIGN/want"
}

# kernel_xz TREE: the kernel's decoder knows CRC32, and has 1 MiB for a dictionary.
kernel_xz() {
	find "$1" -name '*.xz' -print0 | xargs -0 xz --robot -lvv >"$WORK/out"
	awk -F '\t' '$1 == "block" && ($10 != "CRC32" || $16 !~ /dict=(1MiB|[0-9]+KiB)/) { print; bad = 1 } END { exit bad }' \
		"$WORK/out" || fail "the kernel cannot decode it"
}

signatures() {
	local hash key
	SIGN=$WORK/sign OPENSSL=$WORK/sign/openssl-newest
	check sign/setup signing_setup
	if old_openssl; then say "no OpenSSL 4 to be had: it checks the values of ML-DSA signatures, but not their messages"; fi
	for hash in "${HASHES[@]}"; do check "sign/side-by-side/rsa2048/$hash" side_by_side rsa2048 "$hash"; done
	check sign/side-by-side/rsa2048/sha512/key-id side_by_side rsa2048 sha512 -k
	check sign/side-by-side/rsa4096/sha512 side_by_side rsa4096 sha512
	check sign/side-by-side/p384/sha384 theirs_taken p384 sha384
	check sign/side-by-side/p384/sha512/key-id theirs_taken p384 sha512 -k
	check sign/openssl/rsa2048/sha512 good_for openssl rsa2048 400 --hash sha512
	check sign/openssl/rsa3072/sha384 good_for openssl rsa3072 400 --hash sha384
	check sign/openssl/rsa4096/sha256 good_for openssl rsa4096 40 --hash sha256
	check sign/openssl/p256/sha256 good_for openssl p256 400 --hash sha256
	check sign/openssl/p384/sha384 good_for openssl p384 400 --hash sha384
	check sign/openssl/p521/sha512 good_for openssl p521 400 --hash sha512
	for key in p256 p384 p521; do
		for hash in sha1 sha224 sha256 sha384 sha512; do
			check "sign/openssl/$key/$hash/few" good_for openssl "$key" 20 --hash "$hash"
		done
		for hash in sha3-256 sha3-384; do
			check "sign/openssl/$key/$hash/few" good_for "$OPENSSL" "$key" 20 --hash "$hash"
		done
		check "sign/openssl/$key/sha3-512" good_for "$OPENSSL" "$key" 400 --hash sha3-512
	done
	for key in mldsa44 mldsa65 mldsa87; do
		check "sign/openssl/$key" mldsa "$key"
		check "sign/openssl/$key/attributes" good_for "$OPENSSL" "$key" 40 --signed-attributes
	done
	sign_files
	check sign/gzip compressed gz gzip -n -f
	check sign/xz compressed xz xz --check=crc32 --lzma2=dict=1MiB -f
	check sign/zstd compressed zst zstd --rm -f -q
}
