// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"
)

const (
	gzipHeader  = 10 // magic (2), method, flags, time (4), extra flags, system
	gzipTrailer = 8  // CRC32 and size modulo 2^32 of the decoded bytes, little-endian
	flagName    = 1 << 3
)

// gunzip decodes the one gzip member that src is.
func (d *Decoder) gunzip(dst, src []byte, limit int64) (out []byte, err error) {
	err = d.inflate(src, func(r io.Reader) (uint32, uint32, error) {
		var err error
		if out, err = appendAll(dst, r, limit); err != nil {
			return 0, 0, err
		}
		data := out[len(dst):]
		return crc32.ChecksumIEEE(data), uint32(len(data)), nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// inflate has the deflate data of the one gzip member that src is decoded by
// read, which returns CRC32 and size of what it read, and checks everything
// else. The header is read here, not by a library, since the kernel's reader
// knows no flag but FNAME.
func (d *Decoder) inflate(src []byte, read func(io.Reader) (sum, size uint32, err error)) error {
	start, err := gzipStart(src)
	if err != nil {
		return err
	}
	d.in.Reset(src[start:])
	defer d.in.Reset(nil)
	// Not reset and used again: the library keeps the code tables of the stream
	// before, and decodes by them what a corrupt stream has no code for.
	sum, size, err := read(flate.NewReader(&d.in))
	// d.in is an io.ByteReader, so exactly the deflate data was taken from it.
	off := int64(len(src) - d.in.Len())
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, ErrTooLarge):
		return tooLarge(Gzip, off)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return truncated(Gzip, off)
	case errors.As(err, &corrupt):
		return &FormatError{Format: Gzip, Offset: off, Reason: "corrupt deflate data", Err: err}
	case err != nil:
		return &FormatError{Format: Gzip, Offset: off, Reason: err.Error(), Err: err}
	}
	rest := src[off:]
	switch {
	case len(rest) < gzipTrailer:
		return truncated(Gzip, int64(len(src)))
	case binary.LittleEndian.Uint32(rest) != sum:
		return failf(Gzip, off, "bad checksum of the decoded data")
	case binary.LittleEndian.Uint32(rest[4:]) != size:
		return failf(Gzip, off+4, "wrong size of the decoded data")
	}
	rest, off = rest[gzipTrailer:], off+gzipTrailer
	if len(rest) > 0 {
		if Sniff(rest) == Gzip {
			return failf(Gzip, off, "second member")
		}
		return failf(Gzip, off, "trailing data")
	}
	return nil
}

// gzipStart returns where the deflate data starts.
func gzipStart(src []byte) (int, error) {
	switch {
	case Sniff(src) != Gzip:
		return 0, failf(Gzip, 0, "no gzip header")
	case len(src) < gzipHeader:
		return 0, truncated(Gzip, int64(len(src)))
	case src[2] != 8:
		return 0, failf(Gzip, 2, "unknown compression method %d", src[2])
	case src[3]&^flagName != 0:
		return 0, failf(Gzip, 3, "header has flags %#02x, only a file name is allowed", src[3])
	case src[3] == 0:
		return gzipHeader, nil
	}
	n := bytes.IndexByte(src[gzipHeader:], 0)
	if n < 0 {
		return 0, truncated(Gzip, int64(len(src)))
	}
	return gzipHeader + n + 1, nil
}

// appendAll appends what r yields, at most limit bytes, to dst.
func appendAll(dst []byte, r io.Reader, limit int64) ([]byte, error) {
	start := len(dst)
	for {
		dst = slices.Grow(dst, bytes.MinRead)
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case int64(len(dst)-start) > limit:
			return nil, ErrTooLarge
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return nil, err
		}
	}
}
