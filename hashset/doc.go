// SPDX-License-Identifier: Apache-2.0

// Package hashset holds the digests of a kernel build's modules, the manifest
// that lists them, and the hashset that a kernel is built with, in the forms in
// which kernel and modules carry it. It knows bytes, not files.
//
// # Digests
//
// The digest of a module is the SHA-256 of its payload: the decompressed file
// without the signature or proof appended to it.
//
// # Hashsets
//
// [Flat] is the concatenation of the digests, in the order of modules.order.
//
// [Merkle] is a tree over leaves that each cover a module's position in that
// order, counted from 0:
//
//	leaf = SHA-256(0x01, position as 32 bits big endian, payload)
//	node = SHA-256(0x02, left, right)
//
// Row 0 holds the leaves. A row is made from pairs of the row below; an odd
// last element is paired with itself. There are as many rows above the leaves
// as [Levels] says: 0 for no module (the root is then 32 zero bytes), 1 for
// one module (paired with itself), else the smallest k with 2^k >= n. This is
// not the tree of RFC 6962.
//
// # Forms
//
// The section .module_hashes of a kernel image ([Section]) holds
//
//	flat     the digests, 32 bytes each
//	merkle   levels (32 bits, byte order of the target), root (32 bytes): 36 bytes
//
// and is linked with zeros first. A [Proof] of the module at a position leads from
// its leaf to the root:
//
//	position                    4 bytes, big endian on every architecture
//	sibling of the leaf         32 bytes
//	sibling of the node above   32 bytes, and so on: as many as there are levels
//
// An element without a sibling stands for its own. The sidecar x.merkle of x.ko is
// the proof in a trailer of type 3 (package modsig/trailer), 44 + 32 x levels bytes,
// and an installed module is payload and sidecar.
//
// The C text that a build compiles into the section ([CText]), in version 5 for
// two levels (indented with tabs):
//
//	#include <linux/module_hashes.h>
//
//	const struct
//	module_hashes_root module_hashes_root __module_hashes_section = {
//		.levels = 2,
//		.hash = {{
//			0x44, 0x38, 0xe5, 0x25, 0x14, 0x29, 0xc0, 0x9f,
//			… three more lines of eight bytes
//		}},
//	};
//
// Version 4 has the declaration on one line, and single braces around the hash. It
// does not define the tree over one module; here it is that of version 5. The flat
// text of version 3 (and 2) has for each module a comment, a row and an empty line,
// where the row is "{ }," until the module exists:
//
//	const u8 module_hashes[][MODULE_HASHES_HASH_SIZE] __module_hashes_section = {
//		/* drivers/a.ko */
//		{ 0xca, 0x97, … thirty more bytes, each with a comma and a blank … },
//
//	};
//
// Sources: versions 3 (flat), 4 and 5 (Merkle) of the kernel series "module:
// Introduce hash-based integrity checking": scripts/modules-merkle-tree.c,
// include/linux/module_hashes.h and kernel/module/hashes.c. The series calls the
// proof a private matter of a kernel and its modules, so another version may
// change it; that will be another [Scheme] or [CVersion].
//
// # Manifest
//
// A manifest is text with one way to write a given content, so that two
// manifests agree if and only if their bytes do:
//
//	# modhash manifest v1
//	# release: 6.12.0-example
//	# arch: x86_64 elf64 little
//	# digest: sha256
//	# image: none
//	# modules: 1
//	# hashset: merkle/1
//	# root: 1 71b20050572c5194708697f5bd03d9449beed0d882be1a9f0d802e81c0b7d3e3
//	ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  kernel/a.ko
//
// The header lines stand in exactly this order, each once, with one space
// after the colon; no other header line is known.
//
//   - release: the kernel release, without blanks.
//   - arch: machine, ELF class (elf32 or elf64) and byte order (little or big)
//     of the modules, or the one word none if there is no module.
//   - image: "sha256 HEX" of the kernel image without its PE signature, none if
//     the build has no image, not-covered if its maker left it out.
//   - modules: how many lines follow the header.
//   - hashset: merkle/1, flat/1 or none.
//   - root: merkle/1: LEVELS and HEX, one space between; flat/1: HEX, the
//     SHA-256 of the concatenated digests; none: the line is absent.
//
// A line of the list is the digest in lower-case hex, two spaces, and the name
// that modules.order has for the module: "kernel/", a clean relative path and
// ".ko", of bytes 0x21 to 0x7e without a backslash, no name twice. The number
// of the line, counted from 0, is the module's position. In an uncompressed
// tree without signatures, "sha256sum --strict -c" checks the list.
//
// Every line ends in one line feed; nothing follows the last one. Numbers have
// no leading zeros. [Parse] refuses all else, and a manifest above [MaxSize].
package hashset
