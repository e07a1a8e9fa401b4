// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/modhash/modhash/kbuild/internal/codec/xz"
)

// kernelDict is the largest xz or .lzma dictionary of a kernel's payload. The
// kernel's own build asks for 128 MiB at most (scripts/xz_wrap.sh).
const kernelDict = 128 << 20

// DecodeKernel decodes the payload of a kernel image, src; size is what it should
// decode to, -1 if that is not known. Of formats that can be decoded in one piece,
// if that is known to be at most 128 MiB, it returns whole, which then is not nil;
// else it writes to dst. The length of either is n. A boot loader or the kernel's own stub
// reads such a payload and stops where its first part ends, other programs
// read on; so src must be one gzip member, one xz, bzip2 or .lzma stream, one
// zstd frame or one lz4 legacy frame and nothing else. Plain is copied.
//
// It fails with a FormatError where [Decoder.Decode] does, with the xz
// dictionary up to 128 MiB, and for LZO and anything else that is not decoded,
// which the error names; and, wrapping [ErrTooLarge], if more than limit bytes
// would come out. Errors of dst are passed on as they are. After an error,
// what dst was given is worth nothing.
//
// Beside src, memory holds whole, or the window of the format: 32 KiB for gzip,
// 4 MiB for bzip2, 8 MiB for lz4, and for the others what their header says, at
// most 128 MiB and no more than a small multiple of what was decoded.
func (d *Decoder) DecodeKernel(dst io.Writer, src []byte, f Format, size, limit int64) (whole []byte, n int64, err error) {
	switch f {
	case Zstd:
		whole, n, err = zstdKernel(dst, src, size, limit)
	case LZ4:
		whole, n, err = lz4Legacy(dst, src, limit)
	default:
		n, err = d.streamKernel(dst, src, f, limit)
	}
	if err != nil {
		return nil, 0, err
	}
	return whole, n, nil
}

// streamKernel is DecodeKernel for formats that are decoded piece by piece.
func (d *Decoder) streamKernel(dst io.Writer, src []byte, f Format, limit int64) (int64, error) {
	limit = max(limit, 0)
	c := &copier{dst: dst, f: f, limit: limit, buf: make([]byte, 256<<10)}
	in := bytes.NewReader(src)
	taken := func() int64 { return int64(len(src) - in.Len()) }
	switch f {
	case Plain:
		return c.all(in, taken)
	case Gzip:
		return d.decodeLarge(dst, src, f, limit)
	case XZ:
		r := xz.NewReader(in, kernelDict)
		r.OneStream()
		return c.all(r, taken)
	case LZMA:
		return c.all(xz.NewLZMAReader(in, kernelDict), taken)
	case Bzip2:
		if at := secondBzip2(src); at > 0 {
			return 0, failf(f, at, "second stream")
		}
		return c.all(bzip2.NewReader(in), taken)
	case LZO:
		return 0, failf(f, 0, "this compression is not supported")
	}
	return 0, failf(f, 0, "not a compression of kernels")
}

// all copies what r decodes; at tells how much of the input was taken.
func (c *copier) all(r io.Reader, at func() int64) (int64, error) {
	err := c.copy(r)
	var fe *xz.FormatError
	var corrupt bzip2.StructuralError
	switch {
	case err == nil, c.writeErr != nil:
	case err == ErrTooLarge:
		err = tooLarge(c.f, at())
	case errors.As(err, &fe):
		err = fromXZ(c.f, err)
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		err = truncated(c.f, at())
	case errors.As(err, &corrupt):
		err = &FormatError{Format: c.f, Offset: at(), Reason: "corrupt data: " + err.Error(), Err: err}
	}
	return c.result(err)
}

// secondBzip2 returns where another stream starts behind the one that src
// starts with, or 0. Readers disagree on whether to read on there, and the
// library does not tell where the first one ends; but ten bytes that happen to
// look like a start, in the 8 MiB of a kernel, are once in 10^16 images.
func secondBzip2(src []byte) int64 {
	for at := 1; ; at++ {
		n := bytes.Index(src[min(at, len(src)):], []byte("BZh"))
		if n < 0 {
			return 0
		}
		if at += n; Sniff(src[at:]) == Bzip2 {
			return int64(at)
		}
	}
}

// wholeKernel is the largest kernel that is decoded in one piece where the
// format would otherwise need a window: kernels are packed with one that is
// larger than they are, so that this costs no more memory, and it takes half of
// the time.
const wholeKernel = zstdWindow

func zstdKernel(dst io.Writer, src []byte, stated, limit int64) ([]byte, int64, error) {
	size, most, err := walkFrame(src)
	switch {
	case err != nil:
		return nil, 0, err
	case size > max(limit, 0):
		return nil, 0, tooLarge(Zstd, 0)
	case size < 0 && stated >= 0:
		size = stated // the build pipes into zstd, which then does not know it
	}
	if size < 0 || size > most {
		size = most
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, 0, zstdError(err, src)
	}
	defer z.Close()
	if size > min(limit, wholeKernel) {
		if err := z.Reset(bytes.NewReader(src)); err != nil {
			return nil, 0, zstdError(err, src)
		}
		c := &copier{dst: dst, f: Zstd, limit: max(limit, 0), buf: make([]byte, 256<<10)}
		n, err := c.result(zstdError(c.copy(z), src))
		return nil, n, err
	}
	out, err := z.DecodeAll(src, make([]byte, 0, size))
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return nil, 0, failf(Zstd, 0, "decodes to more than %d bytes", size)
	}
	return out, int64(len(out)), zstdError(err, src)
}
