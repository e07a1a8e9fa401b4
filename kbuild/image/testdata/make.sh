#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the files of this directory: PE programs of a few bytes by the GNU
# linker, in both widths, without a signature, with one by sbsign and with one
# by osslsigncode, and in "digests" what osslsigncode says their Authenticode
# digest is. Versions: binutils 2.40, sbsigntool 0.9.4, osslsigncode 2.9.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
keys=../../../testdata/keys
printf '.globl _start\n_start: ret\n.data\n.ascii "modhash"\n' >"$work/tiny.s"
as --64 -o "$work/64.o" "$work/tiny.s"
as --32 -o "$work/32.o" "$work/tiny.s"
link() { ld "$@" -s --subsystem 10 --no-insert-timestamp --file-alignment 32 --section-alignment 4096 -e _start; }
link -m i386pep -o tiny64.efi "$work/64.o"
link -m i386pe -o tiny32.efi "$work/32.o"
printf 'odd' >>tiny32.efi # as x86 kernels have it: not a multiple of 8
: >digests
for width in 64 32; do
	sbsign --key $keys/throwaway-a.key --cert $keys/throwaway-a.crt --output tiny$width.sbsign.efi tiny$width.efi
	osslsigncode sign -h sha256 -key $keys/throwaway-b.key -certs $keys/throwaway-b.crt -in tiny$width.efi -out "$work/signed"
	mv "$work/signed" tiny$width.osslsigncode.efi
	for tool in sbsign osslsigncode; do
		hex=$(osslsigncode verify -in tiny$width.$tool.efi | sed -n 's/^Calculated message digest *: *//p' | head -n 1 | tr -d ' ' | tr A-F a-f)
		echo "$hex  tiny$width.$tool.efi" >>digests
	done
done
chmod 644 ./*.efi
