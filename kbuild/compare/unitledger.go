// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/modhash/modhash/kbuild/internal/units"
)

// unit makes the innermost ledger.
func (ls *ledgers) unit(p *Pair) *Ledger {
	al := &ls.layers[LayerUnit]
	al.reset(p.A.memory, p.B.memory)
	switch {
	case p.PayloadEqual || p.A.ELF == nil || p.B.ELF == nil:
		al.addBlock(Block{Kind: units.Bytes, Name: "payload", A: Range{0, p.A.Inner}, B: Range{0, p.B.Inner}, SectionA: -1, SectionB: -1})
		al.wholeBlock(0, p.PayloadEqual)
	default:
		pairBlocks(al, p)
		al.sections(p)
	}
	ls.trailers(al, p, func(i int) { al.block(i) })
	p.blocks[LayerUnit] = al.blocks
	return al.ledger(LayerUnit, p.A.Module.Decoded, p.B.Module.Decoded)
}

// blocks makes the ledger of headers and sections as wholes.
func (ls *ledgers) blocks(p *Pair) *Ledger {
	al := &ls.layers[LayerPayload]
	al.reset(p.A.memory, p.B.memory)
	al.blocks = append(al.blocks, p.blocks[LayerUnit]...)
	for i := range al.blocks {
		bl := &al.blocks[i]
		equal := bl.equal
		bl.UnitsA, bl.UnitsB, bl.equal, bl.relocs = nil, nil, false, false
		al.wholeBlock(i, equal)
	}
	p.blocks[LayerPayload] = al.blocks
	return al.ledger(LayerPayload, p.A.Module.Decoded, p.B.Module.Decoded)
}

// pairBlocks matches the blocks of both sides by what they are.
func pairBlocks(al *aligner, p *Pair) {
	type id struct {
		kind units.Kind
		name string
		ord  int
	}
	at := map[id]int{}
	for _, b := range p.A.ELF.Blocks {
		at[id{b.Kind, b.Name, b.Ordinal}] = len(al.blocks)
		al.addBlock(Block{Kind: b.Kind, Name: b.Name, Ordinal: b.Ordinal, A: Range{b.Off, b.Len}, SectionA: section(&b), SectionB: -1})
	}
	for _, b := range p.B.ELF.Blocks {
		if i, ok := at[id{b.Kind, b.Name, b.Ordinal}]; ok {
			al.blocks[i].B, al.blocks[i].SectionB = Range{b.Off, b.Len}, section(&b)
			continue
		}
		al.addBlock(Block{Kind: b.Kind, Name: b.Name, Ordinal: b.Ordinal, B: Range{b.Off, b.Len}, SectionA: -1, SectionB: section(&b)})
	}
}

func section(b *units.Block) int {
	if b.Kind != units.Section {
		return -1
	}
	return b.Index
}

// sections aligns all blocks: those with relocations last, since their entries
// are recognised by where the bytes that they relocate have gone.
func (al *aligner) sections(p *Pair) {
	isRel := func(i int) bool {
		bl := &al.blocks[i]
		return bl.SectionA >= 0 && units.IsRel(p.A.ELF.Sections[bl.SectionA].Type)
	}
	for _, rel := range []bool{false, true} {
		if rel {
			al.growFor(p, isRel)
		}
		for i := range al.blocks {
			if isRel(i) != rel {
				continue
			}
			bl := &al.blocks[i]
			if al.unequal(bl) {
				al.split(p, bl, rel)
			}
			bl.lo = len(al.regions)
			if rel {
				al.relocations(p, i)
				bl.relocs = len(bl.UnitsA) > 0
				bl.UnitsA, bl.UnitsB = nil, nil
			} else {
				al.block(i)
			}
			bl.hi = len(al.regions)
		}
	}
}

// unequal: both sides have the block, with other bytes.
func (al *aligner) unequal(bl *Block) bool {
	return bl.A.Len > 0 && bl.B.Len > 0 && !(bl.A.Len == bl.B.Len && bytes.Equal(al.a.Slice(bl.A.Off, bl.A.Len), al.b.Slice(bl.B.Off, bl.B.Len)))
}

