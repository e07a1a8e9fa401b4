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
	// UnitsA and UnitsB partition the ranges if the block was looked into: its
	// bytes are not equal, and both sides have it.
	UnitsA, UnitsB []units.Unit

	equal bool
	// relocs: the units are entries of relocations, which are too many to be kept;
	// they are made again from the bytes.
	relocs bool
	// lo and hi say which regions of the aligner are the block's, before they are
	// sorted.
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
	regions []Region
	owner   []int32    // of each region its pairing, -1 for none
	kind    units.Kind // of the last region, if equal added it
	pairs   []pairing

	index   map[identity]int32 // the first of a name that is left in B
	next    []int32            // and the one after it, -1 for none
	match   []int32            // of each unit of A its counterpart in B, or -1
	matchB  []int32
	arena   [2][]units.Unit
	entries [2][]units.Unit // of the block that is being split, or of relocations aligned
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
	al.blocks, al.regions, al.owner, al.pairs = al.blocks[:0], al.regions[:0], al.owner[:0], al.pairs[:0]
	al.arena[0], al.arena[1] = al.arena[0][:0], al.arena[1][:0]
	if al.index == nil {
		al.index = map[identity]int32{}
	}
}

// addBlock pairs the block of two sides; kept apart from units so that a block
// of equal bytes is never looked into.
func (al *aligner) addBlock(bl Block) { al.blocks = append(al.blocks, bl) }

// oneSided makes the regions of a block, or a unit, that one side lacks.
func (al *aligner) oneSided(u Unit, a, b Range) {
	if a.Len > 0 || b.Len > 0 {
		al.region(Region{A: a, B: b, Relation: Changed, Unit: u}, -1)
	}
}

func (al *aligner) region(r Region, pair int32) {
	al.regions = append(al.regions, r)
	al.owner = append(al.owner, pair)
	al.kind = noKind
}

// equal adds a region of equal bytes and their pair. If they continue those of
// the region before, on both sides, in the same block and as units of the same
// kind, the two become one: nothing lies between them, so whatever is in order
// with one of them is with the other.
func (al *aligner) equal(r Region, kind units.Kind, hash uint64) {
	n := len(al.regions)
	if n > 0 && kind == al.kind {
		last := &al.regions[n-1]
		if last.Relation == Same && last.Unit.Block == r.Unit.Block && last.A.End() == r.A.Off && last.B.End() == r.B.Off {
			last.A.Len += r.A.Len
			last.B.Len += r.B.Len
			p := &al.pairs[al.owner[n-1]]
			p.weight += r.A.Len
			p.hash += hash
			return
		}
	}
	al.pairs = append(al.pairs, pairing{a: r.A.Off, b: r.B.Off, weight: r.A.Len, hash: hash})
	al.region(r, int32(len(al.pairs)-1))
	al.kind = kind
}

// noKind is that of a region which equal did not add.
const noKind units.Kind = 0xff

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

// alignUnits matches the units of a block and makes its regions. key, if it is
// not nil, says the Key by which a unit of B is known on side A.
func (al *aligner) alignUnits(i int, key func(u *units.Unit) uint64) {
	bl := &al.blocks[i]
	ua, ub := bl.UnitsA, bl.UnitsB
	if key != nil {
		for k := range ub {
			ub[k].Key = key(&ub[k])
		}
	}
	al.matchUnits(ua, ub)
	h := blockHash(bl)
	for x := range ua {
		a := Range{ua[x].Off, ua[x].Len}
		y := al.match[x]
		if y < 0 {
			al.oneSided(Unit{int32(i), int32(x), whole}, a, Range{})
			continue
		}
		al.unitPair(Unit{int32(i), int32(x), y}, &ua[x], &ub[y], mix(h+hashUnit(&ua[x])+hashUnit(&ub[y])+mix(uint64(x))+mix(uint64(y))))
	}
	for y := range ub {
		if al.matchB[y] < 0 {
			al.oneSided(Unit{int32(i), whole, int32(y)}, Range{}, Range{ub[y].Off, ub[y].Len})
		}
	}
}

// matchUnits fills match and matchB: first what is alike at both ends, then what
// has one name, the n-th of a name with the n-th, and at last what lies alone
// between two matched pairs.
func (al *aligner) matchUnits(ua, ub []units.Unit) {
	al.match = fill(al.match, len(ua))
	al.matchB = fill(al.matchB, len(ub))
	same := func(x, y int) bool {
		a, b := &ua[x], &ub[y]
		return a.Kind == b.Kind && a.Key == b.Key && a.Name == b.Name
	}
	set := func(x, y int) { al.match[x], al.matchB[y] = int32(y), int32(x) }
	lo := 0
	for lo < len(ua) && lo < len(ub) && same(lo, lo) {
		set(lo, lo)
		lo++
	}
	na, nb := len(ua), len(ub)
	for na > lo && nb > lo && same(na-1, nb-1) {
		na--
		nb--
		set(na, nb)
	}
	if na > lo && nb > lo {
		al.matchNames(ua[lo:na], ub[lo:nb], lo)
		al.matchBetween(ua, ub, lo, na, nb)
	}
}

