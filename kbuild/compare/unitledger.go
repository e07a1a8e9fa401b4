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
		bl.UnitsA, bl.UnitsB, bl.equal, bl.made = nil, nil, false, false
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

// sections aligns all blocks, in the order of A as far as it can: a section of
// relocations comes after the one that it is for, since its entries are recognised
// by where the bytes that they relocate have gone.
func (al *aligner) sections(p *Pair) {
	al.growFor(p)
	var later []int
	for i := range al.blocks {
		if al.isRel(p, i) {
			if t := al.target(p, &al.blocks[i]); t != nil && !t.done {
				later = append(later, i)
				continue
			}
		}
		al.section(p, i)
	}
	for _, i := range later {
		al.section(p, i)
	}
	al.dropEntries()
}

// isRel: the block is a section of relocations.
func (al *aligner) isRel(p *Pair, i int) bool {
	bl := &al.blocks[i]
	return bl.SectionA >= 0 && bl.SectionB >= 0 && units.IsRel(p.A.ELF.Sections[bl.SectionA].Type) && units.IsRel(p.B.ELF.Sections[bl.SectionB].Type)
}

// section aligns a block by its units, if its bytes are not equal.
func (al *aligner) section(p *Pair, i int) {
	bl := &al.blocks[i]
	bl.lo = len(al.regions)
	switch {
	case !al.unequal(bl):
		al.wholeBlock(i, bl.A.Len == bl.B.Len)
	case al.isRel(p, i):
		bl.made = true
		al.relocations(p, i)
	default:
		late := len(al.late)
		al.split(p, bl)
		al.block(i)
		if bl.made {
			bl.UnitsA, bl.UnitsB = nil, nil
		} else {
			al.keepUnits(bl, late)
		}
	}
	bl.hi = len(al.regions)
	bl.done = true
}

// unequal: both sides have the block, with other bytes.
func (al *aligner) unequal(bl *Block) bool {
	return bl.A.Len > 0 && bl.B.Len > 0 && !(bl.A.Len == bl.B.Len && bytes.Equal(al.a.Slice(bl.A.Off, bl.A.Len), al.b.Slice(bl.B.Off, bl.B.Len)))
}

// growFor makes room for the regions of symbols and relocations: those of a large
// module would otherwise be there twice each time that they outgrow their memory.
func (al *aligner) growFor(p *Pair) {
	n := 0
	for i := range al.blocks {
		if bl := &al.blocks[i]; al.isRel(p, i) && al.unequal(bl) {
			n += p.A.ELF.Relocs(bl.SectionA)
		}
	}
	if n > 0 {
		n += n/16 + 4*len(p.A.ELF.Symbols())
	}
	al.regions = slices.Grow(al.regions, n)
}

// split splits both sides of a block.
func (al *aligner) split(p *Pair, bl *Block) {
	us := &al.entries
	us[0] = p.A.ELF.Units(us[0][:0], p.A.ELF.BlockAt(bl.A.Off))
	us[1] = p.B.ELF.Units(us[1][:0], p.B.ELF.BlockAt(bl.B.Off))
	bl.UnitsA, bl.UnitsB = us[0], us[1]
	bl.made = p.A.ELF.IsSymtab(bl.SectionA) && p.B.ELF.IsSymtab(bl.SectionB)
}

// manyUnits is the number of units of a block above which their memory is given back
// when all blocks are aligned.
const manyUnits = 1 << 13

// keepUnits moves the units that regions of the block refer to, those of side B alone
// from late on, to where they stay as long as the pair. Most are not among them: bytes
// that are the same need no names.
func (al *aligner) keepUnits(bl *Block, late int) {
	regions := [][]region{al.regions[bl.lo:], al.late[late:]}
	for side, us := range []*[]units.Unit{&bl.UnitsA, &bl.UnitsB} {
		number := fill(al.match, len(*us))
		al.match = number
		n := 0
		for _, list := range regions {
			for k := range list {
				if i := *list[k].of(side); i >= 0 && number[i] < 0 {
					number[i] = 0
					n++
				}
			}
		}
		arena := &al.arena[side]
		if cap(*arena)-len(*arena) < n { // what is full is left to the blocks that have it
			*arena = make([]units.Unit, 0, max(n, min(2*cap(*arena), 1<<14)))
		}
		from := len(*arena)
		for i := range *us {
			if number[i] == 0 {
				number[i] = int32(len(*arena) - from)
				*arena = append(*arena, (*us)[i])
			}
		}
		for _, list := range regions {
			for k := range list {
				if i := list[k].of(side); *i >= 0 {
					*i = number[*i]
				}
			}
		}
		*us = (*arena)[from:len(*arena):len(*arena)]
	}
}

// dropEntries gives back memory that few pairs need.
func (al *aligner) dropEntries() {
	for side := range al.entries {
		if cap(al.entries[side]) > manyUnits {
			al.entries[side] = nil
		}
	}
}

