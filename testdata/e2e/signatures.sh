# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of `modhash verify --keys` on the distribution's kernels. Sourced by run.sh
# after tamper.sh and images.sh; needs the trees ROLE/tree and ROLE/signed that
# a_kernel makes, and SPARE with the key of throwaway_key.

# by_image ROLE: the certificate that is built into the image is that of the key
# that all its modules are signed with.
by_image() {
	local n
	n=$(names "$(modules_dir "$WORK/$1/tree")" | wc -l)
	expect 0 "^verified: $(grouped "$n") modules signed by the keys given\$" \
		mh verify --keys "$(image_in "$WORK/$1/tree")" "$WORK/$1/tree"
	says "$(grouped "$n") valid: "
}

# grouped N: as the program writes it.
grouped() { sed ':a;s/\B[0-9]\{3\}\>/,&/;ta' <<<"$1"; }

# by_other ROLE ROLE: the image of another build has another key.
by_other() {
	expect 1 '^NOT verified: [0-9,]+ unknown-key$' \
		mh verify --keys "$(image_in "$WORK/$2/tree")" "$WORK/$1/tree"
	says 'ENOKEY: no trusted key of '
}

# by_our_key ROLE: the kernel's sign-file signed these.
by_our_key() {
	expect 0 '^verified: [0-9,]+ modules signed by the keys given$' \
		mh verify --keys "$SPARE/cert.pem" "$WORK/$1/signed"
}

# one_changed ROLE: a bit of one module among thousands.
one_changed() {
	local file
	copy "$WORK/$1/tree" "$WORK/changed"
	file=$(find "$WORK/changed" -name 'ext4.ko*' | one_line module)
	flip "$file" 4096
	expect 1 '^NOT verified: 1 bad-signature$' \
		mh verify --keys "$(image_in "$WORK/$1/tree")" "$WORK/changed"
	says 'kernel/fs/ext4/ext4.ko: EKEYREJECTED: '
	rm -r "$WORK/changed"
}

verified_keys() {
	local role
	for role in amd64-6.1 amd64-6.12 arm64-6.12 amd64-split; do
		check "verify-keys/$role" by_image "$role"
	done
	check verify-keys/other-build by_other amd64-6.1 amd64-6.12
	check verify-keys/our-key by_our_key amd64-6.1
	check verify-keys/changed one_changed amd64-6.1
}