// growFor makes room for the regions of relocations: those of a large module would
// otherwise be there twice each time that they outgrow their memory.
func (al *aligner) growFor(p *Pair, isRel func(i int) bool) {
	n := 0
	for i := range al.blocks {
		if bl := &al.blocks[i]; isRel(i) && al.unequal(bl) {
			n += p.A.ELF.Relocs(bl.SectionA)
		}
	}
	al.regions, al.owner = slices.Grow(al.regions, n), slices.Grow(al.owner, n)
}

// split splits both sides of a block. Units of relocations, which are most of all,
// are there until the next section of them is split.
func (al *aligner) split(p *Pair, bl *Block, rel bool) {
	find := func(f *units.File, r Range) *units.Block {
		i, _ := slices.BinarySearchFunc(f.Blocks, r.Off, func(b units.Block, off int64) int { return cmp.Compare(b.Off, off) })
		return &f.Blocks[i]
	}
	us := &al.entries
	us[0] = p.A.ELF.Units(us[0][:0], find(p.A.ELF, bl.A))
	us[1] = p.B.ELF.Units(us[1][:0], find(p.B.ELF, bl.B))
	if rel {
		bl.UnitsA, bl.UnitsB = us[0], us[1]
		return
	}
	bl.UnitsA, bl.UnitsB = al.keepUnits(0), al.keepUnits(1)
}

// keepUnits moves the units just made to where they stay as long as the pair. Memory
// that is full is left to the blocks that have it.
func (al *aligner) keepUnits(side int) []units.Unit {
	us, arena := al.entries[side], &al.arena[side]
	if cap(*arena)-len(*arena) < len(us) {
		*arena = make([]units.Unit, 0, max(len(us), min(2*cap(*arena), 1<<14)))
	}
	n := len(*arena)
	*arena = append(*arena, us...)
	return (*arena)[n:len(*arena):len(*arena)]
}

// block aligns a block by its units, if it was split.
func (al *aligner) block(i int) {
	if bl := &al.blocks[i]; len(bl.UnitsA) > 0 && len(bl.UnitsB) > 0 && bl.A.Len > 0 && bl.B.Len > 0 {
		al.alignUnits(i, nil)
		return
	}
	al.wholeBlock(i, false)
}

// relocations aligns a section of relocations. An entry of B is known on side A
// by the offset at which the bytes that it relocates are there; where these have
// no counterpart, it has none.
func (al *aligner) relocations(p *Pair, i int) {
	bl := &al.blocks[i]
	if len(bl.UnitsA) == 0 || len(bl.UnitsB) == 0 {
		al.block(i)
		return
	}
	const nowhere = 1 << 63
	target := al.target(p, bl)
	if target == nil || target.equal {
		al.alignUnits(i, nil)
		return
	}
	order := make([]Region, 0, target.hi-target.lo)
	for _, r := range al.regions[target.lo:target.hi] {
		if r.B.Len > 0 {
			order = append(order, r)
		}
	}
	slices.SortFunc(order, func(x, y Region) int { return cmp.Compare(x.B.Off, y.B.Off) })
	al.alignUnits(i, func(u *units.Unit) uint64 {
		if u.Kind != units.Reloc || u.Key > uint64(target.B.Len) {
			return u.Key | nowhere
		}
		off := target.B.Off + int64(u.Key)
		k, found := slices.BinarySearchFunc(order, off, func(r Region, off int64) int { return cmp.Compare(r.B.Off, off) })
		if !found {
			k--
		}
		if k < 0 || order[k].A.Len != order[k].B.Len || off >= order[k].B.End() {
			return u.Key | nowhere
		}
		return uint64(order[k].A.Off + off - order[k].B.Off - target.A.Off)
	})
}

// target is the block that a block of relocations is for; nil if the two sides do
// not agree on it.
func (al *aligner) target(p *Pair, bl *Block) *Block {
	a, b := p.A.ELF.Sections[bl.SectionA].Info, p.B.ELF.Sections[bl.SectionB].Info
	for i := range al.blocks {
		if t := &al.blocks[i]; t.SectionA == int(a) && t.SectionB == int(b) {
			return t
		}
	}
	return nil
}
