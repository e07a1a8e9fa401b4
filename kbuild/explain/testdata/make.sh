#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the modules of this folder: one source, built again and again with one
# thing changed each time; and wraps the first in other compressions and signatures.
# Needs gcc, binutils, xz, zstd, gzip and openssl; see README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build NAME FOLDER FLAG...: in a folder of its own below $work.
build() {
	name=$1 folder=$work/$2
	shift 2
	mkdir -p "$folder/drivers"
	cp "$here/module.c" "$folder/drivers/sample.c"
	# The folder is told by a prefix map, so that the result is the same wherever
	# $work is: /build/A, /home/builder/B.
	cd "$folder"
	gcc -O2 -mcmodel=kernel -fno-pic -fno-pie -ffreestanding -fcf-protection=none -fno-asynchronous-unwind-tables -fno-stack-protector \
		-ffile-prefix-map="$work"= "$@" -c "$folder/drivers/sample.c" -o "$work/sample.o"
	ld -r --build-id=sha1 "$work/sample.o" -o "$here/$name.ko"
	[ -n "${keep-}" ] || strip --strip-debug "$here/$name.ko"
}

build base build/one
build path build/three
build path-equal build/two
build salt build/one '-DSALT="salt of another and longer sample"'
build crc build/one -DCRC=0x99
build srcversion build/one '-DSRCVERSION="0123456789ABCDEF01234FF"'
build release build/one '-DVERMAGIC="6.12.1-other SMP preempt mod_unload modversions "'
build flags build/one '-DVERMAGIC="6.12.0-sample SMP mod_unload modversions "'
build randstruct build/one '-DVERMAGIC="6.12.0-sample SMP preempt mod_unload modversions RANDSTRUCT_0123"'
build time build/one '-DBUILT="Feb 28 2026 11:12:13"'
build reorder build/one -DREORDER
build outoftree build/one -DOUT_OF_TREE
build changed build/one -DCHANGED
build extra build/one -DEXTRA
build optimise build/one -O1
keep=1 build debug build/one -g

# What the source above has not: an object in front of it, so that no line moves.
with() {
	cat >"$work/with.h"
	build "$1" build/one -include "$work/with.h"
}
for lto in 0 1; do
	with lto-$lto <<END
static const struct { unsigned namesz, descsz, type; char name[8]; unsigned desc; } lto
	__attribute__((section(".note.Linux"), used, aligned(4))) = { 6, 4, 0x101, "Linux", $lto };
END
done
# The structure is made up, but for its name: a pointer in 16 or in 24 words.
for words in 16 24; do
	with struct-$words <<END
int init_module(void);
struct module { void *word[$words]; } __this_module
	__attribute__((section(".gnu.linkonce.this_module"), used, aligned(64))) = { .word[12] = init_module };
END
done
keep=1 build debug-path build/two -g '-ffile-prefix-map='"$work/build/one"'=/build/one'
# A path so long that compilers align it, and another option that changes no code.
keep=1 build debug-long home/somebody/longer -g
keep=1 build debug-options build/one -g -fno-math-errno
for how in zlib zstd; do objcopy --compress-debug-sections=$how "$here/debug.ko" "$here/debug-$how.ko"; done
# Paths in debug information that is gone, but that the build id was made of.
for map in one two; do build id-$map build/one -g "-fdebug-prefix-map=$work/build/one=/build/$map"; done
# Constructed: links to debug information that is none.
for link in 1 2; do
	echo "debug information $link" >"$work/sample.ko.debug"
	objcopy --add-gnu-debuglink="$work/sample.ko.debug" "$here/base.ko" "$here/link-$link.ko"
done

# Compressions of base.ko.
mkdir -p "$here/packed"
cd "$here/packed"
cp "$here/base.ko" "$work/sample.ko"
pack() {
	out=$1
	shift
	"$@" <"$here/base.ko" >"$out"
}
pack plain.xz xz -c --check=crc32 --lzma2=dict=1MiB -T1
pack threads.xz xz -c --check=crc32 --lzma2=dict=1MiB -T2
pack check.xz xz -c --check=crc64 --lzma2=dict=1MiB -T1
pack dict.xz xz -c --check=crc32 --lzma2=dict=2MiB -T1
pack x86.xz xz -c --check=crc32 --x86 --lzma2=dict=1MiB -T1
pack effort.xz xz -c --check=crc32 --lzma2=dict=1MiB,mf=hc3,nice=8,mode=fast -T1
zstd -q -f -3 --no-check "$work/sample.ko" -o plain.zst
zstd -q -f -19 --no-check "$work/sample.ko" -o level.zst
pack pipe.zst zstd -q -3 --no-check
gzip -n -9 -c "$work/sample.ko" >plain.gz
gzip -n -1 -c "$work/sample.ko" >level.gz
TZ=UTC touch -d '2026-01-02 03:04:06' "$work/sample.ko"
gzip -9 -c "$work/sample.ko" >name.gz
TZ=UTC touch -d '2026-02-03 04:05:06' "$work/sample.ko"
gzip -9 -c "$work/sample.ko" >time.gz

# CMS messages over base.ko, by throw-away keys that are not kept.
mkdir -p "$here/signed"
cd "$here/signed"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/rsa.key" -out "$work/rsa.pem" -set_serial 1 -subj '/CN=throw-away test key' -days 3650 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/ec.key" -out "$work/ec.pem" -set_serial 1 -subj '/CN=throw-away test key' -days 3650 2>/dev/null
cms() {
	out=$1 key=$2
	shift 2
	openssl cms -sign -binary -nocerts -outform DER -in "$here/base.ko" -signer "$work/$key.pem" -inkey "$work/$key.key" -out "$out" "$@"
}
cms rsa.p7s rsa -noattr -md sha256
cms hash.p7s rsa -noattr -md sha512
cms keyid.p7s rsa -noattr -md sha256 -keyid
cms time.p7s rsa -nosmimecap -md sha256
sleep 1
cms time-2.p7s rsa -nosmimecap -md sha256
cms pss.p7s rsa -noattr -md sha256 -keyopt rsa_padding_mode:pss
cms nonce.p7s ec -noattr -md sha256
cms nonce-2.p7s ec -noattr -md sha256
