// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/modhash/modhash/kbuild/internal/units"
)

// Layer is a level at which the bytes of a module file are accounted for. Bytes
// of different layers are never added.
type Layer uint8

const (
	// LayerStored: the file as it lies on disk, compressed or not.
	LayerStored Layer = iota
	// LayerDecoded: the decompressed file as payload and trailers.
	LayerDecoded
	// LayerPayload: the decompressed file as headers, sections, padding and the
	// parts of trailers.
	LayerPayload
	// LayerUnit is the innermost: the decompressed file as the smallest things
	// that have a name of their own. What it says of the units of one section
	// is that section's ledger.
	LayerUnit
)

func (l Layer) String() string {
	switch l {
	case LayerStored:
		return "stored"
	case LayerDecoded:
		return "decoded"
	case LayerPayload:
		return "payload"
	case LayerUnit:
		return "unit"
	}
	return fmt.Sprintf("layer-%d", uint8(l))
}

// MarshalText is [Layer.String].
func (l Layer) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Relation says how the bytes of a [Region] on the two sides are related.
type Relation uint8

const (
	// Same: equal bytes, in the same order relative to all other Same regions,
	// at whatever offset.
	Same Relation = iota
	// Moved: equal bytes outside of that order.
	Moved
	// Changed: anything else. Of equal lengths the bytes are compared by
	// position. Unequal lengths have neither first nor last byte in common; one
	// of them can be zero.
	Changed
)

func (r Relation) String() string {
	switch r {
	case Same:
		return "same"
	case Moved:
		return "moved"
	case Changed:
		return "changed"
	}
	return fmt.Sprintf("relation-%d", uint8(r))
}

// MarshalText is [Relation.String].
func (r Relation) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Range is Len bytes at Off, counted from the start of the layer's bytes.
type Range struct{ Off, Len int64 }

// End is the offset behind the last byte.
func (r Range) End() int64 { return r.Off + r.Len }

// Region is a piece of a ledger: a range on each side, how the two are related,
// and who answers for it. The offset of an empty range means nothing.
type Region struct {
	A, B Range
	// Unit is the unit that the region is, or is a part of.
	Unit     Unit
	Relation Relation
	// Stream marks a compressed stream: one region whatever bytes it has in
	// common, with all of its bytes counted.
	Stream bool
	// Owner is the one cause that answers for the region. It is nil for Same,
	// and for what no rule explains; see [Ledger.Claim].
	Owner *Owner

	diff int64 // bytes that differ of equal lengths
}

// region is a Region as it is kept: a large module has hundreds of thousands, which
// must be small, and without pointers for the garbage collector to follow.
type region struct {
	a, b         span
	unitA, unitB int32
	diff         uint32
	// who is a number: of the pairing that the region belongs to, -1 for none, until
	// the ledger is made; afterwards of its owner, 0 for none.
	who      int32
	block    uint16
	relation Relation
	kind     units.Kind // of the unit
}

// maxBlocks is how many blocks both sides of a ledger can have together.
const maxBlocks = 1<<16 - 1<<10

// span is a [Range]; see maxSize.
type span struct{ off, len uint32 }

// maxSize is the size in bytes above which a file has no ledger.
const maxSize = 1<<32 - 1

func (s span) end() uint32 { return s.off + s.len }

func (s span) wide() Range { return Range{int64(s.off), int64(s.len)} }

func narrow(r Range) span { return span{uint32(r.Off), uint32(r.Len)} }

// of is the number of the unit on a side.
func (r *region) of(side int) *int32 {
	if side == 0 {
		return &r.unitA
	}
	return &r.unitB
}

func (r *region) unit() Unit { return Unit{int32(r.block), r.unitA, r.unitB} }

func (r *region) stream() bool { return r.relation == Changed && r.kind == units.Stream }

// Unit refers to a unit by where it is in the two files, so that its name needs
// no memory before somebody asks for it; see [Pair.UnitName].
type Unit struct {
	// Block is the index of what holds the unit: a pair of sections, a header, a
	// trailer; see [Pair.Block].
	Block int32
	// A and B are the indexes of the unit in the block on either side, -1 on a
	// side without a counterpart.
	A, B int32
}

// Ledger accounts for every byte of two files at one layer. The A ranges of its
// regions partition the SizeA bytes of side A, the B ranges the SizeB bytes of
// side B.
type Ledger struct {
	Layer        Layer
	SizeA, SizeB int64

	// regions are sorted by A, those that are empty in A stand at the end, sorted
	// by B.
	regions []region
	owners  []*Owner // those that own regions, from 1 on
	numbers map[*Owner]int32
	last    int32   // the number that was given last
	byB     []int32 // see sortedB
	hint    [2]int  // what atA and atB found last
}

