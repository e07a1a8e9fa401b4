// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/modhash/modhash/kbuild/internal/units"
)

// Block is what holds units, on either side or both: a section, a header, the
// space between two. Its ranges partition the layer's bytes; one is empty on a
// side that does not have it.
type Block struct {
	Kind units.Kind
	Name string
	// Ordinal counts blocks of one kind and name.
	Ordinal int
	A, B    Range
	// SectionA and SectionB are numbers of sections, -1 for anything else.
	SectionA, SectionB int
	// UnitsA and UnitsB are the units that regions refer to, if the block was looked
	// into: its bytes are not equal, and both sides have it.
	UnitsA, UnitsB []units.Unit

	equal bool
	// made: the units are symbols or relocations, which are too many to be kept; they
	// are made again from the bytes.
	made bool
	// done: the block was aligned; lo and hi say which regions of the aligner are
	// those of its bytes on side A, before they are sorted.
	done   bool
	lo, hi int
}

// whole is the index of a unit that is the block itself.
const whole = -1

// pairing is two units, or parts of them, that are the same thing.
type pairing struct {
	a, b   int64 // offsets
	weight int64 // bytes that are equal
	hash   uint64
}

// aligner makes ledgers. It keeps its memory from pair to pair.
type aligner struct {
	a, b    window
	blocks  []Block
	regions []region
	late    []region // those that are empty in A
	joins   bool     // equal added the last region
	pairs   []pairing

	index   map[identity]int32 // the first of a name that is left in B
	next    []int32            // and the one after it, -1 for none
	match   []int32            // of each unit of A its counterpart in B, or -1
	matchB  []int32
	arena   [2][]units.Unit
	entries [2][]units.Unit // of the block that is being split
	keys    [2][]uint32     // of relocations
	heavy   []int32
	keep    []bool
	weights weightedChain
}

type identity struct {
	kind units.Kind
	key  uint64
	name string
}

// window is what is in memory of a side: bytes from base on.
type window struct {
	base int64
	b    []byte
}

// Slice returns n bytes at off, which is an offset in the file.
func (w window) Slice(off, n int64) []byte {
	return w.b[off-w.base : off-w.base+n : off-w.base+n]
}

func (al *aligner) reset(a, b window) {
	al.a, al.b = a, b
	clear(al.blocks)
	al.blocks, al.regions, al.pairs = al.blocks[:0], al.regions[:0], al.pairs[:0]
	al.late = al.late[:0]
	al.arena[0], al.arena[1] = al.arena[0][:0], al.arena[1][:0]
	if al.index == nil {
		al.index = map[identity]int32{}
	}
}

// addBlock pairs the block of two sides; kept apart from units so that a block
// of equal bytes is never looked into.
func (al *aligner) addBlock(bl Block) { al.blocks = append(al.blocks, bl) }

// oneSided makes the region of a block, or a unit, that one side lacks.
func (al *aligner) oneSided(u Unit, kind units.Kind, a, b Range) {
	if a.Len > 0 || b.Len > 0 {
		al.region(Region{A: a, B: b, Relation: Changed, Unit: u}, kind, -1)
	}
}

// region adds a region of a unit of that kind.
func (al *aligner) region(r Region, kind units.Kind, pair int32) {
	al.joins = false
	list := &al.regions
	if r.A.Len == 0 {
		list = &al.late
	}
	*list = append(*list, region{
		a: narrow(r.A), b: narrow(r.B), block: uint16(r.Unit.Block), unitA: r.Unit.A, unitB: r.Unit.B, diff: uint32(r.diff),
		who: pair, relation: r.Relation, kind: kind,
	})
}

