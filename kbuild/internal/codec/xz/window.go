// SPDX-License-Identifier: Apache-2.0

package xz

import "slices"

// winSlack is how far beyond a match its copy may write; see run.
const winSlack = 8

const posAlign = 1 << 4 // the most that pb and lp can tell apart

// window is where decoded bytes go and what matches copy from: one flat slice,
// in which the dictionary is simply what lies before pos. In memory it holds
// the whole output; in a stream it holds as much as the dictionary needs, and
// the oldest bytes are dropped when room runs out.
type window struct {
	buf   []byte
	pos   uint // the next byte goes to buf[pos]
	low   uint // the dictionary is buf[low:pos]
	dict  uint // no distance is longer
	slide bool // old bytes may be dropped
}

// resetDict forgets everything before pos.
func (w *window) resetDict() { w.low = w.pos }

// reserve makes room for n more bytes and the slack; n is at most maxChunkOut.
// In a stream, positions may change, but not modulo posAlign: LZMA's contexts
// depend on that much of pos. (They do not on where it started: positions
// matter from one reset of the state to the next only.)
func (w *window) reserve(n uint) {
	n += winSlack
	if w.pos+n <= uint(len(w.buf)) {
		return
	}
	if !w.slide {
		w.buf = slices.Grow(w.buf[:w.pos], int(n))
		w.buf = w.buf[:cap(w.buf)]
		return
	}
	// A window of 1.5 dictionaries is moved down every half dictionary, two
	// copied bytes for a decoded one, which is little beside decoding.
	full := w.dict + w.dict/2 + 2*maxChunkOut
	drop := (w.pos - min(w.pos-w.low, w.dict)) &^ (posAlign - 1)
	old := w.buf
	if size := uint(len(old)); size < full {
		size = min(max(2*size, w.pos-drop+n), full)
		w.buf = make([]byte, size)
	}
	w.pos = uint(copy(w.buf, old[drop:w.pos]))
	w.low = max(w.low, drop) - drop
}
