// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"io"
	"math"
)

// Reader decodes xz files as a stream. Like xz -d it accepts concatenated
// streams and stream padding, zeros in multiples of four bytes. It must not be
// used concurrently.
type Reader struct {
	s       stream
	step    func(*Reader) error // decodes the next part
	ready   []byte              // decoded, not yet read
	started bool                // a stream has been seen
	one     bool                // nothing may follow it
	err     error

	// If the block has filters: what was decoded and, but for the first given
	// bytes, not handed out; and how far into it each filter is done.
	held  []byte
	given int
	done  []int

	ahead ahead // of a Reader made by NewReaderAt
}

// NewReader returns a Reader of what r holds. It reads ahead. Dictionaries of
// more than maxDict bytes are refused; memory is at most 1.5 times the
// dictionary and about 4.5 MiB, and less if less is decoded.
func NewReader(r io.Reader, maxDict uint) *Reader {
	z := &Reader{step: (*Reader).header}
	z.s.in.resetReader(r)
	z.s.maxDict, z.s.limit = maxDict, math.MaxUint64
	z.s.win.slide = true
	return z
}

// OneStream makes the Reader refuse, with the errors of [Decoder.Decode],
// whatever follows the first stream.
func (z *Reader) OneStream() { z.one = true }

// Read reads decoded bytes. A part of a block is handed out before the check
// that covers it was seen: only what comes before io.EOF is verified. An error
// of the underlying reader is passed on as it is.
func (z *Reader) Read(p []byte) (int, error) {
	for len(z.ready) == 0 {
		if z.err == nil && len(p) == 0 {
			return 0, nil
		}
		if z.err == nil {
			z.err = z.step(z)
		}
		if z.err != nil {
			return 0, z.err
		}
	}
	n := copy(p, z.ready)
	z.ready = z.ready[n:]
	return n, nil
}

// header reads a stream header, or what may be there instead: padding or the
// end.
func (z *Reader) header() error {
	in := &z.s.in
	if z.started && z.one {
		p, err := in.peek(64)
		if err == nil {
			err = trailing(p, in.off)
		}
		if err != nil {
			return err
		}
		return io.EOF
	}
	for z.started {
		p, err := in.peek(4)
		if err != nil {
			return err
		}
		if len(p) == 0 {
			return io.EOF
		}
		if !bytes.Equal(p, make([]byte, 4)) {
			break
		}
		in.next(4)
	}
	if z.started {
		if p, err := in.peek(len(headerMagic)); err != nil {
			return err
		} else if string(p) != headerMagic {
			return failf(in.off, "trailing data")
		}
	}
	z.started = true
	z.step = (*Reader).beginBlock
	return z.s.header()
}

func (z *Reader) beginBlock() error {
	more, ready, err := z.block()
	if err != nil || ready {
		return err
	}
	if !more {
		z.step = (*Reader).header
		return z.s.index()
	}
	z.held, z.given = z.held[:0], 0
	z.done = append(z.done[:0], make([]int, len(z.s.block.filters))...)
	z.step = (*Reader).chunk
	return nil
}

func (z *Reader) chunk() error {
	// The chunk may move the window, but never the bytes it adds itself.
	before := z.s.unpacked
	more, err := z.s.chunk()
	if err != nil {
		return err
	}
	if !more {
		z.step = (*Reader).endBlock
	}
	w := &z.s.win
	z.emit(w.buf[w.pos-uint(z.s.unpacked-before):w.pos], !more)
	return nil
}

func (z *Reader) endBlock() error {
	z.step = (*Reader).beginBlock
	return z.s.endBlock()
}

// emit passes p through the filters and makes ready what comes out.
func (z *Reader) emit(p []byte, last bool) {
	if len(z.s.block.filters) > 0 {
		z.held = append(z.held[:copy(z.held, z.held[z.given:])], p...)
		end := len(z.held)
		for i, f := range z.s.block.filters {
			z.done[i] -= z.given
			z.done[i] += f.undo(z.held[z.done[i]:end])
			if !last {
				end = z.done[i]
			}
		}
		p, z.given = z.held[:end], end
	}
	z.s.check.write(p)
	z.ready = p
}
