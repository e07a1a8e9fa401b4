#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the files of this directory: one module of the built-in sample build a,
# compressed by the tools and with the options that the kernel's
# scripts/Makefile.modinst uses. Versions: xz 5.4.1, gzip 1.12, zstd 1.5.4.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd ../../.. && go run ./testdata/gen/mksample "$work")
cp "$work/a/usr/lib/modules/6.12.0-sample/kernel/lib/crc-itu-t.ko" "$work/crc-itu-t.ko"
gzip -n -c "$work/crc-itu-t.ko" >crc-itu-t.ko.gz
xz --check=crc32 --lzma2=dict=1MiB -c "$work/crc-itu-t.ko" >crc-itu-t.ko.xz
zstd -T0 -q -c "$work/crc-itu-t.ko" >crc-itu-t.ko.zst
