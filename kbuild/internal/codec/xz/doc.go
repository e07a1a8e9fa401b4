// SPDX-License-Identifier: Apache-2.0

// Package xz decodes the xz format (version 1.2.1 of its specification) and
// its predecessor, .lzma. It is written for many files of some hundred KiB, as
// the modules of a kernel are, and for input from unknown hands.
//
// [Decoder] decodes one stream from memory to memory and accepts nothing else
// beside it. [Reader] decodes concatenated streams with padding, as xz -d
// does, and [LZMAReader] .lzma. All verify whatever the format lets them:
// header and index checksums, CRC32, CRC64 and SHA-256 of the data, sizes in
// block headers, index and footer, and that each chunk ends where its range
// coder does. Filters: LZMA2, delta, and the branch filters for x86, arm,
// armthumb, arm64, powerpc and sparc. Those for ia64 and riscv, and check types
// that the format reserves, are refused by name.
//
// # Why an own decoder
//
// Decoding decides how long it takes to hash the modules of a distribution's
// kernel. Measured: 4,230 .ko.xz files, 93 MB, that hold 507 MB; two
// goroutines, each decoding whole files from memory and taking two SHA-256 of
// the result; Go 1.26, amd64, two cores shared with others, which is why the
// processor time says more than the elapsed time. Medians of five rounds.
//
//	decoder                             CPU s  state
//	github.com/ulikunitz/xz 0.5.17       13.7  maintained; takes the dictionary that a
//	                                           header claims, up to 4 GiB; no filters
//	github.com/xi2/xz 2017-12-30          9.8  no changes since 2017
//	github.com/therootcompany/xz 1.0.1    9.8  fork of xi2, no changes since 2020
//	github.com/mikelolasagasti/xz 1.0.1   9.7  fork of xi2, last release 2025
//	this package                          5.8
//	xargs -P2 xz -dc | sha256sum          8.0  xz 5.4.1, one SHA-256; the mark to meet
//
// None of the libraries meets the mark, the maintained one least of all. It
// serves as the oracle in tests, as do files written by xz itself.
//
// # Where the speed comes from
//
// In order of effect: bits that only build a number are decoded without
// branches, in small functions whose state stays in registers (see
// rangecoder.go); the output is its own dictionary, so that nothing is copied
// twice; chunks are copied to a buffer with slack, so that input is checked
// once for a symbol and not for each byte; and matches are copied eight bytes
// at a time.
package xz
