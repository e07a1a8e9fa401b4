# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Modules from elsewhere: built against the kernel one/keys, signed by the program,
# beside the modules of that kernel, which load by hash. Sourced after boot.sh.
#
# That kernel trusts an RSA key, one for P-384, and one that it also holds revoked.
# The private keys are public, and are used after the kernel was built.

# signer_options: keys for cases.py.
signer_options() {
	printf '%s\n' "sign-file=$TREES/one/sig+hashes/sign-file" \
		"trusted=$KEYS_DIR/throwaway-a.key,$KEYS_DIR/throwaway-a.crt" \
		"unknown=$KEYS_DIR/throwaway-b.key,$KEYS_DIR/throwaway-b.crt"
}

# signer_options_all: those, and what one/keys knows besides.
signer_options_all() {
	signer_options
	printf '%s\n' "ec=$SIGNING_DIR/ecp384.key,$SIGNING_DIR/ecp384.crt" \
		"revoked=$SIGNING_DIR/unknown.key,$SIGNING_DIR/unknown.crt"
}

# outside_build NAME: TREES/NAME/outside/outside.ko, by the kernel's own build of
# modules from elsewhere, for the kernel that was built there last.
outside_build() {
	local dir=$TREES/$1/outside
	rm -rf "$dir"
	cp -r "$KERNEL_DIR/outside" "$dir"
	own "$1" "$dir"
	kernel_make "$1" M="$dir" modules
}

# outside_sign: the module signed by the program, in FOLDER/CASE.ko and .ko.xz.
outside_sign() {
	local folder=$OUTSIDE/signed module=$TREES/one/outside/outside.ko case key
	rm -rf "$folder"
	mkdir -p "$folder"
	for case in o1-rsa o2-ec o3-key-id o4-sha256 o5-unknown-key o6-revoked-key o7-unsigned; do
		cp "$module" "$folder/$case.ko"
		xz --check=crc32 --lzma2=dict=1MiB -k "$folder/$case.ko"
	done
	outside_sign_with "$KEYS_DIR/throwaway-a" sha512 "$folder"/o1-*
	outside_sign_with "$SIGNING_DIR/ecp384" sha384 "$folder"/o2-*
	outside_sign_with "$SIGNING_DIR/ecp384" sha512 --key-id "$folder"/o3-*
	outside_sign_with "$KEYS_DIR/throwaway-a" sha256 "$folder"/o4-*
	outside_sign_with "$KEYS_DIR/throwaway-b" sha512 "$folder"/o5-*
	outside_sign_with "$SIGNING_DIR/unknown" sha512 "$folder"/o6-*
	for key in o1-rsa o2-ec; do
		# Compression is around the signature: the content is the same.
		cmp <(xz -dc "$folder/$key.ko.xz") "$folder/$key.ko"
	done
}

# outside_sign_with KEY HASH ARGUMENT… The key is copied, as one that nobody else
# reads.
outside_sign_with() {
	install -m 600 "$1.key" "$OUTSIDE/key"
	mh sign --quiet --no-sync --key "$OUTSIDE/key" --cert "$1.crt" --hash "$2" "${@:3}"
}

# outside_answers: what the kernel says to them, loaded after its own modules in the
# same boot.
outside_answers() {
	answers keys outside keys compress=xz "outside=$OUTSIDE/signed"
	awk -F '\t' -v OFS='\t' '
		$2 ~ /^[^o]/ { wanted = "0 0 0 none"; hashed++ }
		$2 ~ /^o[1-4]-/ { wanted = "0 0 0 O"; signed++ }
		$2 ~ /^o[57]-/ { wanted = "0 EKEYREJECTED EPERM OE" }
		$2 ~ /^o6-|^o[1-4].*-changed/ { wanted = "EKEYREJECTED EKEYREJECTED EKEYREJECTED -" }
		$2 ~ /-stripped/ { wanted = "0 EKEYREJECTED EPERM OE" }
		wanted != $6 " " $7 " " $8 " " $9 { print "not", wanted ":", $0; bad = 1 }
		END {
			if (signed != 3 * 8 || hashed != 19) { print signed, "signed,", hashed, "hashed"; bad = 1 }
			exit bad
		}' "$WORK/keys-outside.tsv"
}

# signer_shown: modinfo of kmod reads who signed, with what, and which key, as meant.
signer_shown() {
	local suffix
	for suffix in ko ko.xz; do
		modinfo_says "$OUTSIDE/signed/o1-rsa.$suffix" 'modhash throw-away test key a' sha512 "$KEYS_DIR/throwaway-a.crt"
		modinfo_says "$OUTSIDE/signed/o2-ec.$suffix" 'Throwaway module signing key' sha384 "$SIGNING_DIR/ecp384.crt"
		[ -z "$(modinfo -F signer "$OUTSIDE/signed/o7-unsigned.$suffix")" ] || fail 'a signer of nothing'
	done
}

