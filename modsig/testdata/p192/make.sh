#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the files of this folder with OpenSSL. Keys are thrown away; every run gives
# other bytes. The payload is testdata/vectors/signing/cases/00-payload.
set -e
cd "$(dirname "$0")"
vectors=../../../testdata/vectors/signing
w=$(mktemp -d)
trap 'rm -r "$w"' EXIT
openssl ecparam -name prime192v1 -genkey -noout -out "$w/key"
openssl req -x509 -new -key "$w/key" -sha256 -days 36500 -subj '/CN=modhash throw-away P-192' -out "$w/crt"
openssl x509 -in "$w/crt" -outform DER -out p192.der
for h in sha1 sha224 sha256 sha384 sha512; do
	openssl cms -sign -binary -noattr -md $h -outform DER -in $vectors/cases/00-payload -signer "$w/crt" -inkey "$w/key" -nocerts -out $h.p7s
done
# A certificate that is named as the vectors' RSA one is, with a key on SM2.
serial=$(openssl x509 -inform DER -in $vectors/rsa2048.der -noout -serial)
subject=$(openssl x509 -inform DER -in $vectors/rsa2048.der -noout -subject -nameopt compat)
openssl ecparam -name SM2 -genkey -noout -out "$w/key"
openssl req -x509 -new -key "$w/key" -sm3 -days 36500 -set_serial "0x${serial#serial=}" -subj "${subject#subject=}" -out "$w/crt"
openssl x509 -in "$w/crt" -outform DER -out sm2.der
