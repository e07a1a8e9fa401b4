// SPDX-License-Identifier: Apache-2.0

// Package codec recognizes compressed data and decodes it within bounds. It is
// the only package that imports compressors.
//
// There are three ways to decode, because there are three kinds of input. A
// module file is read by the kernel, by kmod and by this program, which must not
// disagree about what it holds: [Decoder.Decode] accepts one stream, member or
// frame and nothing besides. The payload of a kernel image is what the kernel's
// own decompressors take: [Decoder.DecodeKernel]. That of a package is read by
// tar, dpkg, rpm or pacman, which accept concatenated streams: so does
// [NewReader]. All verify every checksum.
//
// [Encoder] compresses modules as the kernel's build does, to the same bytes
// wherever it runs.
//
// Formats: gzip (RFC 1952), xz (version 1.2.1 of its specification, see
// package xz), zstd (RFC 8878), bzip2, .lzma and, of kernels, lz4 in its legacy
// frame. lzo is recognized, so that errors name it, but not decoded.
package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/modhash/modhash/kbuild/internal/codec/xz"
)

// Format is a compression format.
type Format uint8

const (
	Plain Format = iota // not compressed
	Gzip
	XZ
	Zstd
	Bzip2
	LZMA // .lzma, "LZMA alone"
	LZ4
	LZO
)

// String returns the format's usual name in lower case, "none" for Plain.
func (f Format) String() string {
	names := [...]string{"none", "gzip", "xz", "zstd", "bzip2", "lzma", "lz4", "lzo"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// ErrTooLarge says that the decoded data would be larger than the caller's
// limit. It comes wrapped in a FormatError.
var ErrTooLarge = xz.ErrTooLarge

// ErrChecksum says that a zstd frame has another content than its checksum tells. It
// comes wrapped in a FormatError.
var ErrChecksum = errors.New("bad checksum")

// FormatError says that the input is not what its format, or the limits of
// this package, allow.
type FormatError struct {
	Format Format
	Offset int64  // in the compressed input, as near to the fault as is known
	Reason string // what is wrong, in lower case
	Err    error  // the cause: ErrTooLarge, io.ErrUnexpectedEOF, a library's error or nil
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: %s at offset %d", e.Format, e.Reason, e.Offset)
}

func (e *FormatError) Unwrap() error { return e.Err }

func failf(f Format, off int64, format string, args ...any) error {
	return &FormatError{Format: f, Offset: off, Reason: fmt.Sprintf(format, args...)}
}

// fromXZ gives an error of package xz this package's type.
func fromXZ(f Format, err error) error {
	var fe *xz.FormatError
	if errors.As(err, &fe) {
		return &FormatError{Format: f, Offset: fe.Offset, Reason: fe.Reason, Err: fe.Err}
	}
	return err
}

// Sniff recognizes a format by the first bytes of the data; 16 are enough. It
// is Plain if no other format fits. .lzma has no magic number: its header must
// be one that encoders write, which no ELF file, archive or text starts with.
func Sniff(head []byte) Format {
	for _, m := range [...]struct {
		magic string
		f     Format
	}{
		{"\x1f\x8b", Gzip},
		{"\xfd7zXZ\x00", XZ},
		{"\x28\xb5\x2f\xfd", Zstd},
		{"\x04\x22\x4d\x18", LZ4},
		{"\x02\x21\x4c\x18", LZ4}, // legacy frame, which kernels use
		{"\x89LZO\x00\r\n\x1a\n", LZO},
	} {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.f
		}
	}
	switch {
	case len(head) >= 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18":
		return Zstd // a skippable frame; lz4 has it too, but only zstd tools write it
	case len(head) >= 10 && string(head[:3]) == "BZh" && head[3] >= '1' && head[3] <= '9' &&
		(string(head[4:10]) == "1AY&SY" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90"):
		return Bzip2
	case isLZMA(head):
		return LZMA
	}
	return Plain
}

// isLZMA applies the test of xz(1): a dictionary size of 2^n or 2^n + 2^(n-1),
// at least 4 KiB, and a decoded size below 256 GiB or unknown. The range coder
// starts with a zero byte.
func isLZMA(head []byte) bool {
	if len(head) < 14 || head[0] >= 9*5*5 || head[13] != 0 {
		return false
	}
	dict := binary.LittleEndian.Uint32(head[1:])
	size := binary.LittleEndian.Uint64(head[5:])
	top := bits.OnesCount32(dict)
	adjacent := dict&(dict>>1) != 0
	return dict >= 1<<12 && (top == 1 || top == 2 && adjacent || dict == 1<<32-1) &&
		(size < 1<<38 || size == 1<<64-1)
}
