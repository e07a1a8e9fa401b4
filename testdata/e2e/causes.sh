# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What diff says of two builds of one module in which one thing differs: for each
# cause of the catalogue (../causes) that a module of ours (folder causes/) can be
# made to have with the distribution's kernel headers. Sourced after dkms.sh and
# tamper.sh, in
# whose systems the modules are built.
#
# The expectation of each row is written here, the table that comes out is
# causes.tsv. A row is
#
#   number  how it was produced  causes  outcome  what follows
#
# separated by tabs: the number in the catalogue; the roots, changes and what is
# unexplained, by their ids; explained, changed or unexplained; and what was derived,
# which may vary with the release of the headers and is not compared.

# shellcheck disable=SC2034 # of run.sh
CAUSES_PACKAGES=(binutils kmod openssl pahole perl python3 rpm tar xz-utils zstd)
CAUSES_HEADERS= # as seen from the system
CAUSES_ROOT=    # the system
CAUSES_ROWS=

# causes_build NAME WHAT…: build the module and keep it as WORK/causes/NAME.ko. WHAT
# is other than with the others:
#
#   in:FOLDER          the folder it is built in, instead of /build/one
#   with:FLAG          a flag of the compiler
#   make:NAME=VALUE    a variable of make
#   headers:FILE=SED   a file of the kernel headers, edited for this build alone
#   source:FILE=SED    a file of the module, edited
#   at:DATE            when the sources were written
#   epoch:SECONDS      SOURCE_DATE_EPOCH
causes_build() {
	local name=$1 folder=/build/one at=2026-01-02 epoch=1767312000 flags='' file source=() headers=() variables=() what
	shift
	for what in "$@"; do
		case $what in
		in:*) folder=${what#in:} ;;
		at:*) at=${what#at:} ;;
		epoch:*) epoch=${what#epoch:} ;;
		with:*) flags+=" ${what#with:}" ;;
		make:*) variables+=("${what#make:}") ;;
		headers:*) headers+=("${what#headers:}") ;;
		source:*) source+=("${what#source:}") ;;
		*) die "what is $what?" ;;
		esac
	done
	rm -rf "$CAUSES_ROOT/build"
	mkdir -p "$CAUSES_ROOT$folder" "$CAUSES_ROOT/build/edited"
	cp "$E2E_DIR"/causes/{Makefile,*.[ch]} "$CAUSES_ROOT$folder/"
	for what in ${source[@]+"${source[@]}"}; do
		sed -i "${what#*=}" "$CAUSES_ROOT$folder/${what%%=*}"
	done
	touch -d "$at" "$CAUSES_ROOT$folder"/*
	for what in ${headers[@]+"${headers[@]}"}; do
		file=$CAUSES_ROOT/build/edited/${what%%=*}
		mkdir -p "${file%/*}"
		sed "${what#*=}" "$CAUSES_ROOT$CAUSES_HEADERS/${what%%=*}" >"$file"
		! cmp -s "$file" "$CAUSES_ROOT$CAUSES_HEADERS/${what%%=*}" || die "$what changes nothing"
	done
	# What is edited lies over the headers for as long as this command runs.
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private -- sh -c '
		set -e
		root=$1 headers=$2
		shift 2
		mount -t proc proc "$root/proc"
		cd "$root/build/edited"
		find . -type f | while read -r file; do mount --bind "$file" "$root$headers/$file"; done
		exec chroot "$root" env -i PATH=/usr/bin:/bin LC_ALL=C TZ=UTC make "$@"' \
		causes_build "$CAUSES_ROOT" "$CAUSES_HEADERS" -C "$CAUSES_HEADERS" M="$folder" SOURCE_DATE_EPOCH="$epoch" KCFLAGS="$flags" \
		${variables[@]+"${variables[@]}"} modules >"$WORK/causes/$name.log" 2>&1 9>&- ||
		{
			tail -n 20 "$WORK/causes/$name.log"
			fail "building $name"
		}
	mv "$CAUSES_ROOT$folder/sample.ko" "$WORK/causes/$name.debug"
	cp "$WORK/causes/$name.debug" "$WORK/causes/$name.ko"
	strip --strip-debug "$WORK/causes/$name.ko"
}

# cause NUMBER HOW CAUSES OUTCOME A B: a row; it fails if it is not as said here. Where
# CAUSES has the word change, any changes may be, which is for compilers to say; the one
# in BY_CHANCE may be too.
cause() {
	local rc=0 want=1 got
	[ "$4" != identical ] || want=0
	mh diff --format json "$5" "$6" >"$WORK/causes/diff.json" || rc=$?
	[ "$rc" = $want ] || fail "$2: exit code $rc"
	got=$(python3 "$E2E_DIR/causes/said.py" <"$WORK/causes/diff.json")
	case " $3 " in *' change '*) got=$(sed -E 's/change\.[a-z-]+/change/g; s/change( change)+/change/' <<<"$got") ;; esac
	[ -z "${BY_CHANCE:-}" ] || got=${got/ $BY_CHANCE/}
	printf '%s\t%s\t%s\n' "$1" "$2" "$got" >>"$CAUSES_ROWS"
	[ "$(cut -f 1,2 <<<"$got")" = "$3"$'\t'"$4" ] || fail "$2: $got"
}

# built_cause NAME NUMBER HOW CAUSES OUTCOME WHAT…: a module that is built so, and the
# base, both stripped as distributions strip.
built_cause() {
	local name=$1 row=("${@:2:4}")
	causes_build "$name" "${@:6}"
	cause "${row[@]}" "$WORK/causes/base.ko" "$WORK/causes/$name.ko"
}

# built_mapped NUMBER HOW: in two folders, which only debug information tells.
built_mapped() {
	causes_build mapped-1 with:-fmacro-prefix-map=/build/one/=
	causes_build mapped-2 in:/build/another/place with:-fmacro-prefix-map=/build/another/place/=
	cause "$1" "$2" - explained "$WORK/causes/mapped-1.ko" "$WORK/causes/mapped-2.ko"
}

# caused NAME NUMBER HOW CAUSES OUTCOME WHAT…: the same as a check.
caused() { check "causes/$1" built_cause "$@"; }

causes_of_builds() {
	local config=include/generated/autoconf.h moved=in:/build/another/place
	check causes/build-id built_mapped '6 7' 'another folder, told to debug information only, which was stripped'
	caused salt 8 'another CONFIG_BUILD_SALT' build-salt explained \
		"headers:$config=s/^\(#define CONFIG_BUILD_SALT\).*/\1 \"another salt\"/"
	caused lto-note 9 'CONFIG_LTO, in the note that the headers make of it' lto explained "headers:$config=\$a #define CONFIG_LTO 1"
	caused release 10 'another UTS_RELEASE' 'version.release version.string' explained \
		'headers:include/generated/utsrelease.h=s/"\(.*\)"/"\1-mine"/'
	caused preempt 11 'another CONFIG_PREEMPT_BUILD' modinfo.vermagic-flags explained "headers:$config=/CONFIG_PREEMPT_BUILD /d"
	# shellcheck disable=SC2016 # for sed
	caused srcversion 14 'one more declaration, which no code uses' modinfo.srcversion explained 'source:more.c=$a extern int unused;'
	caused intree 15 'MODULE_INFO(intree, "Y")' modinfo.flag explained with:-DINTREE
	caused modinfo-order 15 'MODULE_AUTHOR and MODULE_DESCRIPTION in another order' modinfo.order explained with:-DOTHER_ORDER
	caused author 15 'another MODULE_AUTHOR' change.modinfo changed with:-DOTHER_AUTHOR
	caused version 15 'another MODULE_VERSION' change.modinfo changed with:-DOTHER_VERSION
	caused import 16 'another checksum in Module.symvers' modversions.crc explained \
		'headers:Module.symvers=/\t_printk\t/s/^0x......../0x12345678/'
	caused export 16 'another type in the prototype of an exported function' change.exports changed with:-DOTHER_TYPE
	caused struct 17 'CONFIG_MODULES_TREE_LOOKUP off, which takes from struct module' 'change module-struct' changed \
		"headers:$config=/CONFIG_MODULES_TREE_LOOKUP /d"
	caused path 23 'another folder' path.string explained $moved
	caused path-mapped 23 'another folder, and -ffile-prefix-map' - identical $moved \
		with:-ffile-prefix-map=/build/another/place=/build/one
	caused lines 25 'a comment more in front of a function' line-numbers explained \
		'source:main.c=/^int sample_step/i /* one more */'
	caused timestamp 27 '__TIMESTAMP__ in a source of another date' timestamp.string explained at:2026-03-04
	caused date 27 '__DATE__ and __TIME__, with another SOURCE_DATE_EPOCH' timestamp.string explained epoch:1775000000
	caused feature '28 34' 'a function behind a macro' change changed with:-DFEATURE
	caused option 31 '-Os' 'change layout.order' changed with:-Os
	caused retpoline 32 'CONFIG_RETPOLINE and CONFIG_RETHUNK off' 'change toolchain.hardening' changed \
		make:CONFIG_RETPOLINE= make:CONFIG_RETHUNK= "headers:$config=/CONFIG_RETPOLINE\|CONFIG_RETHUNK/d"
	caused link-order 35 'objects linked in another order' 'change layout.order layout.section-order modinfo.srcversion' changed \
		'make:ORDER=more.o main.o'
}

