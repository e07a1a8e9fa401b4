// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"
	"io"

	"github.com/pierrec/lz4/v4"
)

// The legacy frame of lz4 (doc/lz4_Frame_format.md of lz4), which `lz4 -l`
// writes and the kernel reads (lib/decompress_unlz4.c): a magic number, then
// blocks, each with its compressed size before it. All numbers are 4 bytes and
// little-endian. A block holds 8 MiB, the last one what is left. There is no
// checksum, and no mark at the end.
const (
	lz4Legacy = 0x184c2102
	lz4Frame  = 0x184d2204
	lz4Block  = 8 << 20
	lz4Bound  = lz4Block + lz4Block/255 + 16 // the longest that lz4 makes of a block
)

// lz4Legacy decodes src, one legacy frame.
func (c *copier) lz4Legacy(src []byte) (int64, error) {
	if len(src) < 4 {
		return 0, truncated(LZ4, int64(len(src)))
	}
	switch binary.LittleEndian.Uint32(src) {
	case lz4Legacy:
	case lz4Frame:
		return 0, failf(LZ4, 0, "not the legacy frame, the one that kernels have")
	default:
		return 0, failf(LZ4, 0, "no lz4 frame")
	}
	var out []byte
	full := true
	for at := 4; at < len(src); {
		block, err := lz4Next(src, at)
		if err != nil {
			return 0, err
		}
		if !full {
			return 0, failf(LZ4, int64(at), "a block behind one that is not full")
		}
		at += 4
		// What a block can hold is at most 255 times its size.
		if want := min(lz4Block, 255*len(block)+16); len(out) < want {
			out = make([]byte, want)
		}
		n, err := lz4.UncompressBlock(block, out)
		switch {
		case err != nil || n == 0:
			return 0, &FormatError{Format: LZ4, Offset: int64(at), Reason: "corrupt block", Err: err}
		case int64(n) > c.limit-c.n:
			return 0, tooLarge(LZ4, int64(at))
		}
		if _, c.writeErr = c.dst.Write(out[:n]); c.writeErr != nil {
			return c.result(c.writeErr)
		}
		c.n += int64(n)
		at += len(block)
		full = n == lz4Block
	}
	if c.n == 0 {
		return 0, truncated(LZ4, int64(len(src)))
	}
	return c.n, nil
}

// lz4Next returns the block the size of which is at offset at.
func lz4Next(src []byte, at int) ([]byte, error) {
	if len(src)-at < 4 {
		return nil, truncated(LZ4, int64(len(src)))
	}
	n := int64(binary.LittleEndian.Uint32(src[at:]))
	rest := src[at+4:]
	switch {
	case n == lz4Legacy || n == lz4Frame:
		return nil, failf(LZ4, int64(at), "second frame")
	case n == 0:
		return nil, failf(LZ4, int64(at), "block of 0 bytes")
	case n > lz4Bound:
		return nil, failf(LZ4, int64(at), "block of %d bytes is above the limit of %d", n, int64(lz4Bound))
	case n > int64(len(rest)):
		return nil, &FormatError{Format: LZ4, Offset: int64(at), Reason: "input ends within a block", Err: io.ErrUnexpectedEOF}
	}
	return rest[:n], nil
}
