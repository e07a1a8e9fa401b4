#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the messages of this folder with OpenSSL: certificates of three levels,
# embedded in several ways. Keys are thrown away; every run gives other bytes.
# The payload is testdata/vectors/signing/cases/00-payload.
set -e
cd "$(dirname "$0")"
payload=../../../testdata/vectors/signing/cases/00-payload
w=$(mktemp -d)
trap 'rm -r "$w"' EXIT
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:"$2" -out "$w/$1.key" 2>/dev/null || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"$2" -out "$w/$1.key"; }
cert() { # name, issuer, subject, extensions
	printf '%s\n' "$4" >"$w/ext"
	openssl req -new -key "$w/$1.key" -subj "$3" -out "$w/csr"
	if [ "$1" = "$2" ]; then
		openssl x509 -req -in "$w/csr" -signkey "$w/$1.key" -days 36500 -extfile "$w/ext" -out "$w/$1.crt"
	else
		openssl x509 -req -in "$w/csr" -CA "$w/$2.crt" -CAkey "$w/$2.key" -set_serial "0x$5" -days 36500 -extfile "$w/ext" -out "$w/$1.crt"
	fi 2>/dev/null
}
key ca P-256; key inter P-384; key leaf P-521; key other P-256; key byname P-256
cert ca ca '/O=modhash/CN=modhash test root' 'subjectKeyIdentifier=hash
basicConstraints=critical,CA:TRUE'
cert inter ca '/O=Other/CN=intermediate' 'subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid:always,issuer:always
basicConstraints=critical,CA:TRUE
keyUsage=keyCertSign' 0102
cert leaf inter '/CN=leaf' 'subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
keyUsage=digitalSignature' 0203
cert other other '/CN=other' 'subjectKeyIdentifier=hash'
printf 'authorityKeyIdentifier=issuer:always\n' >"$w/x"
cert byname ca '/emailAddress=a@example.org' 'authorityKeyIdentifier=issuer:always' 0304
cms() { out=$1; shift; openssl cms -sign -binary -noattr -md sha256 -outform DER -in $payload -out "$out.p7s" "$@"; }
leaf="-signer $w/leaf.crt -inkey $w/leaf.key" other="-signer $w/other.crt -inkey $w/other.key" byname="-signer $w/byname.crt -inkey $w/byname.key"
cat "$w/inter.crt" "$w/ca.crt" >"$w/both.crt"
cms leaf-only $leaf
cms leaf-inter $leaf -certfile "$w/inter.crt"
cms leaf-inter-root $leaf -certfile "$w/both.crt"
cms leaf-inter-keyid $leaf -certfile "$w/inter.crt" -keyid
cms two-leaf-other $leaf $other -certfile "$w/inter.crt"
cms other-self-signed $other
cms byname $byname
cms byname-root $byname -certfile "$w/ca.crt"
openssl x509 -in "$w/ca.crt" -outform DER -out ca.der
openssl x509 -in "$w/inter.crt" -outform DER -out inter.der
