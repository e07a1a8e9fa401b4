// SPDX-License-Identifier: Apache-2.0

package compare

import "fmt"

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
	// and for what no rule explains.
	Owner *Owner

	diff int64 // bytes that differ of equal lengths
}

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

// Differing returns how many bytes of either side the region adds to those that
// differ: of a Moved region none, since these are counted once and apart.
func (r *Region) Differing() (a, b int64) {
	switch {
	case r.Relation != Changed:
		return 0, 0
	case r.Stream || r.A.Len != r.B.Len:
		return r.A.Len, r.B.Len
	}
	return r.diff, r.diff
}

// Ledger accounts for every byte of two files at one layer. The A ranges of its
// regions partition the SizeA bytes of side A, the B ranges the SizeB bytes of
// side B.
type Ledger struct {
	Layer        Layer
	SizeA, SizeB int64
	// Regions are sorted by A, those that are empty in A stand at the end,
	// sorted by B.
	Regions []Region
}

// Tally counts bytes of a layer. Changed is a pair: inserting n bytes is (0, n).
type Tally struct {
	ChangedA, ChangedB, Moved int64
}

// IsZero: nothing differs.
func (t Tally) IsZero() bool { return t == Tally{} }

func (t *Tally) add(r *Region) {
	if r.Relation == Moved {
		t.Moved += r.A.Len
	}
	a, b := r.Differing()
	t.ChangedA += a
	t.ChangedB += b
}

// Tally counts the bytes that differ. The two sides are equal if and only if
// there are none.
func (l *Ledger) Tally() Tally {
	var t Tally
	for i := range l.Regions {
		t.add(&l.Regions[i])
	}
	return t
}

// Mirror returns the ledger with the sides swapped. It shares owners with l.
func (l *Ledger) Mirror() *Ledger {
	m := &Ledger{Layer: l.Layer, SizeA: l.SizeB, SizeB: l.SizeA, Regions: make([]Region, len(l.Regions))}
	for i, r := range l.Regions {
		r.A, r.B = r.B, r.A
		r.Unit.A, r.Unit.B = r.Unit.B, r.Unit.A
		m.Regions[i] = r
	}
	m.sort()
	return m
}