// Len is the number of regions. They are sorted by A, those that are empty in A
// stand at the end, sorted by B.
func (l *Ledger) Len() int { return len(l.regions) }

// Region returns region i.
func (l *Ledger) Region(i int) Region {
	r := &l.regions[i]
	return Region{A: r.a.wide(), B: r.b.wide(), Unit: r.unit(), Relation: r.relation, Stream: r.stream(), Owner: l.owner(r), diff: int64(r.diff)}
}

// Open reports whether region i differs and has no owner yet, the number of its block,
// and the kind of the unit that it is, or is a part of. It is quicker than looking at the
// region.
func (l *Ledger) Open(i int) (block int32, kind units.Kind, open bool) {
	r := &l.regions[i]
	return int32(r.block), r.kind, r.relation != Same && r.who == 0
}

// Claim makes o the owner of region i, which has none yet; it reports whether it
// did. Same bytes have no owner.
func (l *Ledger) Claim(i int, o *Owner) bool {
	if _, _, open := l.Open(i); !open {
		return false
	}
	l.regions[i].who = l.number(o)
	return true
}

// Blame makes o, which must be a change, the owner of region i, also of one that has
// another: what was explained can turn out not to be, never the other way. It reports
// whether it did. Same bytes have no owner.
func (l *Ledger) Blame(i int, o *Owner) bool {
	if r := &l.regions[i]; r.relation == Same || o.Cause.Class != CodeChange {
		return false
	}
	l.regions[i].who = l.number(o)
	return true
}

// number is that of an owner. Mostly it is the one that was asked for last.
func (l *Ledger) number(o *Owner) int32 {
	if l.last > 0 && l.owners[l.last] == o {
		return l.last
	}
	n, known := l.numbers[o]
	if !known {
		if l.numbers == nil {
			l.numbers, l.owners = map[*Owner]int32{}, []*Owner{nil}
		}
		n = int32(len(l.owners))
		l.owners, l.numbers[o] = append(l.owners, o), n
	}
	l.last = n
	return n
}

// owner is that of a region, nil if it has none.
func (l *Ledger) owner(r *region) *Owner {
	if r.who == 0 {
		return nil
	}
	return l.owners[r.who]
}

// class is that of a region which is not Same.
func (l *Ledger) class(r *region) Class {
	if o := l.owner(r); o != nil {
		return o.Cause.Class
	}
	return Unexplained
}

// sortedB numbers the regions that are not empty in B, in its order.
func (l *Ledger) sortedB() []int32 {
	if l.byB != nil {
		return l.byB
	}
	l.byB = make([]int32, 0, len(l.regions))
	late := len(l.regions) // from there on regions are empty in A, and in the order of B
	for late > 0 && l.regions[late-1].a.len == 0 {
		late--
	}
	next := late
	for i := range late {
		r := &l.regions[i]
		if r.b.len == 0 {
			continue
		}
		for ; next < len(l.regions) && l.regions[next].b.off < r.b.off; next++ {
			l.byB = append(l.byB, int32(next))
		}
		l.byB = append(l.byB, int32(i))
	}
	for ; next < len(l.regions); next++ {
		l.byB = append(l.byB, int32(next))
	}
	order := func(x, y int32) int { return cmp.Compare(l.regions[x].b.off, l.regions[y].b.off) }
	if !slices.IsSortedFunc(l.byB, order) {
		slices.SortFunc(l.byB, order)
	}
	return l.byB
}

// Tally counts bytes of a layer. Changed is a pair: inserting n bytes is (0, n).
type Tally struct {
	ChangedA, ChangedB, Moved int64
}

// IsZero: nothing differs.
func (t Tally) IsZero() bool { return t == Tally{} }

func (t *Tally) add(r *region) {
	switch {
	case r.relation == Same:
	case r.relation == Moved:
		t.Moved += int64(r.a.len)
	case r.stream() || r.a.len != r.b.len:
		t.ChangedA += int64(r.a.len)
		t.ChangedB += int64(r.b.len)
	default:
		t.ChangedA += int64(r.diff)
		t.ChangedB += int64(r.diff)
	}
}

// Tally counts the bytes that differ. The two sides are equal if and only if
// there are none.
func (l *Ledger) Tally() Tally {
	var t Tally
	for i := range l.regions {
		t.add(&l.regions[i])
	}
	return t
}

// Mirror returns the ledger with the sides swapped. It shares owners with l.
func (l *Ledger) Mirror() *Ledger {
	m := &Ledger{Layer: l.Layer, SizeA: l.SizeB, SizeB: l.SizeA, regions: make([]region, len(l.regions)), owners: l.owners}
	for i, r := range l.regions {
		r.a, r.b = r.b, r.a
		r.unitA, r.unitB = r.unitB, r.unitA
		m.regions[i] = r
	}
	m.sort()
	return m
}
