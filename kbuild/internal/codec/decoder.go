// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/modhash/modhash/kbuild/internal/codec/xz"
)

const (
	// moduleDict is the largest xz dictionary of a module file, that of
	// xz -9. The kernel's build asks for 1 MiB.
	moduleDict = 64 << 20

	// maxPacked is the largest compressed module file, about twenty times what
	// distributions ship.
	maxPacked = 256 << 20

	// zstdWindow is the largest zstd window: what zstd -d, and by that
	// library's default all who use it, accept without being told otherwise.
	zstdWindow = 128 << 20
)

// Decoder decodes module files. It keeps its buffers from call to call, so
// that a worker needs one. It must not be used concurrently.
type Decoder struct {
	src, out []byte // of Decode
	in       bytes.Reader
	xz       *xz.Decoder
	zstd     *zstd.Decoder
}

// NewDecoder returns a Decoder. What a format needs is allocated when it is
// first met.
func NewDecoder() *Decoder { return new(Decoder) }

// Decode writes to dst what src holds, and returns how many bytes that are.
// src is read to its end and must be one gzip member, one xz stream or one
// zstd frame and nothing else; Plain is copied. Decode fails with a
// FormatError if there is a second member, stream or frame, xz stream padding,
// a zstd skippable frame, a gzip header with other flags than FNAME, a zstd
// dictionary ID, any other byte too many, an early end or a wrong checksum or
// size; if an xz dictionary is above 64 MiB or a zstd window above 128 MiB;
// and, wrapping [ErrTooLarge], if more than limit bytes would come out or src
// is larger than any sensible encoding of limit bytes, or than 256 MiB. Errors of
// src and dst are passed on as they are. After an error, what dst was given is
// worth nothing.
//
// Memory holds src, and of what is decoded at most 8 MiB or the window. Sizes
// that a header claims are not believed if they are far from the size of src,
// but a zstd frame that does not say its size can cost its window at once.
func (d *Decoder) Decode(dst io.Writer, src io.Reader, f Format, limit int64) (int64, error) {
	limit = max(limit, 0)
	in, err := d.readAll(src, f, limit)
	if err != nil {
		return 0, err
	}
	out := in
	if f != Plain {
		out, err = d.DecodeBytes(d.out[:0], in, f, min(limit, wholeMax))
		if errors.Is(err, ErrTooLarge) && limit > wholeMax {
			return d.decodeLarge(dst, in, f, limit)
		}
		if err != nil {
			return 0, err
		}
		d.out = out
	}
	n, err := dst.Write(out)
	return int64(n), err
}

// readAll reads src into d.src.
func (d *Decoder) readAll(src io.Reader, f Format, limit int64) ([]byte, error) {
	most := limit
	if f != Plain {
		most = min(2*min(limit, 1<<60)+1<<20, maxPacked)
	}
	d.src = d.src[:0]
	for {
		d.src = slices.Grow(d.src, bytes.MinRead)
		n, err := src.Read(d.src[len(d.src):cap(d.src)])
		d.src = d.src[:len(d.src)+n]
		switch {
		case int64(len(d.src)) > most:
			return nil, tooLarge(f, most)
		case err == io.EOF:
			return d.src, nil
		case err != nil:
			return nil, err
		}
	}
}

// DecodeBytes is Decode between slices: it appends to dst what src holds and
// returns the extended slice, or dst as it was and an error. dst and src must
// not overlap; the capacity of dst beyond its length is used as scratch space
// in any case.
func (d *Decoder) DecodeBytes(dst, src []byte, f Format, limit int64) ([]byte, error) {
	limit = max(limit, 0)
	var out []byte
	var err error
	switch f {
	case Plain:
		if int64(len(src)) > limit {
			return dst, tooLarge(f, limit)
		}
		return append(dst, src...), nil
	case Gzip:
		out, err = d.gunzip(dst, src, limit)
	case XZ:
		if d.xz == nil {
			d.xz = xz.NewDecoder(moduleDict)
		}
		out, err = d.xz.Decode(dst, src, limit)
		err = fromXZ(XZ, err)
	case Zstd:
		out, err = d.unzstd(dst, src, limit)
	default:
		err = failf(f, 0, "not a compression of modules")
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func tooLarge(f Format, off int64) error {
	return &FormatError{Format: f, Offset: off, Reason: ErrTooLarge.Error(), Err: ErrTooLarge}
}

func truncated(f Format, off int64) error {
	return &FormatError{Format: f, Offset: off, Reason: "input ends early", Err: io.ErrUnexpectedEOF}
}
