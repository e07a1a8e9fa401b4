// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/spool"
)

// layer is a stream that a parser reads from its beginning to its end: a range
// of the file, or what a decoder makes of one.
type layer struct {
	o      *opener
	name   string // for errors
	pos    int64  // of the next byte to be read, from the start of the stream
	base   int64  // plain: offset of the stream in the file
	size   int64  // plain: length of the stream; else -1
	stream *bufio.Reader
	dec    io.Closer
	zeros  int64 // how many zero bytes in a row were read last; see readTar
}

// open makes a layer of n bytes of the file from offset off. packed and name
// are what errors call the stream before and after decoding.
func (o *opener) open(packed, name string, off, n int64, f codec.Format) (*layer, error) {
	l := &layer{o: o, name: name, base: off, size: n}
	if f == codec.Plain {
		return l, nil
	}
	d, err := codec.NewReaderAt(io.NewSectionReader(o, off, n), n, f)
	if err != nil {
		return nil, o.broken(packed, 0, "cannot be unpacked", err)
	}
	l.size = -1
	l.dec = d
	l.stream = bufio.NewReaderSize(&unpacker{o: o, r: d, name: packed}, 128<<10)
	return l, nil
}

// plain reports whether the bytes of the layer lie in the file as they are.
func (l *layer) plain() bool { return l.stream == nil }

// Read implements [io.Reader].
func (l *layer) Read(p []byte) (n int, err error) {
	if l.plain() {
		if l.pos >= l.size {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), l.size-l.pos)]
		n, err = l.o.ReadAt(p, l.base+l.pos)
		if n == len(p) {
			err = nil
		} else if err == io.EOF {
			err = io.ErrUnexpectedEOF // the file has shrunk
		}
	} else {
		n, err = l.stream.Read(p)
	}
	l.pos += int64(n)
	l.zeros = trailingZeros(p[:n], l.zeros)
	return n, err
}

// trailingZeros returns how many zero bytes end a stream that ended in before
// zero bytes and goes on with p.
func trailingZeros(p []byte, before int64) int64 {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0 {
			return int64(len(p) - 1 - i)
		}
	}
	return before + int64(len(p))
}

// skip moves n bytes on.
func (l *layer) skip(n int64) error {
	if !l.plain() {
		_, err := io.CopyN(io.Discard, l, n)
		return err
	}
	if n > l.size-l.pos {
		l.pos = l.size
		return io.ErrUnexpectedEOF
	}
	l.pos += n
	return nil
}

// keep returns where the next n bytes of the layer are as a content and moves
// behind them: they stay where they are if they lie in the file, and are copied
// to the spool otherwise. They are written to sum unless it is nil.
func (l *layer) keep(n int64, sum io.Writer) (content, error) {
	if !l.plain() {
		return l.o.copy(l, n, sum)
	}
	c := content{inFile, l.base + l.pos, n}
	if sum == nil {
		return c, l.skip(n)
	}
	if n > l.size-l.pos {
		return c, io.ErrUnexpectedEOF
	}
	_, err := io.CopyBuffer(sum, io.LimitReader(l, n), l.o.buf)
	return c, err
}

// rest reads to the end of the stream, where only zero bytes may be, and
// records a problem if there is something else. A compressed stream has to be
// read to its end in any case, because its checksum is there.
func (l *layer) rest(after string) error {
	first := int64(-1)
	for {
		at := l.pos
		n, err := l.Read(l.o.buf)
		if first < 0 && l.zeros < l.pos-at {
			for i, b := range l.o.buf[:n] {
				if b != 0 {
					first = at + int64(i)
					break
				}
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return l.o.broken(l.name, l.pos, "cannot be read to its end", err)
		}
	}
	if first >= 0 {
		l.o.problem(-1, TrailingData, "%s: data after %s, at byte %d", l.name, after, first)
	}
	return nil
}

// done closes the decoder and returns the first error.
func (l *layer) done(err error) error {
	if l.dec == nil {
		return err
	}
	if cerr := l.dec.Close(); cerr != nil && err == nil {
		return l.o.broken(l.name, l.pos, "closing the decoder", cerr)
	}
	return err
}

// broken makes the error for a layer that cannot be read any further: a
// FormatError, unless the trouble was not the archive's.
func (l *layer) broken(off int64, reason string, err error) error {
	return l.o.broken(l.name, off, reason, err)
}

func (o *opener) broken(layer string, off int64, reason string, err error) error {
	if f := o.fatal.get(); f != nil {
		return f
	}
	if cutOff(err) {
		reason, err = reason+": the archive is cut off", nil
	}
	return &FormatError{Path: o.path, Layer: layer, Offset: off, Reason: reason, Err: err}
}

// ReadAt reads the file. It is where cancellation takes effect.
func (o *opener) ReadAt(p []byte, off int64) (int, error) {
	if err := o.ctx.Err(); err != nil {
		return 0, o.fatal.set(fmt.Errorf("reading %s: %w", o.path, err))
	}
	n, err := o.file.ReadAt(p, off)
	if err != nil && err != io.EOF {
		return n, o.fatal.set(err) // a PathError, it names the file
	}
	return n, err
}

// unpacker counts what a decoder gives against the limit.
type unpacker struct {
	o    *opener
	r    io.Reader
	name string
	pos  int64
}

func (u *unpacker) Read(p []byte) (int, error) {
	o := u.o
	// A bomb gives much for little input, so it is not enough to look for
	// cancellation where the file is read.
	if err := o.ctx.Err(); err != nil {
		return 0, o.fatal.set(fmt.Errorf("reading %s: %w", o.path, err))
	}
	n, err := u.r.Read(p)
	u.pos += int64(n)
	o.unpacked += int64(n)
	switch {
	case o.unpacked > o.maxUnpacked:
		return 0, o.fatal.set(o.tooLarge())
	case err != nil && err != io.EOF:
		return n, o.fatal.set(o.broken(u.name, u.pos, "cannot be unpacked", err))
	}
	return n, err
}

func (o *opener) tooLarge() error {
	return &LimitError{Path: o.path, What: "bytes unpacked", Max: o.maxUnpacked, Option: "MaxUnpacked"}
}

// copy appends the next n bytes of r to the spool, and to sum unless it is nil.
func (o *opener) copy(r io.Reader, n int64, sum io.Writer) (content, error) {
	c := content{inSpool, o.spool.Size(), n}
	for n > 0 {
		k, err := io.ReadFull(r, o.buf[:min(n, int64(len(o.buf)))])
		if err != nil {
			return c, err
		}
		if _, err := o.spool.Write(o.buf[:k]); err != nil {
			if errors.Is(err, spool.ErrLimit) {
				err = o.tooLarge()
			}
			return c, o.fatal.set(err)
		}
		if sum != nil {
			sum.Write(o.buf[:k])
		}
		n -= int64(k)
	}
	return c, nil
}

// fatal holds the first error that is not a fault of the layer it came up in,
// so that parsers need not tell it from what they make of it. A decoder may
// read from a goroutine of its own.
type fatal struct {
	mu  sync.Mutex
	err error
}

func (f *fatal) set(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return f.err
}

func (f *fatal) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
