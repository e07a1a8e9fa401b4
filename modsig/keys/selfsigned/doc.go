// SPDX-License-Identifier: Apache-2.0

// Package selfsigned makes the self-signed certificate of a signing key, as
// "openssl req -x509" makes it from an x509.genkey: with the same key, serial
// number and dates what is signed (TBSCertificate, RFC 5280) is the same, byte for
// byte, and with an RSA key the whole certificate. With an ECDSA key it is that of
// "openssl req -sigopt nonce-type:1" of OpenSSL 3.2 and later (nonces of RFC 6979);
// with ML-DSA it is the deterministic signature of FIPS 204.
//
// # What is in it
//
//	version         3
//	serialNumber    as given
//	signature       shaNNNWithRSAEncryption with NULL, ecdsa-with-SHANNN or ML-DSA-NN
//	                without parameters
//	issuer, subject the same name: PrintableString, IA5String or UTF8String by kind
//	validity        UTCTime from 1950 to 2049, GeneralizedTime otherwise
//	publicKey       RSA with NULL, EC with the name of its curve and an uncompressed point
//	extensions      in the order of the file, see [Style]; without any, none
//
// Known extensions are basicConstraints, keyUsage, extendedKeyUsage,
// subjectKeyIdentifier, authorityKeyIdentifier, subjectAltName (DNS, email, URI, RID),
// nsComment, and any other by its identifier in numbers with DER: and hex digits.
//
// Source: apps/req.c, apps/lib/apps.c and crypto/x509/v3_*.c of OpenSSL, and runs of
// versions 3.0, 3.6 and 4.0.
package selfsigned
