// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/spool"
)

const (
	// maxLayers is the most wrappers that are taken off. A compressed UKI with a
	// bzImage in it has four layers.
	maxLayers = 8

	// maxPacked is the largest compressed payload; it is held in memory.
	maxPacked = 256 << 20
)

// unwrapper takes off one wrapper after the other.
type unwrapper struct {
	ctx   context.Context
	limit int64 // what may still be decoded
	spool *spool.Spool

	layers []*wrapper
}

// unwrap returns where the innermost layer is. Errors name the wrappers around
// the layer that is at fault.
func (u *unwrapper) unwrap(r io.ReaderAt, size int64) (io.ReaderAt, int64, error) {
	for {
		if err := u.ctx.Err(); err != nil {
			return nil, 0, err
		}
		w, err := recognize(r, size)
		if err != nil {
			return nil, 0, u.within(err)
		}
		if len(u.layers) == maxLayers {
			return nil, 0, u.within(badf(0, "more than %d layers", maxLayers))
		}
		u.layers = append(u.layers, w)
		if w.last() {
			return r, size, nil
		}
		if r, size, err = u.open(r, w); err != nil {
			u.layers = u.layers[:len(u.layers)-1]
			return nil, 0, u.within(err)
		}
	}
}

// within says in what the layer is that an error is about.
func (u *unwrapper) within(err error) error {
	for i := len(u.layers) - 1; i >= 0; i-- {
		w := u.layers[i]
		if w.Kind == Compressed {
			err = fmt.Errorf("in the %s file: %w", w.format, err)
		} else {
			err = fmt.Errorf("in the %s: %w", w.Kind, err)
		}
	}
	return err
}

// open returns what the payload of w, a layer that is read from r, holds.
func (u *unwrapper) open(r io.ReaderAt, w *wrapper) (io.ReaderAt, int64, error) {
	if w.format == codec.Plain {
		return io.NewSectionReader(r, w.Offset, w.Length), w.Length, nil
	}
	if w.Length > maxPacked {
		return nil, 0, badf(w.Offset, "compressed payload of %d bytes, at most %d are read", w.Length, int64(maxPacked))
	}
	src := make([]byte, w.Length)
	if n, err := r.ReadAt(src, w.Offset); n < len(src) {
		return nil, 0, fmt.Errorf("reading image at offset %d: %w", w.Offset, err)
	}
	if w.decoded > u.limit && w.format != codec.LZO { // that has a fault of its own
		return nil, 0, &FormatError{w.Offset + w.Length, fmt.Sprintf("%s: %d bytes", ErrTooLarge, w.decoded), ErrTooLarge}
	}
	start := u.spool.Size()
	whole, n, err := codec.NewDecoder().DecodeKernel(&canceller{u.ctx, u.spool}, src, w.format, w.decoded, u.limit)
	if err != nil {
		return nil, 0, fromPart(w.Offset, "payload, ", err)
	}
	if w.decoded >= 0 && n != w.decoded {
		return nil, 0, badf(w.Offset+w.Length, "payload decodes to %d bytes, not to %d", n, w.decoded)
	}
	u.limit -= n
	if whole != nil {
		return memory(whole), n, nil
	}
	return u.spool.Section(start, n), n, nil
}

// memory is a decoded layer that is kept as it came.
type memory []byte

var _ elfview.Memory = memory(nil)

func (m memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }

// Slice returns the n bytes at off.
func (m memory) Slice(off, n int64) []byte { return m[off : off+n : off+n] }

// canceller is a writer that fails when its context ends.
type canceller struct {
	ctx context.Context
	w   io.Writer
}

func (c *canceller) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}
