// SPDX-License-Identifier: Apache-2.0

package xz

import "slices"

// winSlack is how far beyond a match its copy may write; see run.
const winSlack = 8

// window is where decoded bytes go and what matches copy from: one flat slice,
// in which the dictionary is simply what lies before pos. In memory it holds
// the whole output; in a stream it holds as much as the dictionary needs, and
// the oldest bytes are dropped when room runs out.
type window struct {
	buf   []byte
	pos   uint // the next byte goes to buf[pos]
	low   uint // the dictionary is buf[low:pos]
	phase uint // pos+phase counts from the last dictionary reset, modulo 2^n
	dict  uint // no distance is longer
	slide bool // old bytes may be dropped
}

// resetDict forgets everything before pos.
func (w *window) resetDict() {
	w.low, w.phase = w.pos, -w.pos
}

// reserve makes room for n more bytes and the slack, which must be at most
// 2 maxChunkOut. In a stream, pos may change: nobody else may hold positions.
func (w *window) reserve(n uint) {
	need := w.pos + n + winSlack
	if need <= uint(len(w.buf)) {
		return
	}
	if !w.slide {
		w.buf = slices.Grow(w.buf[:w.pos], int(n+winSlack))
		w.buf = w.buf[:cap(w.buf)]
		return
	}
	// A window of 1.5 dictionaries is moved down every half dictionary, two
	// copied bytes for a decoded one, which is little beside decoding.
	full := w.dict + w.dict/2 + 2*maxChunkOut + winSlack
	keep := min(w.pos-w.low, w.dict)
	old, drop := w.buf, w.pos-keep
	if size := uint(len(old)); size < full {
		size = min(max(2*size, keep+n+winSlack), full)
		w.buf = make([]byte, size)
	}
	copy(w.buf, old[drop:w.pos])
	w.pos, w.low, w.phase = keep, 0, w.phase+drop
}