func fill(s []int32, n int) []int32 {
	s = slices.Grow(s[:0], n)[:n]
	for i := range s {
		s[i] = -1
	}
	return s
}

func (al *aligner) matchNames(ua, ub []units.Unit, lo int) {
	clear(al.index)
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
			al.match[lo+x], al.matchB[lo+int(y)] = int32(lo)+y, int32(lo+x)
		}
	}
}

// matchBetween pairs runs of as many units without a counterpart that follow,
// and precede, one pair: those are what was written in the same place, such as a
// string that holds another path.
func (al *aligner) matchBetween(ua, ub []units.Unit, lo, na, nb int) {
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
		closed := end == len(ua) && endB == len(ub) || end < len(ua) && endB < len(ub) && int(al.match[end]) == endB
		if closed && endB-y == end-x && x >= lo && y >= lo {
			for k := range end - x {
				if a, b := &ua[x+k], &ub[y+k]; a.Kind == b.Kind && nameless(a.Kind) {
					al.match[x+k], al.matchB[y+k] = int32(y+k), int32(x+k)
				}
			}
		}
		x = end - 1
	}
}

// nameless: what the unit is named after is its content or its place, so that
// another one in the same place is the same thing with another content.
func nameless(k units.Kind) bool {
	switch k {
	case units.Bytes, units.Gap, units.String, units.Reloc, units.Note:
		return true
	}
	return false
}

// minRun is how many equal bytes separate two changed regions of one unit.
const minRun = 16

// unitPair makes the regions of two units that are the same thing.
func (al *aligner) unitPair(u Unit, x, y *units.Unit, hash uint64) {
	a, b := al.a.Slice(x.Off, x.Len), al.b.Slice(y.Off, y.Len)
	if x.Len != y.Len {
		al.trim(u, x, y, a, b, hash)
		return
	}
	if bytes.Equal(a, b) {
		al.equal(Region{A: Range{x.Off, x.Len}, B: Range{y.Off, y.Len}, Relation: Same, Unit: u}, x.Kind, hash)
		return
	}
	switch x.Kind {
	case units.Bytes, units.Function, units.Object:
		al.runs(u, x, y, a, b, hash)
	default:
		al.region(Region{A: Range{x.Off, x.Len}, B: Range{y.Off, y.Len}, Relation: Changed, Unit: u, diff: unequal(a, b, false)}, -1)
	}
}

// runs splits two units of one length by position.
func (al *aligner) runs(u Unit, x, y *units.Unit, a, b []byte, hash uint64) {
	p := al.pair(x.Off, y.Off, hash)
	part := func(from, to int, rel Relation) {
		if from == to {
			return
		}
		n := int64(to - from)
		r := Region{A: Range{x.Off + int64(from), n}, B: Range{y.Off + int64(from), n}, Relation: rel, Unit: u}
		if rel == Same {
			al.pairs[p].weight += n
		} else {
			r.diff = unequal(a[from:to], b[from:to], false)
		}
		al.region(r, p)
	}
	for at := 0; at < len(a); {
		start := at + samePrefix(a[at:], b[at:])
		part(at, start, Same)
		end := start // behind the last byte that differs
		for at = start; at < len(a) && at-end < minRun; at++ {
			if a[at] != b[at] {
				end = at + 1
			}
		}
		part(start, end, Changed)
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
		al.region(Region{A: Range{x.Off, int64(n)}, B: Range{y.Off, int64(n)}, Relation: Same, Unit: u}, p)
	}
	ra := Range{x.Off + int64(n), int64(len(a) - n - m)}
	rb := Range{y.Off + int64(n), int64(len(b) - n - m)}
	al.region(Region{A: ra, B: rb, Relation: Changed, Unit: u}, p)
	if m > 0 {
		al.region(Region{A: Range{ra.End(), int64(m)}, B: Range{rb.End(), int64(m)}, Relation: Same, Unit: u}, p)
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
	l := &Ledger{Layer: layer, SizeA: sizeA, SizeB: sizeB, Regions: al.regions}
	l.sort()
	out := l.Regions[:0]
	for _, r := range l.Regions {
		if n := len(out); n > 0 && r.Relation == Same && out[n-1].Relation == Same && out[n-1].A.End() == r.A.Off && out[n-1].B.End() == r.B.Off {
			last := &out[n-1]
			last.A.Len += r.A.Len
			last.B.Len += r.B.Len
			if last.Unit != r.Unit {
				last.Unit = Unit{last.Unit.Block, whole, whole}
			}
			continue
		}
		out = append(out, r)
	}
	l.Regions = out
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
		if r := &al.regions[i]; r.Relation == Same && !al.keep[al.owner[i]] {
			r.Relation = Moved
		}
	}
}

// sort brings the regions into the order of A, those without bytes there last.
func (l *Ledger) sort() {
	slices.SortFunc(l.Regions, func(x, y Region) int {
		if (x.A.Len == 0) != (y.A.Len == 0) {
			if x.A.Len == 0 {
				return 1
			}
			return -1
		}
		if x.A.Len == 0 {
			return cmp.Compare(x.B.Off, y.B.Off)
		}
		return cmp.Compare(x.A.Off, y.A.Off)
	})
}
