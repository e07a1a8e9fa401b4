// SPDX-License-Identifier: Apache-2.0

// Package attest is about what rebuilders state of a file that they built again:
// signed links, votes, and N of M. It knows bytes, not files or servers.
//
// # Forms
//
// A [Statement] says that a rebuilder, given the materials, made just the bytes
// of the product. It is written in one of two forms.
//
// [Metablock] is that of rebuilderd and repro-threshold, an in-toto Link of
// version 0.9 in its own envelope, signed with Ed25519:
//
//	{"signatures":[{"keyid":HEX,"sig":HEX}],
//	 "signed":{"_type":"link","name":"rebuild FILE",
//	           "materials":{NAME:{"sha256":HEX,"sha512":HEX}},
//	           "products":{FILE:{"sha256":HEX,"sha512":HEX}},
//	           "environment":null,"byproducts":{},"command":[]}}
//
// What is signed is "signed" in canonical JSON (OLPC): keys sorted by their
// bytes, no blanks. It has no place for version, architecture or time.
//
// [Envelope] is DSSE 1.0 around an in-toto Statement 1 with a link predicate
// 0.3. The subject carries the annotations name, version and architecture, and
// byproducts the timestamp if there is one. Such a statement can be signed with
// ECDSA too, and can say that what was built is not what was published, with a
// predicate of its own ([DisagreementType]):
//
//	{"rebuilt":{"name":FILE,"digest":{…}},"materials":[{"name":NAME,"digest":{…}}],
//	 "timestamp":"2026-01-02T03:04:05Z"}
//
// whose statement's subject is the file as published.
//
// # Reading
//
// [Parse] is strict, so that no two readers take a document for two different
// ones: printable ASCII without a backslash (so no string has two spellings, and
// the canonical forms that implementations disagree about cannot arise), no key
// twice, no unknown key in what is signed, names in their exact case, lower-case
// hex, strict base64. What others accept beyond that is no vote here. Keys that
// are unknown are passed over where nobody signs them: beside "signed", and in a
// signature. Not so a key that is a known one in another case, or of the other
// form.
//
// # Keys
//
// A key id is the SHA-256 of the key in canonical JSON, with the raw public key
// in hex for Ed25519 and the PEM text for ECDSA, and keyid_hash_algorithms
// [sha256, sha512], as in-toto implementations have it. A PEM file may hold
// several keys. An Ed25519 key may have NULL parameters, as rebuilderd writes
// them, although RFC 8410 has none; [PublicKey.PEM] writes them so, because
// repro-threshold reads no other.
//
// # Votes
//
// [Poll] counts. A rebuilder has one vote, with however many keys. What is
// malformed, for another file, signed by nobody who is trusted, badly signed by
// somebody who is, or a second vote, does not count and is listed with its
// reason; and a rebuilder who states two things states nothing.
//
// Sources: in-toto specification 0.9 (link) and attestation framework 1.0, DSSE
// 1.0.2, in-toto-rs as rebuilderd 0.28 uses it.
package attest
