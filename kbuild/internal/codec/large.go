// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"hash/crc32"
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec/xz"
)

// wholeMax is the decoded size up to which a module is decoded into memory in
// one piece, which is faster; few are larger. Beyond it, memory holds the
// window of the format and no more.
const wholeMax = 8 << 20

// decodeLarge is Decode for what does not fit into wholeMax. The same inputs
// are refused with the same errors, but dst may have been written to then.
func (d *Decoder) decodeLarge(dst io.Writer, src []byte, f Format, limit int64) (int64, error) {
	c := &copier{dst: dst, f: f, limit: limit, buf: make([]byte, 256<<10)}
	switch f {
	case Gzip:
		err := d.inflate(src, func(r io.Reader) (uint32, uint32, error) {
			c.sum = crc32.NewIEEE()
			err := c.copy(r)
			return c.sum.Sum32(), uint32(c.n), err
		})
		return c.result(err)
	case XZ:
		d.in.Reset(src)
		defer d.in.Reset(nil)
		r := xz.NewReader(&d.in, moduleDict)
		r.OneStream()
		err := c.copy(r)
		if err == ErrTooLarge {
			return 0, tooLarge(XZ, int64(len(src)-d.in.Len()))
		}
		return c.result(fromXZ(XZ, err))
	case Zstd:
		size, _, err := walkFrame(src)
		switch {
		case err != nil:
			return 0, err
		case size > limit:
			return 0, tooLarge(Zstd, 0)
		}
		if err := d.openZstd(); err != nil {
			return 0, err
		}
		d.in.Reset(src)
		defer d.in.Reset(nil)
		if err := d.zstd.Reset(&d.in); err != nil {
			return 0, err
		}
		defer d.zstd.Reset(nil)
		return c.result(zstdError(c.copy(d.zstd), src))
	}
	return 0, failf(f, 0, "not a compression of modules")
}

// copier copies decoded bytes and keeps apart who failed.
type copier struct {
	dst   io.Writer
	f     Format
	limit int64
	buf   []byte
	sum   interface { // nil: not wanted
		io.Writer
		Sum32() uint32
	}
	n        int64
	writeErr error
}

// copy returns an error of the reader, ErrTooLarge, or that of the writer.
func (c *copier) copy(r io.Reader) error {
	for {
		n, err := r.Read(c.buf)
		if c.n += int64(n); c.n > c.limit {
			return ErrTooLarge
		}
		if c.sum != nil {
			c.sum.Write(c.buf[:n])
		}
		if _, c.writeErr = c.dst.Write(c.buf[:n]); c.writeErr != nil {
			return c.writeErr
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// result passes an error of the writer on as it is.
func (c *copier) result(err error) (int64, error) {
	switch {
	case c.writeErr != nil:
		return 0, c.writeErr
	case err != nil:
		return 0, err
	}
	return c.n, nil
}
