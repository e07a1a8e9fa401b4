// SPDX-License-Identifier: Apache-2.0

// Package modsig makes, reads and checks the signatures that kernel modules
// carry: one CMS SignedData message (RFC 5652, DER), detached, in the form that
// the kernel's scripts/sign-file writes. The trailer around it is that of
// package trailer. The package knows bytes and keys, not files.
//
// # Form
//
//	ContentInfo        type signedData
//	  SignedData       version 1, or 3 if the signer is named by key id
//	    digests        one algorithm, without parameters
//	    content        type data, absent: the payload is detached
//	    SignerInfo     version as above
//	      signer       issuer and serial number of the certificate, copied from it
//	                   byte for byte; or [0] with its subject key identifier
//	      digest       without parameters
//	      algorithm    rsaEncryption with NULL; ecdsa-with-… or ML-DSA without parameters
//	      signature    PKCS #1 v1.5, SEQUENCE { r, s }, or the ML-DSA value
//
// There are no certificates and no attributes. The signature is over the payload's
// digest; with ML-DSA, over the payload. See [SigningKey].
//
// # The kernel's answer
//
// A [Keyring] answers as a kernel's verify_pkcs7_signature does, with nil or a
// [Refusal] that has the error number's name. It follows the kernel step by step,
// through what it takes beyond RFC 5652 and what it refuses within it: its own
// decoder and grammars, which errors come first, certificates in the message,
// several signers, blacklist and revoked keys, algorithms that a kernel knows, and
// has built in. [Kernel] says which kernel. What this package cannot compute is
// [Unknown], never valid.
//
// Not modelled: FIPS mode, which refuses RSA keys under 2048 bits.
//
// Sources: crypto/asymmetric_keys, lib/asn1_decoder.c, certs/system_keyring.c
// and scripts/sign-file.c of Linux 6.1, 6.12 and 7.2.
package modsig
