// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig/trailer"
)

// check opens the new file and compares it with what was wanted, byte for byte:
// the format, the payload and the trailer.
func (j *job) check(ctx context.Context, dst *product, res *Result, outcome Outcome) error {
	size, err := dst.size()
	if err != nil {
		return err
	}
	res.After = size
	res.Same, err = j.commonPrefix(ctx, j.src, j.size, dst, size)
	if err != nil {
		return err
	}
	if outcome == Unchanged {
		if res.Same != size || size != j.size {
			return fmt.Errorf("%w: the copy differs at offset %d", ErrVerify, res.Same)
		}
		return nil
	}
	old := j.target
	m, err := j.new.Open(dst, size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	if m.Compression != old.Module.Compression {
		return fmt.Errorf("%w: it is compressed with %v, the old one with %v", ErrVerify, m.Compression, old.Module.Compression)
	}
	if err := forKernel(dst, m.Compression); err != nil {
		return err
	}
	if err := j.checkTrailer(m); err != nil {
		return err
	}
	if m.Compression == kmod.None && res.Same >= old.size {
		return nil // the payload lies within what was just compared
	}
	same, err := j.commonPrefix(ctx, old.Payload(), old.size, m.Payload(), m.Trailer.Payload)
	if err != nil {
		return err
	}
	if same != old.size {
		return fmt.Errorf("%w: its payload differs at offset %d", ErrVerify, same)
	}
	return nil
}

// checkTrailer holds that the new file ends in exactly the wanted trailer.
func (j *job) checkTrailer(m *kmod.Module) error {
	state := trailer.Valid
	if len(j.want) == 0 {
		state = trailer.None
	}
	switch {
	case m.Trailer.State != state:
		return fmt.Errorf("%w: its trailer is %v, not %v", ErrVerify, m.Trailer.State, state)
	case m.Stacked:
		return fmt.Errorf("%w: its trailers are stacked", ErrVerify)
	case m.Trailer.Payload != j.target.size:
		return fmt.Errorf("%w: its payload has %d bytes, not %d", ErrVerify, m.Trailer.Payload, j.target.size)
	}
	if same, err := endsIn(m.Tail(), j.want); err != nil || !same {
		return fmt.Errorf("%w: it ends in another trailer", ErrVerify)
	}
	return nil
}

// forKernel holds what the kernel's decompressor demands beyond the format: xz
// with CRC32 or no check, which is in the 8th byte of the stream.
func forKernel(r io.ReaderAt, c kmod.Compression) error {
	if c != kmod.XZ {
		return nil
	}
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	if check := head[7]; check > 1 {
		return fmt.Errorf("%w: xz check %#x is not CRC32, the only one that the kernel knows", ErrVerify, check)
	}
	return nil
}

// commonPrefix returns how many bytes at the start of a and b are equal.
func (w *worker) commonPrefix(ctx context.Context, a io.ReaderAt, aSize int64, b io.ReaderAt, bSize int64) (int64, error) {
	n := min(aSize, bSize)
	for off := int64(0); off < n; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		k := min(n-off, int64(len(w.chunk[0])))
		x, y := w.chunk[0][:k], w.chunk[1][:k]
		for _, in := range []struct {
			r io.ReaderAt
			p []byte
		}{{a, x}, {b, y}} {
			if got, err := in.r.ReadAt(in.p, off); got < len(in.p) {
				return 0, fmt.Errorf("reading at offset %d: %w", off, err)
			}
		}
		if !bytes.Equal(x, y) {
			i := 0
			for x[i] == y[i] {
				i++
			}
			return off + int64(i), nil
		}
		off += k
	}
	return n, nil
}
