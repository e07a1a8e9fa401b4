// SPDX-License-Identifier: Apache-2.0

package codec

import "slices"

const (
	// segmentMax is how many bytes are parsed together, at most, plus a match.
	segmentMax = 1 << 10
	// repriceAfter is how many symbols the prices are good for.
	repriceAfter = 128
)

// symbol is one step of a parse: a literal, a match at one of the last distances
// (back 0 to 3) or at a new one (back-4).
type symbol struct {
	back int64 // -1 for a literal
	len  uint32
}

// node is the cheapest known way to reach a position of the segment.
type node struct {
	price uint32
	from  uint32 // where its last symbol starts
	last  symbol
	// repLen, unless 0: the symbol is followed by a literal, if it is none itself,
	// and then by repLen bytes at the last distance, all of which end here.
	repLen uint32
	state  uint8
	reps   [4]uint32
}

// lzmaPrices are tables made from the model.
type lzmaPrices struct {
	matchLen [posMask + 1][matchMax + 1]uint32
	repLen   [posMask + 1][matchMax + 1]uint32
	slots    [4][64]uint32 // with the direct bits
	near     [4][128]uint32
	align    [16]uint32
}

func (p *lzmaPrices) update(m *lzmaModel) {
	m.matchLen.prices(&p.matchLen)
	m.repLen.prices(&p.repLen)
	for i := range p.align {
		p.align[i] = reversePrice(m.align[:], 4, uint32(i))
	}
	for class := range p.slots {
		for slot := range uint32(44) { // up to 4 MiB, above the dictionary
			p.slots[class][slot] = treePrice(m.slots[class][:], 6, slot)
			if slot >= 14 {
				p.slots[class][slot] += (slot>>1 - 1 - 4) << priceShift
			}
		}
		for dist := range uint32(128) {
			slot := slotOf(dist)
			sum := p.slots[class][slot]
			if slot >= 4 {
				n := int(slot>>1 - 1)
				base := (2 | slot&1) << n
				sum += reversePrice(m.special[base-slot:], n, dist-base)
			}
			p.near[class][dist] = sum
		}
	}
}

func (p *lzmaPrices) dist(dist, n uint32) uint32 {
	if dist < 128 {
		return p.near[lenClass(n)][dist]
	}
	return p.slots[lenClass(n)][slotOf(dist)] + p.align[dist&15]
}

// lzmaEncoder turns its input into LZMA symbols by looking for the cheapest way
// through short segments, given what symbols cost at the moment.
type lzmaEncoder struct {
	finder
	model  lzmaModel
	rc     rangeEncoder
	prices lzmaPrices
	age    int // symbols since the prices were made

	start   int     // of the segment, in finder.buf
	total   uint32  // position of start in the input
	ready   bool    // matches of start are in pending
	pending []match // of the position that the finder has just passed
	nodes   [segmentMax + matchMax + 2*matchMax + 8]node
	symbols []symbol
}

func newLZMAEncoder() *lzmaEncoder { return new(lzmaEncoder) }

// lookUp makes pending that of position start+i.
func (e *lzmaEncoder) lookUp() []match {
	if !e.ready {
		e.pending = e.find()
	}
	e.ready = false
	return e.pending
}

// parse finds the symbols of the next segment and returns how many bytes they
// are.
func (e *lzmaEncoder) parse() int {
	if e.age >= repriceAfter {
		e.prices.update(&e.model)
		e.age = 0
	}
	e.symbols = e.symbols[:0]
	e.nodes[0] = node{state: e.model.state, reps: e.model.reps}
	end := 0
	for i := 0; ; i++ {
		if i > 0 && (i == end || i == segmentMax) {
			return e.trace(i)
		}
		list := e.lookUp()
		longest := uint32(0)
		if len(list) > 0 {
			longest = list[len(list)-1].len
		}
		if i > 0 {
			if longest >= niceLen {
				e.ready = true
				return e.trace(i)
			}
			e.settle(i)
		} else if n := e.takeLong(list); n > 0 {
			return n
		}
		end = e.extendFrom(i, end, list)
	}
}

// takeLong takes a long match at the start of a segment at once.
func (e *lzmaEncoder) takeLong(list []match) int {
	ahead := min(len(e.buf)-e.start, matchMax)
	for which, d := range e.model.reps {
		if n := e.repeated(e.start, d, ahead); n >= niceLen {
			return e.take(symbol{int64(which), uint32(n)})
		}
	}
	if n := len(list); n > 0 && list[n-1].len >= niceLen {
		return e.take(symbol{int64(list[n-1].dist) + 4, list[n-1].len})
	}
	return 0
}

func (e *lzmaEncoder) take(s symbol) int {
	e.symbols = append(e.symbols, s)
	e.skip(int(s.len) - 1)
	return int(s.len)
}

// repeated returns how many bytes at a position, up to limit, are the same as
// those at a distance before it.
func (e *lzmaEncoder) repeated(at int, dist uint32, limit int) int {
	from := at - int(dist) - 1
	if from < 0 {
		return 0
	}
	return extend(e.buf[from:], e.buf[at:], 0, limit)
}

// settle computes state and distances of a node whose way there is final.
func (e *lzmaEncoder) settle(i int) {
	n := &e.nodes[i]
	from := &e.nodes[n.from]
	n.state, n.reps = follow(from.state, from.reps, n.last)
	if n.repLen > 0 {
		if n.last.back >= 0 {
			n.state = afterLiteral(n.state)
		}
		n.state = afterRep(n.state)
	}
}