// equal adds a region of equal bytes and their pair. If they continue those of
// the region before, on both sides, in the same block and as units of the same
// kind, the two become one: nothing lies between them, so whatever is in order
// with one of them is with the other.
func (al *aligner) equal(r Region, kind units.Kind, hash uint64) {
	if n := len(al.regions); n > 0 && al.joins {
		last := &al.regions[n-1]
		if last.kind == kind && int32(last.block) == r.Unit.Block && last.a.wide().End() == r.A.Off && last.b.wide().End() == r.B.Off {
			last.a.len += uint32(r.A.Len)
			last.b.len += uint32(r.B.Len)
			p := &al.pairs[last.who]
			p.weight += r.A.Len
			p.hash += hash
			return
		}
	}
	al.pairs = append(al.pairs, pairing{a: r.A.Off, b: r.B.Off, weight: r.A.Len, hash: hash})
	al.region(r, kind, int32(len(al.pairs)-1))
	al.joins = true
}

// equalBlock is a block of equal bytes.
func (al *aligner) equalBlock(i int) {
	bl := &al.blocks[i]
	bl.equal = true
	al.equal(Region{A: bl.A, B: bl.B, Relation: Same, Unit: Unit{int32(i), whole, whole}}, bl.Kind, blockHash(bl))
}

func (al *aligner) pair(a, b int64, hash uint64) int32 {
	al.pairs = append(al.pairs, pairing{a: a, b: b, hash: hash})
	return int32(len(al.pairs) - 1)
}

// alignUnits matches the units of a block and makes its regions.
func (al *aligner) alignUnits(i int) {
	bl := &al.blocks[i]
	ua, ub := bl.UnitsA, bl.UnitsB
	al.matchUnits(ua, ub)
	h := blockHash(bl)
	for x := range ua {
		y := al.match[x]
		if y < 0 {
			al.oneSided(Unit{int32(i), int32(x), whole}, ua[x].Kind, Range{ua[x].Off, ua[x].Len}, Range{})
			continue
		}
		al.unitPair(Unit{int32(i), int32(x), y}, &ua[x], &ub[y], h)
	}
	for y := range ub {
		if al.matchB[y] < 0 {
			al.oneSided(Unit{int32(i), whole, int32(y)}, ub[y].Kind, Range{}, Range{ub[y].Off, ub[y].Len})
		}
	}
}

// matcher finds which units of two lists are the same thing.
type matcher interface {
	// same: the two have one name.
	same(x, y int) bool
	// names pairs, of the units of A from lo to na and those of B from lo to nb, the
	// n-th of a name with the n-th.
	names(al *aligner, lo, na, nb int)
	// alike: without a name of their own, the two could be one thing with another
	// content.
	alike(x, y int) bool
}

// matchUnits fills match and matchB for lists of units.
func (al *aligner) matchUnits(ua, ub []units.Unit) {
	al.matchAll(&unitMatcher{ua, ub}, len(ua), len(ub))
}

// matchAll fills match and matchB: first what is alike at both ends, then what
// has one name, the n-th of a name with the n-th, and at last what lies alone
// between two matched pairs.
func (al *aligner) matchAll(m matcher, na, nb int) {
	al.match = fill(al.match, na)
	al.matchB = fill(al.matchB, nb)
	lo := 0
	for lo < na && lo < nb && m.same(lo, lo) {
		al.pairUp(lo, lo)
		lo++
	}
	for na > lo && nb > lo && m.same(na-1, nb-1) {
		na--
		nb--
		al.pairUp(na, nb)
	}
	if na > lo && nb > lo {
		m.names(al, lo, na, nb)
		al.matchBetween(m, lo, na, nb)
	}
	if nb-lo > manyUnits {
		al.index = map[identity]int32{} // a map keeps the memory of all that it has held
	}
}

func (al *aligner) pairUp(x, y int) { al.match[x], al.matchB[y] = int32(y), int32(x) }

func fill(s []int32, n int) []int32 {
	s = slices.Grow(s[:0], n)[:n]
	for i := range s {
		s[i] = -1
	}
	return s
}

// unitMatcher matches units by kind, key and name.
type unitMatcher struct{ a, b []units.Unit }

func (m *unitMatcher) same(x, y int) bool {
	a, b := &m.a[x], &m.b[y]
	return a.Kind == b.Kind && a.Key == b.Key && a.Name == b.Name
}

