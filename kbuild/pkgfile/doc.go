// SPDX-License-Identifier: Apache-2.0

// Package pkgfile reads packages and archives without unpacking them anywhere:
// Debian packages, RPM packages, tar archives (which includes pacman packages)
// and cpio archives, the last two plain or compressed.
//
// [Open] reads a file once and returns an [Archive]: a table of all members in
// the order in which they are stored, with every piece of metadata that the
// format has for them, duplicates included, and their contents, addressable in
// any order. A name in an archive is data and nothing else; it is never used as
// a path, so nothing in an archive can lead out of it.
//
// # Formats
//
// A file's name does not matter; what it is follows from its first bytes.
//
//	deb   deb(5) version 2.x: an ar archive of debian-binary, control.tar and
//	      data.tar in this order; control plain, .gz, .xz or .zst; data also
//	      .bz2 and .lzma
//	rpm   lead, signature header, header (all numbers big endian), then a
//	      payload plain or in gzip, xz, zstd, bzip2 or lzma: cpio "newc"
//	      (070701), "crc" (070702), or the form "07070X" in which rpm 4.12 and
//	      later store large files and all of rpm v6, with the metadata in the
//	      header alone
//	tar   v7, ustar, pax and GNU with their long names, sparse files included
//	cpio  newc and crc; one archive, not the chain of an initramfs
//
// # Areas
//
// One table holds everything in a file; [Member.Area] says what a row is:
//
//	""         a file that the package installs, or a member of a plain archive
//	"control"  deb: a member of the control archive (maintainer scripts, ...)
//	"ar"       deb: a member of the outer archive as stored, before the rows of
//	           what is in it
//	"header"   rpm: "lead", "signature", "header" and "payload", each with its
//	           stored bytes as content; tar: the records of a pax global header
//	"ghost"    rpm: a file that the header lists as %ghost: owned by the
//	           package, but not in it
//
// # Findings and failures
//
// What is lawful for the format but dangerous or ambiguous for a reader is a
// [Problem], and the member stays in the table. What breaks the format's rules,
// so that what follows cannot be trusted, is a [FormatError]. What exceeds a
// limit of [Options] is a [LimitError].
//
// # Contents
//
// Contents that lie uncompressed in the file are read from there. Those in a
// compressed layer are written to one unlinked temporary file while the layer
// is read, because compressed streams cannot be read from the middle. Memory
// holds the table only.
package pkgfile
