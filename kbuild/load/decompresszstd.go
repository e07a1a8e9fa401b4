// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/spool"
)

// kernelZstd decodes the first frame (lib/zstd). Of a file that is cut short, the
// kernel takes what it got for the module.
func kernelZstd(d *codec.Decoder, dst *spool.Buffer, src []byte, limit int64) (decoded, error) {
	f, err := zstdFrame(src)
	switch {
	case errors.Is(err, errHeader):
		return refused("ZSTD-compressed data has an incomplete frame header", "%v", err), nil
	case f.dictionary:
		return refused("ZSTD-decompression failed with status 32", "compressed with a dictionary"), nil
	case f.window > codec.MaxKernelWindow:
		return refused("ZSTD-decompression failed with status 16", "a window of %d bytes, the kernel takes at most %d", f.window, codec.MaxKernelWindow), nil
	case errors.Is(err, errBlock):
		return refused("ZSTD-decompression failed with status 20", "%v", err), nil
	case err != nil && f.whole == 0:
		return decoded{text: fmt.Sprintf("%v: the kernel takes the nothing that it decoded for the module", err)}, nil
	}
	frame, note := src[:f.end], "zstd"
	if err != nil {
		frame, note = f.shortened(src), err.Error()+": the kernel takes what it decoded for the module"
	}
	_, err = d.Decode(dst, bytes.NewReader(frame), codec.Zstd, limit)
	switch {
	case dst.Err() != nil:
		return decoded{}, dst.Err()
	case errors.Is(err, codec.ErrTooLarge):
		return tooLarge(limit), nil
	case errors.Is(err, codec.ErrChecksum):
		return refused("ZSTD-decompression failed with status 22", "the kernel cannot decode it: %v", err), nil
	case err != nil:
		return refused("ZSTD-decompression failed with status 20", "the kernel cannot decode it: %v", err), nil
	case f.end > 0 && f.end < len(src):
		return decoded{text: fmt.Sprintf("the kernel ignores the %d bytes behind the first frame", len(src)-f.end)}, nil
	}
	return decoded{text: note}, nil
}

var (
	errHeader = errors.New("incomplete frame header")
	errBlock  = errors.New("a block that is larger than the window or 128 KiB, or of a type that does not exist")
	errCut    = errors.New("cut short")
)

// maxBlock is the size in bytes that no block of a frame is larger than.
const maxBlock = 128 << 10

// frame is where the parts of a zstd frame are.
type frame struct {
	window      uint64
	dictionary  bool
	blocks      int // where they start
	last, whole int // of the last complete block, the start, and its end; 0 if there is none
	end         int // of the frame; 0 if it is cut short
}

// zstdFrame measures the frame at the start of src (RFC 8878, 3.1.1).
func zstdFrame(src []byte) (f frame, err error) {
	h, ok := codec.ReadZstdHeader(src)
	if !ok || h.Invalid {
		return f, errHeader
	}
	f.window, f.dictionary = h.Window, h.Dictionary
	at := h.Len
	f.blocks = at
	for done := false; !done; {
		if len(src) < at+3 {
			return f, errCut
		}
		h := uint32(src[at]) | uint32(src[at+1])<<8 | uint32(src[at+2])<<16
		n := int(h >> 3)
		kind := h >> 1 & 3
		if kind == 1 { // one byte, repeated
			n = 1
		}
		if kind == 3 || uint64(n) > min(f.window, maxBlock) {
			return f, errBlock
		}
		if at+3+n > len(src) {
			return f, errCut
		}
		f.last, f.whole = at, at+3+n
		at, done = f.whole, h&1 != 0
	}
	if h.Checksum {
		at += 4
	}
	if at > len(src) {
		return f, errCut
	}
	f.end = at
	return f, nil
}

// shortened makes a frame of the complete blocks of one that is cut short, with the
// same window, and without the size and the checksum of what is not there.
func (f *frame) shortened(src []byte) []byte {
	exponent := 0
	for uint64(1)<<(10+exponent) < f.window {
		exponent++
	}
	out := append([]byte(magics[codec.Zstd]), 0, byte(exponent<<3))
	start := len(out)
	out = append(out, src[f.blocks:f.whole]...)
	out[start+f.last-f.blocks] |= 1
	return out
}
