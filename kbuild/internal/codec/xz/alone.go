// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"encoding/binary"
	"io"
	"math"
)

// lzma1Step is how much LZMAReader decodes at a time, give or take a match.
const lzma1Step = 1 << 16

// LZMAReader decodes the .lzma format ("LZMA_alone"), the predecessor of xz: a
// header of 13 bytes (properties, dictionary size and decoded size, the latter
// all ones if unknown) and one LZMA stream. The format has no checksum. It
// must not be used concurrently.
type LZMAReader struct {
	in      input
	win     window
	lz      lzma
	n       uint // bytes in lz.in
	atEOF   bool // they are the last
	base    int64
	left    uint64 // decoded bytes to come, all ones if unknown
	known   bool   // left counts
	maxDict uint
	started bool
	ready   []byte
	err     error
}

// NewLZMAReader returns a LZMAReader of what r holds, which must be one .lzma
// file and nothing else. It reads ahead. A dictionary of more than maxDict
// bytes is refused unless the decoded size is known to be smaller; memory is
// as for Reader.
func NewLZMAReader(r io.Reader, maxDict uint) *LZMAReader {
	z := &LZMAReader{maxDict: maxDict}
	z.in.resetReader(r)
	z.win.slide = true
	return z
}

// Read reads decoded bytes. An error of the underlying reader is passed on as
// it is.
func (z *LZMAReader) Read(p []byte) (int, error) {
	for len(z.ready) == 0 {
		if z.err == nil && len(p) == 0 {
			return 0, nil
		}
		if z.err == nil {
			z.err = z.decode()
		}
		if z.err != nil && len(z.ready) == 0 {
			return 0, z.err
		}
	}
	n := copy(p, z.ready)
	z.ready = z.ready[n:]
	return n, nil
}

func (z *LZMAReader) header() error {
	p, err := z.in.next(13)
	if err != nil {
		return err
	}
	if !z.lz.setProps(p[0]) {
		return failf(0, "lzma properties %#x out of range", p[0])
	}
	dict := max(uint64(binary.LittleEndian.Uint32(p[1:])), 1<<12)
	z.left = binary.LittleEndian.Uint64(p[5:])
	if z.known = z.left != math.MaxUint64; z.known {
		dict = min(dict, max(z.left, 1))
	}
	if dict > uint64(z.maxDict) {
		return failf(1, "dictionary of %d bytes is above the limit of %d", dict, z.maxDict)
	}
	z.win.dict = uint(dict)
	z.lz.resetState()
	if err := z.fill(); err != nil {
		return err
	}
	if z.n < 5 {
		return z.truncated()
	}
	if !z.lz.start() {
		return failf(13, "corrupt lzma data")
	}
	return nil
}

// fill moves what is left in lz.in down and fills it up.
func (z *LZMAReader) fill() error {
	rest := copy(z.lz.in[:], z.lz.in[z.lz.ip:z.n])
	p, err := z.in.peek(maxChunkIn - rest)
	if err != nil {
		return err
	}
	z.base = z.in.off - int64(rest)
	z.atEOF = len(p) < maxChunkIn-rest
	z.n, z.lz.ip = uint(rest+copy(z.lz.in[rest:], p)), 0
	clear(z.lz.in[z.n:])
	_, err = z.in.next(len(p))
	return err
}

// decode makes the next bytes ready, or returns io.EOF.
func (z *LZMAReader) decode() error {
	if !z.started {
		z.started = true
		if err := z.header(); err != nil {
			return err
		}
	}
	if z.known && z.left == 0 {
		return z.end()
	}
	// While there is more to read, run has to stop before it could need it.
	stopIn := z.n
	if !z.atEOF {
		stopIn -= inSlack
	}
	z.win.reserve(lzma1Step + maxMatch)
	before := z.win.pos
	stop := before + lzma1Step
	end := stop + maxMatch
	if z.left < uint64(end-before) {
		end = before + uint(z.left)
		stop = min(stop, end)
	}
	if err := z.run(stop, end, stopIn); err != nil {
		return err
	}
	z.ready = z.win.buf[before:z.win.pos]
	if z.known {
		z.left -= uint64(len(z.ready))
	}
	if z.lz.marker {
		return z.end()
	}
	if z.lz.ip > stopIn {
		return z.fill()
	}
	return nil
}

func (z *LZMAReader) run(stop, end, stopIn uint) error {
	ok := z.lz.run(&z.win, stop, end, stopIn)
	switch {
	case z.lz.ip > z.n:
		return z.truncated()
	case !ok:
		return failf(z.base+int64(z.lz.ip), "corrupt lzma data")
	}
	return nil
}

// end checks that the data is complete. If the size was known there may be a
// marker as well, which is then the only thing that may still come.
func (z *LZMAReader) end() error {
	if !z.atEOF && z.lz.ip+inSlack > z.n {
		if err := z.fill(); err != nil {
			return err
		}
	}
	if !z.lz.finish() && !z.lz.marker {
		z.win.reserve(maxMatch)
		if err := z.run(z.win.pos+1, z.win.pos+1, z.n); err != nil {
			return err
		}
		if !z.lz.marker {
			return failf(z.base+int64(z.lz.ip), "corrupt lzma data")
		}
		z.lz.finish()
	}
	at := z.base + int64(z.lz.ip)
	switch {
	case z.lz.ip > z.n:
		return z.truncated()
	case z.lz.code != 0 || z.known && z.left > 0:
		return failf(at, "corrupt lzma data")
	}
	if z.lz.ip == z.n {
		if p, err := z.in.peek(1); err != nil {
			return err
		} else if len(p) == 0 {
			return io.EOF
		}
	}
	return failf(at, "trailing data")
}

func (z *LZMAReader) truncated() error {
	return &FormatError{Offset: z.base + int64(z.n), Reason: "input ends early", Err: io.ErrUnexpectedEOF}
}