func (m *unitMatcher) names(al *aligner, lo, na, nb int) {
	clear(al.index)
	ua, ub := m.a[lo:na], m.b[lo:nb]
	al.next = fill(al.next, len(ub))
	id := func(u *units.Unit) identity { return identity{u.Kind, u.Key, u.Name} }
	for y := len(ub) - 1; y >= 0; y-- {
		k := id(&ub[y])
		if first, ok := al.index[k]; ok {
			al.next[y] = first
		}
		al.index[k] = int32(y)
	}
	for x := range ua {
		k := id(&ua[x])
		if y, ok := al.index[k]; ok && y >= 0 {
			al.index[k] = al.next[y]
			al.pairUp(lo+x, lo+int(y))
		}
	}
}

// alike: what such a unit is named after is its content or its place, so that
// another one in the same place is the same thing with another content.
func (m *unitMatcher) alike(x, y int) bool {
	switch k := m.a[x].Kind; k {
	case units.Bytes, units.Gap, units.String, units.Reloc, units.Note:
		return k == m.b[y].Kind
	}
	return false
}

// matchBetween pairs runs of as many units without a counterpart that follow,
// and precede, one pair: those are what was written in the same place, such as a
// string that holds another path.
func (al *aligner) matchBetween(m matcher, lo, na, nb int) {
	for x := lo; x < na; x++ {
		if al.match[x] >= 0 {
			continue
		}
		end := x
		for end < na && al.match[end] < 0 {
			end++
		}
		y := lo // of the run in B that follows the same pair
		if x > 0 {
			y = int(al.match[x-1]) + 1
		}
		endB := y
		for endB < nb && al.matchB[endB] < 0 {
			endB++
		}
		closed := end == len(al.match) && endB == len(al.matchB) || end < len(al.match) && endB < len(al.matchB) && int(al.match[end]) == endB
		if closed && endB-y == end-x && x >= lo && y >= lo {
			for k := range end - x {
				if m.alike(x+k, y+k) {
					al.pairUp(x+k, y+k)
				}
			}
		}
		x = end - 1
	}
}

// minRun is how many equal bytes separate two changed regions of one unit.
const minRun = 16

// unitPair makes the regions of two units that are the same thing, in a block of
// that hash.
func (al *aligner) unitPair(u Unit, x, y *units.Unit, block uint64) {
	a, b := al.a.Slice(x.Off, x.Len), al.b.Slice(y.Off, y.Len)
	split := x.Len != y.Len || x.Kind == units.Bytes || x.Kind == units.Function || x.Kind == units.Object
	var diff int64
	if x.Len == y.Len {
		if diff = unequal(a, b, split); diff > 0 && !split {
			al.region(Region{A: Range{x.Off, x.Len}, B: Range{y.Off, y.Len}, Relation: Changed, Unit: u, diff: diff}, x.Kind, -1)
			return
		}
	}
	hash := mix(block + hashUnit(x) + hashUnit(y) + mix(uint64(u.A)) + mix(uint64(u.B)))
	switch {
	case x.Len != y.Len:
		al.trim(u, x, y, a, b, hash)
	case diff == 0:
		al.equal(Region{A: Range{x.Off, x.Len}, B: Range{y.Off, y.Len}, Relation: Same, Unit: u}, x.Kind, hash)
	default:
		al.runs(u, x, y, a, b, hash)
	}
}

// runs splits two units of one length by position.
func (al *aligner) runs(u Unit, x, y *units.Unit, a, b []byte, hash uint64) {
	p := al.pair(x.Off, y.Off, hash)
	part := func(from, to int, rel Relation, diff int64) {
		if from == to {
			return
		}
		n := int64(to - from)
		if rel == Same {
			al.pairs[p].weight += n
		}
		al.region(Region{A: Range{x.Off + int64(from), n}, B: Range{y.Off + int64(from), n}, Relation: rel, Unit: u, diff: diff}, x.Kind, p)
	}
	for at := 0; at < len(a); {
		start := at + samePrefix(a[at:], b[at:])
		part(at, start, Same, 0)
		end, diff := start, int64(0) // behind the last byte that differs
		for at = start; at < len(a) && at-end < minRun; at++ {
			if a[at] != b[at] {
				end = at + 1
				diff++
			}
		}
		part(start, end, Changed, diff)
		at = end
	}
}

