#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows of every lint rule that it is true: what it warns of makes the second build
# differ, a module not load, or a built file tell what it should not; without it that
# does not happen; and lint says so in the one case and not in the other. One line per
# check, `ok NAME` or `FAIL NAME: why`, as ../e2e/run.sh.
#
#   run.sh [CAUSE…]    all of CAUSES below, or these again, of which the table takes the
#                      new lines, and is not compared
#
#   MODHASH            the program (default: bin/modhash, built if it is missing)
#   MODHASH_CACHE      see ../e2e/lib.sh; the kernel's source comes from there
#   MODHASH_CAUSES     where kernels are built (default: /var/tmp/modhash-e2e-causes)
#   MODHASH_E2E_WRITE  if set, results.tsv, diffs.tsv and ml-dsa.tsv are written, not compared
#
# trees.sh    two builders, and the states that they build
# rows.sh     what lint says, and the table
# kconfig.sh, second.sh, keys.sh, load.sh, small.sh, rust.sh: the rules
# clang.sh    no rule: what diff says of link-time optimisation and of profiles
# kernel.sh   what else of the kernel side takes long: BTF, a list of forbidden hashes,
#             source packages
# ml-dsa.sh   no rule: what a kernel with ML-DSA says to its signatures; its answers are
#             in ml-dsa.tsv
#
# results.tsv is the table, see rows.sh, and diffs.tsv what modhash diff says of files of
# both builders where they differ; those of a run are left beside the trees. The
# versions of kernel and compiler may differ from it, the rest may not.
#
# Needs a Debian 12 system, a mirror of Debian, root, and 8 GB. A state is built on
# what the last one left, and the trees stay: a second run is shorter than the first.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e/check.sh
. "$E2E_DIR/check.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e/causes.sh
. "$E2E_DIR/causes.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e-kernel/source.sh
. "$ROOT_DIR/testdata/e2e-kernel/source.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e-kernel/build.sh
. "$KERNEL_DIR/build.sh"
# shellcheck source-path=SCRIPTDIR source=../e2e-kernel/boot.sh
. "$KERNEL_DIR/boot.sh"
# shellcheck source-path=SCRIPTDIR source=trees.sh
. "$ROOT_DIR/testdata/e2e-causes/trees.sh"
for part in rows kconfig second keys load small rust clang kernel ml-dsa; do
	# shellcheck source=/dev/null
	. "$CAUSES_DIR/$part.sh"
done

# What the kernels of this folder need besides those of ../e2e-kernel.
CAUSE_PACKAGES=(debhelper dpkg-dev dwarves fakeroot gawk gcc-12-plugin-dev gcc-aarch64-linux-gnu git
	libengine-pkcs11-openssl opensc rpm rsync softhsm2)

# In this order little is compiled between one and the next.
CAUSES=(
	config_line hashes_sig_all hashes_modsig
	build_timestamp timestamp_zone timestamp_form build_user build_host build_version
	initramfs_mtime ikheaders localversion_auto
	key_path throwaway_key key_pin sign_needs_key sign_without_key
	strip_mismatch not_enforced sig_hash_builtin sig_key_builtin
	no_decompress decompress_other blacklisted_hash source_packages no_hashes no_authentication
	btf_modules
	randstruct_seed randstruct_script latent_entropy
	gcov debug_paths pahole_parallel debug_efi rust_paths
	thin_lto profile
	ml_dsa newest_code
)

# every_rule: each rule that the program has is in the table.
every_rule() {
	local missing
	missing=$(comm -23 <(mh lint --rules | grep '^[^ ]' | sort) <(cut -f 1 "$TREES/results.tsv" | sort -u))
	[ -z "$missing" ] || fail "nothing was shown for $(tr '\n' ' ' <<<"$missing")"
}

# as_recorded: but for kernel and compiler the table is the one beside this script. A
# race that was not seen, and is said not to have been, is as one that was.
as_recorded() {
	diff <(cut -f 1-4 "$CAUSES_DIR/diffs.tsv") <(cut -f 1-4 "$TREES/diffs.tsv")
	diff <(recorded "$CAUSES_DIR/results.tsv") <(recorded "$TREES/results.tsv")
}
recorded() { cut -f 1-8 "$1" | sed "/^pahole-parallel\t/s/\t$NOT_SEEN\t/\tdifferent\t/"; }

# table: the lines of all causes that were looked at in these trees.
table() {
	local cause
	printf '# rule\ton\toff\tshown by\tlint on\tlint off\tresult on\tresult off\tkernel\tcompiler\n'
	for cause in "${CAUSES[@]}"; do
		[ ! -f "$TREES/rows/$cause" ] || cat "$TREES/rows/$cause"
	done
}

# diffs: the same of what diff says.
diffs() {
	local cause
	printf '# number\thow\tcauses\toutcome\tfollows\n'
	for cause in "${CAUSES[@]}"; do
		[ ! -f "$TREES/rows/$cause.diffs" ] || cat "$TREES/rows/$cause.diffs"
	done
}

program() {
	if [ -z "${MODHASH:-}" ]; then
		MODHASH=$ROOT_DIR/bin/modhash
		[ -x "$MODHASH" ] || CGO_ENABLED=0 go -C "$ROOT_DIR" build -trimpath \
			-ldflags=-buildid= -o bin/modhash ./cmd/modhash
	fi
	MODHASH=$(realpath "$MODHASH")
	PROG=("$MODHASH")
}

main() {
	local cause name
	[ -f "$CORPUS" ] || "$E2E_DIR/corpus.sh"
	cache_open
	need_packages "${KERNEL_PACKAGES[@]}" "${CAUSE_PACKAGES[@]}" "${RUST_PACKAGES[@]}" "${CLANG_PACKAGES[@]}"
	scratch WORK /var/tmp
	mkdir "$WORK/tmp" "$WORK/causes"
	program
	export MODHASH_TREES=${MODHASH_CAUSES:-/var/tmp/modhash-e2e-causes}
	trees_open
	for name in "${BUILDERS[@]}"; do
		builder_make "$name"
		source_unpack "$name"
	done
	put_back
	bindgen_fetch
	builder_make newest
	newest_unpack
	# The cache is not needed any more, and this takes long.
	exec 9>&-
	init_build
	# shellcheck disable=SC2034 # of rows.sh
	KERNEL_AND_COMPILER=$(corpus_version source-6.12)$'\t'$(gcc --version | sed -n 1p)

	mkdir -p "$TREES/rows"
	[ $# != 0 ] || rm -f "$TREES"/rows/*
	for cause in "${@:-${CAUSES[@]}}"; do
		ROWS=$TREES/rows/$cause
		: >"$ROWS"
		# shellcheck disable=SC2034 # of causes.sh
		CAUSES_ROWS=$ROWS.diffs
		rm -f "$CAUSES_ROWS"
		check "${cause//_/-}" "cause_$cause"
	done
	table >"$TREES/results.tsv"
	diffs >"$TREES/diffs.tsv"
	if [ -n "${MODHASH_E2E_WRITE:-}" ]; then cp "$TREES/results.tsv" "$TREES/diffs.tsv" "$CAUSES_DIR/"; fi
	if [ $# = 0 ]; then
		check every-rule every_rule
		check as-recorded as_recorded
	fi

	say "took $((SECONDS / 60)) min $((SECONDS % 60)) s, the table is $TREES/results.tsv"
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" = 0 ]
}

main "$@"
