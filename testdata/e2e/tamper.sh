# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of `modhash diff` and `modhash verify`. Sourced by run.sh, after the
# trees of generate.sh are made.

# copy TREE COPY: by hard links. Whoever changes a file in it writes a new one.
copy() {
	rm -rf "$2"
	cp -al "$1" "$2"
}

# flip FILE OFFSET: one bit of one byte; from the end if OFFSET is below 0.
flip() {
	perl -e '
		my ($name, $offset) = @ARGV;
		local $/;
		open my $in, "<:raw", $name or die "$name: $!\n";
		my $bytes = <$in>;
		unlink $name or die "$name: $!\n";
		substr($bytes, $offset, 1) ^= "\x01";
		open my $out, ">:raw", $name or die "$name: $!\n";
		print $out $bytes and close $out or die "$name: $!\n"' "$1" "$2"
}

# exchange FILE FILE: their contents.
exchange() {
	mv "$1" "$WORK/exchange"
	mv "$2" "$1"
	mv "$WORK/exchange" "$2"
}

# exchange_lines FILE N: lines N and N+1.
exchange_lines() {
	sed "$2{h;d};$(($2 + 1))G" "$1" >"$WORK/exchange"
	mv "$WORK/exchange" "$1"
}

# mirrored A B: the report of the two sides swapped says the same.
mirrored() {
	local rc=0
	mh diff --format json "$1" "$2" >"$WORK/ab.json" || rc=$?
	[ "$rc" = 1 ] || fail "exit code $rc"
	mh diff --format json "$2" "$1" >"$WORK/ba.json" || rc=$?
	[ "$rc" = 1 ] || fail "swapped: exit code $rc"
	"$E2E_DIR/mirror.py" "$WORK/ab.json" "$WORK/ba.json"
}

# found NAME DIFF VERIFY TEXT…: the tree WORK/NAME differs from the one it was
# made of; both verbs must say so, in verdicts that match, and say each TEXT.
found() {
	local name=$1 diff=$2 verify=$3
	shift 3
	check "diff/$name" finds "$diff" "$@" -- mh diff "$BASE" "$WORK/$name"
	check "diff/$name/swapped" mirrored "$BASE" "$WORK/$name"
	check "verify/$name" finds "$verify" "$@" -- mh verify "$WORK/amd64-6.1.modhash" "$WORK/$name"
}

# finds VERDICT TEXT… -- COMMAND…
finds() {
	local verdict=$1 texts=()
	shift
	while [ "$1" != -- ]; do
		texts+=("$1")
		shift
	done
	shift
	expect 1 "$verdict" "$@"
	says "${texts[@]}"
}