# causes_of_files: what is done to a module after it was built.
causes_of_files() {
	local dir=$WORK/causes base=$WORK/causes/base.ko debug=$WORK/causes/base.debug
	local sign=$CAUSES_ROOT/usr/lib/linux-kbuild-6.1/scripts/sign-file a=$ROOT_DIR/testdata/keys/throwaway-a b=$ROOT_DIR/testdata/keys/throwaway-b
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 36500 -set_serial 1 -subj '/CN=throw-away' \
		-keyout "$dir/ec.key" -out "$dir/ec.crt" 2>/dev/null
	"$sign" sha256 "$a.key" "$a.crt" "$base" "$dir/a.ko"
	"$sign" sha512 "$a.key" "$a.crt" "$base" "$dir/a-512.ko"
	"$sign" sha256 "$b.key" "$b.crt" "$base" "$dir/b.ko"
	"$sign" sha256 "$b.key" "$b.crt" "$dir/a.ko" "$dir/a-b.ko"
	"$sign" sha256 "$dir/ec.key" "$dir/ec.crt" "$base" "$dir/ec-1.ko"
	"$sign" sha256 "$dir/ec.key" "$dir/ec.crt" "$base" "$dir/ec-2.ko"
	cause 1 "sign-file with another key" signature.key explained "$dir/a.ko" "$dir/b.ko"
	cause 3 'sign-file, twice with the same ECDSA key' signature.nonce explained "$dir/ec-1.ko" "$dir/ec-2.ko"
	cause 3 'sign-file with another hash' signature.hash explained "$dir/a.ko" "$dir/a-512.ko"
	cause 4 'sign-file, or not' signature.presence explained "$base" "$dir/a.ko"
	cause 4 'sign-file, twice, with other keys' 'signature.key signature.stacked' explained "$dir/a.ko" "$dir/a-b.ko"
	(cat "$dir/a.ko" && echo) >"$dir/junk.ko"
	cause 4 'a line feed behind the signature' 'signature.presence unexplained' unexplained "$dir/a.ko" "$dir/junk.ko"

	objcopy --only-keep-debug "$debug" "$dir/sample.debug"
	objcopy --add-gnu-debuglink="$dir/sample.debug" "$base" "$dir/link-1.ko"
	echo >>"$dir/sample.debug"
	objcopy --add-gnu-debuglink="$dir/sample.debug" "$base" "$dir/link-2.ko"
	strip --strip-unneeded -o "$dir/unneeded.ko" "$base"
	cause 37 'strip --strip-debug, or not' strip explained "$debug" "$base"
	cause 37 'strip --strip-unneeded or --strip-debug' strip explained "$base" "$dir/unneeded.ko"
	cause 38 'a link to other debug information' - explained "$dir/link-1.ko" "$dir/link-2.ko"

	cp "$base" "$dir/flipped.ko"
	flip "$dir/flipped.ko" "$(text_at "$base")"
	cp "$dir/salt.ko" "$dir/hidden.ko"
	flip "$dir/hidden.ko" "$(text_at "$dir/salt.ko")"
	cause 51 'a bit of the code flipped' change.code changed "$base" "$dir/flipped.ko"
	cause 51 'a bit of the code flipped in a module with another salt' 'build-salt change.code' changed "$base" "$dir/hidden.ko"
	perl -0777 -pe 's{/build/one/\K(main|more)(?=\.c\0)}{$1 eq "main" ? "more" : "main"}ge' "$dir/salt.ko" >"$dir/exchanged.ko"
	cause 51 'two strings exchanged in a module with another salt' 'build-salt change.reference' changed "$base" "$dir/exchanged.ko"
}

