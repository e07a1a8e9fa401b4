// SPDX-License-Identifier: Apache-2.0

package codec

// Properties of the LZMA data, those that xz uses by default: literals by the 3
// highest bits of the byte before, and positions modulo 4.
const (
	lzmaLC    = 3
	lzmaPB    = 2
	lzmaProps = (lzmaPB*5+0)*9 + lzmaLC
	posMask   = 1<<lzmaPB - 1
	states    = 12
)

// What follows after what, in LZMA: states below 7 are after a literal.
func afterLiteral(s uint8) uint8 {
	switch {
	case s < 4:
		return 0
	case s < 10:
		return s - 3
	}
	return s - 6
}

func afterMatch(s uint8) uint8    { return pick(s, 7, 10) }
func afterRep(s uint8) uint8      { return pick(s, 8, 11) }
func afterShortRep(s uint8) uint8 { return pick(s, 9, 11) }

func pick(s, literal, other uint8) uint8 {
	if s < 7 {
		return literal
	}
	return other
}

// lengthModel codes lengths from 2 to 273.
type lengthModel struct {
	choice [2]prob
	low    [posMask + 1][8]prob
	mid    [posMask + 1][8]prob
	high   [256]prob
}

func (l *lengthModel) encode(r *rangeEncoder, n, pos uint32) {
	switch n -= 2; {
	case n < 8:
		r.bit(&l.choice[0], 0)
		r.tree(l.low[pos][:], 3, n)
	case n < 16:
		r.bit(&l.choice[0], 1)
		r.bit(&l.choice[1], 0)
		r.tree(l.mid[pos][:], 3, n-8)
	default:
		r.bit(&l.choice[0], 1)
		r.bit(&l.choice[1], 1)
		r.tree(l.high[:], 8, n-16)
	}
}

// prices fills in what every length costs.
func (l *lengthModel) prices(t *[posMask + 1][matchMax + 1]uint32) {
	short, not := price0(l.choice[0]), price1(l.choice[0])
	mid, long := not+price0(l.choice[1]), not+price1(l.choice[1])
	var high [256]uint32
	for n := range high {
		high[n] = long + treePrice(l.high[:], 8, uint32(n))
	}
	for pos := range t {
		for n := range uint32(8) {
			t[pos][2+n] = short + treePrice(l.low[pos][:], 3, n)
			t[pos][10+n] = mid + treePrice(l.mid[pos][:], 3, n)
		}
		copy(t[pos][18:], high[:])
	}
}

// lzmaModel is everything that adapts while coding.
type lzmaModel struct {
	state    uint8
	reps     [4]uint32 // last distances, from 0
	isMatch  [states][posMask + 1]prob
	isRep    [states]prob
	isRepG0  [states]prob
	isRepG1  [states]prob
	isRepG2  [states]prob
	rep0Long [states][posMask + 1]prob
	slots    [4][64]prob
	special  [128]prob // reverse trees of slots 4 to 13, from dist base - slot
	align    [16]prob
	matchLen lengthModel
	repLen   lengthModel
	literals [1 << lzmaLC][0x300]prob
}

func (m *lzmaModel) reset() {
	m.state, m.reps = 0, [4]uint32{}
	for _, t := range [][]prob{m.isRep[:], m.isRepG0[:], m.isRepG1[:], m.isRepG2[:], m.special[:], m.align[:]} {
		fillProbs(t)
	}
	for s := range states {
		fillProbs(m.isMatch[s][:])
		fillProbs(m.rep0Long[s][:])
	}
	for i := range m.slots {
		fillProbs(m.slots[i][:])
	}
	for _, l := range []*lengthModel{&m.matchLen, &m.repLen} {
		fillProbs(l.choice[:])
		fillProbs(l.high[:])
		for pos := range l.low {
			fillProbs(l.low[pos][:])
			fillProbs(l.mid[pos][:])
		}
	}
	for i := range m.literals {
		fillProbs(m.literals[i][:])
	}
}

func fillProbs(t []prob) {
	for i := range t {
		t[i] = probInit
	}
}

