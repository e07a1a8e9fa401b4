# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Checks of the forms that the kernel takes a hashset in: modhash embed, prove,
# modules-merkle-tree and verify --image, against reference.py, which is another
# implementation, and the system's decompressors. Sourced by run.sh; what
# generate.sh leaves in WORK is used, and of the small kernel hashes/, see
# kernels.sh.

reference() { python3 "$E2E_DIR/../vectors/hashes/reference.py" "$@"; }

reference_table() { reference table | cmp - "$E2E_DIR/../vectors/hashes/every-n.txt"; }

# as_build FROM NAME: a build tree WORK/NAME of the modules of an installed tree.
as_build() {
	local from dir=$WORK/$2
	from=$(modules_dir "$1")
	rm -rf "$dir"
	cp -al "$from/kernel" "$dir"
	sed 's,^kernel/,,; s,\.ko$,.o,' "$from/modules.order" >"$dir/modules.order"
}

# host_program FROM SUFFIX: the files of the kernel's program, from FROM, a tree
# of plain modules.
host_program() {
	as_build "$1" ours
	as_build "$1" theirs
	if [ "$2" != .ko ]; then
		find "$WORK/ours" "$WORK/theirs" -name '*.ko' -print0 |
			perl -0ne 'BEGIN { $s = shift } chomp; ($n = $_) =~ s/\.ko$/$s/; rename $_, $n or die "$_: $!\n"' "$2"
	fi
	(cd "$WORK/ours" && expect 0 '^$' mh modules-merkle-tree .tmp_module_hashes.c "$2")
	(cd "$WORK/theirs" && reference tree v5 .tmp_module_hashes.c "$2")
	diff -r "$WORK/ours" "$WORK/theirs"
	rm -rf "$WORK/ours" "$WORK/theirs"
}

# sidecars: with all checks, the same.
sidecars() {
	cp -R "$KERNEL/build-stripped" "$WORK/ours"
	cp -R "$KERNEL/build-stripped" "$WORK/theirs"
	expect 0 '^[1-9][0-9]* sidecars written, 0 were there; root [0-9]+ [0-9a-f]{64}$' mh prove "$WORK/ours"
	(cd "$WORK/theirs" && reference tree v5 c .ko && rm c)
	diff -r "$WORK/ours" "$WORK/theirs"
	expect 0 '^0 sidecars written, [1-9][0-9]* were there; ' mh prove "$WORK/ours"
	rm -rf "$WORK/ours"
	mv "$WORK/theirs" "$WORK/with-sidecars"
}

# texts: C text and raw bytes of the small kernel.
texts() {
	local version order build=$WORK/with-sidecars
	for version in v3 v4 v5; do
		(cd "$build" && reference tree "$version" "$WORK/want.c" .ko)
		expect 0 '^$' mh embed --c-text "$version" -o "$WORK/have.c" "$build"
		cmp "$WORK/want.c" "$WORK/have.c"
	done
	for order in little big; do
		sed 's/\.o$/.ko/' "$build/modules.order" | reference section "$order" "$build" >"$WORK/want"
		expect 0 '^$' mh embed --raw --byte-order "$order" -o "$WORK/have" "$build"
		cmp "$WORK/want" "$WORK/have"
	done
	sed 's/\.o$/.ko/' "$build/modules.order" | reference section flat "$build" >"$WORK/want"
	expect 0 '^$' mh embed --raw --hashset flat -o "$WORK/have" "$build"
	cmp "$WORK/want" "$WORK/have"
}

# into_vmlinux: byte for byte what dd made of it, and read back out of what the
# kernel's makefile made of that.
into_vmlinux() {
	cp "$KERNEL/hashes/vmlinux" "$WORK/vmlinux"
	expect 0 '^embedded: root ' mh embed --into "$WORK/vmlinux" "$KERNEL/build-stripped"
	cmp "$WORK/vmlinux" "$KERNEL/hashes/vmlinux.root"
	expect 0 '^unchanged: root ' mh embed --into "$WORK/vmlinux" "$KERNEL/build-stripped"
	expect 0 . mh inspect --format json "$KERNEL/hashes/bzImage"
	says "\"root\":{\"levels\":$(od -An -tu4 -N4 "$KERNEL/hashes/root" | tr -d ' '),\"sha256\":\"$(od -An -tx1 -j4 -v "$KERNEL/hashes/root" | tr -d ' \n')\"}"
	expect 0 . mh inspect "$KERNEL/hashes/vmlinux"
	says 'hashset     36 bytes of zeros'
}

# decompressed FILE…: by the system's programs.
decompressed() {
	case $1 in
	*.gz) gzip -dc "$1" ;;
	*.xz) xz -dc "$1" ;;
	*.zst) zstd -q -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# as_kbuild FILE…: compressed in the way that the kernel can decompress.
as_kbuild() {
	case $1 in
	*.gz) [ "$(head -c 10 "$1" | od -An -tx1 | tr -d ' ')" = 1f8b08000000000000"$(head -c 10 "$1" | tail -c 1 | od -An -tx1 | tr -d ' ')" ] || [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' ')" = 1f8b080000000000 ] ;;
	*.xz) xz --robot -lvv "$1" | grep -q '^block.*CRC32.*--lzma2=dict=1MiB' && [ "$(xz --robot -l "$1" | awk '/^file/ { print $2 $3 }')" = 11 ] ;;
	*.zst) zstd -lv "$1" 2>&1 | grep -q 'Decompressed Size' ;;
	esac
}

