// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig/trailer"
)

// check reads the new file and compares it with what was wanted, byte for byte:
// the format, the payload and the trailer. It sets the size in res.
func (j *job) check(ctx context.Context, dst *product, res *Result, outcome Outcome) error {
	size, err := dst.size()
	if err != nil {
		return err
	}
	res.After = size
	if outcome == Unchanged {
		same, err := j.commonPrefix(ctx, j.src, j.size, dst, size)
		if err == nil && (same != size || size != j.size) {
			err = fmt.Errorf("%w: the copy differs at offset %d", ErrVerify, same)
		}
		return err
	}
	if err := forKernel(dst, j.target.Module.Compression); err != nil {
		return err
	}
	if err := j.checkTrailer(); err != nil {
		return err
	}
	return j.checkContent(ctx, dst, size)
}

// checkContent decodes the new file and compares it with payload and trailer as
// it goes, so that it need not be kept.
func (j *job) checkContent(ctx context.Context, dst *product, size int64) error {
	t := j.target
	c := &comparer{worker: j.worker, t: t, want: j.want}
	in := &ctxReader{ctx, io.NewSectionReader(dst, 0, size)}
	var err error
	if t.Module.Compression == kmod.None {
		_, err = io.CopyBuffer(struct{ io.Writer }{c}, in, j.chunk[1][:])
	} else {
		_, err = j.dec.Decode(c, in, t.Module.Compression, t.size+int64(len(j.want)))
		if size > keepStored {
			j.dec = codec.NewDecoder()
		}
	}
	var fe *codec.FormatError
	switch total := t.size + int64(len(j.want)); {
	case errors.As(err, &fe):
		return fmt.Errorf("%w: %w", ErrVerify, err)
	case err != nil:
		return err
	case c.off != total:
		return fmt.Errorf("%w: it holds %d bytes, not %d", ErrVerify, c.off, total)
	}
	return nil
}

// keepStored is the size in bytes of a compressed module above which the
// Decoder, which holds it in memory, is not used again.
const keepStored = 16 << 20

// comparer fails at the first byte that is not that of the payload or of the
// trailer behind it.
type comparer struct {
	*worker
	t    *Target
	want []byte
	off  int64
}

func (c *comparer) Write(p []byte) (int, error) {
	done := 0
	payload := c.t.Payload()
	for len(p) > done {
		var want []byte
		if n := min(int64(len(p)-done), c.t.size-c.off, int64(len(c.chunk[0]))); n > 0 {
			want = c.chunk[0][:n]
			if got, err := payload.ReadAt(want, c.off); got < len(want) {
				return done, fmt.Errorf("reading at offset %d: %w", c.off, err)
			}
		} else {
			want = c.want[min(c.off-c.t.size, int64(len(c.want))):]
			want = want[:min(len(want), len(p)-done)]
		}
		if len(want) == 0 || !bytes.Equal(want, p[done:done+len(want)]) {
			return done, fmt.Errorf("%w: its content differs at or behind offset %d", ErrVerify, c.off)
		}
		done += len(want)
		c.off += int64(len(want))
	}
	return done, nil
}

// checkTrailer holds that what is wanted is one trailer, which ends where the
// payload does, or none.
func (j *job) checkTrailer() error {
	size := j.target.size
	tail := make([]byte, min(size, trailer.TailSize), trailer.TailSize+len(j.want))
	if n, err := j.target.Payload().ReadAt(tail, size-int64(len(tail))); n < len(tail) {
		return fmt.Errorf("reading: %w", err)
	}
	tail = append(tail, j.want...)
	tail = tail[max(len(tail)-trailer.TailSize, 0):]
	tr := trailer.SplitTail(tail, size+int64(len(j.want)))
	state := trailer.Valid
	if len(j.want) == 0 {
		state = trailer.None
	}
	switch {
	case tr.State != state:
		return fmt.Errorf("%w: its trailer would be %v, not %v", ErrVerify, tr.State, state)
	case tr.Payload != size:
		return fmt.Errorf("%w: its payload would have %d bytes, not %d", ErrVerify, tr.Payload, size)
	}
	return nil
}

// forKernel holds that the file has the format that it had, and what the kernel's
// decompressor demands beyond it.
func forKernel(r io.ReaderAt, c kmod.Compression) error {
	var head [16]byte
	n, err := r.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("reading: %w", err)
	}
	if got := codec.Sniff(head[:n]); got != c {
		return fmt.Errorf("%w: its compression is %v, that of the old one %v", ErrVerify, got, c)
	}
	why, err := Unfit(r, c)
	if err == nil && why != "" {
		err = fmt.Errorf("%w: the kernel may not take its compression: %s", ErrVerify, why)
	}
	return err
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
