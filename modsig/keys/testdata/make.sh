#!/bin/sh
# Encrypts two of the public test keys in every way that is read, with OpenSSL 3.0.
# The PIN is "modhash".
set -e
cd "$(dirname "$0")"
V=../../../testdata/vectors/signing
for c in aes-128-cbc aes-192-cbc aes-256-cbc des-ede3-cbc; do
	openssl pkcs8 -topk8 -in $V/ecp384.key -v2 $c -passout pass:modhash -out pbkdf2-$c.key
done
for h in hmacWithSHA1 hmacWithSHA224 hmacWithSHA384 hmacWithSHA512; do
	openssl pkcs8 -topk8 -in $V/ecp384.key -v2 aes-256-cbc -v2prf $h -passout pass:modhash -out pbkdf2-$h.key
done
openssl pkcs8 -topk8 -in $V/ecp384.key -scrypt -passout pass:modhash -out scrypt.key
openssl pkcs8 -topk8 -in $V/ecp384.key -v2 aes-256-cbc -passout pass:modhash -outform DER -out encrypted.der
openssl pkcs8 -topk8 -in $V/ecp384.key -v1 PBE-SHA1-3DES -passout pass:modhash -out pbes1.key
openssl rsa -in $V/rsa2048.key -aes256 -traditional -passout pass:modhash -out legacy-rsa.key
openssl ec -in $V/ecp384.key -aes128 -passout pass:modhash -out legacy-ec.key
openssl rsa -in $V/rsa2048.key -traditional -out rsa-pkcs1.key
openssl ec -in $V/ecp384.key -out ec-sec1.key
openssl ec -in $V/ecp384.key -outform DER -out ec-sec1.der
openssl pkcs8 -topk8 -nocrypt -in $V/ecp384.key -outform DER -out ec-pkcs8.der
openssl rsa -in $V/rsa2048.key -traditional -outform DER -out rsa-pkcs1.der
cat $V/ecp384.key $V/ecp384.crt > both.pem
