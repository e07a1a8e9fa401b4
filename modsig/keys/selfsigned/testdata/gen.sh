#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes golden/: certificates as OpenSSL makes them. OPENSSL3 and OPENSSL4 are the
# commands of 3.6 and 4.0.
set -euo pipefail
cd "$(dirname "$0")"
rm -f golden/*
while IFS=$'\t' read -r name genkey key hash; do
	file=keys/$key.key
	[ -f "$file" ] || file=../../../../testdata/vectors/signing/$key.key
	opt=()
	case $key in
	p* | ec*) opt=(-sigopt nonce-type:1) ;;
	mldsa*) opt=(-sigopt deterministic:1) ;;
	esac
	for v in 3 4; do
		openssl=OPENSSL$v
		"${!openssl}" req -new -x509 -utf8 -nodes -batch "-$hash" "${opt[@]}" -config "genkey/$genkey.genkey" -key "$file" \
			-set_serial 0x0102030405060708090a0b0c0d0e0f1011121314 -not_before 20260101000000Z -not_after 21260101000000Z \
			-outform DER -out "golden/$name.$v.der" || echo "$name $v"
	done
done <cases.tsv
