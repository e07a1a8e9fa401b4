#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows on kernels that boot that modules load by hash and nothing else does, and
# that such kernels are built twice bit by bit without a private key. One line per
# check, `ok NAME` or `FAIL NAME: why`, as ../e2e/run.sh.
#
#   MODHASH            the program (default: bin/modhash, built if it is missing)
#   MODHASH_CACHE      see ../e2e/lib.sh; the kernel's source comes from there
#   MODHASH_TREES      where kernels are built (default: /var/tmp/modhash-e2e-kernel)
#   MODHASH_E2E_WRITE  if set, answers.tsv is written, not compared
#
# source.sh  the distribution's source with our patch
# build.sh   config and build
# drive.sh   what the build makes sure of
# packages.sh  the kernel's package targets
# boot.sh    what a kernel answers; with init.c, cases.py, and predict.py for what
#            check-load says of the same
# outside.sh   modules from elsewhere, beside those of the build
# walks.sh     people with keys of their own, from start to end
#
# answers.tsv holds the answers as they were when it was written, see ask in boot.sh;
# those of a run are left in TREES/answers.tsv.
#
# Needs a Debian system, a mirror of Debian, and root for what it installs and for
# the users that build. There are three full builds; the other kernels are made
# from the first by changes of its config.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e/check.sh
. "$E2E_DIR/check.sh"
# shellcheck source-path=SCRIPTDIR source=source.sh
. "$ROOT_DIR/testdata/e2e-kernel/source.sh"
# shellcheck source-path=SCRIPTDIR source=build.sh
. "$KERNEL_DIR/build.sh"
# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$KERNEL_DIR/packages.sh"
# shellcheck source-path=SCRIPTDIR source=drive.sh
. "$KERNEL_DIR/drive.sh"
# shellcheck source-path=SCRIPTDIR source=boot.sh
. "$KERNEL_DIR/boot.sh"
# shellcheck source-path=SCRIPTDIR source=outside.sh
. "$KERNEL_DIR/outside.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e/chroot.sh
. "$E2E_DIR/chroot.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e/dkms.sh
. "$E2E_DIR/dkms.sh"
# shellcheck source-path=SCRIPTDIR source=walks.sh
. "$KERNEL_DIR/walks.sh"

program() {
	if [ -z "${MODHASH:-}" ]; then
		MODHASH=$ROOT_DIR/bin/modhash
		[ -x "$MODHASH" ] || CGO_ENABLED=0 go -C "$ROOT_DIR" build -trimpath \
			-ldflags=-buildid= -o bin/modhash ./cmd/modhash
	fi
	MODHASH=$(realpath "$MODHASH")
	PROG=("$MODHASH")
}

# prepare NAME [OTHER]: the builder, and its source, or that of OTHER.
prepare() {
	builder_make "$1"
	if [ -z "${2:-}" ]; then
		source_unpack "$1"
		return
	fi
	mkdir -p "$TREES/$1"
	ln -sfn "../$2/src" "$TREES/$1/src"
	[ "$(id -u)" != 0 ] || chown "$(builder_of "$1"):" "$TREES/$1"
}

# answers KERNEL KIND AS [NAME=VALUE…]: record what the kernel says to the cases that
# the modules of AS make, which are its own or could be.
answers() { answers_to "$1" "$(kernel_kept "$1")/bzImage" "${@:2}"; }

# answers_to KERNEL IMAGE KIND AS [NAME=VALUE…]: the same for any image.
answers_to() {
	local kernel=$1 image=$2 kind=$3 folder=$WORK/$1-$3
	shift 3
	cases_make "$folder" "$kind" "$@"
	ask "$kernel" "$image" "$folder"
	cat "$folder.tsv" >>"$ANSWERS"
}

# loads_all KERNEL AS [compress=NAME]: every module, in every mode, by its hash:
# nothing is tainted.
loads_all() {
	local kernel=$1 as=$2
	shift 2
	loads_these "$kernel" "$TREES/one/$as/bzImage" "$TREES/one/$as" "$(kernel_modlib "$as")" "$@"
}

# loads_these KERNEL IMAGE TREE MODLIB [compress=NAME]: the same for any image and
# folder of modules.
loads_these() {
	local kernel=$1 image=$2 folder=$WORK/$1-all mode
	shift 2
	cases_of "$folder" all "$@"
	ask "$kernel" "$image" "$folder"
	cat "$folder.tsv" >>"$ANSWERS"
	awk -F '\t' '$6 != 0 || $7 != 0 || $8 != 0 || $9 != "none" { print; bad = 1 } END { exit bad }' \
		"$folder.tsv" || fail "$kernel does not load these"
	[ "$(wc -l <"$folder.tsv")" -ge 12 ] || fail "only $(wc -l <"$folder.tsv") modules"
	for mode in "${MODES[@]}"; do
		[ "$(awk -F '\t' '$1 == "@result" { tainted = $5 } END { print tainted }' "$folder.$mode.lines")" = 0 ] ||
			fail "$kernel is tainted in $mode"
	done
}

