// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"crypto/sha256"
	"errors"
	"io"
	"slices"
)

// Blocks are independent of one another, and xz -T writes the sizes of each into
// its header. So where the next block starts is known before this one is decoded,
// and both can be decoded at once.
const (
	// aheadMax is the largest block in decoded bytes that is decoded ahead of
	// what is read, which takes that much memory. xz makes blocks of three
	// dictionaries, 24 MiB with the default preset.
	aheadMax = 24 << 20
	// aheadMin is the smallest in compressed bytes: a change of place costs a
	// filling of the input buffer.
	aheadMin = inBuf
)

// ahead is what a [Reader] has besides if its input can be read anywhere.
type ahead struct {
	r    io.ReaderAt
	size int64
	max  int // blocks that are decoded or held at once; 0 for none
	min  int64
	jobs []*job // in the order of the blocks
	free []*job // to be used again
	used *job   // whose bytes are being read
	next *header
}

// header is the outcome of looking for a block header that waits until the
// blocks before it are done.
type header struct {
	more bool
	err  error
}

// job decodes one block to memory.
type job struct {
	s    stream
	out  []byte
	err  error
	done chan struct{} // closed when out and err are set
}

// NewReaderAt is [NewReader] for what r holds from 0 to size. It decodes up to
// workers blocks at once where their headers tell the sizes, each of at most
// 24 MiB of memory; the other blocks, and the rest, as NewReader does. It gives
// the same bytes, and an error where that does, but maybe before bytes that
// NewReader would still hand out. The Reader must be closed.
func NewReaderAt(r io.ReaderAt, size int64, maxDict uint, workers int) *Reader {
	z := NewReader(io.NewSectionReader(r, 0, size), maxDict)
	if workers > 1 {
		z.ahead = ahead{r: r, size: size, max: workers, min: aheadMin}
	}
	return z
}

// Close waits for what is being decoded. It does not close the input.
func (z *Reader) Close() error {
	for _, j := range z.ahead.jobs {
		<-j.done
	}
	z.ahead = ahead{}
	if z.err == nil {
		z.err = errors.New("xz: reader is closed")
	}
	z.ready = nil
	return nil
}

// block looks for the next block that has to be decoded here. Before it, the
// blocks that were decoded ahead are made ready one by one, which ready tells.
func (z *Reader) block() (more, ready bool, err error) {
	a := &z.ahead
	if a.used != nil { // all of it has been read
		a.free = append(a.free, a.used)
		a.used = nil
	}
	for a.next == nil && len(a.jobs) < a.max {
		more, err := z.s.beginBlock()
		if err == nil && more && a.takes(&z.s) {
			a.start(&z.s)
			continue
		}
		a.next = &header{more, err}
	}
	if len(a.jobs) > 0 {
		j := a.jobs[0]
		<-j.done
		a.jobs = slices.Delete(a.jobs, 0, 1)
		a.used, z.ready = j, j.out
		return false, true, j.err
	}
	if a.next == nil {
		more, err = z.s.beginBlock()
		return more, false, err
	}
	more, err = a.next.more, a.next.err
	a.next = nil
	return more, false, err
}

// takes reports whether the block whose header was read last can be decoded
// ahead: its header tells both sizes, they are in bounds, and all of it is there.
func (a *ahead) takes(s *stream) bool {
	h := &s.block
	return h.packed >= a.min && h.packed <= a.size-s.data && h.unpacked >= 0 && h.unpacked <= aheadMax &&
		s.blockEnd() <= a.size
}

// blockEnd is where a block ends whose header tells its size.
func (s *stream) blockEnd() int64 {
	return s.data + s.block.packed + -s.block.packed&3 + int64(len(s.check.appendSum(nil)))
}

// start begins to decode a block and moves s behind it. What its header says
// about it is taken for true: that it is not makes the job fail.
func (a *ahead) start(s *stream) {
	j := &job{}
	if n := len(a.free); n > 0 {
		j, a.free = a.free[n-1], a.free[:n-1]
	}
	j.out, j.err, j.done = nil, nil, make(chan struct{})
	j.s.copyBlock(s)
	j.s.in.resetReader(io.NewSectionReader(a.r, s.data, a.size-s.data))
	j.s.in.off = s.data
	a.jobs = append(a.jobs, j)
	go j.run()

	end := s.blockEnd()
	s.blocks.add(uint64(end-s.start-(-s.block.packed&3)), uint64(s.block.unpacked))
	s.in.resetReader(io.NewSectionReader(a.r, end, a.size-end))
	s.in.off = end
}

// copyBlock makes s begin the block that from has begun, in a window that holds
// all of it.
func (s *stream) copyBlock(from *stream) {
	s.block, s.start, s.data = from.block, from.start, from.data
	s.unpacked, s.total, s.limit = 0, 0, uint64(from.block.unpacked)
	s.needDict, s.needProps = true, true
	buf := s.win.buf
	if size := int(from.block.unpacked) + winSlack; cap(buf) < size {
		buf = make([]byte, size)
	}
	s.win = window{buf: buf[:cap(buf)], dict: from.block.dict}
	if s.blocks.hash == nil {
		s.blocks.hash = sha256.New()
	}
	// The kind is one that from has accepted.
	_ = s.check.reset(from.check.kind, s.start)
}

func (j *job) run() {
	defer close(j.done)
	s := &j.s
	for more := true; more; {
		if more, j.err = s.chunk(); errors.Is(j.err, ErrTooLarge) {
			j.err = failf(s.in.off, "block has more decoded bytes than the %d that its header says", s.block.unpacked)
		}
		if j.err != nil {
			return
		}
	}
	out := s.win.buf[:s.win.pos]
	for _, f := range s.block.filters {
		f.undo(out)
	}
	s.check.write(out)
	if j.err = s.endBlock(); j.err == nil {
		j.out = out
	}
}
