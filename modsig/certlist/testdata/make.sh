#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes what openssl says of the certificates of this folder; see README.md.
set -eu
cd "$(dirname "$0")"
for f in *.der; do
	printf '== %s\n' "$f"
	openssl x509 -inform DER -in "$f" -noout -serial -subject -issuer -nameopt multiline,-align,utf8,-esc_msb \
		-startdate -enddate -dateopt iso_8601 -ext subjectKeyIdentifier -text -certopt \
		no_header,no_version,no_serial,no_validity,no_subject,no_issuer,no_sigdump,no_extensions,no_aux |
		grep -E '^(serial|notBefore|notAfter)=|^(subject|issuer)=|commonName|organizationName|Signature Algorithm|Public Key Algorithm|Public-Key:|NIST CURVE|^ +([0-9A-F]{2}:){7}' |
		sed 's/^ *//; /:$/d' | uniq
done >openssl.txt
