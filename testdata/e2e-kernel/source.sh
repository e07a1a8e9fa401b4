# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Where the test kernels are made. Sourced after ../e2e/lib.sh.
#
# TREES is the folder of all kernels of one version of what goes into them: the
# distribution's source (from the cache of ../e2e), our patch, the config, the
# certificate. Build trees stay there: a later run builds again what it changes
# only. It lies outside the cache, because those who build are
# ordinary users that may not look in there.
#
#   TREES/NAME/src, build    of the builder NAME, see build.sh
#   TREES/NAME/AS            what is kept of a kernel

PATCH_DIR=$ROOT_DIR/kbuild/linux
KERNEL_DIR=$ROOT_DIR/testdata/e2e-kernel
KEYS_DIR=$ROOT_DIR/testdata/keys
TREES=
LOG=

# The certificate that out-of-tree modules are signed for: a file among the
# sources. Its key is public, and is not there when a kernel is built.
CERTIFICATE=certs/modhash-test.pem

# The certificates of a kernel with more of them, and those among them that are
# revoked. certificates_put writes both files.
CERTIFICATES=certs/modhash-keys.pem
REVOKED=certs/modhash-revoked.pem
SIGNING_DIR=$ROOT_DIR/testdata/vectors/signing

# The patch for the distribution's version of the source.
kernel_patch() {
	local found=("$PATCH_DIR"/module-hashes-6.12.patch)
	[ -f "${found[0]}" ] || die "${found[0]} is missing"
	printf '%s\n' "${found[0]}"
}

trees_open() {
	local base=${MODHASH_TREES:-/var/tmp/modhash-e2e-kernel} key
	key=$({
		corpus_version source-6.12
		cat "$(kernel_patch)" "$KERNEL_DIR/kernel.config" "$KEYS_DIR/throwaway-a.crt"
	} | sha256sum | cut -c 1-16)
	mkdir -p "$base"
	[ -O "$base" ] && [ ! -L "$base" ] || die "$base belongs to somebody else: set MODHASH_TREES"
	TREES=$base/$key
	# Trees of other versions are not used again, and are large.
	find "$base" -mindepth 1 -maxdepth 1 ! -name "$key" -exec rm -rf {} +
	mkdir -p "$TREES/bin"
	LOG=$TREES/build.log
	: >"$LOG"
	# The builders may not look into our checkout either.
	install -m 755 "$MODHASH" "$TREES/bin/modhash"
}

# source_extract ROLE FOLDER: the distribution's source of that role, see corpus.sh.
# What is left out is half of it and takes no part in a build for this machine.
source_extract() {
	local role=$1 folder=$2 deb
	deb=$(corpus_file "$role")
	sha256_is "$deb" "$(awk -F '\t' -v role="$role" '$1 == role && $8 == "newest" { print $6 }' "$CORPUS")" ||
		die "$deb is damaged: run corpus.sh"
	mkdir -p "$folder"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ -C "$folder" --strip-components=1 --no-same-owner \
			--exclude='*/tools/testing' --exclude='*/Documentation/*.rst' \
			--exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/net/*.[ch]' \
			--exclude='*/drivers/media/*.[ch]' --exclude='*/sound/soc/*.[ch]'
}

# source_unpack NAME: the patched source in TREES/NAME/src.
source_unpack() {
	local dir=$TREES/$1 start=$SECONDS
	[ ! -f "$dir/src/.patched" ] || return 0
	rm -rf "$dir"
	source_extract source-6.12 "$dir/src"
	patch -d "$dir/src" -p1 -s -F0 --no-backup-if-mismatch <"$(kernel_patch)" >>"$LOG" 2>&1 || {
		tail -n 20 "$LOG" >&2
		die "the patch does not apply to linux-source $(corpus_version source-6.12)"
	}
	cp "$KEYS_DIR/throwaway-a.crt" "$dir/src/$CERTIFICATE"
	touch "$dir/src/.patched"
	# Packages are written beside the build tree.
	[ "$(id -u)" != 0 ] || chown "$(builder_of "$1"):" "$dir"
	say "unpacking and patching the source of $1: $((SECONDS - start)) s"
}

# certificates_put NAME
certificates_put() {
	local src=$TREES/$1/src
	cat "$KEYS_DIR/throwaway-a.crt" "$SIGNING_DIR/ecp384.crt" "$SIGNING_DIR/unknown.crt" \
		>"$WORK/keys.pem"
	cmp -s "$WORK/keys.pem" "$src/$CERTIFICATES" || cp "$WORK/keys.pem" "$src/$CERTIFICATES"
	cmp -s "$SIGNING_DIR/unknown.crt" "$src/$REVOKED" || cp "$SIGNING_DIR/unknown.crt" "$src/$REVOKED"
}
