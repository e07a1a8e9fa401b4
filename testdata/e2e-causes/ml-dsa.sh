# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Signatures with ML-DSA, which the distribution's kernels do not have: its newest
# source is built with certificates that the program made, booted with modules that
# the program signed, and asked; what check-load says must be what it answers. Sourced
# after load.sh.
#
# There is one kernel for each thing that a configuration can say of the algorithm:
#
#   ml-dsa         CONFIG_CRYPTO_MLDSA=y
#   ml-dsa-waived  and signed attributes are allowed for it
#   ml-dsa-module  CONFIG_CRYPTO_MLDSA=m
#   ml-dsa-none    without it
#
# ml-dsa.tsv holds the answers, in the form of ask in ../e2e-kernel/boot.sh. The cases
# of the keys 44, 65 and 87:
#
#   pure, attrs        over the payload itself, or over the two attributes of OpenSSL 3
#   -sha256, -sha3-512 with that digest named, not SHA-512; the program does not do it
#                      with attributes
#   -key-id            the signer named by the certificate's key id
#   -unknown           by a key of that type that the kernel does not trust
#   -payload, -signature, -cut, -algorithm, -digest
#                      changed afterwards, see trailer.py

ML_DSA=(44 65 87)

# newest_unpack: the distribution's newest source in TREES/newest/src, as it is.
newest_unpack() {
	local dir=$TREES/newest version
	version=$(corpus_version source-split)
	[ ! -f "$dir/version" ] || [ "$(cat "$dir/version")" != "$version" ] || return 0
	rm -rf "$dir"
	source_extract source-split "$dir/src"
	printf '%s\n' "$version" >"$dir/version"
	[ "$(id -u)" != 0 ] || chown "$(builder_of newest):" "$dir"
	say "unpacking $version"
}

# ml_dsa_keys: a key and its certificate of each type in WORK/keys, twice: one that
# the kernels trust and one that they do not.
ml_dsa_keys() {
	local n
	mkdir -p "$WORK/keys"
	for n in "${ML_DSA[@]}"; do
		mh keys new --type "mldsa$n" --cn "throw-away ML-DSA-$n" "$WORK/keys/$n"
		mh keys new --type "mldsa$n" --cn "another ML-DSA-$n" "$WORK/keys/$n-unknown"
	done
	cat "$KEYS_DIR/throwaway-a.crt" "$WORK"/keys/{44,65,87}/signing_crt.pem >"$TREES/newest/src/certs/ml-dsa.pem"
}

# ml_dsa_module: a module from elsewhere, built in the tree of the kernel, in
# WORK/modhash_test.ko.
ml_dsa_module() {
	local dir=$TREES/newest/outside
	rm -rf "$dir"
	cp -r "$E2E_DIR/dkms" "$dir"
	own newest "$dir"
	as_builder newest make -C ml-dsa M="$dir" modules || broken 'a module from elsewhere'
	cp "$dir/modhash_test.ko" "$WORK/"
}

# ml_dsa_sign CASE KEY ARGUMENT…: signs the module as m/CASE.
ml_dsa_sign() {
	local file=$FOLDER/m/$1
	cp "$WORK/modhash_test.ko" "$file.ko"
	mh sign --quiet --no-sync --key "$WORK/keys/$2/signing_key.pem" "${@:3}" "$file.ko"
	mv "$file.ko" "$file"
	printf '%s\tfinit_module\t0\t0\t/m/%s\n' "$1" "$1" >>"$FOLDER/cases"
}

# ml_dsa_changed CASE FROM CHANGE: m/CASE is m/FROM with that change, see trailer.py.
ml_dsa_changed() {
	python3 "$CAUSES_DIR/trailer.py" "$3" "$FOLDER/m/$2" "$FOLDER/m/$1"
	printf '%s\tfinit_module\t0\t0\t/m/%s\n' "$1" "$1" >>"$FOLDER/cases"
}