# appended FORM: each installed module, decompressed by the system, is the module
# of the build with its sidecar; mode, owner and time stay; a second time nothing
# is touched; the manifest does not change.
appended() {
	local tree=$WORK/proven-$1 file name n=0
	rm -rf "$tree"
	cp -a "$KERNEL/installed/$1" "$tree"
	(cd "$tree" && find . -type f -name '*.ko*' -printf '%p %m %u %g %T@\n' | sort) >"$WORK/before"
	expect 0 '^[1-9][0-9]* proofs appended, 0 were there; ' mh prove --replace --append "$tree" "$KERNEL/build-stripped"
	(cd "$tree" && find . -type f -name '*.ko*' -printf '%p %m %u %g %T@\n' | sort) | cmp - "$WORK/before"
	while read -r file; do
		name=${file##*/kernel/}
		name=${name%.ko*}
		decompressed "$file" | cmp - <(cat "$WORK/with-sidecars/$name.ko" "$WORK/with-sidecars/$name.merkle")
		as_kbuild "$file" || fail "$file is not compressed as the kernel's makefile does it"
		n=$((n + 1))
	done < <(find "$tree" -type f -name '*.ko*')
	[ "$n" -gt 10 ] || fail "only $n modules"
	find "$tree" -printf '%p %i %T@ %C@\n' | sort >"$WORK/before"
	expect 0 '^0 proofs appended, [1-9][0-9]* were there; ' mh prove --append "$tree" "$KERNEL/build-stripped"
	find "$tree" -printf '%p %i %T@ %C@\n' | sort | cmp - "$WORK/before"
	generates "$WORK/small.modhash" "$tree"
}

# kernel_accepts FORM: the image that the kernel's makefile made admits these
# modules and no other; its own certificate has to be named.
kernel_accepts() {
	local tree=$WORK/proven-$1 image=$KERNEL/hashes/bzImage cert=$KERNEL/build/certs/signing_key.x509
	expect 0 '^verified: the kernel admits all [0-9]+ modules and nothing else by hash$' mh verify --image "$image" --keys "$cert" "$tree"
	says '1 certificate, 0 not named'
	expect 1 '^NOT verified: 1 certificate$' mh verify --image "$image" "$tree"
	expect 1 '^NOT verified: hashset, [0-9]+ proof$' mh verify --image "$KERNEL/hashes/vmlinux" --keys "$cert" "$tree"
	says 'never written into this image'
	expect 3 '^self-consistent: the proofs of all [0-9]+ modules lead to one root' mh verify --accept self-consistent "$tree"
	expect 0 '^verified: all ' mh verify --image "$image" --keys "$cert" "$WORK/small.modhash" "$tree"
}

# covert: a kernel that admits a module that nobody ships.
covert() {
	local build=$WORK/covert tree=$WORK/covert-installed cert=$KERNEL/build/certs/signing_key.x509 first
	rm -rf "$build" "$tree"
	cp -R "$KERNEL/build-stripped" "$build"
	cp -a "$WORK/proven-xz" "$tree"
	first=$(head -n 1 "$build/modules.order")
	cp "$build/${first%.o}.ko" "$build/covert.ko"
	echo covert.o >>"$build/modules.order"
	cp "$KERNEL/hashes/vmlinux" "$WORK/vmlinux"
	expect 0 '^embedded: ' mh embed --into "$WORK/vmlinux" "$build"
	expect 0 '^[1-9][0-9]* proofs appended' mh prove -q --replace --append "$tree" "$build"
	expect 1 '^NOT verified: hashset$' mh verify --image "$WORK/vmlinux" --keys "$cert" "$tree"
	says 'it admits at least one module more, which is not in this build'
	grep -qE 'admits    ([0-9]+) of \1 modules' "$WORK/out"
}

# killed: a program that is killed at any moment leaves whole modules, each the
# old or the new one, and the next run finishes the work.
killed() {
	local tree=$WORK/killed i pid file name
	for i in $(seq 1 40); do
		if [ $((i % 10)) = 1 ]; then
			rm -rf "$tree"
			cp -a "$KERNEL/installed/xz" "$tree"
		fi
		mh prove -j 2 -q --replace --append "$tree" "$KERNEL/build-stripped" >/dev/null 2>&1 &
		pid=$!
		sleep "0.$(printf '%03d' $((i * 13 % 400)))"
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		while read -r file; do
			name=${file##*/kernel/}
			cmp -s "$file" "$KERNEL/installed/xz/${file#"$tree/"}" ||
				cmp -s "$file" "$WORK/proven-xz/${file#"$tree/"}" || fail "$name is neither the old nor the new one"
		done < <(find "$tree" -type f -name '*.ko.xz')
	done
	expect 0 ' proofs? appended, ' mh prove --replace --append "$tree" "$KERNEL/build-stripped"
	diff -r --no-dereference "$tree" "$WORK/proven-xz"
}

hashsets() {
	local form n
	check hashset/every-number reference_table
	check hashset/host-program/amd64-6.1 host_program "$WORK/amd64-6.1/plain" .ko
	check hashset/host-program/stripped host_program "$WORK/amd64-6.12/plain" .ko.stripped
	check hashset/sidecars sidecars
	check hashset/texts texts
	check hashset/into-vmlinux into_vmlinux
	for form in none gz xz zst; do
		check "hashset/append/$form" appended "$form"
		check "hashset/kernel/$form" kernel_accepts "$form"
	done
	check hashset/covert covert
	check hashset/killed killed
}
