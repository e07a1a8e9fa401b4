#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the modules of this folder: three files of a source, compiled and linked by
# ThinLTO in one folder and in another, and with other code. Needs clang and lld; see
# ../README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each of two files keeps a function for itself that has one name in both, and one that
# has not; the third calls them by what it takes in from there.
for file in first second; do
	cat >"$work/$file.c" <<END
static __attribute__((noinline)) int hidden(int x) { return $([ $file = first ] && echo 'x * x + 7' || echo 'x / 3 - NUMBER'); }
static __attribute__((noinline)) int only_$file(int x) { return hidden(x) ^ 0x1234; }
int $file(int x) { return hidden(x) + only_$file(x + 1); }
END
done
cat >"$work/third.c" <<END
int first(int), second(int);
int third(int x) { return first(x) * second(x); }
END

# build NAME FOLDER FLAG...
build() {
	name=$1 folder=$work/$2
	shift 2
	mkdir -p "$folder"
	cp "$work"/*.c "$folder"
	# The names of the files are in what is hashed.
	cd "$work"
	for file in first second third; do
		clang -O2 -flto=thin -ffreestanding -fno-pic -fno-asynchronous-unwind-tables -DNUMBER=5 "$@" -c "${folder#"$work"/}/$file.c" -o "$folder/$file.o"
	done
	ld.lld -r --build-id=sha1 -o "$here/$name.ko" "$folder/first.o" "$folder/second.o" "$folder/third.o"
}

build base build/one
build folder home/builder/other
build code home/builder/other -UNUMBER -DNUMBER=6
