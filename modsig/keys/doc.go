// SPDX-License-Identifier: Apache-2.0

// Package keys opens signing keys and the certificates that belong to them.
//
// # What names a key
//
//	PATH         a file, PEM or DER
//	file:PATH    the same; with // behind the colon (RFC 8089), %XX is a byte
//	exec:WORDS   a program that holds the key or reaches it, see below
//	pkcs11:…     a key in a PKCS #11 token, by its URI (RFC 7512)
//
// A PEM file holds one private key, of type PRIVATE KEY or ENCRYPTED PRIVATE KEY
// (PKCS #8), RSA PRIVATE KEY (PKCS #1) or EC PRIVATE KEY (SEC 1), the latter two
// perhaps encrypted as OpenSSL did before version 1. It may hold the certificate
// too, as the kernel's certs/signing_key.pem does. A DER file holds one of these
// keys. Files have [MaxFile] bytes at most.
//
// PKCS #8 is decrypted by PBES2 with PBKDF2 (HMAC with SHA-1 or SHA-2) or scrypt,
// and AES or triple DES in CBC mode. An ML-DSA key is read as RFC 9881 has it,
// by its seed.
//
// The PIN that decrypts a key is asked for once, and only if it is needed. This
// package reads no environment and no terminal; see [Options.PIN].
//
// # The exec: protocol
//
// WORDS are a program and its arguments, separated by single blanks; in a word
// %XX is the byte with that number. No shell is involved. The program reads
// requests from standard input and answers each with one line on standard
// output, at once, until its input ends: one that reads all of it first waits for
// what does not come. A line is ASCII text, ends in a line feed, and
// its words are separated by single blanks. DATA, VALUE and DER are in base64
// (RFC 4648, with padding, on the same line).
//
//	certificate              the certificate of the key is asked for
//	  certificate DER          here it is
//	  none                     it is not known here
//	public                   the public key is asked for, to make a certificate
//	  public DER               here it is, a SubjectPublicKeyInfo
//	  none                     it is not known here
//	sign ALGORITHM HASH DATA a signature is asked for
//	  signature VALUE          here it is
//	any request
//	  error TEXT               it cannot be done; TEXT says why, without secrets
//
//	ALGORITHM  HASH     DATA          VALUE
//	rsa        digest's the digest    PKCS #1 v1.5, as long as the modulus
//	ecdsa      digest's the digest    SEQUENCE { r, s } in DER, or r and s, each as
//	                                  long as the curve's order
//	mldsa44    none     the message   the signature, with an empty context
//	mldsa65
//	mldsa87
//	ed25519    none     the message   the signature; for links, not for modules
//
// The digest's name is one of sha1, sha224, sha256, sha384, sha512, sha3-256,
// sha3-384 and sha3-512. Every signature is verified with the certificate before
// it is used. Halves r and s without their leading zeros, which some tokens
// write, are found out by that. After an error nothing is asked again. The
// certificate is only asked for if none was given.
//
// A program that calls a key service, as a shell script:
//
//	while read -r request algorithm hash data; do
//		case $request:$algorithm:$hash in
//		sign:ecdsa:sha384)
//			if value=$(service-sign --key 17 --digest "$data"); then
//				echo "signature $value"
//			else
//				echo "error the service refused"
//			fi ;;
//		certificate:*) echo none ;;
//		*) echo "error not supported" ;;
//		esac
//	done
//
// # Tokens
//
// PKCS #11 is an interface of shared libraries in C, which is why it is another
// program that meets them. It speaks the exec: protocol, with two requests more,
// that come first. So neither URI nor PIN is among its arguments.
//
//	open URI        the key is to be looked up
//	  ok              here it is
//	  pin TOKEN       the token wants a PIN, which the URI does not tell
//	pin DATA        the PIN
//	  ok              it was right
package keys
