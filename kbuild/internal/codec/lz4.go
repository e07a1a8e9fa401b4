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
	lz4Legacy32 = 0x184c2102
	lz4Frame32  = 0x184d2204
	lz4Block    = 8 << 20
	lz4Bound    = lz4Block + lz4Block/255 + 16 // the longest that lz4 makes of a block
)

// lz4Legacy decodes src, one legacy frame, in one piece or block by block.
func lz4Legacy(dst io.Writer, src []byte, limit int64) (whole []byte, n int64, err error) {
	blocks, err := lz4Blocks(src)
	if err != nil {
		return nil, 0, err
	}
	inPlace := int64(len(blocks))*lz4Block <= wholeKernel
	room := lz4Block
	if inPlace {
		// A block of m bytes holds less than 255 times as many.
		last := blocks[len(blocks)-1]
		room = (len(blocks)-1)*lz4Block + min(lz4Block, 255*len(last)+16)
	}
	out := make([]byte, room)
	at := int64(4)
	for i, b := range blocks {
		to := out
		if inPlace {
			to = out[n:]
		}
		got, err := lz4.UncompressBlock(b, to[:min(lz4Block, len(to))])
		switch {
		case err != nil || got == 0:
			return nil, 0, &FormatError{Format: LZ4, Offset: at + 4, Reason: "corrupt block", Err: err}
		case int64(got) > limit-n:
			return nil, 0, tooLarge(LZ4, at)
		case got < lz4Block && i < len(blocks)-1:
			return nil, 0, failf(LZ4, at, "a block behind one that is not full")
		}
		n += int64(got)
		at += 4 + int64(len(b))
		if !inPlace {
			if _, err := dst.Write(to[:got]); err != nil {
				return nil, 0, err
			}
		}
	}
	if inPlace {
		whole = out[:n]
	}
	return whole, n, nil
}

// lz4Blocks checks the frame and returns the blocks in it, at least one.
func lz4Blocks(src []byte) ([][]byte, error) {
	if len(src) < 4 {
		return nil, truncated(LZ4, int64(len(src)))
	}
	switch binary.LittleEndian.Uint32(src) {
	case lz4Legacy32:
	case lz4Frame32:
		return nil, failf(LZ4, 0, "not the legacy frame, the one that kernels have")
	default:
		return nil, failf(LZ4, 0, "no lz4 frame")
	}
	var blocks [][]byte
	for at := 4; at < len(src) || len(blocks) == 0; at += 4 + len(blocks[len(blocks)-1]) {
		b, err := lz4Next(src, at)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// lz4Next returns the block the size of which is at offset at.
func lz4Next(src []byte, at int) ([]byte, error) {
	if len(src)-at < 4 {
		return nil, truncated(LZ4, int64(len(src)))
	}
	n := int64(binary.LittleEndian.Uint32(src[at:]))
	rest := src[at+4:]
	switch {
	case n == lz4Legacy32 || n == lz4Frame32:
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
