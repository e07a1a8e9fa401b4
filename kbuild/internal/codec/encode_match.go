// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/bits"
)

const (
	matchMax  = 273 // longest match of LZMA
	niceLen   = 64  // a match of this length is taken at once, as xz -6 does
	treeDepth = 48  // how many earlier positions are compared
	cyclic    = xzDict + 1
	hash4Bits = 19
	// lookAhead is how many bytes must be there, if there are any more, before
	// a segment is parsed.
	lookAhead = 2*segmentMax + 2*matchMax
	windowCap = 2*xzDict + 1<<16
)

// match is an earlier occurrence; dist counts from 0, the byte just before.
type match struct{ len, dist uint32 }

// finder reads the input into a window and finds matches in it, with binary
// trees sorted by what follows a position: "bt4" of the LZMA SDK. Positions in
// the tables count from cyclic, so that 0 is none.
type finder struct {
	src    io.Reader
	eof    bool
	buf    []byte // window
	at     int    // in buf: the position that is looked at next
	pos    uint32 // the same, in the tables
	slot   uint32 // pos modulo cyclic
	hash2  [1 << 10]uint32
	hash3  [1 << 16]uint32
	hash4  [1 << hash4Bits]uint32
	tree   [2 * cyclic]uint32
	result [niceLen + 2]match
}

func (m *finder) reset(src io.Reader) {
	m.src, m.eof = src, false
	if m.buf == nil {
		m.buf = make([]byte, 0, windowCap)
	}
	m.buf, m.at, m.pos, m.slot = m.buf[:0], 0, cyclic, 0
	clear(m.hash2[:])
	clear(m.hash3[:])
	clear(m.hash4[:])
}

// fill reads until lookAhead bytes follow start, which is not above m.at, or the
// input ends. It may move the window: the new value of start is returned.
func (m *finder) fill(start int) (int, error) {
	if m.eof || len(m.buf)-start >= lookAhead {
		return start, nil
	}
	if drop := start - xzDict - 1<<12; drop > 0 && cap(m.buf)-start < lookAhead {
		n := copy(m.buf, m.buf[drop:])
		m.buf = m.buf[:n]
		m.at -= drop
		start -= drop
	}
	n, err := io.ReadFull(m.src, m.buf[len(m.buf):cap(m.buf)])
	m.buf = m.buf[:len(m.buf)+n]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		m.eof, err = true, nil
	}
	return start, err
}

// step moves to the next position.
func (m *finder) step() {
	m.at++
	m.pos++
	if m.slot++; m.slot == cyclic {
		m.slot = 0
	}
}

// find returns the matches of the next position, each longer and farther than the
// one before, and moves on.
func (m *finder) find() []match {
	limit := min(len(m.buf)-m.at, niceLen)
	if limit < 4 {
		m.step()
		return nil
	}
	cur := m.buf[m.at:]
	h2, h3, h4 := hashes(cur)
	d2, d3, older := m.pos-m.hash2[h2], m.pos-m.hash3[h3], m.hash4[h4]
	m.hash2[h2], m.hash3[h3], m.hash4[h4] = m.pos, m.pos, m.pos
	list := m.result[:0]
	best := 1
	// Two or three bytes are equal if the hashes and the first byte are.
	if d2 < cyclic && m.buf[m.at-int(d2)] == cur[0] {
		best = 2
		list = append(list, match{2, d2 - 1})
	}
	if d3 != d2 && d3 < cyclic && m.buf[m.at-int(d3)] == cur[0] {
		best = 3
		list = append(list, match{3, d3 - 1})
		d2 = d3
	}
	if len(list) > 0 {
		best = extend(m.buf[m.at-int(d2):], cur, best, limit)
		list[len(list)-1].len = uint32(best)
	}
	if best == limit {
		m.insert(older, limit, limit, list)
	} else {
		list = m.insert(older, limit, max(best, 3), list)
	}
	if n := len(list); n > 0 && list[n-1].len == niceLen {
		l := &list[n-1]
		l.len = uint32(extend(m.buf[m.at-int(l.dist)-1:], cur, niceLen, min(len(cur), matchMax)))
	}
	m.step()
	return list
}

// skip passes over n positions.
func (m *finder) skip(n int) {
	for range n {
		if limit := min(len(m.buf)-m.at, niceLen); limit >= 4 {
			h2, h3, h4 := hashes(m.buf[m.at:])
			older := m.hash4[h4]
			m.hash2[h2], m.hash3[h3], m.hash4[h4] = m.pos, m.pos, m.pos
			m.insert(older, limit, limit, nil)
		}
		m.step()
	}
}

func hashes(b []byte) (h2, h3, h4 uint32) {
	_ = b[3]
	h := crc32.IEEETable[b[0]] ^ uint32(b[1])
	h2 = h & (1<<10 - 1)
	h ^= uint32(b[2]) << 8
	h3 = h & (1<<16 - 1)
	h4 = (h ^ crc32.IEEETable[b[3]]<<5) & (1<<hash4Bits - 1)
	return h2, h3, h4
}

// insert puts the position into the tree with the root older, and appends to
// list the matches longer than best that it meets.
func (m *finder) insert(older uint32, limit, best int, list []match) []match {
	cur := m.buf[m.at : m.at+limit]
	left, right := 2*m.slot, 2*m.slot+1 // where smaller and greater ones go
	leftLen, rightLen := 0, 0
	for depth := treeDepth; ; depth-- {
		delta := m.pos - older
		if depth == 0 || delta >= cyclic {
			m.tree[left], m.tree[right] = 0, 0
			return list
		}
		slot := m.slot - delta
		if delta > m.slot {
			slot += cyclic
		}
		pair := 2 * slot
		from := m.at - int(delta)
		prev := m.buf[from : from+limit]
		n := min(leftLen, rightLen)
		if prev[n] == cur[n] {
			n = extend(prev, cur, n+1, limit)
			if n > best {
				best = n
				list = append(list, match{uint32(n), delta - 1})
			}
			if n == limit {
				m.tree[left], m.tree[right] = m.tree[pair], m.tree[pair+1]
				return list
			}
		}
		if prev[n] < cur[n] {
			m.tree[left] = older
			left = pair + 1
			older = m.tree[left]
			leftLen = n
		} else {
			m.tree[right] = older
			right = pair
			older = m.tree[right]
			rightLen = n
		}
	}
}

// extend returns how long a and b are equal, up to limit, given that they are for
// n bytes.
func extend(a, b []byte, n, limit int) int {
	for n+8 <= limit {
		x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:])
		if x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < limit && a[n] == b[n] {
		n++
	}
	return n
}
