# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of `modhash generate`. Sourced by run.sh. Of a role ROLE of corpus.tsv,
# these stay in WORK for later checks: ROLE.modhash, the manifest of the packages;
# ROLE.own, the one of independent.sh; and the trees ROLE/tree, as unpacked,
# ROLE/plain, neither signed nor compressed, and ROLE/signed, with our signature.

# packages ROLE: the files of a kernel, one a line.
packages() {
	local part
	if [ "$1" = amd64-split ]; then
		for part in image base binary modules; do corpus_file "$1-$part"; done
	else
		corpus_file "$1"
	fi
}

# twin ROLE: the same with the image that is not signed. Fails if there is none.
twin() {
	case $1 in
	amd64-split) packages "$1" | sed "s,.*/linux-binary-.*,$(corpus_file "$1-binary-unsigned")," ;;
	amd64-*) corpus_file "$1-unsigned" ;;
	*) return 1 ;;
	esac
}

# list NAME COMMAND…: the lines that it prints, as the array NAME.
list() {
	local -n into=$1
	shift
	mapfile -t into < <("$@")
	[ ${#into[@]} -gt 0 ] || fail "nothing comes of: $*"
}

from_packages() {
	local files
	list files packages "$1"
	expect 0 '^$' mh generate -o "$WORK/$1.modhash" "${files[@]}"
	[ "$(head -n 1 "$WORK/$1.modhash")" = '# modhash manifest v1' ]
}

from_twin() {
	local files
	list files twin "$1"
	generates "$WORK/$1.modhash" "${files[@]}"
}

make_tree() {
	local files
	list files packages "$1"
	unpack "$WORK/$1/tree" "${files[@]}"
	generates "$WORK/$1.modhash" "$WORK/$1/tree"
}

make_plain() {
	local cut
	cut=$(plain "$WORK/$1/tree" "$WORK/$1/plain")
	[ "$cut" = "$(names "$(modules_dir "$WORK/$1/tree")" | wc -l)" ] || fail "$cut signatures cut off"
	generates "$WORK/$1.modhash" "$WORK/$1/plain"
}

# own_part ROLE SED: lines of the two manifests that must be equal.
own_part() {
	sed -n "$2" "$WORK/$1.own" >"$WORK/own"
	[ -s "$WORK/own" ]
	sed -n "$2" "$WORK/$1.modhash" | diff "$WORK/own" -
}

sha256sum_reads() {
	local dir
	dir=$(modules_dir "$WORK/$1/plain")
	(cd "$dir" && sha256sum --strict -c "$WORK/$1.modhash") >"$WORK/out"
	[ "$(grep -c ': OK$' "$WORK/out")" = "$(names "$dir" | wc -l)" ]
}

# make_signed ROLE: sign-file writes a new file, so the copy may share the rest.
make_signed() {
	local tool
	if [ ! -d "$WORK/kbuild" ]; then unpack "$WORK/kbuild" "$(corpus_file kbuild-6.12)"; fi
	tool=$(find "$WORK/kbuild" -name sign-file -type f | one_line sign-file)
	cp -al "$WORK/$1/plain" "$WORK/$1/signed"
	find "$WORK/$1/signed" -name '*.ko' -print0 |
		xargs -0 -n 1 -P "$(nproc)" "$tool" sha256 "$SPARE/key.pem" "$SPARE/cert.pem"
	generates "$WORK/$1.modhash" "$WORK/$1/signed"
}

# recompressed ROLE KEEP SUFFIX COMMAND…: the signed tree, compressed as Kbuild
# does it (scripts/Makefile.modinst). The tree ROLE/SUFFIX stays if KEEP is keep.
recompressed() {
	local role=$1 keep=$2 suffix=$3 dir=$WORK/$1/$3
	shift 3
	cp -al "$WORK/$role/signed" "$dir"
	find "$dir" -name '*.ko' -print0 | xargs -0 -n 16 -P "$(nproc)" "$@"
	[ "$(find "$dir" -name "*.ko.$suffix" | wc -l)" = "$(names "$(modules_dir "$dir")" | wc -l)" ]
	[ -z "$(find "$dir" -name '*.ko')" ]
	generates "$WORK/$role.modhash" "$dir"
	[ "$keep" = keep ] || rm -r "$dir"
}

# a_kernel ROLE: packages, trees and what other programs make of them.
a_kernel() {
	local role=$1
	mkdir "$WORK/$role"
	check "$role/packages" from_packages "$role"
	if twin "$role" >/dev/null; then check "$role/unsigned-twin" from_twin "$role"; fi
	check "$role/tree" make_tree "$role"
	check "$role/plain-tree" make_plain "$role"
	check "$role/own-manifest" own_manifest "$role"
	check "$role/digests" own_part "$role" '/^[^#]/p'
	check "$role/image" own_part "$role" '/^# image:/p'
	check "$role/root" own_part "$role" '/^# root:/p'
	check "$role/header" own_part "$role" '/^#/p'
	check "$role/sha256sum" sha256sum_reads "$role"
}

own_manifest() { independent_manifest "$WORK/$1/plain" >"$WORK/$1.own"; }

# wrappings ROLE: signed and compressed again.
wrappings() {
	check "$1/signed-again" make_signed "$1"
	check "$1/gzip" recompressed "$1" drop gz gzip -n -f
	check "$1/xz" recompressed "$1" drop xz xz --check=crc32 --lzma2=dict=1MiB -f
	check "$1/zstd" recompressed "$1" keep zst zstd --rm -f -q
}

# flat ROLE: the other hashset is one digest over all; and without one.
flat() {
	local want
	want=$(sed -n 's/^\([0-9a-f]\{64\}\) .*/\1/p' "$WORK/$1.modhash" |
		perl -ne 'chomp; print pack "H*", $_' | sha256sum)
	sed "s,^# hashset: .*,# hashset: flat/1,; s,^# root: .*,# root: ${want%% *}," "$WORK/$1.modhash" >"$WORK/want"
	generates "$WORK/want" --hashset flat "$WORK/$1/tree"
	sed '/^# root: /d; s,^# hashset: .*,# hashset: none,' "$WORK/$1.modhash" >"$WORK/want"
	generates "$WORK/want" --hashset none "$WORK/$1/tree"
}

# levels N: a tree of N modules has the root that reference.py finds.
levels() {
	local from dir=$WORK/levels want have
	from=$(modules_dir "$KERNEL/installed/none")
	rm -rf "$dir"
	dir=$dir/lib/modules/$(basename "$from")
	mkdir -p "$dir/kernel"
	names "$from" | awk -v n="$1" 'NR <= n' >"$dir/modules.order"
	(cd "$from" && xargs -r -d '\n' cp --parents -t "$dir") <"$dir/modules.order"
	find "$dir" -name '*.ko' -print0 | "$E2E_DIR/cut-trailers.pl" >/dev/null
	want="# modules: $1 # root: $(python3 "$E2E_DIR/../vectors/hashes/reference.py" root "$dir" <"$dir/modules.order")"
	expect 0 '^# modhash manifest v1$' mh generate --no-image "$WORK/levels"
	have=$(grep -E '^# (modules|root): ' "$WORK/out" | paste -s -d ' ')
	[ "$have" = "$want" ] || fail "$have instead of $want"
}

# small_kernel: one kernel in every form that the kernel's own build makes.
small_kernel() {
	local form n
	check small/deb generate_into "$WORK/small.modhash" "$KERNEL"/deb/*.deb
	for form in pacman/zst pacman/xz pacman/gz rpm/gz rpm/xz rpm/zst tar/tar tar/gz tar/xz tar/zst; do
		check "small/$form" small_form "$form"
	done
	for form in installed/none installed/gz installed/xz installed/zst build-stripped; do
		check "small/$form" generates "$WORK/small.modhash" "$KERNEL/$form"
	done
	check small/build generate_into "$WORK/unstripped.modhash" "$KERNEL/build"
	check small/installed/unstripped generates "$WORK/unstripped.modhash" "$KERNEL/installed/unstripped"
	check small/stripping-counts differ "$WORK/small.modhash" "$WORK/unstripped.modhash"
	for n in 0 1 2 3 4 5 7 8 9 16 17 33; do
		check "small/levels-of-$n" levels "$n"
	done
}

generate_into() { expect 0 '^$' mh generate -o "$@"; }
differ() { ! cmp -s "$1" "$2"; }

# small_form FOLDER/KIND: of the packages, which one is in that form?
small_form() {
	local files
	case $1 in
	rpm/*) files=("$KERNEL/$1"/*.rpm) ;;
	tar/tar) files=("$KERNEL"/tar/*.tar) ;;
	*) files=("$KERNEL/${1%/*}"/*.tar."${1#*/}") ;;
	esac
	[ ${#files[@]} = 1 ] || fail "not one file: ${files[*]}"
	generates "$WORK/small.modhash" "${files[0]}"
}

# odd_image: an EFI program whose length is 1 more than a multiple of 8 is filled
# up by who signs it, and that changes no digest.
odd_image() {
	local efi=$CACHE/pe/current tree=$WORK/no-image form want line
	cp -al "$KERNEL/installed/none" "$tree"
	find "$tree" -name vmlinuz -delete # another one could not take its place
	[ $(($(stat -c %s "$efi/unsigned.efi") % 8)) = 1 ]
	want="# image: sha256 $(signed_digest "$efi/signed.efi")"
	for form in unsigned signed; do
		expect 0 '^# modhash manifest v1$' mh generate --image "$efi/$form.efi" "$tree"
		line=$(grep '^# image:' "$WORK/out")
		[ "$line" = "$want" ] || fail "$form: $line instead of $want"
	done
}

# elsewhere ARCH RUNNER…: the program built for another machine.
elsewhere() {
	local arch=$1 form
	shift
	check "$arch/build" go_build "$arch"
	PROG=("$@" "$WORK/modhash-$arch")
	for form in deb/*.deb pacman/*.zst rpm/xz/*.rpm tar/*.tar.gz installed/gz; do
		# shellcheck disable=SC2086 # a pattern
		check "$arch/small/${form%%/*}" generates "$WORK/small.modhash" "$KERNEL"/$form
	done
	check "$arch/amd64-6.1/tree" generates "$WORK/amd64-6.1.modhash" "$WORK/amd64-6.1/tree"
	check "$arch/diff" expect 1 "^different: .* 1 moved" mh diff "$WORK/amd64-6.1/tree" "$WORK/swapped-lines"
	# shellcheck disable=SC2034 # mh uses it
	PROG=("$MODHASH")
}

# elsewhere_packages: each takes half a minute on one processor, hence together.
elsewhere_packages() {
	local arch package jobs=() job bad=0
	package=$(corpus_file amd64-6.1)
	for arch in 386 arm64 s390x; do
		(
			case $arch in
			386) PROG=() ;;
			arm64) PROG=(qemu-aarch64-static) ;;
			s390x) PROG=(qemu-s390x-static) ;;
			esac
			PROG+=("$WORK/modhash-$arch")
			mh generate "$package" >"$WORK/$arch.modhash"
			cmp "$WORK/amd64-6.1.modhash" "$WORK/$arch.modhash"
		) &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do wait "$job" || bad=1; done
	[ "$bad" = 0 ] || fail "not every machine makes the same manifest"
}

go_build() {
	CGO_ENABLED=0 GOARCH=$1 GOFLAGS=-mod=readonly go -C "$ROOT_DIR" build -trimpath -buildvcs=false \
		-o "$WORK/modhash-$1" ./cmd/modhash
}

# --- committed manifests ----------------------------------------------------

# committed: each is reproduced as long as its packages are to be had.
committed() {
	local manifest base row role version state file files n=0
	for manifest in "$GOLDEN_DIR"/*.modhash; do
		[ -f "$manifest" ] || continue
		n=$((n + 1))
		base=$(basename "$manifest" .modhash)
		row=$(awk -F '\t' -v base="$base" '$2 "_" $3 "_" $4 == base { print $1, $3, $8; exit }' "$CORPUS")
		if [ -z "$row" ]; then
			say "$base is neither on the mirror nor in the cache: its manifest is not checked"
			continue
		fi
		read -r role version state <<<"$row"
		if [ "$state" = newest ]; then
			check "committed/$base" cmp "$manifest" "$WORK/${role%-image}.modhash"
			continue
		fi
		files=()
		while read -r file; do
			files+=("$CACHE/deb/$file")
		done < <(awk -F '\t' -v role="${role%-image}" -v version="$version" '
			$3 == version && $1 !~ /-unsigned$/ && ($1 == role || index($1, role "-") == 1) { print $7 }' "$CORPUS")
		check "committed/$base" generates "$manifest" "${files[@]}"
	done
	check committed/some some_committed "$n"
}

some_committed() { [ "$1" -gt 0 ] || fail "no manifests in $GOLDEN_DIR"; }

# uncommitted ROLE FAILED: says what to commit for a version that has no manifest
# yet, if none of its checks failed: FAILED is what FAILED was before them. With
# MODHASH_E2E_WRITE set it is put there.
uncommitted() {
	local role=$1 base
	base=$(awk -F '\t' -v role="$1" '($1 == role || $1 == role "-image") && $8 == "newest" { print $2 "_" $3 "_" $4 }' "$CORPUS")
	if [ -f "$GOLDEN_DIR/$base.modhash" ] || [ "$FAILED" != "$2" ]; then return 0; fi
	if [ -n "${MODHASH_E2E_WRITE:-}" ]; then
		install -D -m 644 "$WORK/$role.modhash" "$GOLDEN_DIR/$base.modhash"
		say "wrote $GOLDEN_DIR/$base.modhash"
		return 0
	fi
	say "to commit (MODHASH_E2E_WRITE=1 writes it): $(sha256sum <"$WORK/$role.modhash" | cut -c 1-64)  $base.modhash"
}