func follow(state uint8, reps [4]uint32, s symbol) (uint8, [4]uint32) {
	switch {
	case s.back < 0:
		return afterLiteral(state), reps
	case s.back < 4 && s.len == 1:
		return afterShortRep(state), reps
	case s.back < 4:
		return afterRep(state), toFront(reps, int(s.back))
	}
	return afterMatch(state), [4]uint32{uint32(s.back - 4), reps[0], reps[1], reps[2]}
}

// trace collects the symbols that lead to node i, and moves the finder there.
func (e *lzmaEncoder) trace(i int) int {
	for at := uint32(i); at > 0; {
		n := &e.nodes[at]
		if n.repLen > 0 {
			e.symbols = append(e.symbols, symbol{0, n.repLen})
			if n.last.back >= 0 {
				e.symbols = append(e.symbols, symbol{-1, 1})
			}
		}
		e.symbols = append(e.symbols, n.last)
		at = n.from
	}
	slices.Reverse(e.symbols)
	return i
}

// reach offers a way to node i.
func (e *lzmaEncoder) reach(i int, price uint32, from int, s symbol, repLen uint32) {
	if n := &e.nodes[i]; price < n.price {
		n.price, n.from, n.last, n.repLen = price, uint32(from), s, repLen
	}
}

// grow makes the nodes up to i ready.
func (e *lzmaEncoder) grow(end, i int) int {
	for end < i {
		end++
		e.nodes[end].price = infinite
	}
	return end
}

// extendFrom offers every symbol that can follow node i.
func (e *lzmaEncoder) extendFrom(i, end int, list []match) int {
	n := &e.nodes[i]
	at := e.start + i
	pos := (e.total + uint32(i)) & posMask
	ahead := min(len(e.buf)-at, matchMax)
	state, reps := n.state, n.reps
	var prev, matched byte
	if at > 0 {
		prev = e.buf[at-1]
	}
	cur := e.buf[at]
	far := at - int(reps[0]) - 1
	if far >= 0 {
		matched = e.buf[far]
	}
	isMatch := n.price + price1(e.model.isMatch[state][pos])
	isRep := isMatch + price1(e.model.isRep[state])

	end = e.grow(end, i+1)
	literal := n.price + price0(e.model.isMatch[state][pos]) + e.model.literalPrice(state, prev, cur, matched)
	e.reach(i+1, literal, i, symbol{-1, 1}, 0)
	if far >= 0 && matched == cur {
		short := isRep + price0(e.model.isRepG0[state]) + price0(e.model.rep0Long[state][pos])
		e.reach(i+1, short, i, symbol{0, 1}, 0)
	} else if far >= 0 {
		end = e.literalThenRep(i, end, literal, afterLiteral(state), reps[0])
	}
	if ahead < 2 {
		return end
	}
	longestRep := 1
	for which, d := range reps {
		n := min(e.repeated(at, d, ahead), len(e.nodes)-1-i)
		if n < 2 {
			continue
		}
		end = e.grow(end, i+n)
		base := isRep + e.model.repPrice(state, which, pos)
		for l := n; l >= 2; l-- {
			e.reach(i+l, base+e.prices.repLen[pos][l], i, symbol{int64(which), uint32(l)}, 0)
		}
		if which == 0 {
			longestRep = n
		}
		end = e.thenLiteralRep(i, end, base+e.prices.repLen[pos][n], afterRep(state), d, symbol{int64(which), uint32(n)})
	}
	isNew := isMatch + price0(e.model.isRep[state])
	l := 2
	for _, m := range list {
		end = e.grow(end, i+int(m.len))
		for l = max(l, longestRep+1); l <= int(m.len); l++ {
			price := isNew + e.prices.matchLen[pos][l] + e.prices.dist(m.dist, uint32(l))
			s := symbol{int64(m.dist) + 4, uint32(l)}
			e.reach(i+l, price, i, s, 0)
			if l == int(m.len) {
				end = e.thenLiteralRep(i, end, price, afterMatch(state), m.dist, s)
			}
		}
	}
	return end
}

// literalThenRep offers a literal followed by a match at the last distance: the
// one case where a way that looks dear at its first step pays at the second.
func (e *lzmaEncoder) literalThenRep(i, end int, price uint32, state uint8, dist uint32) int {
	at := e.start + i + 1
	n := e.repeated(at, dist, min(len(e.buf)-at, niceLen))
	if n < 2 || i+1+n >= len(e.nodes) {
		return end
	}
	end = e.grow(end, i+1+n)
	pos := (e.total + uint32(i) + 1) & posMask
	price += price1(e.model.isMatch[state][pos]) + price1(e.model.isRep[state]) +
		e.model.repPrice(state, 0, pos) + e.prices.repLen[pos][n]
	e.reach(i+1+n, price, i, symbol{-1, 1}, uint32(n))
	return end
}

// thenLiteralRep offers, after symbol s, a literal and another match at the same
// distance: what a differing byte within a long repetition looks like.
func (e *lzmaEncoder) thenLiteralRep(i, end int, price uint32, state uint8, dist uint32, s symbol) int {
	off := i + int(s.len)
	at := e.start + off
	n := 0
	if at+1 < len(e.buf) {
		n = e.repeated(at+1, dist, min(len(e.buf)-at-1, niceLen))
	}
	if n < 2 || off+1+n >= len(e.nodes) {
		return end
	}
	end = e.grow(end, off+1+n)
	pos := (e.total + uint32(off)) & posMask
	price += price0(e.model.isMatch[state][pos]) +
		e.model.literalPrice(state, e.buf[at-1], e.buf[at], e.buf[at-int(dist)-1])
	state = afterLiteral(state)
	pos = (pos + 1) & posMask
	price += price1(e.model.isMatch[state][pos]) + price1(e.model.isRep[state]) +
		e.model.repPrice(state, 0, pos) + e.prices.repLen[pos][n]
	e.reach(off+1+n, price, i, s, uint32(n))
	return end
}