# text_at FILE: where in a file its code begins, and a few bytes more.
text_at() {
	local at
	at=$(LC_ALL=C readelf -SW "$1" | sed -nE 's/^ *\[ *[0-9]+\] \.text +PROGBITS +[0-9a-f]+ ([0-9a-f]+) .*/\1/p')
	printf '%d\n' $((16#$at + 9))
}

# causes_of_compressors: the same module, compressed.
causes_of_compressors() {
	local dir=$WORK/causes/packed base=$WORK/causes/packed/sample.ko xz=(xz -c --check=crc32 --lzma2=dict=1MiB)
	mkdir -p "$dir"
	cp "$WORK/causes/base.debug" "$base"
	"${xz[@]}" -T1 "$base" >"$dir/1.ko.xz"
	"${xz[@]}" -T2 "$base" >"$dir/2.ko.xz"
	cause 39 'xz -T1, xz -T2' compression.xz-blocks explained "$dir/1.ko.xz" "$dir/2.ko.xz"
	xz -c --check=crc64 --lzma2=dict=1MiB -T1 "$base" >"$dir/check.ko.xz"
	cause 40 'xz --check=crc64' compression.xz-check explained "$dir/1.ko.xz" "$dir/check.ko.xz"
	xz -c --check=crc32 --lzma2=dict=2MiB -T1 "$base" >"$dir/dict.ko.xz"
	cause 40 'xz --lzma2=dict=2MiB' compression.xz-dict explained "$dir/1.ko.xz" "$dir/dict.ko.xz"
	xz -c --check=crc32 --x86 --lzma2=dict=1MiB -T1 "$base" >"$dir/bcj.ko.xz"
	cause 40 'xz --x86' 'compression.compressor compression.xz-blocks compression.xz-filter' explained "$dir/1.ko.xz" "$dir/bcj.ko.xz"
	xz -c --check=crc32 --lzma2=dict=1MiB,nice=8,mode=fast,mf=hc3 -T1 "$base" >"$dir/effort.ko.xz"
	cause 40 'xz with less effort' compression.compressor explained "$dir/1.ko.xz" "$dir/effort.ko.xz"
	zstd -q -3 -T1 "$base" -o "$dir/1.ko.zst"
	zstd -q -3 -T2 "$base" -o "$dir/2.ko.zst"
	zstd -q -19 "$base" -o "$dir/19.ko.zst"
	zstd -q -3 <"$base" >"$dir/pipe.ko.zst"
	cause 41 'zstd -T1, zstd -T2' - identical "$dir/1.ko.zst" "$dir/2.ko.zst"
	cause 41 'zstd -3, zstd -19' compression.compressor explained "$dir/1.ko.zst" "$dir/19.ko.zst"
	cause 41 'zstd of a file, zstd of a pipe' 'compression.compressor compression.zstd-frame' explained "$dir/1.ko.zst" "$dir/pipe.ko.zst"
	touch -d '2026-01-02 03:04:06' "$base"
	gzip -n -c "$base" >"$dir/n.ko.gz"
	gzip -n -1 -c "$base" >"$dir/fast.ko.gz"
	gzip -c "$base" >"$dir/1.ko.gz"
	touch -d '2026-02-03 04:05:06' "$base"
	gzip -c "$base" >"$dir/2.ko.gz"
	cause 42 'gzip of files of other dates' compression.gzip-time explained "$dir/1.ko.gz" "$dir/2.ko.gz"
	cause 42 'gzip -n, or not' 'compression.gzip-name compression.gzip-time' explained "$dir/n.ko.gz" "$dir/1.ko.gz"
	cause 41 'gzip -6, gzip -1' 'compression.compressor compression.level' explained "$dir/n.ko.gz" "$dir/fast.ko.gz"
	cause '39 41' 'xz or zstd' compression.format explained "$dir/1.ko.xz" "$dir/1.ko.zst"
}

# causes_of_debug: debug information and types (BTF), which pahole makes of it.
causes_of_debug() {
	local dir=$WORK/causes base=$WORK/causes/base.debug name
	cause 26 'another folder, told to debug information only' path.debug explained "$dir/mapped-1.debug" "$dir/mapped-2.debug"
	cause '23 26' 'another folder, with debug information' 'path.debug path.string' explained "$base" "$dir/path.debug"
	cause 31 '-Os, by debug information' 'change layout.order toolchain.options' changed "$base" "$dir/option.debug"
	# The order of types is that of the objects.
	for name in base link-order; do
		pahole --btf_encode_detached="$dir/$name.btf" "$dir/$name.debug"
		objcopy --add-section .BTF="$dir/$name.btf" "$dir/base.ko" "$dir/$name.btf.ko"
	done
	pahole --btf_gen_floats --skip_encoding_btf_enum64 --skip_encoding_btf_decl_tag --skip_encoding_btf_vars \
		--btf_encode_detached="$dir/features.btf" "$base"
	objcopy --add-section .BTF="$dir/features.btf" "$dir/base.ko" "$dir/features.btf.ko"
	cause 29 'pahole of objects in another order' btf.order explained "$dir/base.btf.ko" "$dir/link-order.btf.ko"
	cause 30 'pahole with other features' change.btf changed "$dir/base.btf.ko" "$dir/features.btf.ko"
	cause 30 'pahole, or not' 'change' changed "$dir/base.ko" "$dir/base.btf.ko"
}

# causes_of_compiler: the older compiler does not know one of the options, so both do
# without.
causes_of_compiler() {
	local dir=$WORK/causes
	causes_build gcc-12 make:CONFIG_INIT_STACK_ALL_ZERO=
	causes_build gcc-11 make:CONFIG_INIT_STACK_ALL_ZERO= make:CC=gcc-11
	cause 31 'gcc 11, gcc 12' 'change toolchain.compiler' changed "$dir/gcc-12.ko" "$dir/gcc-11.ko"
	cause 31 'gcc 11, gcc 12, with debug information' 'change toolchain.compiler toolchain.producer' changed \
		"$dir/gcc-12.debug" "$dir/gcc-11.debug"
}

# causes_of_orc: with headers that have a format of ORC to tell.
causes_of_orc() {
	local CAUSES_ROOT=$WORK/dkms-3.2 CAUSES_HEADERS
	CAUSES_HEADERS=/usr/src/$(basename "$CAUSES_ROOT"/usr/src/linux-headers-*-amd64)
	causes_build orc-1
	causes_build orc-2 'headers:arch/x86/include/generated/asm/orc_hash.h=s/0x\(.\)\(.\)/0x\2\1/g'
	cause 33 'another arch/x86/include/generated/asm/orc_hash.h' toolchain.orc explained \
		"$WORK/causes/orc-1.ko" "$WORK/causes/orc-2.ko"
}

# causes_of_packages: around modules that are the same. What is no module is listed
# by what differs of it.
causes_of_packages() {
	local dir=$WORK/causes/pkg one=$WORK/causes/pkg/one two=$WORK/causes/pkg/two release=${CAUSES_HEADERS#/usr/src/linux-headers-} mods name
	mods=lib/modules/$release
	rm -rf "$dir"
	mkdir -p "$one/$mods/kernel" "$dir/rpm"
	cp "$WORK/causes/base.ko" "$one/$mods/kernel/sample.ko"
	cp "$WORK/causes/path.ko" "$one/$mods/kernel/other.ko"
	printf 'kernel/sample.ko\nkernel/other.ko\n' >"$one/$mods/modules.order"
	touch "$one/$mods/modules.builtin" "$one/$mods/modules.builtin.modinfo"
	cp -a "$one" "$two"

	# Proofs: another module of the tree differs.
	cp "$WORK/causes/salt.ko" "$two/$mods/kernel/other.ko"
	for name in one two; do
		cp -a "$dir/$name" "$dir/proven-$name"
		mh prove --append "$dir/proven-$name" >"$WORK/causes/prove.log"
	done
	cause 5 'the proof of a module, another module of the tree differs' - explained \
		"$dir/proven-one/$mods/kernel/sample.ko" "$dir/proven-two/$mods/kernel/sample.ko"
	cp -a "$one/$mods/kernel/other.ko" "$two/$mods/kernel/other.ko"

	for name in one two; do depmod -b "$dir/$name" "$release"; done
	chmod 600 "$two/$mods/modules.order"
	cause 46 'another mode of a file' file:mode listed "$one" "$two"
	chmod 644 "$two/$mods/modules.order"
	echo 'CONFIG_CC_VERSION_TEXT="gcc 1"' >"$one/$mods/config"
	echo 'CONFIG_CC_VERSION_TEXT="gcc 2"' >"$two/$mods/config"
	cause 31 'the config of another compiler beside the modules' 'file:content record.toolchain' listed "$one" "$two"
	(cat "$one/$mods/config" && echo CONFIG_GCOV_KERNEL=y) >"$two/$mods/config"
	cause '9 11 21' 'another config beside the modules' 'file:content record.config' listed "$one" "$two"
	cp -p "$one/$mods/config" "$two/$mods/config"
	cp "$WORK/causes/salt.ko" "$two/$mods/kernel/more.ko"
	depmod -b "$two" "$release"
	cause '43 44' 'a module more, and depmod' 'file:content only-in-b' listed "$one" "$two"
	rm "$two/$mods/kernel/more.ko"
	depmod -b "$two" "$release"

	for name in one two; do
		mkdir "$dir/$name/DEBIAN"
		printf '%s\n' 'Package: sample' 'Version: 1' 'Architecture: amd64' 'Maintainer: modhash <modhash@example.org>' \
			'Description: sample of causes' >"$dir/$name/DEBIAN/control"
	done
	# dpkg-deb only makes newer times older.
	find "$one" -exec touch -h -d 2026-01-02 {} +
	find "$two" -exec touch -h -d 2026-01-02 {} +
	SOURCE_DATE_EPOCH=1000000000 dpkg-deb --root-owner-group -b "$one" "$dir/1.deb" >/dev/null
	SOURCE_DATE_EPOCH=1000000001 dpkg-deb --root-owner-group -b "$two" "$dir/2.deb" >/dev/null
	cause 45 'dpkg-deb with another SOURCE_DATE_EPOCH' 'file:content file:time package' listed "$dir/1.deb" "$dir/2.deb"
	sed -i 's/^Version: .*/Version: 2/' "$two/DEBIAN/control"
	SOURCE_DATE_EPOCH=1000000000 dpkg-deb --root-owner-group -b "$two" "$dir/2.deb" >/dev/null
	cause 45 'another field of control' 'file:content package' listed "$dir/1.deb" "$dir/2.deb"
	rm -r "$one/DEBIAN" "$two/DEBIAN"

	packed_tar "$one" "$dir/1.pkg.tar.zst" 1000000000 /build/one root
	packed_tar "$one" "$dir/2.pkg.tar.zst" 1000000000 /build/two root
	cause 45 'another builddir in .BUILDINFO' 'file:content package record.path' listed "$dir/1.pkg.tar.zst" "$dir/2.pkg.tar.zst"
	packed_tar "$one" "$dir/2.pkg.tar.zst" 1000000000 /build/one root 'installed = gcc-2'
	cause 45 'another package installed, by .BUILDINFO' 'file:content package record.packages' listed "$dir/1.pkg.tar.zst" "$dir/2.pkg.tar.zst"
	packed_tar "$one" "$dir/2.pkg.tar.zst" 1000000001 /build/one root
	cause 45 'other times in a .pkg.tar.zst' 'file:time package' listed "$dir/1.pkg.tar.zst" "$dir/2.pkg.tar.zst"
	packed_tar "$one" "$dir/2.pkg.tar.zst" 1000000000 /build/one daemon
	cause 46 'another owner' 'file:owner package' listed "$dir/1.pkg.tar.zst" "$dir/2.pkg.tar.zst"

	for name in one two; do
		cat >"$dir/rpm/$name.spec" <<-END
			Name: sample
			Version: 1
			Release: 1
			Summary: sample of causes
			License: MIT
			BuildArch: noarch
			%description
			%install
			cp -a $one/. %{buildroot}/
			%files
			/$mods
		END
		SOURCE_DATE_EPOCH=1000000000 rpmbuild --quiet -bb --define "_topdir $dir/rpm/$name" --define "_buildhost host-$name" \
			--define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
			--define '__brp_strip %nil' --define '__os_install_post %nil' \
			"$dir/rpm/$name.spec" >"$WORK/causes/rpm.log" 2>&1 || fail "rpmbuild: $(tail -n 3 "$WORK/causes/rpm.log")"
	done
	cause 45 'another build host in the header of an rpm' 'file:content package record.timestamp' listed \
		"$dir/rpm/one/RPMS/noarch/sample-1-1.noarch.rpm" "$dir/rpm/two/RPMS/noarch/sample-1-1.noarch.rpm"
}

# packed_tar FOLDER FILE SECONDS BUILDDIR OWNER [LINE]: as pacman's packages are.
packed_tar() {
	local meta=$WORK/causes/pkg/meta
	mkdir -p "$meta"
	printf '%s\n' 'pkgname = sample' 'pkgver = 1-1' 'arch = x86_64' >"$meta/.PKGINFO"
	printf '%s\n' 'format = 2' 'pkgname = sample' "builddir = $4" "${6:-installed = gcc-1}" >"$meta/.BUILDINFO"
	tar -c --zstd --sort=name --mtime="@$3" --owner="$5" --group=root --numeric-owner \
		-C "$meta" .PKGINFO .BUILDINFO -C "$1" lib >"$2" 
}

# with_causes: in the systems that with_dkms has made.
with_causes() {
	CAUSES_ROOT=$WORK/dkms-3.0
	CAUSES_HEADERS=/usr/src/$(basename "$CAUSES_ROOT"/usr/src/linux-headers-*-amd64)
	CAUSES_ROWS=$WORK/causes/rows
	mkdir "$WORK/causes"
	printf '# number\thow\tcauses\toutcome\tfollows\n' >"$CAUSES_ROWS"
	check causes/base causes_base
	causes_of_builds
	check causes/compiler causes_of_compiler
	check causes/orc causes_of_orc
	check causes/debug causes_of_debug
	check causes/files causes_of_files
	check causes/compressors causes_of_compressors
	check causes/packages causes_of_packages
	check causes/as-recorded causes_as_recorded
	rm -rf "$WORK/causes"
}

# causes_base: built twice it is the same; all others differ by what is said of them.
causes_base() {
	causes_build again
	causes_build base
	cmp "$WORK/causes/again.debug" "$WORK/causes/base.debug"
}

# causes_as_recorded: the table is the one beside this script, but for what follows.
causes_as_recorded() {
	if [ -n "${MODHASH_E2E_WRITE:-}" ]; then cp "$CAUSES_ROWS" "$E2E_DIR/causes.tsv"; fi
	diff <(cut -f 1-4 "$E2E_DIR/causes.tsv") <(cut -f 1-4 "$CAUSES_ROWS")
}
