// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"io"
	"slices"

	"github.com/modhash/modhash/kbuild/internal/units"
	"github.com/modhash/modhash/kbuild/kmod"
)

// Pair is two module files whose stored bytes differ, with their ledgers, for as
// long as an [Options.Explain] looks at them. Nothing of it may be kept: the
// memory is used for the next pair, and strings of units share it.
type Pair struct {
	Name string
	A, B View
	// Stored is the ledger of the stored bytes, nil if neither side is
	// compressed: it is the innermost one then.
	Stored *Ledger
	// Unit is the innermost ledger; nil if a side is no module.
	Unit *Ledger
	// PayloadEqual: only what wraps the payloads differs.
	PayloadEqual bool

	decoded, payload *Ledger
	blocks           [LayerUnit + 1][]Block
	names            namer
	byA, byB         []int32 // see sortRegions
}

// View is one side of a [Pair].
type View struct {
	// Module is the opened file, nil if it is none. Its methods that read may be
	// called.
	Module *kmod.Module
	// Layers are the trailers of the module, the outermost first.
	Layers []kmod.Layer
	// Inner is the size of what is left without any trailer.
	Inner int64
	// ELF is the payload split into units; nil if that was not needed, because
	// the payloads are equal, or not possible.
	ELF *units.File

	stored io.ReaderAt
	size   int64
	whole  io.ReaderAt
	memory window
}

// Ledgers returns those that regions are explained in: the stored one, if there
// is one, and the innermost.
func (p *Pair) Ledgers() []*Ledger {
	var out []*Ledger
	for _, l := range []*Ledger{p.Stored, p.Unit} {
		if l != nil {
			out = append(out, l)
		}
	}
	return out
}

// Block returns what holds the unit of a region of a ledger.
func (p *Pair) Block(l *Ledger, r *Region) *Block { return &p.blocks[l.Layer][r.Unit.Block] }

// UnitA returns the whole unit that a region is a part of, on side A: the zero
// Unit if it has none there, and the block's bytes if it was not looked into.
func (p *Pair) UnitA(l *Ledger, r *Region) units.Unit {
	bl := p.Block(l, r)
	if bl.relocs && r.Unit.A >= 0 {
		return p.A.ELF.RelocUnit(bl.SectionA, r.Unit.A)
	}
	return unitOf(bl.UnitsA, r.Unit.A, r.Unit.B, bl.A)
}

// UnitB is [Pair.UnitA] for side B.
func (p *Pair) UnitB(l *Ledger, r *Region) units.Unit {
	bl := p.Block(l, r)
	if bl.relocs && r.Unit.B >= 0 {
		return p.B.ELF.RelocUnit(bl.SectionB, r.Unit.B)
	}
	return unitOf(bl.UnitsB, r.Unit.B, r.Unit.A, bl.B)
}

func unitOf(us []units.Unit, i, other int32, whole Range) units.Unit {
	switch {
	case i >= 0:
		return us[i]
	case other >= 0:
		return units.Unit{}
	}
	return units.Unit{Off: whole.Off, Len: whole.Len, Index: -1}
}

// BytesA returns the bytes of side A at a range of the innermost ledger.
func (p *Pair) BytesA(r Range) []byte { return p.A.bytes(r) }

// BytesB is [Pair.BytesA] for side B.
func (p *Pair) BytesB(r Range) []byte { return p.B.bytes(r) }

// bytes reads what is not in memory; nil if it cannot be read.
func (v *View) bytes(r Range) []byte {
	if r.Off >= v.memory.base && r.End() <= v.memory.base+int64(len(v.memory.b)) {
		return v.memory.Slice(r.Off, r.Len)
	}
	b := make([]byte, r.Len)
	if n, err := v.whole.ReadAt(b, r.Off); n < len(b) || err != nil && err != io.EOF {
		return nil
	}
	return b
}

// StoredBytes returns bytes of the stored files; nil if they cannot be read.
func (v *View) StoredBytes(r Range) []byte {
	b := make([]byte, r.Len)
	if n, _ := v.stored.ReadAt(b, r.Off); n < len(b) {
		return nil
	}
	return b
}

// Corresponds reports whether an offset in A and one in B are those of one thing,
// by the alignment of the innermost ledger: of a byte that is Same or Moved, or of
// the start of a unit that is on both sides.
func (p *Pair) Corresponds(a, b int64) bool {
	if p.byA == nil {
		p.sortRegions()
	}
	rs := p.Unit.Regions
	if r := regionAt(p.byA, a, func(i int32) Range { return rs[i].A }); r >= 0 && p.leads(&rs[r], a, b) {
		return true
	}
	r := regionAt(p.byB, b, func(i int32) Range { return rs[i].B })
	return r >= 0 && p.leads(&rs[r], a, b)
}

// leads: the offsets are those of one byte of the region, or of the start of its
// unit.
func (p *Pair) leads(r *Region, a, b int64) bool {
	switch {
	case r.Relation != Changed:
		return a-r.A.Off == b-r.B.Off && a >= r.A.Off && a < r.A.End()
	case r.Unit.A < 0 || r.Unit.B < 0:
		return false
	}
	return a == p.UnitA(p.Unit, r).Off && b == p.UnitB(p.Unit, r).Off
}

// sortRegions lists the regions of the innermost ledger by A and by B, those that
// are empty there left out.
func (p *Pair) sortRegions() {
	rs := p.Unit.Regions
	for i := range rs {
		if rs[i].A.Len > 0 {
			p.byA = append(p.byA, int32(i))
		}
		if rs[i].B.Len > 0 {
			p.byB = append(p.byB, int32(i))
		}
	}
	slices.SortFunc(p.byB, func(i, j int32) int { return cmp.Compare(rs[i].B.Off, rs[j].B.Off) })
}

// regionAt finds the region that holds an offset, -1 if none does.
func regionAt(order []int32, off int64, side func(int32) Range) int32 {
	i, found := slices.BinarySearchFunc(order, off, func(i int32, off int64) int { return cmp.Compare(side(i).Off, off) })
	if !found {
		i--
	}
	if i < 0 || off >= side(order[i]).End() {
		return -1
	}
	return order[i]
}

// Claim makes o the owner of a region that has none yet; it reports whether it
// did. Same bytes have no owner.
func Claim(r *Region, o *Owner) bool {
	if r.Relation == Same || r.Owner != nil {
		return false
	}
	r.Owner = o
	return true
}

// context shows the bytes where an item begins.
func (p *Pair) context(it *Item) (a, b string) {
	read := func(v *View, r Range) string {
		r.Len = min(r.Len, 17)
		if it.Layer == LayerStored && v.Module != nil && v.Module.Compression != kmod.None {
			return hexContext(v.StoredBytes(r))
		}
		return hexContext(v.bytes(r))
	}
	return read(&p.A, it.First.A), read(&p.B, it.First.B)
}