# modinfo_says FILE SIGNER HASH CERTIFICATE
modinfo_says() {
	local serial
	serial=$(openssl x509 -in "$4" -noout -serial | sed 's/.*=//; s/../&:/g; s/:$//')
	diff <(printf '%s\n' PKCS#7 "$2" "$serial" "$3") \
		<(for field in sig_id signer sig_key sig_hashalgo; do modinfo -F "$field" "$1"; done)
}

# --- one system --------------------------------------------------------------

# system_make NAME: the modules of one/keys as installed, to which a check adds.
system_make() {
	local to=$OUTSIDE/$1
	rm -rf "$to"
	mkdir -p "$to"
	cp -r "$TREES/one/keys/root/." "$to/"
	SYSTEM=$to
	UPDATES=$(find "$to/lib/modules" -mindepth 1 -maxdepth 1)/updates/dkms
	mkdir -p "$UPDATES"
}

# judged CODE REGEX CERTIFICATE… [OPTION…]: the mission's rule: the kernel's own
# modules by hash, the others by a key of these certificates, no other certificate in
# the image.
judged() {
	local code=$1 verdict=$2 keys=()
	shift 2
	while [[ ${1:-} = *.crt ]]; do
		keys+=(--keys "$1")
		shift
	done
	expect "$code" "$verdict" mh verify --image "$TREES/one/keys/bzImage" "${keys[@]}" "$@" "$SYSTEM"
}

# update FILE [NAME]: one of the signed modules, in the folder where dkms puts them.
update() { cp "$OUTSIDE/signed/$1" "$UPDATES/${2:-outside.ko.xz}"; }

# system_passes: in-tree by hash, one dkms-like module by the stable key.
system_passes() {
	system_make passes
	update o2-ec.ko.xz
	judged 0 '^verified: ' "${SYSTEM_KEYS[@]}"
	says '1 valid: Throwaway module signing key' 'hashset   Merkle root' 'admits    19 of 19'
	expect 0 '^loads: 20 modules authenticated and loaded' mh check-load --mode enforcing,lockdown --config "$TREES/one/keys/config" \
		--symvers "$TREES/one/keys/Module.symvers" "$TREES/one/keys/bzImage" "$SYSTEM/lib/modules"
}

# system_shadowed: a module that takes the place of an in-tree one, signed by the
# right key.
system_shadowed() {
	system_make shadowed
	update o2-ec.ko.xz crc7.ko.xz
	judged 1 '^NOT verified: 1 shadow$' "${SYSTEM_KEYS[@]}"
	says 'updates/dkms/crc7.ko: modprobe can load it in place of kernel/lib/crc7.ko'
}

# system_other_key: signed by the key that another build threw away.
system_other_key() {
	system_make other-key
	update o5-unknown-key.ko.xz
	judged 1 '^NOT verified: 1 unknown-key$' "${SYSTEM_KEYS[@]}"
	says 'updates/dkms/outside.ko: ENOKEY: no trusted key of modhash throw-away test key b'
}

# system_revoked_key: the list of trusted certificates has it, and so has that of
# those revoked. Which list is which only symbols tell.
system_revoked_key() {
	system_make revoked
	update o6-revoked-key.ko.xz
	judged 1 '^NOT verified: 1 revoked-key$' "${SYSTEM_KEYS[@]}" --system-map "$TREES/one/keys/System.map"
	says EKEYREJECTED
}

# system_unsigned: accepted only by name, with a reason.
system_unsigned() {
	system_make unsigned
	update o7-unsigned.ko.xz
	judged 1 '^NOT verified: 1 unsigned$' "${SYSTEM_KEYS[@]}"
	printf '%s\n' '# modhash unsigned v1' 'updates/dkms/outside.ko  a test' >"$OUTSIDE/unsigned.list"
	judged 3 '' "${SYSTEM_KEYS[@]}" --allow-unsigned "$OUTSIDE/unsigned.list"
}

# system_foreign_certificate: the image trusts a key that nobody named.
system_foreign_certificate() {
	system_make foreign
	update o1-rsa.ko.xz
	judged 1 '^NOT verified: 1 certificate$' "$KEYS_DIR/throwaway-a.crt" "$SIGNING_DIR/unknown.crt"
	says 'Throwaway module signing key'
}

# system_without_keys: where no key is wanted, one is a finding.
system_without_keys() {
	local n
	n=$(wc -l <"$TREES/one/hashes/modules.order")
	expect 0 "^verified: the kernel admits all $n modules" \
		mh verify --hashed-only --image "$TREES/one/hashes/bzImage" "$TREES/one/hashes/root"
	system_make without-keys
	update o2-ec.ko.xz
	expect 1 '^NOT verified: .*certificate' mh verify --hashed-only --image "$TREES/one/keys/bzImage" "$SYSTEM"
}

# outside_checks: all of this file.
outside_checks() {
	OUTSIDE=$WORK/outside
	SYSTEM_KEYS=("$KEYS_DIR/throwaway-a.crt" "$SIGNING_DIR/ecp384.crt" "$SIGNING_DIR/unknown.crt")
	mkdir -p "$OUTSIDE"
	check outside/sign outside_sign
	check outside/modinfo signer_shown
	check answers/outside outside_answers
	check predicted/outside predicted keys outside keys
	check system/passes system_passes
	check system/shadowed system_shadowed
	check system/other-key system_other_key
	check system/revoked-key system_revoked_key
	check system/unsigned system_unsigned
	check system/foreign-certificate system_foreign_certificate
	check system/without-keys system_without_keys
}