// literal codes a byte; matched is the one at the last distance, which is given
// unless the state is after a literal.
func (m *lzmaModel) literal(r *rangeEncoder, prev, b, matched byte, pos uint32) {
	r.bit(&m.isMatch[m.state][pos], 0)
	t := m.literals[prev>>(8-lzmaLC)][:]
	if m.state < 7 {
		r.tree(t, 8, uint32(b))
	} else {
		offset, with := uint32(0x100), uint32(matched)
		sym := uint32(b) | 0x100
		for sym < 1<<16 {
			with <<= 1
			r.bit(&t[offset+with&offset+sym>>8], sym>>7&1)
			sym <<= 1
			offset &= ^(with ^ sym)
		}
	}
	m.state = afterLiteral(m.state)
}

func (m *lzmaModel) literalPrice(state uint8, prev, b, matched byte) (sum uint32) {
	t := m.literals[prev>>(8-lzmaLC)][:]
	if state < 7 {
		return treePrice(t, 8, uint32(b))
	}
	offset, with := uint32(0x100), uint32(matched)
	sym := uint32(b) | 0x100
	for sym < 1<<16 {
		with <<= 1
		sum += priceOf(t[offset+with&offset+sym>>8], sym>>7&1)
		sym <<= 1
		offset &= ^(with ^ sym)
	}
	return sum
}

// rep codes n bytes at one of the last distances; a single one only at the very
// last.
func (m *lzmaModel) rep(r *rangeEncoder, which int, n, pos uint32) {
	s := m.state
	r.bit(&m.isMatch[s][pos], 1)
	r.bit(&m.isRep[s], 1)
	if which == 0 {
		r.bit(&m.isRepG0[s], 0)
		r.bit(&m.rep0Long[s][pos], uint32(min(n, 2)-1))
	} else {
		r.bit(&m.isRepG0[s], 1)
		if which == 1 {
			r.bit(&m.isRepG1[s], 0)
		} else {
			r.bit(&m.isRepG1[s], 1)
			r.bit(&m.isRepG2[s], uint32(which-2))
		}
		m.reps = toFront(m.reps, which)
	}
	if n == 1 {
		m.state = afterShortRep(s)
		return
	}
	m.repLen.encode(r, n, pos)
	m.state = afterRep(s)
}

func toFront(reps [4]uint32, which int) [4]uint32 {
	d := reps[which]
	copy(reps[1:which+1], reps[:which])
	reps[0] = d
	return reps
}

// repPrice is what choosing one of the last distances costs, without the length.
func (m *lzmaModel) repPrice(s uint8, which int, pos uint32) uint32 {
	switch which {
	case 0:
		return price0(m.isRepG0[s]) + price1(m.rep0Long[s][pos])
	case 1:
		return price1(m.isRepG0[s]) + price0(m.isRepG1[s])
	}
	return price1(m.isRepG0[s]) + price1(m.isRepG1[s]) + priceOf(m.isRepG2[s], uint32(which-2))
}

// match codes n bytes at a new distance.
func (m *lzmaModel) match(r *rangeEncoder, dist, n, pos uint32) {
	s := m.state
	r.bit(&m.isMatch[s][pos], 1)
	r.bit(&m.isRep[s], 0)
	m.matchLen.encode(r, n, pos)
	slot := slotOf(dist)
	r.tree(m.slots[lenClass(n)][:], 6, slot)
	if slot >= 4 {
		n := int(slot>>1 - 1)
		base := (2 | slot&1) << n
		if slot < 14 {
			r.reverse(m.special[base-slot:], n, dist-base)
		} else {
			r.direct((dist-base)>>4, n-4)
			r.reverse(m.align[:], 4, dist&15)
		}
	}
	m.reps = [4]uint32{dist, m.reps[0], m.reps[1], m.reps[2]}
	m.state = afterMatch(s)
}

// lenClass is what the probabilities of a distance go by.
func lenClass(n uint32) uint32 { return min(n-2, 3) }
