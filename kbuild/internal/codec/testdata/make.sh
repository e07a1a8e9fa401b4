#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the compressed files of this directory; see README.
set -eu
cd "$(dirname "$0")"

x() { out=$1; in=$2; shift 2; xz -c "$@" "$in.bin" > "$out"; }

for s in sample small; do
	x $s.crc32.xz $s --check=crc32 --lzma2=dict=1MiB # as the kernel's build
done
x small.none.xz small --check=none
x small.crc64.xz small --check=crc64
x small.sha256.xz small --check=sha256
x sample.blocks.xz sample -T2 --block-size=4001 --check=crc32 # sizes in block headers
x small.blocks.xz small -T2 --block-size=200 --check=crc32
x sample.lc0lp2pb0.xz sample --lzma2=lc=0,lp=2,pb=0,dict=64KiB
x sample.lc1lp3pb4.xz sample --lzma2=lc=1,lp=3,pb=4,dict=4KiB
x sample.lc4.xz sample --lzma2=lc=4,lp=0,pb=2,mf=hc3,mode=fast
for f in x86 arm armthumb arm64 powerpc sparc; do
	x sample.$f.xz sample --$f --lzma2=preset=9,dict=64KiB
done
x dense.x86.xz dense --x86 --lzma2
x sample.start.xz sample --x86=start=4096 --lzma2
x sample.delta.xz sample --delta=dist=4 --lzma2
x sample.chain.xz sample --delta=dist=16 --arm64 --x86 --lzma2
x small.ia64.xz small --ia64 --lzma2
x small.dict128m.xz small --lzma2=dict=128MiB,mf=hc3,mode=fast
: | xz -c > empty.xz
printf 'no compressor makes this shorter' | xz -c > stored.xz
# 8 MiB of what repeats after a dictionary, and more than its window holds.
for i in $(seq 2048); do head -c 4096 sample.bin; done | xz -c --lzma2=dict=4KiB > repeat.xz
head -c 16M /dev/zero | xz -c > zeros.xz

# Letters by chance, as letters of readerat_test.go makes them: two blocks that are
# large enough to be decoded side by side, and the rest, which is not.
LC_ALL=C awk 'BEGIN { for (x = 1; i < 600000; i++) { x = (x * 1664525 + 1013904223) % 4294967296; printf "%c", 65 + int(x / 16777216) % 16 } }' |
	xz -c -0 -T2 --block-size=290000 > letters.xz

gzip -nc sample.bin > sample.gz
gzip -nc small.bin > small.gz
cp small.bin module.ko
touch -d @1000000000 module.ko
gzip -Nc module.ko > small.name.gz
rm module.ko
: | gzip -nc > empty.gz

zstd -qc -1 sample.bin > sample.1.zst
zstd -qc -19 sample.bin > sample.19.zst
zstd -qc --long=27 --no-check < sample.bin > sample.long.zst # no content size, no checksum
zstd -qc --check < small.bin > small.nosize.zst
zstd -qc --check small.bin > small.zst
zstd -qc --no-check small.bin > small.nocheck.zst
: | zstd -qc > empty.zst
head -c 16M /dev/zero | zstd -qc > zeros.zst

bzip2 -c sample.bin > sample.bz2
bzip2 -c small.bin > small.bz2
xz -c --format=lzma sample.bin > sample.lzma
xz -c --format=lzma small.bin > small.lzma
lz4 -qc small.bin > small.lz4
lz4 -qlc small.bin > small.legacy.lz4
