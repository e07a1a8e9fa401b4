// SPDX-License-Identifier: Apache-2.0

// Package rebuilderd reads the attestations that rebuilderd's daemon serves, by
// version 1 of its HTTP API.
//
// A server is not trusted: it can withhold an attestation, and do no more, since
// what it serves is signed. So
//
//   - TLS certificates are verified, and plain HTTP is spoken on the loopback
//     interface only;
//   - a redirect is followed to the same server only;
//   - answers have a largest size, and everything that is asked of one server,
//     retries included, ends within a time;
//   - compression is not asked for.
//
// What is asked, below the address of the server:
//
//	GET api/v1/packages/binary?name=…&version=…&architecture=…
//	  {"records":[{"name":…,"version":…,"architecture":…,"build_id":N,"artifact_id":N}]}
//	GET api/v1/builds/N/artifacts/N/attestation
//	  the document
//
// Source: rebuilderd 0.28, daemon/src/api/v1.
package rebuilderd
