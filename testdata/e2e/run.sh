#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows with real kernels that the program does what it says. One line per check,
# `ok NAME` or `FAIL NAME: why`; the last line is "N passed, N failed", and the
# exit code 1 if one failed. A check that cannot be made fails.
#
#   MODHASH            the program (default: bin/modhash, built if it is missing)
#   MODHASH_CACHE      see lib.sh; kernels are downloaded and built there, once
#   MODHASH_E2E_TIMES  if set, how long each check took, to standard error
#   MODHASH_E2E_WRITE  if set, manifests of kernels that have none committed are
#                      written, after all their checks have passed; and causes.tsv
#
# generate.sh  one manifest from all forms of a kernel, equal to that of
#              independent.sh, on other machines too, and to the committed ones
# tamper.sh    diff and verify, on equal, wrapped and tampered builds
# ledgers.sh   how diff accounts for differing bytes of real modules
# images.sh    what inspect finds in kernel images
# hashset.sh   the forms that the kernel takes a hashset in, and verify --image
# signing.sh   signatures, side by side with sign-file and OpenSSL
# signfile.sh  modhash in the place of sign-file
# tokens.sh    keys in PKCS #11 tokens
# differential.sh  signatures changed at random, for the kernel's code and OpenSSL
# keys.sh      certificates beside those of OpenSSL, keys in images, rotations
# signatures.sh  verify --keys
# trouble.sh   full disks and interruptions
# causes.sh    what diff says of each cause of differing builds, for modules built with
#              one thing changed
# rebuilders.sh  links and votes, with repro-threshold, rebuilderd and in-toto-golang
# dkms.sh      dkms signs through modhash, in each of the ways of kbuild/share/dkms
# kconfig.sh   kernel configurations that kconfig edits, and what Kconfig makes of them
# signtrouble.sh  the same of signing, and wrong keys
# pages.sh     pages of diff in a real browser
# share.sh     packages made by the recipes of kbuild/share
#
# Needs a Debian system, go, a mirror of Debian, and root for what it installs;
# some 6 GB in the cache while it runs.

set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=check.sh
. "$E2E_DIR/check.sh"
# shellcheck source-path=SCRIPTDIR source=independent.sh
. "$E2E_DIR/independent.sh"
# shellcheck source-path=SCRIPTDIR source=generate.sh
. "$E2E_DIR/generate.sh"
# shellcheck source-path=SCRIPTDIR source=tamper.sh
. "$E2E_DIR/tamper.sh"
# shellcheck source-path=SCRIPTDIR source=ledgers.sh
. "$E2E_DIR/ledgers.sh"
# shellcheck source-path=SCRIPTDIR source=images.sh
. "$E2E_DIR/images.sh"
# shellcheck source-path=SCRIPTDIR source=hashset.sh
. "$E2E_DIR/hashset.sh"
# shellcheck source-path=SCRIPTDIR source=signing.sh
. "$E2E_DIR/signing.sh"
# shellcheck source-path=SCRIPTDIR source=signfile.sh
. "$E2E_DIR/signfile.sh"
# shellcheck source-path=SCRIPTDIR source=tokens.sh
. "$E2E_DIR/tokens.sh"
# shellcheck source-path=SCRIPTDIR source=differential.sh
. "$E2E_DIR/differential.sh"
# shellcheck source-path=SCRIPTDIR source=keys.sh
. "$E2E_DIR/keys.sh"
# shellcheck source-path=SCRIPTDIR source=signatures.sh
. "$E2E_DIR/signatures.sh"
# shellcheck source-path=SCRIPTDIR source=trouble.sh
. "$E2E_DIR/trouble.sh"
# shellcheck source-path=SCRIPTDIR source=chroot.sh
. "$E2E_DIR/chroot.sh"
# shellcheck source-path=SCRIPTDIR source=dkms.sh
. "$E2E_DIR/dkms.sh"
# shellcheck source-path=SCRIPTDIR source=causes.sh
. "$E2E_DIR/causes.sh"
# shellcheck source-path=SCRIPTDIR source=rebuilders.sh
. "$E2E_DIR/rebuilders.sh"
# shellcheck source-path=SCRIPTDIR source=kconfig.sh
. "$E2E_DIR/kconfig.sh"
# shellcheck source-path=SCRIPTDIR source=signtrouble.sh
. "$E2E_DIR/signtrouble.sh"
# shellcheck source-path=SCRIPTDIR source=share.sh
. "$E2E_DIR/share.sh"
# shellcheck source-path=SCRIPTDIR source=pages.sh
. "$E2E_DIR/pages.sh"

# program: the program under test, as an absolute path in MODHASH.
program() {
	if [ -z "${MODHASH:-}" ]; then
		MODHASH=$ROOT_DIR/bin/modhash
		if [ ! -x "$MODHASH" ]; then
			MODHASH=$WORK/modhash
			go -C "$ROOT_DIR" build -trimpath -buildvcs=false -o "$MODHASH" ./cmd/modhash
		fi
	fi
	MODHASH=$(realpath "$MODHASH")
	[ -x "$MODHASH" ] || die "$MODHASH is not a program"
	PROG=("$MODHASH")
}

# kernels: the distribution's, in all their forms.
kernels() {
	local role before
	for role in amd64-6.1 amd64-6.12 arm64-6.12 amd64-split; do
		before=$FAILED
		a_kernel "$role"
		case $role in amd64-6.*) wrappings "$role" ;; esac
		uncommitted "$role" "$before"
	done
	check amd64-6.1/flat flat amd64-6.1
	committed
}

# machines: 32 bits, another processor, and another order of bytes.
machines() {
	elsewhere 386
	elsewhere arm64 qemu-aarch64-static
	elsewhere s390x qemu-s390x-static
	check elsewhere/amd64-6.1/packages elsewhere_packages
}

nothing_left() { [ -z "$(ls -A "$WORK/tmp")" ] || fail "$(ls -A "$WORK/tmp")"; }

main() {
	command -v go >/dev/null || die "go is missing"
	"$E2E_DIR/corpus.sh"
	"$E2E_DIR/kernels.sh"
	cache_open
	need_packages \
		"${INDEPENDENT_PACKAGES[@]}" \
		"${IMAGES_PACKAGES[@]}" \
		"${SIGNING_PACKAGES[@]}" \
		"${TOKENS_PACKAGES[@]}" \
		"${DKMS_PACKAGES[@]}" \
		"${CAUSES_PACKAGES[@]}" \
		"${REBUILDERS_PACKAGES[@]}" \
		"${KCONFIG_PACKAGES[@]}" \
		"${SHARE_PACKAGES[@]}" \
		"${PAGES_PACKAGES[@]}" \
		"${DIFFERENTIAL_PACKAGES[@]}" \
		qemu-user-static util-linux
	KERNEL=$CACHE/kernels/current
	scratch WORK
	SPARE=$WORK/spare
	mkdir "$WORK/tmp" "$SPARE"
	throwaway_key "$SPARE" 2>"$SPARE/log" || die "$(cat "$SPARE/log")"
	program

	kernels
	small_kernel
	check image/odd-length odd_image
	compared
	tampered
	tampered_xz
	verified
	accounted
	images
	verified_keys
	hashsets
	signatures
	tokens
	differential
	with_keys
	machines
	troubled
	with_dkms
	with_causes
	rebuilders
	kconfigs
	shared
	pages
	sign_troubled
	check no-temporary-file-left nothing_left

	say "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" = 0 ]
}

main "$@"
