// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
)

// Decoder decodes xz files that lie in memory. It is about 100 KiB and keeps
// nothing between calls but that. It must not be used concurrently.
type Decoder struct {
	s stream
}

// NewDecoder returns a Decoder that refuses dictionaries of more than maxDict
// bytes. That is a limit on what is accepted, not on memory: the dictionary is
// the output itself.
func NewDecoder(maxDict uint) *Decoder {
	return &Decoder{s: stream{maxDict: maxDict}}
}

// Decode appends to dst what src holds, and returns the extended slice. src
// must be one xz stream and nothing else: no second stream, no stream padding,
// no other bytes. All checks and sizes that the stream carries are verified.
// If the decoded bytes are more than limit, Decode fails with ErrTooLarge.
// Memory grows with what is decoded, a chunk (at most 2 MiB) at a time. The
// capacity of dst beyond its length is used as scratch space, also if Decode
// fails; the result then is dst as it was.
func (d *Decoder) Decode(dst, src []byte, limit int64) ([]byte, error) {
	s := &d.s
	s.in = input{src: src}
	s.limit, s.total = uint64(max(limit, 0)), 0
	s.win = window{buf: dst[:cap(dst)], pos: uint(len(dst))}
	defer func() { s.in, s.win = input{}, window{} }()
	if err := d.decode(); err != nil {
		return dst, err
	}
	return s.win.buf[:s.win.pos], nil
}

func (d *Decoder) decode() error {
	s := &d.s
	if err := s.header(); err != nil {
		return err
	}
	for {
		more, err := s.beginBlock()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		start := s.win.pos
		for more {
			if more, err = s.chunk(); err != nil {
				return err
			}
		}
		// Every block starts with an empty dictionary, so this one's bytes
		// are not needed any more as they were.
		out := s.win.buf[start:s.win.pos]
		for _, f := range s.block.filters {
			f.undo(out)
		}
		s.check.write(out)
		if err := s.endBlock(); err != nil {
			return err
		}
	}
	if err := s.index(); err != nil {
		return err
	}
	return trailing(s.in.src, s.in.off)
}

// trailing says what p is, which follows the end of a stream.
func trailing(p []byte, off int64) error {
	zeros := len(p) - len(bytes.TrimLeft(p, "\x00"))
	switch {
	case len(p) == 0:
		return nil
	case bytes.HasPrefix(p[zeros:], []byte(headerMagic)):
		return failf(off+int64(zeros), "second stream")
	case zeros == len(p) && zeros%4 == 0:
		return failf(off, "stream padding")
	}
	return failf(off, "trailing data")
}
