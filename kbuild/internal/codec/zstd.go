// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"errors"

	"github.com/klauspost/compress/zstd"
)

const (
	zstdMagic    = 0xfd2fb528
	zstdMaxBlock = 128 << 10
)

// unzstd decodes the one zstd frame that src is. The library reads on after a
// frame and passes over skippable ones, so that the frame is walked first.
func (d *Decoder) unzstd(dst, src []byte, limit int64) ([]byte, error) {
	size, most, err := walkFrame(src)
	switch {
	case err != nil:
		return nil, err
	case size > limit:
		return nil, tooLarge(Zstd, 0)
	}
	if err := d.openZstd(); err != nil {
		return nil, err
	}
	var out []byte
	if size < 0 && most > limit || size > 64*int64(len(src))+1<<20 {
		// DecodeAll would allocate a size that is not worth believing, or has
		// none to stop at.
		d.in.Reset(src)
		defer d.in.Reset(nil)
		if err := d.zstd.Reset(&d.in); err != nil {
			return nil, err
		}
		defer d.zstd.Reset(nil)
		out, err = appendAll(dst, d.zstd, limit)
	} else {
		out, err = d.zstd.DecodeAll(src, dst)
	}
	if err != nil {
		return nil, zstdError(err, src)
	}
	return out, nil
}

func (d *Decoder) openZstd() (err error) {
	if d.zstd == nil {
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow))
	}
	return err
}

// zstdError says what the library found wrong with src.
func zstdError(err error, src []byte) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTooLarge):
		return tooLarge(Zstd, 0)
	case errors.Is(err, zstd.ErrCRCMismatch):
		return &FormatError{Format: Zstd, Offset: int64(len(src) - 4), Reason: "bad checksum of the decoded data", Err: ErrChecksum}
	}
	// Which of several faults the library finds first is not the same every time.
	return &FormatError{Format: Zstd, Reason: "corrupt data", Err: err}
}

// walkFrame checks that src is one zstd frame, from its magic to the end of
// its last block or of its checksum, without decoding it (RFC 8878, section
// 3.1.1). It returns the decoded size that the header gives, or -1, and the
// most that the blocks can hold. Numbers are little-endian.
func walkFrame(src []byte) (size, most int64, err error) {
	w := frameWalk{src: src}
	switch magic := w.take(4); {
	case w.short:
		return 0, 0, truncated(Zstd, int64(len(src)))
	case magic&^0xf == 0x184d2a50:
		return 0, 0, failf(Zstd, 0, "skippable frame")
	case magic != zstdMagic:
		return 0, 0, failf(Zstd, 0, "no zstd frame")
	}
	// Descriptor: width of the size (2 bits), single segment, unused,
	// reserved, checksum, width of the dictionary ID (2 bits).
	flags := w.take(1)
	single := flags&0x20 != 0
	var window uint64
	if !single {
		b := w.take(1)
		window = 1 << (10 + b>>3)
		window += window / 8 * (b & 7)
	}
	dict := w.take([4]int{0, 1, 2, 4}[flags&3])
	size = -1
	width := [4]int{0, 2, 4, 8}[flags>>6]
	if width == 0 && single {
		width = 1
	}
	if width > 0 {
		n := w.take(width)
		if width == 2 {
			n += 256
		}
		size = int64(min(n, 1<<62))
	}
	if single {
		window = uint64(size)
	}
	switch {
	case w.short:
		return 0, 0, truncated(Zstd, int64(len(src)))
	case flags&0x08 != 0:
		return 0, 0, failf(Zstd, 4, "reserved flag is set")
	case dict != 0:
		return 0, 0, failf(Zstd, 5, "needs dictionary %d", dict)
	case window > zstdWindow:
		return 0, 0, failf(Zstd, 5, "window of %d bytes is above the limit of %d", window, zstdWindow)
	}
	most, err = w.blocks(min(window, zstdMaxBlock))
	if err != nil {
		return 0, 0, err
	}
	if flags&0x04 != 0 {
		w.take(4)
	}
	switch end := int64(len(src) - len(w.src)); {
	case w.short:
		return 0, 0, truncated(Zstd, int64(len(src)))
	case size > most:
		return 0, 0, failf(Zstd, 4, "blocks hold less than %d bytes", size)
	case len(w.src) == 0:
		return size, most, nil
	case Sniff(w.src) == Zstd && w.src[0] == zstdMagic&0xff:
		return 0, 0, failf(Zstd, end, "second frame")
	case Sniff(w.src) == Zstd:
		return 0, 0, failf(Zstd, end, "skippable frame")
	default:
		return 0, 0, failf(Zstd, end, "trailing data")
	}
}

// frameWalk takes numbers off the front of a frame.
type frameWalk struct {
	src   []byte
	pos   int64 // bytes taken
	short bool  // there were too few
}

func (w *frameWalk) take(n int) (v uint64) {
	if n > len(w.src) {
		w.short = true
		return 0
	}
	for i := range n {
		v |= uint64(w.src[i]) << (8 * i)
	}
	w.skip(n)
	return v
}

func (w *frameWalk) skip(n int) {
	if n > len(w.src) {
		w.short = true
		return
	}
	w.src = w.src[n:]
	w.pos += int64(n)
}

// blocks passes over the blocks of a frame and returns the most that they can
// decode to. A block starts with 3 bytes: last block (1 bit), type (2), size.
func (w *frameWalk) blocks(maxBlock uint64) (most int64, err error) {
	for last := false; !last && !w.short; {
		at := w.pos
		h := w.take(3)
		last = h&1 != 0
		size := h >> 3
		if size > maxBlock {
			return 0, failf(Zstd, at, "block of %d bytes is above the limit of %d", size, maxBlock)
		}
		switch h >> 1 & 3 {
		case 0: // raw
			w.skip(int(size))
			most += int64(size)
		case 1: // one byte, repeated
			w.skip(1)
			most += int64(size)
		case 2:
			w.skip(int(size))
			most += int64(maxBlock)
		default:
			return 0, failf(Zstd, at, "reserved block type")
		}
	}
	return most, nil
}
