// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/modhash/modhash/kbuild/internal/codec/xz"
)

// packageDict is the largest xz or .lzma dictionary of a package's payload. No
// xz preset has more than 64 MiB; larger ones are set by hand.
const packageDict = 1 << 30

// NewReader returns a reader of what r decodes to, for package payloads: it
// accepts what the tools that read packages accept, that is concatenated
// members, streams and frames, xz stream padding and zstd skippable frames. It
// reads ahead of what it decodes.
//
// Checksums are verified where the format has them, but data is handed out
// before: only when io.EOF was returned is all of it verified. How much comes
// out is not limited; that is up to the caller. Memory is: to some hundred KiB
// for gzip, 4 MiB for bzip2, two windows of at most 128 MiB for zstd, and for
// xz and .lzma 1.5 dictionaries of at most 1 GiB and 5 MiB, but then no more
// than a small multiple of what was decoded.
//
// Faults of the input, also those that NewReader itself returns, are
// FormatErrors; errors of r are passed on as they are. Close ends the use of
// the reader and does not close r. LZ4 and LZO are refused by name.
func NewReader(r io.Reader, f Format) (io.ReadCloser, error) {
	return newReader(&source{r: r}, f)
}

// NewReaderAt is [NewReader] for what r holds from 0 to size, from where xz blocks
// that tell their sizes, as xz -T makes them, are decoded two at a time. That
// takes up to 48 MiB in place of a dictionary. r is then read by several
// goroutines at once, until Close.
func NewReaderAt(r io.ReaderAt, size int64, f Format) (io.ReadCloser, error) {
	src := &source{r: io.NewSectionReader(r, 0, size), at: r}
	if f != XZ {
		return newReader(src, f)
	}
	z := xz.NewReaderAt(src, size, packageDict, min(aheadWorkers, runtime.GOMAXPROCS(0)))
	return &reader{src: src, f: f, r: z, close: z.Close}, nil
}

// aheadWorkers is how many blocks are decoded at once. More take more memory,
// and what follows the decoding is done by one goroutine.
const aheadWorkers = 2

func newReader(src *source, f Format) (io.ReadCloser, error) {
	d := &reader{src: src, f: f}
	switch f {
	case Plain:
		d.r = src
	case Gzip:
		d.r = &gzipReader{src: bufio.NewReaderSize(src, 64<<10)}
	case XZ:
		d.r = xz.NewReader(src, packageDict)
	case Zstd:
		z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, d.fail(err)
		}
		d.r, d.close = z, func() error { z.Close(); return nil }
	case Bzip2:
		d.r = bzip2.NewReader(src)
	case LZMA:
		d.r = xz.NewLZMAReader(src, packageDict)
	default:
		return nil, failf(f, 0, "decoding is not supported")
	}
	return d, nil
}

// reader gives the errors of a library's reader the type of this package.
type reader struct {
	r     io.Reader
	src   *source
	f     Format
	close func() error
	err   error
}

var errClosed = errors.New("codec: reader is closed")

func (d *reader) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.r.Read(p)
	if err != nil {
		d.err = d.fail(err)
	}
	return n, d.err
}

func (d *reader) Close() error {
	d.err = errClosed
	if d.close == nil {
		return nil
	}
	err := d.close()
	d.close = nil
	return err
}

func (d *reader) fail(err error) error {
	var fe *xz.FormatError
	n, srcErr := d.src.state()
	switch {
	case srcErr != nil:
		return srcErr
	case d.f == Plain, err == io.EOF && n > 0:
		return err
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &fe):
		return truncated(d.f, n) // no format encodes nothing as nothing
	case errors.As(err, &fe):
		return fromXZ(d.f, err)
	}
	return &FormatError{Format: d.f, Offset: n, Reason: "corrupt data: " + err.Error(), Err: err}
}

// gzipReader reads members one after the other. The library can do that too,
// but takes an end within the header of a further member for the end of all.
type gzipReader struct {
	src    *bufio.Reader
	member *gzip.Reader
}

func (z *gzipReader) Read(p []byte) (int, error) {
	for first := z.member == nil; ; first = false {
		if !first {
			n, err := z.member.Read(p)
			if err != io.EOF {
				return n, err
			}
			if n > 0 {
				return n, nil
			}
			if _, err := z.src.Peek(1); err != nil {
				return 0, err
			}
		}
		if err := z.next(); err == io.EOF {
			return 0, io.ErrUnexpectedEOF
		} else if err != nil {
			return 0, err
		}
	}
}

func (z *gzipReader) next() (err error) {
	if z.member == nil {
		z.member, err = gzip.NewReader(z.src)
	} else {
		err = z.member.Reset(z.src)
	}
	if err == nil {
		z.member.Multistream(false)
	}
	return err
}

// source counts what is read and remembers errors other than io.EOF, which are
// the reader's and not the format's.
type source struct {
	r  io.Reader
	at io.ReaderAt // nil if there is none

	mu  sync.Mutex
	n   int64
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.note(n, err)
	return n, err
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.at.ReadAt(p, off)
	s.note(n, err)
	return n, err
}

func (s *source) note(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += int64(n)
	if err != nil && err != io.EOF && s.err == nil {
		s.err = err
	}
}

func (s *source) state() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.err
}
