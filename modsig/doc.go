// SPDX-License-Identifier: Apache-2.0

// Package modsig reads the signatures that kernel modules carry: one CMS
// SignedData message (RFC 5652, DER), detached, in the form that the kernel's
// scripts/sign-file writes.
//
// A message names its signer in one of two ways: by the issuer and serial
// number of the certificate, or by the certificate's subject key identifier
// (sign-file -k).
package modsig
