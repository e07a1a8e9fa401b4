// SPDX-License-Identifier: Apache-2.0

package xz

import "io"

// input hands out compressed bytes in order and knows their offset. It reads
// from src alone, or refills src from r.
type input struct {
	src []byte    // not yet taken
	off int64     // offset of src[0]
	r   io.Reader // nil if src is all there is
	buf []byte
	err error // what r said; kept until src is used up
}

// inBuf is the buffer of a streaming input. It holds a whole chunk, so that
// next never has to join pieces.
const inBuf = 2 * maxChunkIn

func (in *input) resetReader(r io.Reader) {
	if in.buf == nil {
		in.buf = make([]byte, inBuf)
	}
	*in = input{r: r, buf: in.buf}
}

// peek returns the next n bytes, n at most maxChunkIn, without taking them,
// fewer only at the end of the input. The error is r's, never io.EOF.
func (in *input) peek(n int) ([]byte, error) {
	if len(in.src) < n && in.r != nil {
		in.fill(n)
	}
	if len(in.src) >= n {
		return in.src[:n], nil
	}
	return in.src, in.err
}

// fill reads until src holds n bytes, r has ended or r has failed.
func (in *input) fill(n int) {
	have := copy(in.buf, in.src)
	for idle := 0; have < n && in.r != nil; {
		m, err := in.r.Read(in.buf[have:])
		have += m
		if m > 0 {
			idle = 0
		} else if idle++; idle == 100 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil {
			in.r = nil
			if err != io.EOF {
				in.err = err
			}
		}
	}
	in.src = in.buf[:have]
}

// next takes n bytes, n at most maxChunkIn. They stay valid until the next
// call. At the end of the input it fails with a FormatError.
func (in *input) next(n int) ([]byte, error) {
	p, err := in.peek(n)
	if err != nil {
		return nil, err
	}
	if len(p) < n {
		return nil, in.truncated()
	}
	in.src = in.src[n:]
	in.off += int64(n)
	return p, nil
}

func (in *input) truncated() error {
	return &FormatError{Offset: in.off + int64(len(in.src)), Reason: "input ends early", Err: io.ErrUnexpectedEOF}
}
