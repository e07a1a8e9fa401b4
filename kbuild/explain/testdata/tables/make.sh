#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the objects of this folder. Needs gcc, binutils and the objtool of a kernel's
# build, whose path is the argument; see ../README.md.
set -eu
objtool=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# sample NAME FOLDER FLAG…: code.c in that folder, which is told by a prefix map.
sample() {
	name=$1 folder=$work/$2
	shift 2
	mkdir -p "$folder"
	cp "$here/code.c" "$folder"
	gcc -O2 -mcmodel=kernel -fno-pic -fno-pie -ffreestanding -fcf-protection=none -fno-asynchronous-unwind-tables -fno-stack-protector -mno-sse \
		-ffile-prefix-map="$work"= "$@" -c "$folder/code.c" -o "$work/code.o"
	ld -r --build-id=sha1 "$work/code.o" -o "$here/$name.ko"
	SRCARCH=x86 "$objtool" --hacks=noinstr --orc "$here/$name.ko"
}
sample base build
sample changed build -DCHANGED
sample exports build -DCRC=0x01234568
sample path home/somebody/a-longer-folder