# tampered: one change each in a copy of the tree of amd64-6.1, which is plain.
tampered() {
	local dir mods name lines
	BASE=$WORK/amd64-6.1/tree
	dir=$(modules_dir "$BASE")
	mods=${dir#"$BASE/"}

	copy "$BASE" "$WORK/flipped"
	flip "$WORK/flipped/$mods/kernel/fs/ext4/ext4.ko" 4000
	found flipped '^different: .* 1 different, ' '^NOT verified: 1 changed, root$' kernel/fs/ext4/ext4.ko

	copy "$BASE" "$WORK/removed"
	rm "$WORK/removed/$mods/kernel/fs/fat/vfat.ko"
	found removed '^different: .* 1 only in A, ' '^NOT verified: 1 missing, root$' kernel/fs/fat/vfat.ko

	copy "$BASE" "$WORK/added"
	cp "$dir/kernel/fs/fat/fat.ko" "$WORK/added/$mods/kernel/fs/fat/fat2.ko"
	found added '^different: .* 1 only in B, ' '^NOT verified: 1 extra$' kernel/fs/fat/fat2.ko

	copy "$BASE" "$WORK/listed"
	cp "$dir/kernel/fs/fat/fat.ko" "$WORK/listed/$mods/kernel/fs/fat/fat2.ko"
	{ cat "$dir/modules.order" && echo kernel/fs/fat/fat2.ko; } >"$WORK/order"
	mv "$WORK/order" "$WORK/listed/$mods/modules.order"
	found listed '^different: .* 1 only in B, ' '^NOT verified: 1 extra' kernel/fs/fat/fat2.ko

	copy "$BASE" "$WORK/renamed"
	mv "$WORK/renamed/$mods/kernel/fs/fat/fat.ko" "$WORK/renamed/$mods/kernel/fs/fat/thin.ko"
	found renamed '^different: .* 1 only in A, 1 only in B, ' '^NOT verified: 1 extra, 1 missing, root$' \
		kernel/fs/fat/fat.ko kernel/fs/fat/thin.ko

	copy "$BASE" "$WORK/swapped"
	exchange "$WORK/swapped/$mods/kernel/fs/ext4/ext4.ko" "$WORK/swapped/$mods/kernel/fs/fat/fat.ko"
	found swapped '^different: .* 2 different, ' '^NOT verified: 2 changed, root$' \
		kernel/fs/ext4/ext4.ko kernel/fs/fat/fat.ko

	# One of the two has moved, the other only makes room: either may be named.
	copy "$BASE" "$WORK/swapped-lines"
	exchange_lines "$WORK/swapped-lines/$mods/modules.order" 100
	mapfile -t lines < <(names "$dir" | sed -n '100,101p')
	check diff/swapped-lines moved "${lines[@]}"
	check diff/swapped-lines/swapped mirrored "$BASE" "$WORK/swapped-lines"
	check verify/swapped-lines finds '^NOT verified: 2 moved, root$' "${lines[@]}" -- \
		mh verify "$WORK/amd64-6.1.modhash" "$WORK/swapped-lines"

	copy "$BASE" "$WORK/other-image"
	name=boot/vmlinuz-$(basename "$mods")
	flip "$WORK/other-image/$name" 100000
	found other-image '^different: .* all identical; kernel image different; ' '^NOT verified: image$' "$name"

	# A byte of the signature is none of the payload, but it is a difference.
	copy "$BASE" "$WORK/other-signature"
	flip "$WORK/other-signature/$mods/kernel/fs/ext4/ext4.ko" -60
	check diff/other-signature finds '^payload-identical: ' kernel/fs/ext4/ext4.ko -- \
		mh diff --all "$BASE" "$WORK/other-signature"
	check verify/other-signature expect 0 '^verified: ' mh verify "$WORK/amd64-6.1.modhash" "$WORK/other-signature"

	check tampering-left-the-tree-alone generates "$WORK/amd64-6.1.modhash" "$BASE"
	rm -rf "$WORK"/{removed,added,listed,renamed,swapped,other-image,other-signature}
}

moved() {
	finds '^different: .* 1 moved, ' modules.order -- mh diff "$BASE" "$WORK/swapped-lines"
	grep -qF -e "$1 (" -e "$2 (" "$WORK/out" || fail "neither $1 nor $2 is named"
}

# tampered_xz: the same in a tree of compressed modules.
tampered_xz() {
	local role=amd64-6.12 dir name=kernel/fs/fat/fat.ko
	copy "$WORK/$role/tree" "$WORK/flipped-xz"
	dir=$(modules_dir "$WORK/flipped-xz")
	xz -d -f "$dir/$name.xz"
	flip "$dir/$name" 4000
	xz --check=crc32 "$dir/$name"
	check diff/flipped-xz finds '^different: .* 1 different, ' "$name" -- mh diff "$WORK/$role/tree" "$WORK/flipped-xz"
	check verify/flipped-xz finds '^NOT verified: 1 changed, root$' "$name" -- \
		mh verify "$WORK/$role.modhash" "$WORK/flipped-xz"
	rm -rf "$WORK/flipped-xz"
}

# twins ROLE: the distribution's signed and unsigned package.
twins() {
	local signed unsigned count
	signed=$(corpus_file "$1")
	unsigned=$(corpus_file "$1-unsigned")
	count=$(sed -n 's/^# modules: //p' "$WORK/$1.modhash" | sed ':a; s/\B[0-9]\{3\}\>/,&/; ta')
	finds "^different: $count modules, all identical; kernel image different \(equal without its signature\); " \
		"boot/vmlinuz-" "control: control: " "control: md5sums: " "ar: data.tar" "{release}-unsigned/control: only in B" \
		-- mh diff --all "$signed" "$unsigned"
	mirrored "$signed" "$unsigned"
}

# split_twins: one package of four is another, and its image has another name.
split_twins() {
	local signed unsigned
	signed=$(packages amd64-split | paste -s -d ,)
	unsigned=$(twin amd64-split | paste -s -d ,)
	finds '^different: [0-9,]+ modules, all identical; kernel image different \(equal without its signature\); ' \
		/vmlinuz, /vmlinuz.unsigned, 'control: control: ' -- mh diff --all "$signed" "$unsigned"
	mirrored "$signed" "$unsigned"
}

copies() {
	copy "$WORK/amd64-6.1/tree" "$WORK/copy"
	expect 0 '^identical: .* all identical; kernel image identical; ' mh diff "$WORK/amd64-6.1/tree" "$WORK/copy"
	rm -r "$WORK/copy"
	cp -a "$WORK/amd64-6.12/tree" "$WORK/copy"
	expect 0 '^identical: .* all identical; kernel image identical; ' mh diff "$WORK/amd64-6.12/tree" "$WORK/copy"
	rm -r "$WORK/copy"
}

# wrapped WHAT A B: differs in nothing but WHAT, which can be accepted.
wrapped() {
	expect 1 '^payload-identical: ' mh diff "$2" "$3"
	expect 3 '^payload-identical: ' mh diff --accept "$1" "$2" "$3"
	mirrored "$2" "$3"
}

compared() {
	local role=amd64-6.1
	check diff/twins-6.1 twins amd64-6.1
	check diff/twins-6.12 twins amd64-6.12
	check diff/twins-split split_twins
	check diff/copies copies
	check diff/signed-again wrapped signature "$WORK/$role/tree" "$WORK/$role/signed"
	check diff/compressed wrapped compression "$WORK/$role/signed" "$WORK/$role/zst"
	check diff/signed-and-compressed wrapped signature,compression "$WORK/$role/tree" "$WORK/$role/zst"
	check diff/manifest expect 0 '^identical: ' mh diff "$WORK/$role.modhash" "$WORK/$role/zst"
	check diff/other-version expect 1 '^different: ' mh diff "$WORK/$role.modhash" "$WORK/amd64-6.12.modhash"
}

# --- verify -----------------------------------------------------------------

VERIFIED='^verified: all [0-9,]+ modules are as stated; the kernel image too$'

verifies() {
	local manifest=$WORK/$1.modhash
	shift
	expect 0 "$VERIFIED" mh verify "$manifest" "$@"
}

verifies_packages() {
	local files
	list files packages "$1"
	verifies "$1" "${files[@]}"
}

# trailer CODE WHAT TREE: --require-trailer WHAT of a tree of amd64-6.1.
trailer() {
	local verdict=$VERIFIED
	[ "$1" = 0 ] || verdict='^NOT verified: [0-9,]+ trailer$'
	expect "$1" "$verdict" mh verify --all --require-trailer "$2" "$WORK/amd64-6.1.modhash" "$WORK/amd64-6.1/$3"
	[ "$1" = 0 ] || says kernel/fs/ext4/ext4.ko
}

required_trailers() {
	local serial
	check verify/trailer/none-in-plain trailer 0 none plain
	check verify/trailer/signature-in-plain trailer 1 signature plain
	check verify/trailer/none-in-signed trailer 1 none signed
	check verify/trailer/signature-in-signed trailer 0 signature signed
	check verify/trailer/any-in-signed trailer 0 any signed
	check verify/trailer/proof-in-signed trailer 1 proof signed
	serial=$(openssl x509 -in "$SPARE/cert.pem" -noout -serial | cut -d = -f 2 | tr 'A-F' 'a-f')
	check verify/trailer/our-key trailer 0 "signature:$serial" signed
	check verify/trailer/other-key trailer 1 "signature:$serial" tree
}

# make_part: some of the modules, as an initramfs holds them.
make_part() {
	local dir mods
	dir=$(modules_dir "$WORK/amd64-6.1/tree")
	mods=${dir#"$WORK/amd64-6.1/tree/"}
	mkdir -p "$WORK/part/$mods"
	cp "$dir/modules.order" "$WORK/part/$mods/"
	(cd "$dir" && cp --parents kernel/fs/ext4/ext4.ko kernel/fs/fat/fat.ko kernel/fs/fat/vfat.ko "$WORK/part/$mods")
	cp "$WORK/amd64-6.1/tree/boot/vmlinuz-${mods##*/}" "$WORK/part/$mods/vmlinuz"
	PART=(mh verify --partial)
}

# part CODE VERDICT OPTION…: of WORK/part.
part() {
	local code=$1 verdict=$2
	shift 2
	expect "$code" "$verdict" "${PART[@]}" "$@" "$WORK/amd64-6.1.modhash" "$WORK/part"
}

partial() {
	local dir
	make_part
	check verify/partial part 1 '^partial: 3 of [0-9,]+ modules are as stated; '
	check verify/partial/accepted part 3 '^partial: 3 of [0-9,]+ modules are as stated; ' --accept partial
	check verify/partial/refused-as-whole expect 1 '^NOT verified: [0-9,]+ missing, ' \
		mh verify "$WORK/amd64-6.1.modhash" "$WORK/part"
	dir=$(modules_dir "$WORK/part")
	cp "$dir/kernel/fs/fat/fat.ko" "$dir/kernel/fs/fat/fat2.ko"
	check verify/partial/extra part 1 '^NOT verified: .*1 extra' --accept partial
	rm "$dir/kernel/fs/fat/fat2.ko"
	flip "$dir/kernel/fs/fat/fat.ko" 4000
	check verify/partial/flipped part 1 '^NOT verified: .*1 changed' --accept partial
}

# inside: a manifest that lies in what it describes proves little.
inside() {
	copy "$WORK/amd64-6.1/tree" "$WORK/inside"
	cp "$WORK/amd64-6.1.modhash" "$(modules_dir "$WORK/inside")/modhash.manifest"
	expect 1 'self-consistent' mh verify "$WORK/inside"
	expect 3 'self-consistent' mh verify --accept self-consistent "$WORK/inside"
	rm -r "$WORK/inside"
}

# broken: a manifest that is none is trouble, not a finding.
broken() {
	sed '20s/^./x/' "$WORK/amd64-6.1.modhash" >"$WORK/broken.modhash"
	expect 2 '^$' mh verify "$WORK/broken.modhash" "$WORK/amd64-6.1/tree"
	expect 2 '^$' mh verify "$WORK/no-such.modhash" "$WORK/amd64-6.1/tree"
}

verified() {
	local role
	for role in amd64-6.1 amd64-6.12 amd64-split; do
		check "verify/$role/packages" verifies_packages "$role"
	done
	for role in amd64-6.1 amd64-6.12 arm64-6.12 amd64-split; do
		check "verify/$role/tree" verifies "$role" "$WORK/$role/tree"
	done
	check verify/amd64-6.1/signed-again verifies amd64-6.1 "$WORK/amd64-6.1/signed"
	check verify/amd64-6.1/zstd verifies amd64-6.1 "$WORK/amd64-6.1/zst"
	check verify/wrong-kernel expect 1 '^NOT verified: ' mh verify "$WORK/amd64-6.12.modhash" "$WORK/amd64-6.1/tree"
	required_trailers
	partial
	check verify/inside inside
	check verify/broken-manifest broken
}