# ml_dsa_cases: the module in all cases, in FOLDER.
ml_dsa_cases() {
	local n form form_args how
	mkdir -p "$FOLDER/m"
	: >"$FOLDER/cases"
	cp "$WORK/modhash_test.ko" "$FOLDER/m/unsigned"
	printf 'unsigned\tfinit_module\t0\t0\t/m/unsigned\n' >>"$FOLDER/cases"
	install -D -m 600 "$KEYS_DIR/throwaway-a.key" "$WORK/keys/rsa/signing_key.pem"
	ml_dsa_sign rsa rsa --cert "$KEYS_DIR/throwaway-a.crt"
	for n in "${ML_DSA[@]}"; do
		for form in pure attrs; do
			form_args=()
			[ "$form" = pure ] || form_args=(--signed-attributes)
			ml_dsa_sign "$n-$form" "$n" "${form_args[@]}"
			ml_dsa_sign "$n-$form-key-id" "$n" "${form_args[@]}" --key-id
			ml_dsa_sign "$n-$form-unknown" "$n-unknown" "${form_args[@]}"
			for how in payload signature cut algorithm digest; do
				ml_dsa_changed "$n-$form-$how" "$n-$form" "$how"
			done
		done
		for how in sha256 sha3-512; do
			ml_dsa_sign "$n-pure-$how" "$n" --hash "$how"
			expect 2 '^$' mh sign --key "$WORK/keys/$n/signing_key.pem" --signed-attributes --hash "$how" \
				--out "$WORK/refused" "$WORK/modhash_test.ko"
		done
	done
	wc -l <"$FOLDER/cases" >"$FOLDER/count"
	cp "$WORK/init" "$FOLDER/init"
	(cd "$FOLDER" && find init cases m | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$FOLDER.cpio"
}

# ml_dsa_kernel NAME CODE VERDICT LINE…: that kernel is built, asked, and compared with
# what check-load says. CODE and VERDICT are what keys check says of the certificates.
ml_dsa_kernel() {
	local name=$1 code=$2 verdict=$3 build=$TREES/newest/ml-dsa n FOLDER=$WORK/$1
	shift 3
	tree_state newest ml-dsa "$@"
	ml_dsa_module
	ml_dsa_cases
	ask "$name" "$build/$IMAGE" "$FOLDER"
	cat "$FOLDER.tsv" >>"$WORK/answers.tsv"
	local knows=(--config "$build/.config" --system-map "$build/System.map")
	for n in "${ML_DSA[@]}"; do
		expect "$code" "$verdict" mh keys check "${knows[@]}" "$build/$IMAGE" "$WORK/keys/$n/signing_crt.crt"
		expect 1 '^not trusted' mh keys check "${knows[@]}" "$build/$IMAGE" "$WORK/keys/$n-unknown/signing_crt.crt"
	done
	if [ "$code" = 2 ]; then
		for n in "${ML_DSA[@]}"; do
			expect 2 '^UNKNOWN: ' mh check-load "${knows[@]}" --symvers "$build/Module.symvers" "$build/$IMAGE" "$FOLDER/m/$n-pure"
		done
		return
	fi
	python3 "$KERNEL_DIR/predict.py" "$MODHASH" "$build/$IMAGE" "$build/.config" "$build/Module.symvers" \
		"$FOLDER" "$FOLDER.tsv" --system-map "$build/System.map"
}

cause_ml_dsa() {
	printf '# kernel\tcase\tcall\tflags\tsaid\tpermissive\tsig_enforce\tlockdown\ttaint\n' >"$WORK/answers.tsv"
	ml_dsa_keys
	ml_dsa_kernel ml-dsa 0 '^trusted' CONFIG_CRYPTO_MLDSA=y '# CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA is not set'
	ml_dsa_kernel ml-dsa-waived 0 '^trusted' CONFIG_CRYPTO_MLDSA=y CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA=y
	# Something in an initramfs may load the module before the certificates are read: that
	# there is nothing here, the program cannot know.
	ml_dsa_kernel ml-dsa-module 2 '' CONFIG_CRYPTO_MLDSA=m
	ml_dsa_kernel ml-dsa-none 1 '' '# CONFIG_CRYPTO_MLDSA is not set'
	cp "$WORK/answers.tsv" "$TREES/ml-dsa.tsv"
	if [ -n "${MODHASH_E2E_WRITE:-}" ]; then cp "$WORK/answers.tsv" "$CAUSES_DIR/ml-dsa.tsv"; fi
	diff "$CAUSES_DIR/ml-dsa.tsv" "$WORK/answers.tsv"
}

# The same by the kernel's own code in user space, on messages that were changed at
# random, by the hundred thousand.
cause_newest_code() {
	local source=$ROOT_DIR/modsig/testdata/oracle
	sh "$source/build.sh" "$TREES/newest/src" "$WORK/oracle"
	WAIVED=1 sh "$source/build.sh" "$TREES/newest/src" "$WORK/oracle-waived"
	MODHASH_ORACLE=$WORK/oracle MODHASH_ORACLE_WAIVED=$WORK/oracle-waived go -C "$ROOT_DIR" test -count=1 \
		-run '^(TestOracle|TestOracleMLDSA|TestDirected)$' -v ./modsig >"$WORK/out" || fail "$(cut -c 1-200 "$WORK/out" | tail -n 20)"
	[ "$(grep -c '^--- PASS: ' "$WORK/out")" = 3 ] || fail 'a test did not run'
	cut -c 1-200 "$WORK/out"
}
