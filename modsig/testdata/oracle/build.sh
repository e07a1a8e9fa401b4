#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the oracle: build.sh KERNEL-SOURCE OUTPUT
# KERNEL-SOURCE is an unpacked tree of Linux 7.0 or later, for example of Debian's
# linux-source-7.2, or of 6.12. Needs gcc, perl and OpenSSL's headers.
set -e
here=$(cd "$(dirname "$0")" && pwd)
src=$(cd "$1" && pwd)
out=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cd "$work"
mkdir oid
gcc -w -I"$src/include" -o asn1_compiler "$src/scripts/asn1_compiler.c"
[ -e "$src/crypto/mldsa.c" ] || old=-DOLD
for g in crypto/asymmetric_keys/pkcs7 crypto/asymmetric_keys/x509 crypto/asymmetric_keys/x509_akid crypto/ecdsasignature crypto/rsapubkey; do
	n=$(basename "$g")
	./asn1_compiler "$src/$g.asn1" "$n.asn1.c" "$n.asn1.h"
done
srctree="$src" perl "$src/lib/build_OID_registry" "$src/include/linux/oid_registry.h" oid/oid_registry_data.c
# Headers: the kernel's own where they stand alone, else nothing but the shim.
mkdir -p linux crypto/internal keys kunit
for h in asn1.h asn1_decoder.h asn1_ber_bytecode.h oid_registry.h; do cp "$src/include/linux/$h" linux/; done
cp "$src/include/crypto/public_key.h" "$src/include/crypto/pkcs7.h" crypto/
cp "$src"/crypto/asymmetric_keys/pkcs7_parser.h "$src"/crypto/asymmetric_keys/x509_parser.h .
for h in linux/bug linux/cleanup linux/err linux/export linux/hash_info linux/hex linux/kernel linux/key linux/key-type \
	linux/keyctl linux/module linux/seq_file linux/slab linux/string linux/time linux/verification crypto/akcipher crypto/hash crypto/hash_info \
	crypto/sha2 crypto/sig crypto/utils kunit/visibility linux/types linux/unaligned fips fips-mldsa keys/asymmetric-parser keys/asymmetric-subtype keys/asymmetric-type keys/system_keyring; do
	echo '#include "shim.h"' >"$h.h"
done
echo '#include "shim.h"' >asymmetric_keys.h
for h in types errno; do echo "#include_next <linux/$h.h>" >>"linux/$h.h"; done # the C library's own errno.h wants it
sed -i 's/ASN1_NULL/K_ASN1_NULL/' linux/asn1.h # OpenSSL has the name, too
k=$src/crypto/asymmetric_keys
cp "$src/lib/asn1_decoder.c" "$src/lib/oid_registry.c" "$k/pkcs7_parser.c" "$k/pkcs7_verify.c" "$k/pkcs7_trust.c" "$k/x509_cert_parser.c" .
# Only what verifies: no key type, no queries, no encryption.
sed '/^ \* Attempt to parse a data blob/,$d' "$k/x509_public_key.c" | sed '$d' >x509_public_key.c
sed -e '/^ \* Query information about a key/,/^ \* Verify a signature using a public key/d' \
	-e '/^static int public_key_verify_signature_2/,$d' -e '/^static void public_key_describe/,/^}/d' \
	-e '/^static void public_key_destroy/,/^}/d' "$k/public_key.c" >public_key.c
if [ -z "$old" ]; then
	cp "$src/include/crypto/mldsa.h" "$src/include/crypto/sha3.h" crypto/
	cp "$src/lib/crypto/mldsa.c" "$src/lib/crypto/sha3.c" .
fi
gcc -O1 -g -w $old ${WAIVED:+-DCONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA} ${SANITIZE:+-fsanitize=address} -I. -Ioid -I"$here" -include shim.h -o "$out" \
	"$here/oracle.c" ./*.c -lcrypto
