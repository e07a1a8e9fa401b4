// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdEncoderWindow is the window of zstd's default level, which the kernel's
// build uses. The kernel's decompressor allocates the window at once.
const zstdEncoderWindow = 2 << 20

// gzipLevel is the level of the library, whose levels do not mean what those of
// zlib do: measured on modules, 2 % more than gzip -6 in half of its time.
const gzipLevel = 8

// gzipSystem is the system in a gzip header that gzip(1) on Unix writes.
const gzipSystem = 3

// ErrSize says that Encode was given another size than there are bytes.
var ErrSize = errors.New("not as many bytes as announced")

// Encoder compresses module files as the kernel's build does
// (scripts/Makefile.modinst), so that the kernel's own decompressors take the
// result. It keeps its buffers from call to call, so that a worker needs one. It
// must not be used concurrently.
type Encoder struct {
	gzip *gzip.Writer
	zstd *zstd.Encoder
	xz   *lzmaEncoder
	in   []byte // of a small module
	out  []byte
}

// NewEncoder returns an Encoder. What a format needs is allocated when it is
// first met.
func NewEncoder() *Encoder { return new(Encoder) }

// Encode writes to dst what the size bytes that src holds are encoded to. src
// is read to its end; if that comes before or after size bytes, the error wraps
// [ErrSize].
//
//	gzip   one member, no name, time 0, system 3 (as gzip -n)
//	xz     one stream of one block, CRC32, LZMA2 with a dictionary of 1 MiB
//	       (as xz --check=crc32 --lzma2=dict=1MiB)
//	zstd   one frame with content size and checksum; up to 2 MiB one segment,
//	       above that a window of 2 MiB (as zstd)
//
// Plain is copied; other formats are refused, since modules do not use them.
// The output depends on the input only: not on the machine, the number of
// processors, or on what was encoded before. It is not what the programs named
// above write, but what they, and the kernel, read.
//
// Memory is bounded: about 13 MiB for xz, 1 MiB for gzip and 16 MiB for zstd.
// Errors of src and dst are passed on as they are.
func (e *Encoder) Encode(dst io.Writer, src io.Reader, size int64, f Format) error {
	in := &exactReader{r: src, left: size}
	var err error
	switch f {
	case Plain:
		_, err = io.Copy(dst, in)
	case Gzip:
		err = e.encodeGzip(dst, in)
	case XZ:
		if size > xzMaxSize {
			return fmt.Errorf("%d bytes are too many for xz, at most %d", size, int64(xzMaxSize))
		}
		if e.xz == nil {
			e.xz = newLZMAEncoder()
		}
		err = encodeXZ(dst, in, e.xz)
	case Zstd:
		err = e.encodeZstd(dst, in, size)
	default:
		return fmt.Errorf("%v is not a compression of modules", f)
	}
	if err == nil && in.left != 0 {
		err = io.ErrUnexpectedEOF
	}
	if in.err != nil {
		return in.err
	}
	return err
}

func (e *Encoder) encodeGzip(dst io.Writer, in io.Reader) error {
	if e.gzip == nil {
		var err error
		if e.gzip, err = gzip.NewWriterLevel(dst, gzipLevel); err != nil {
			return err
		}
	} else {
		e.gzip.Reset(dst)
	}
	// The zero time.Time is not the time 0 of the format.
	e.gzip.OS, e.gzip.ModTime = gzipSystem, time.Unix(0, 0)
	if _, err := io.Copy(e.gzip, in); err != nil {
		return err
	}
	return e.gzip.Close()
}

func (e *Encoder) encodeZstd(dst io.Writer, in io.Reader, size int64) error {
	if e.zstd == nil {
		var err error
		// One goroutine: how the work is shared out would show in the output.
		if e.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithWindowSize(zstdEncoderWindow),
			zstd.WithSingleSegment(true)); err != nil {
			return err
		}
	}
	if size <= zstdEncoderWindow {
		buf := bytes.NewBuffer(slices.Grow(e.in[:0], int(max(size, 0))+bytes.MinRead))
		if _, err := buf.ReadFrom(in); err != nil {
			return err
		}
		e.in = buf.Bytes()
		e.out = e.zstd.EncodeAll(e.in, e.out[:0])
		_, err := dst.Write(e.out)
		return err
	}
	e.zstd.ResetContentSize(dst, size)
	defer e.zstd.Reset(nil)
	// In whole blocks: how src is cut must not show in the output.
	e.in = slices.Grow(e.in[:0], zstdMaxBlock)[:zstdMaxBlock]
	for {
		n, err := io.ReadFull(in, e.in)
		if _, err := e.zstd.Write(e.in[:n]); err != nil {
			return err
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF: // Encode tells the end of src from an early one
			return e.zstd.Close()
		default:
			return err
		}
	}
}

// exactReader reads left bytes, neither more nor less, and remembers the error
// of what it reads from.
type exactReader struct {
	r    io.Reader
	left int64
	err  error
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	switch {
	case e.left < 0:
		e.err = fmt.Errorf("%w: %d or more bytes too many", ErrSize, -e.left)
	case err == io.EOF && e.left > 0:
		e.err = fmt.Errorf("%w: %d bytes too few", ErrSize, e.left)
	case err != nil && err != io.EOF:
		e.err = err
	}
	if e.err != nil {
		return 0, e.err
	}
	return n, err
}