// trim makes the regions of two units of unequal lengths: what they have in
// common at both ends, and what lies between.
func (al *aligner) trim(u Unit, x, y *units.Unit, a, b []byte, hash uint64) {
	n := samePrefix(a, b)
	m := sameSuffix(a[n:], b[n:])
	p := al.pair(x.Off, y.Off, hash)
	al.pairs[p].weight = int64(n + m)
	if n > 0 {
		al.region(Region{A: Range{x.Off, int64(n)}, B: Range{y.Off, int64(n)}, Relation: Same, Unit: u}, x.Kind, p)
	}
	ra := Range{x.Off + int64(n), int64(len(a) - n - m)}
	rb := Range{y.Off + int64(n), int64(len(b) - n - m)}
	al.region(Region{A: ra, B: rb, Relation: Changed, Unit: u}, x.Kind, p)
	if m > 0 {
		al.region(Region{A: Range{ra.End(), int64(m)}, B: Range{rb.End(), int64(m)}, Relation: Same, Unit: u}, x.Kind, p)
	}
}

// samePrefix is how many bytes a and b have in common at their start.
func samePrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for step := 512; i+step <= n && bytes.Equal(a[i:i+step], b[i:i+step]); {
		i += step
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func sameSuffix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// ledger decides which pairs are in order, sorts the regions and joins
// neighbours that are the same. The regions are the aligner's own memory.
func (al *aligner) ledger(layer Layer, sizeA, sizeB int64) *Ledger {
	al.settle()
	al.regions = append(al.regions, al.late...)
	l := &Ledger{Layer: layer, SizeA: sizeA, SizeB: sizeB, regions: al.regions}
	l.sort()
	out := l.regions[:0]
	for _, r := range l.regions {
		r.who = 0
		if n := len(out); n > 0 && r.relation == Same && out[n-1].relation == Same && out[n-1].a.end() == r.a.off && out[n-1].b.end() == r.b.off {
			last := &out[n-1]
			last.a.len += r.a.len
			last.b.len += r.b.len
			if last.unit() != r.unit() {
				last.unitA, last.unitB = whole, whole
			}
			continue
		}
		out = append(out, r)
	}
	l.regions = out
	return l
}

// settle finds the pairs that are in the same order on both sides: the increasing
// subsequence with most equal bytes. The equal bytes of all others have moved.
func (al *aligner) settle() {
	al.heavy = al.heavy[:0]
	for i := range al.pairs {
		if al.pairs[i].weight > 0 {
			al.heavy = append(al.heavy, int32(i))
		}
	}
	slices.SortFunc(al.heavy, func(i, j int32) int { return cmp.Compare(al.pairs[i].a, al.pairs[j].a) })
	inOrder := true
	for k := 1; k < len(al.heavy); k++ {
		if al.pairs[al.heavy[k]].b < al.pairs[al.heavy[k-1]].b {
			inOrder = false
			break
		}
	}
	if inOrder {
		return
	}
	al.keep = al.weights.find(al.pairs, al.heavy, al.keep)
	for i := range al.regions {
		if r := &al.regions[i]; r.relation == Same && !al.keep[r.who] {
			r.relation = Moved
		}
	}
}

// sort brings the regions into the order of A, those without bytes there last.
func (l *Ledger) sort() {
	order := func(x, y region) int {
		if x.a.len == 0 && y.a.len == 0 {
			return cmp.Compare(x.b.off, y.b.off)
		}
		return cmp.Or(cmp.Compare(min(y.a.len, 1), min(x.a.len, 1)), cmp.Compare(x.a.off, y.a.off))
	}
	if !slices.IsSortedFunc(l.regions, order) {
		slices.SortFunc(l.regions, order)
	}
}