// block aligns a block by its units, if it was split.
func (al *aligner) block(i int) {
	if bl := &al.blocks[i]; len(bl.UnitsA) > 0 && len(bl.UnitsB) > 0 && bl.A.Len > 0 && bl.B.Len > 0 {
		al.alignUnits(i)
		return
	}
	al.wholeBlock(i, false)
}

// relocations aligns a section of relocations. An entry of B is known on side A
// by the offset at which the bytes that it relocates are there; where these have
// no counterpart, it has none.
func (al *aligner) relocations(p *Pair, i int) {
	bl := &al.blocks[i]
	fa, fb := p.A.ELF, p.B.ELF
	m := &relocMatcher{al.keys[0], al.keys[1]}
	m.a, m.b = fa.RelocOffsets(m.a[:0], bl.SectionA), fb.RelocOffsets(m.b[:0], bl.SectionB)
	al.keys = [2][]uint32{m.a, m.b}
	if target := al.target(p, bl); target != nil && !target.equal {
		al.onA(m.b, target)
	}
	na, nb := fa.Relocs(bl.SectionA), fb.Relocs(bl.SectionB)
	al.matchAll(m, na, nb)
	h := blockHash(bl)
	for x := range na {
		ua, y := fa.RelocUnit(bl.SectionA, int32(x)), al.match[x]
		if y < 0 {
			al.oneSided(Unit{int32(i), int32(x), whole}, ua.Kind, Range{ua.Off, ua.Len}, Range{})
			continue
		}
		ub := fb.RelocUnit(bl.SectionB, y)
		al.unitPair(Unit{int32(i), int32(x), y}, &ua, &ub, h)
	}
	for y := range nb {
		if al.matchB[y] < 0 {
			ub := fb.RelocUnit(bl.SectionB, int32(y))
			al.oneSided(Unit{int32(i), whole, int32(y)}, ub.Kind, Range{}, Range{ub.Off, ub.Len})
		}
	}
}

// onA changes offsets in the target on side B to those on side A. What has no
// counterpart there gets a number that no offset is.
func (al *aligner) onA(keys []uint32, target *Block) {
	rs := al.regions[target.lo:target.hi]
	al.heavy = al.heavy[:0] // those that are on both sides, in the order of B
	for k := range rs {
		if rs[k].b.len > 0 {
			al.heavy = append(al.heavy, int32(k))
		}
	}
	byB := func(i, j int32) int { return cmp.Compare(rs[i].b.off, rs[j].b.off) }
	if !slices.IsSortedFunc(al.heavy, byB) {
		slices.SortFunc(al.heavy, byB)
	}
	holds := func(k int, off uint32) bool {
		return k < len(al.heavy) && rs[al.heavy[k]].b.off <= off && off < rs[al.heavy[k]].b.end()
	}
	k := 0
	for i, key := range keys {
		keys[i] = key | units.Beyond
		if int64(key) >= target.B.Len {
			continue
		}
		off := uint32(target.B.Off) + key
		switch { // entries are mostly sorted
		case holds(k, off):
		case holds(k+1, off):
			k++
		default:
			var found bool
			if k, found = slices.BinarySearchFunc(al.heavy, off, func(i int32, off uint32) int { return cmp.Compare(rs[i].b.off, off) }); !found {
				k--
			}
			if k < 0 || !holds(k, off) {
				k = max(k, 0)
				continue
			}
		}
		if r := &rs[al.heavy[k]]; r.a.len == r.b.len {
			keys[i] = r.a.off + (off - r.b.off) - uint32(target.A.Off)
		}
	}
}

// relocMatcher matches entries by the offsets that they relocate. Behind the entries
// there can be a rest.
type relocMatcher struct{ a, b []uint32 }

func (m *relocMatcher) same(x, y int) bool {
	if x == len(m.a) || y == len(m.b) {
		return x == len(m.a) && y == len(m.b)
	}
	return m.a[x] == m.b[y]
}

// names goes through both lists in the order of their keys.
func (m *relocMatcher) names(al *aligner, lo, na, nb int) {
	sorted := func(list []int32, keys []uint32, n int) []int32 {
		list = slices.Grow(list[:0], max(min(n, len(keys))-lo, 0))
		for i := lo; i < min(n, len(keys)); i++ {
			list = append(list, int32(i))
		}
		order := func(i, j int32) int { return cmp.Or(cmp.Compare(keys[i], keys[j]), cmp.Compare(i, j)) }
		if !slices.IsSortedFunc(list, order) {
			slices.SortFunc(list, order)
		}
		return list
	}
	al.heavy, al.next = sorted(al.heavy, m.a, na), sorted(al.next, m.b, nb)
	as, bs := al.heavy, al.next
	for len(as) > 0 && len(bs) > 0 {
		switch x, y := int(as[0]), int(bs[0]); cmp.Compare(m.a[x], m.b[y]) {
		case -1:
			as = as[1:]
		case 1:
			bs = bs[1:]
		default:
			al.pairUp(x, y)
			as, bs = as[1:], bs[1:]
		}
	}
}

func (m *relocMatcher) alike(x, y int) bool { return (x < len(m.a)) == (y < len(m.b)) }

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
