#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the objects of this folder: two sources linked into one, with type information
# that pahole made on top of that of kernel.c. Needs gcc, binutils and pahole; see
# ../README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

compile() {
	gcc -g -O2 -mcmodel=kernel -fno-pic -fno-pie -ffreestanding -fcf-protection=none -fno-asynchronous-unwind-tables -fno-stack-protector \
		-ffile-prefix-map="$here"=/build -I "$here" -c "$here/$1.c" -o "$2.o" $3
}
compile kernel kernel ''
compile kernel kernel-2 -DMORE
pahole -J kernel.o
pahole -J kernel-2.o
compile two two ''

# sample NAME KERNEL FLAG PAHOLE-FLAG…: stripped but for its types.
sample() {
	name=$1 kernel=$2
	compile one one "$3"
	shift 3
	ld -r one.o two.o -o "$name.ko"
	pahole -J --btf_base "$kernel.o" "$@" "$name.ko"
	strip --strip-debug "$name.ko"
}
sample base kernel ''
sample member kernel -DMEMBER
sample kernel kernel-2 ''
# A race: until the threads number the types in another order.
while sample threads kernel '' -j4 && cmp -s base.ko threads.ko; do :; done
# Types that go on from no others.
mv kernel.ko other.ko
ld -r one.o two.o -o full.ko
pahole -J full.ko
strip --strip-debug full.ko
mv other.ko kernel.ko
cp base.ko member.ko kernel.ko threads.ko full.ko "$here"
