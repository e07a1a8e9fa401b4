#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the modules of this folder: one source, built again and again with one
# thing changed each time. Needs gcc and binutils; see README.md.
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