# predicted KERNEL KIND AS [IMAGE]: check-load says what the kernel said, in every
# cell. AS is the kernel whose config it has.
predicted() {
	local image=${4:-$(kernel_kept "$1")/bzImage} config folder=$WORK/$1-$2 map=()
	# Which certificates are revoked only symbols tell, and the image has none.
	[ "$1" != keys ] || map=(--system-map "$(kernel_kept keys)/System.map")
	config=$(kernel_kept "$3")
	python3 "$KERNEL_DIR/predict.py" "$MODHASH" "$image" "$config/config" \
		"$config/Module.symvers" "$folder" "$folder.tsv" "${map[@]}"
}

# admits AS [FILE]: the image admits the modules that were built with it and
# nothing else; its certificate is FILE.
admits() {
	local keys=() n
	n=$(wc -l <"$TREES/one/$1/modules.order") # one less where a module's code is built in
	[ -z "${2:-}" ] || keys=(--keys "$2")
	expect 0 "^verified: the kernel admits all $n modules and nothing else by hash\$" \
		mh verify --image "$TREES/one/$1/bzImage" "${keys[@]}" "$TREES/one/$1/root"
	[ -z "${2:-}" ] || expect 1 '^NOT verified: 1 certificate$' \
		mh verify --image "$TREES/one/$1/bzImage" "$TREES/one/$1/root"
}

# refuses_covert: the kernel that was just seen to load a module more.
refuses_covert() {
	grep -qP '^root-covert\t[^\t]*\tfinit_module\t0\t-\t0\t0\t0\tnone$' "$ANSWERS" ||
		fail "the extra leaf was not loaded"
	expect 1 '^NOT verified: hashset, 19 proof$' mh verify --image "$TREES/one/root-covert/bzImage" \
		--keys "$KEYS_DIR/throwaway-a.crt" "$TREES/one/sig+hashes/root"
}

# nothing_to_lint: the config and the settings that these kernels were built with.
nothing_to_lint() {
	expect 0 '^[0-9]+ notes?$' mh lint --no-env --env KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' \
		--env KBUILD_BUILD_USER=modhash --env KBUILD_BUILD_HOST=modhash --env KBUILD_BUILD_VERSION=1 \
		"$TREES/one/sig+hashes/config"
}

# other_root KIND: what a kernel with a root says that no honest build has.
other_root() {
	local folder=$WORK/root-$1-$1 levels root
	cases_make "$folder" "$1" sig+hashes
	read -r levels root <"$folder/root"
	kernel_root one "root-$1" "$levels" "$root"
	answers_to "root-$1" "$TREES/one/root-$1/bzImage" "$1" sig+hashes
}

# same_builds A B: all that is kept of them is equal; the sources lie elsewhere.
same_builds() {
	diff -r --no-dereference --exclude=sign-file --exclude=build "$TREES/$1" "$TREES/$2"
}

# diff_says_identical: what the program says of both build trees, with the boot image,
# of vmlinux, and of the modules as installed.
diff_says_identical() {
	expect 0 '^identical: 19 modules, all identical; kernel image identical' \
		mh diff "$TREES/one/build" "$TREES/two/build"
	expect 0 '^identical' mh diff "$TREES/one/sig+hashes/vmlinux" "$TREES/two/sig+hashes/vmlinux"
	cmp "$TREES/one/sig+hashes/vmlinux" "$TREES/two/sig+hashes/vmlinux"
	expect 1 '^different: 19 modules, all identical; 1 file with differences$' \
		mh diff "$(modlib_of "$TREES/one/sig+hashes")" "$(modlib_of "$TREES/two/sig+hashes")"
	says 'build: link'
}

# as_recorded: every answer is the one of the table beside this script.
as_recorded() {
	if [ -n "${MODHASH_E2E_WRITE:-}" ]; then cp "$ANSWERS" "$KERNEL_DIR/answers.tsv"; fi
	diff "$KERNEL_DIR/answers.tsv" "$ANSWERS"
}

# no_key NAME: no private key is there that the kernel could have been built with.
no_key() {
	local found
	found=$(find "$TREES/$1/build" -name '*.pem' -o -name '*.genkey' -o -name '*.key')
	[ -z "$found" ] || fail "there is $found"
	found=$(grep -rlE --include='*.pem' --include='*.key' -e '-----BEGIN.*PRIVATE KEY' "$TREES/$1" || true)
	[ -z "$found" ] || fail "a private key is in $found"
}

