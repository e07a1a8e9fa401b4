// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"io"

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
func (p *Pair) UnitA(l *Ledger, r *Region) units.Unit { return p.unitA(l, r.Unit) }

func (p *Pair) unitA(l *Ledger, u Unit) units.Unit {
	bl := &p.blocks[l.Layer][u.Block]
	if bl.made && u.A >= 0 {
		return p.A.ELF.Entry(bl.SectionA, u.A)
	}
	return unitOf(bl.UnitsA, u.A, u.B, bl.A)
}

// UnitB is [Pair.UnitA] for side B.
func (p *Pair) UnitB(l *Ledger, r *Region) units.Unit { return p.unitB(l, r.Unit) }

func (p *Pair) unitB(l *Ledger, u Unit) units.Unit {
	bl := &p.blocks[l.Layer][u.Block]
	if bl.made && u.B >= 0 {
		return p.B.ELF.Entry(bl.SectionB, u.B)
	}
	return unitOf(bl.UnitsB, u.B, u.A, bl.B)
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
	l := p.Unit
	if r := l.atA(a); r != nil && p.leads(r, a, b) {
		return true
	}
	r := l.atB(b)
	return r != nil && p.leads(r, a, b)
}

// Counterpart returns where in B the thing is that is at an offset of A: a byte that is
// Same or Moved, the start of a unit that is on both sides, or a byte of one that has the
// same length there. ok is false for what has no counterpart.
func (p *Pair) Counterpart(a int64) (b int64, ok bool) {
	r := p.Unit.atA(a)
	switch {
	case r == nil || r.b.len == 0:
		return 0, false
	case r.relation != Changed || r.a.len == r.b.len:
		return int64(r.b.off) + a - int64(r.a.off), true
	case r.unitA < 0 || r.unitB < 0 || a != p.unitA(p.Unit, r.unit()).Off:
		return 0, false
	}
	return p.unitB(p.Unit, r.unit()).Off, true
}

// CounterpartA is [Pair.Counterpart] for an offset of B.
func (p *Pair) CounterpartA(b int64) (a int64, ok bool) {
	r := p.Unit.atB(b)
	switch {
	case r == nil || r.a.len == 0:
		return 0, false
	case r.relation != Changed || r.a.len == r.b.len:
		return int64(r.a.off) + b - int64(r.b.off), true
	case r.unitA < 0 || r.unitB < 0 || b != p.unitB(p.Unit, r.unit()).Off:
		return 0, false
	}
	return p.unitA(p.Unit, r.unit()).Off, true
}

// EqualB returns where in B all bytes of a range of A are, together, if they are Same or
// Moved.
func (p *Pair) EqualB(a Range) (b int64, ok bool) {
	r := p.Unit.atA(a.Off)
	if r == nil || r.relation == Changed || a.End() > int64(r.a.end()) {
		return 0, false
	}
	return int64(r.b.off) + a.Off - int64(r.a.off), true
}

// leads: the offsets are those of one byte of the region, or of the start of its
// unit.
func (p *Pair) leads(r *region, a, b int64) bool {
	switch {
	case r.relation != Changed:
		return a-int64(r.a.off) == b-int64(r.b.off) && a >= int64(r.a.off) && a < int64(r.a.end())
	case r.unitA < 0 || r.unitB < 0:
		return false
	}
	return a == p.unitA(p.Unit, r.unit()).Off && b == p.unitB(p.Unit, r.unit()).Off
}

// atA returns the region that holds an offset in A, nil if none does.
func (l *Ledger) atA(off int64) *region {
	// Those that are empty in A stand at the end.
	return l.at(0, len(l.regions), off, func(i int) (*region, span) { r := &l.regions[i]; return r, r.a })
}

// atB is atA for side B.
func (l *Ledger) atB(off int64) *region {
	byB := l.sortedB()
	return l.at(1, len(byB), off, func(i int) (*region, span) { r := &l.regions[byB[i]]; return r, r.b })
}

// at finds the region of n that holds an offset. Who asks for one often asks for it,
// or the one behind it, again.
func (l *Ledger) at(side, n int, off int64, nth func(i int) (*region, span)) *region {
	for i := l.hint[side]; i < min(n, l.hint[side]+2); i++ {
		if r, s := nth(i); int64(s.off) <= off && off < int64(s.end()) {
			l.hint[side] = i
			return r
		}
	}
	lo, hi := 0, n
	for lo < hi {
		m := (lo + hi) / 2
		if _, s := nth(m); s.len > 0 && int64(s.off) <= off {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo == 0 {
		return nil
	}
	r, s := nth(lo - 1)
	if off >= int64(s.end()) {
		return nil
	}
	l.hint[side] = lo - 1
	return r
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