# kernels: what is built. The first of each builder is a full build; the others
# compile what the change of config asks for. For none that is everything.
kernels() {
	local how
	prepare one
	kernel_build one sig+hashes sig+hashes none
	prepare two
	kernel_build two sig+hashes sig+hashes none
	kernel_build one hashes hashes none
	kernel_build one sig sig none
	for how in gzip xz zstd; do kernel_build one "$how" sig+hashes "$how"; done
	certificates_put one
	kernel_build one keys keys xz
	outside_build one
	kernel_build one again sig+hashes none
	prepare three one
	kernel_build three none none none
	outside_build three
}

build_checks() {
	check build/nothing-to-do nothing_to_do
	check build/one-module-changed one_module
	check build/strip-at-install strip_at_install
	check build/another-strip changed_at_install
	check build/changed-since changed_since
	check build/no-certificate no_certificate
	check build/no-throw-away-key no_throwaway_key
	check two-builds-are-identical same_builds one/sig+hashes two/sig+hashes
	check two-builds-are-identical/diff diff_says_identical
	check back-to-the-same-config same_builds one/sig+hashes one/again
}

package_checks() {
	local file kind
	packages one
	packages two
	for file in "$TREES"/one/packages/*; do
		check "package/${file##*/}" package_carries "$file"
	done
	check package/same-from-both same_packages
	check package/changelog-dates changelog_dates
	check package/tells-nothing packages_tell_nothing
	for kind in deb pkg.tar.zst; do
		check "package/boots/$kind" package_boots "$kind" "$TREES"/one/packages/*."$kind"
		check "predicted/package/$kind" predicted "package-$kind" all stripped "$TREES/one/stripped/bzImage"
	done
	check no-private-key/one no_key one
	check no-private-key/two no_key two
}

boot_checks() {
	local signer how
	mapfile -t signer < <(signer_options)
	for how in sig+hashes hashes; do
		check "loads-all/$how" loads_all "$how" "$how"
		check "predicted/$how/all" predicted "$how" all "$how"
		check "answers/$how" answers "$how" tampered "$how" "${signer[@]}"
		check "predicted/$how/tampered" predicted "$how" tampered "$how"
	done
	check answers/sig answers sig tampered sig+hashes "${signer[@]}"
	check predicted/sig predicted sig tampered sig
	check answers/none answers none tampered none proofs=no "${signer[@]}"
	check predicted/none predicted none tampered none
	check answers/versions answers none versions none "outside=$TREES/three/outside/outside.ko" \
		"other=$TREES/one/outside/outside.ko"
	check predicted/versions predicted none versions none
	mapfile -t signer < <(signer_options_all)
	check answers/keys answers keys signed keys compress=xz "${signer[@]}"
	check predicted/keys predicted keys signed keys
	for how in covert one zero levels0 levels33 highbit; do
		check "answers/root-$how" other_root "$how"
		check "predicted/root-$how" predicted "root-$how" "$how" sig+hashes
	done
	check build/image-of-another-root image_of_another_root
	for how in gzip xz zstd; do
		check "loads-all/$how" loads_all "$how" "$how" "compress=$how"
		check "predicted/$how/all" predicted "$how" all "$how"
		check "answers/$how" answers "$how" compressed "$how" "compress=$how"
		check "predicted/$how/compressed" predicted "$how" compressed "$how"
	done
	for how in sig+hashes gzip xz zstd; do
		check "verify/$how" admits "$how" "$KEYS_DIR/throwaway-a.crt"
	done
	check verify/hashes admits hashes
	check verify/covert refuses_covert
}

main() {
	[ -f "$CORPUS" ] || "$E2E_DIR/corpus.sh"
	cache_open
	need_packages "${KERNEL_PACKAGES[@]}" "${PACKAGE_PACKAGES[@]}" "${WALK_PACKAGES[@]}" "${DKMS_PACKAGES[@]}"
	scratch WORK /var/tmp
	mkdir "$WORK/tmp"
	program
	trees_open
	ANSWERS=$WORK/answers.tsv
	printf '# kernel\tcase\tcall\tflags\tsaid\tpermissive\tsig_enforce\tlockdown\ttaint\n' >"$ANSWERS"
	init_build
	walks_clean
	kernels

	build_checks
	package_checks
	boot_checks
	outside_checks
	check lint/nothing nothing_to_lint
	walk_checks
	cp "$ANSWERS" "$TREES/answers.tsv"
	check answers/as-recorded as_recorded

	say "took $((SECONDS / 60)) min $((SECONDS % 60)) s, the answers are in $TREES/answers.tsv"
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" = 0 ]
}

main "$@"
