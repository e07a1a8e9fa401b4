// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"slices"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var referenceChange = compare.Cause{ID: "change.reference", Class: compare.CodeChange, Title: "other places and names under references that have stayed as they were"}

var referenceCauses = []*compare.Cause{&referenceChange}

// references looks at what does not differ: a relocation, a symbol or the number of a
// section that is equal on both sides must lead to the same thing on both. Where two
// strings, symbols or names have changed places, or a string has grown, and what leads
// there did not follow, the program is another one, and bytes that were explained as
// moved are a change. Of bytes that hold a change anyway no more is said.
//
// It comes after the families that explain, since it takes back what they said.
func references(p *pair) {
	if p.A.ELF == nil || p.B.ELF == nil {
		return
	}
	f := &referenceFamily{pair: p, accused: map[int32]string{}}
	if f.look(); f.settled() {
		return
	}
	f.links()
	f.symbols()
	f.relocations()
	f.extendedVersions()
	f.accuse()
}

// referenceFamily is what is found out about the blocks of a pair.
type referenceFamily struct {
	*pair
	blocks    []seenBlock // by their numbers
	sections  []int32     // of each section of A its block; -1 for none that differs
	table     int32       // the block of the section table, -1 if it does not differ
	strtab    int32       // that of the names of symbols
	numbered  bool        // the sections have the same numbers
	named     bool        // the symbols have the same numbers, names and sections
	displaced bool        // in some section, something is at another offset
	accused   map[int32]string
	anywhere  string // what leads elsewhere by the fault of all blocks that differ
}

// seenBlock tells of a block what is in it: bytes that differ, changes, and something
// that is not where it is on the other side, counted from the start of the block.
type seenBlock struct {
	differs, changed, displaced bool
}

// look goes through all regions.
func (f *referenceFamily) look() {
	f.sections = slices.Repeat([]int32{-1}, len(f.A.ELF.Sections))
	f.table, f.strtab = -1, -1
	f.numbered = slices.Equal(f.ids[0], f.ids[1])
	f.named = f.numbered
	for i := range f.Unit.Len() {
		r := f.Unit.Region(i)
		n := r.Unit.Block
		if int(n) >= len(f.blocks) {
			f.blocks = append(f.blocks, make([]seenBlock, int(n)+1-len(f.blocks))...)
		}
		bl, x := f.Block(f.Unit, &r), &f.blocks[n]
		x.displaced = x.displaced || bl.A.Len != bl.B.Len || r.A.Len != r.B.Len || r.A.Off-bl.A.Off != r.B.Off-bl.B.Off
		if r.Relation != compare.Same {
			x.differs = true
			x.changed = x.changed || r.Owner == nil || r.Owner.Cause.Class == compare.CodeChange
		}
		if !x.differs && !x.displaced {
			continue
		}
		switch {
		case bl.Kind == units.Table:
			f.table = n
		case bl.Kind == units.Section && bl.SectionA >= 0:
			f.sections[bl.SectionA] = n
			f.displaced = f.displaced || x.displaced
		}
	}
	if i := f.A.ELF.SymtabIndex(); i >= 0 {
		f.strtab = f.of(int(f.A.ELF.Sections[i].Link))
		f.named = f.named && f.of(i) < 0 && f.strtab < 0
	}
}

// settled: nothing can lead elsewhere.
func (f *referenceFamily) settled() bool { return f.named && !f.displaced }

// of is the block of a section of A that differs; -1 for any other.
func (f *referenceFamily) of(section int) int32 {
	if section < 0 || section >= len(f.sections) {
		return -1
	}
	return f.sections[section]
}

// open: in a section of A, something is at another offset, and no change is told.
func (f *referenceFamily) open(section int) bool {
	n := f.of(section)
	return n >= 0 && f.blocks[n].displaced && !f.blocks[n].changed
}

// suspect names what leads elsewhere. The first of the blocks that differs has the blame;
// if it holds a change, that is told.
func (f *referenceFamily) suspect(what string, blocks ...int32) {
	for _, n := range blocks {
		if n < 0 || !f.blocks[n].differs {
			continue
		}
		if old, known := f.accused[n]; !f.blocks[n].changed && (!known || what < old) {
			f.accused[n] = what
		}
		return
	}
	if f.anywhere == "" || what < f.anywhere { // none of those that should differ
		f.anywhere = what
	}
}

// accuse makes changes of all bytes of the blocks that have the blame.
func (f *referenceFamily) accuse() {
	for n := range f.blocks {
		if x := &f.blocks[n]; f.anywhere != "" && x.differs && !x.changed {
			f.accused[int32(n)] = f.anywhere
		}
	}
	if len(f.accused) == 0 {
		return
	}
	for i := range f.Unit.Len() {
		r := f.Unit.Region(i)
		if what, is := f.accused[r.Unit.Block]; is && r.Relation != compare.Same {
			f.Unit.Blame(i, f.owner(&referenceChange, what, "", ""))
		}
	}
}

// links compares the numbers by which sections name others, and how many local symbols
// there are.
func (f *referenceFamily) links() {
	a, b := f.A.ELF.SymtabIndex(), f.B.ELF.SymtabIndex()
	if a >= 0 && b >= 0 && f.A.ELF.Sections[a].Info == f.B.ELF.Sections[b].Info && locals(f.A.ELF) != locals(f.B.ELF) {
		f.suspect("sh_info of "+f.A.ELF.Sections[a].Name, f.of(a))
	}
	if f.numbered {
		return
	}
	inB := map[sectionID]int{}
	for j, id := range f.ids[1] {
		inB[id] = j
	}
	for i, id := range f.ids[0] {
		j, both := inB[id]
		if !both {
			continue
		}
		a, b := &f.A.ELF.Sections[i], &f.B.ELF.Sections[j]
		if a.Link == b.Link && !f.sameSection(int(a.Link), int(b.Link)) {
			f.suspect("sh_link of "+a.Name, f.table)
		}
		if units.IsRel(a.Type) && a.Info == b.Info && !f.sameSection(int(a.Info), int(b.Info)) {
			f.suspect("sh_info of "+a.Name, f.table)
		}
	}
}

// symbols compares what equal entries of the symbol table are for. Where a local object
// ends that no relocation is by means nothing, as of a list that is a section; and symbols
// of modinfo entries have numbers in their names, so that one can be that of another entry. That of a section is looked at with
// what leads there.
func (f *referenceFamily) symbols() {
	sa, sb := f.A.ELF.SymtabIndex(), f.B.ELF.SymtabIndex()
	if sa < 0 || sb < 0 {
		return
	}
	ya, yb, needed := f.A.ELF.Symbols(), f.B.ELF.Symbols(), f.A.ELF.Needed()
	f.equalEntries(sa, sb, len(ya), func(i, j int32) {
		if int(j) >= len(yb) {
			return
		}
		a, b := &ya[i], &yb[j]
		matters := needed[i] || a.Type() == 2 || a.Info>>4 != 0
		switch {
		case a.Type() > 2:
		case a.Name != b.Name || !f.sameHash(a.Hash, b.Hash) || a.Named != b.Named:
			if !isNumbered(a.Name) && !isNumbered(b.Name) {
				f.suspect("symbol "+min(a.Name, b.Name), f.strtab, f.of(sa))
			}
		case a.Section == 0 || a.Section >= 0xff00:
		case !f.sameSection(a.Section, b.Section):
			if !f.samePlace(a.Section, a.Value, b.Section, b.Value, false) { // a string that is in another section
				f.suspect("symbol "+a.Name, f.table, f.of(sa))
			}
		case !f.open(a.Section) || isNumbered(a.Name) || !matters && a.Value == 0:
		case f.otherPlace(a.Section, a.Value, b.Section, b.Value, false),
			matters && a.Size > 0 && f.otherPlace(a.Section, a.Value+a.Size-1, b.Section, b.Value+b.Size-1, false): // the last byte of each
			f.suspect("symbol "+a.Name, f.of(a.Section))
		}
	})
}

// equalEntries calls do with the numbers of entries of two sections of symbols or
// relocations, of n in A, that are equal.
func (f *referenceFamily) equalEntries(secA, secB, n int, do func(i, j int32)) {
	at := int64(f.B.ELF.Sections[secB].Offset)
	for i := range int32(n) {
		u := f.A.ELF.Entry(secA, i)
		if u.Kind != units.Symbol && u.Kind != units.Reloc {
			return // the rest
		}
		b, equal := f.EqualB(compare.Range{Off: u.Off, Len: u.Len})
		if equal && b >= at && (b-at)%u.Len == 0 && b+u.Len <= at+int64(f.B.ELF.Sections[secB].Size) {
			do(i, int32((b-at)/u.Len))
		}
	}
}

// relocations compares what equal relocations are for, and what they lead to.
func (f *referenceFamily) relocations() {
	inB := map[sectionID]int{}
	for j, id := range f.ids[1] {
		inB[id] = j
	}
	for i, id := range f.ids[0] {
		sa := &f.A.ELF.Sections[i]
		j, both := inB[id]
		if !both || !units.IsRel(sa.Type) || f.B.ELF.Sections[j].Type != sa.Type || sa.Size == 0 {
			continue
		}
		sb := &f.B.ELF.Sections[j]
		if int(sa.Info) >= len(f.ids[0]) || int(sb.Info) >= len(f.ids[1]) {
			continue
		}
		f.equalEntries(i, j, f.A.ELF.Relocs(i), func(k, _ int32) {
			u := f.A.ELF.RelocUnit(i, k)
			f.relocation(f.A.ELF.Rel(f.A.ELF.Bytes[u.Off:u.Off+u.Len], sa.Type), sa, sb)
		})
	}
}

// relocation is an entry that both sides have. That of a symbol by name leads to what the
// symbol is. The entries of tables of code are known by the functions that their relocations
// lead to; where functions are in another order, an equal one can be for another function.
func (f *referenceFamily) relocation(r units.Rel, sa, sb *elfview.Section) {
	what := func() string { // the same whichever side is A
		x, y := site{}, site{}
		return min(x.at(f.A.ELF, int(sa.Info), r.Offset), y.at(f.B.ELF, int(sb.Info), r.Offset))
	}
	name := f.A.ELF.Sections[sa.Info].Name
	table := units.IsTable(name) || name == "__patchable_function_entries"
	if !table && f.open(int(sa.Info)) && f.otherPlace(int(sa.Info), r.Offset, int(sb.Info), r.Offset, true) {
		f.suspect(what(), f.of(int(sa.Info)))
	}
	ya, yb := f.A.ELF.Symbols(), f.B.ELF.Symbols()
	if int(r.Sym) >= len(ya) || int(r.Sym) >= len(yb) {
		if len(ya) != len(yb) {
			f.suspect(what(), f.of(f.A.ELF.SymtabIndex()))
		}
		return
	}
	s, t := &ya[r.Sym], &yb[r.Sym]
	if !f.named && f.otherSymbol(r.Sym, s, t) {
		f.suspect(what(), f.of(f.A.ELF.SymtabIndex()), f.strtab, f.table)
		return
	}
	elsewhere := s.Type() == 3 && !f.sameSection(s.Section, t.Section)
	if s.Type() != 3 || !elsewhere && (table || !f.open(s.Section)) {
		return
	}
	bias := f.bias(r.Type, sa)
	if ok, _ := f.sameTarget(s, t, r.Addend, r.Addend, bias); ok {
		return
	}
	if elsewhere {
		f.suspect(what(), f.of(f.A.ELF.SymtabIndex()), f.table)
	} else if f.otherPlace(s.Section, s.Value+uint64(r.Addend+bias), t.Section, t.Value+uint64(r.Addend+bias), false) {
		f.suspect(what(), f.of(s.Section))
	}
}

// otherSymbol: one number is that of two symbols.
func (f *referenceFamily) otherSymbol(i uint32, s, t *units.Sym) bool {
	switch {
	case s.Type() != t.Type():
		return true
	case s.Section == 0 || t.Section == 0 || s.Section >= 0xff00 || t.Section >= 0xff00:
		return s.Name != t.Name || s.Section != t.Section
	case s.Type() == 3:
		return false // of a section that may be another one, if the string that is meant is there now
	}
	return s.Name != t.Name || !f.sameHash(s.Hash, t.Hash) || !f.sameSymbol(i, i)
}

// otherPlace: what is at an offset in a section of A is elsewhere in B, or what is at
// that of B is elsewhere in A. Of what has no counterpart, one cannot tell.
func (f *referenceFamily) otherPlace(secA int, a uint64, secB int, b uint64, inside bool) bool {
	if f.samePlace(secA, a, secB, b, inside) || secA >= len(f.ids[0]) || secB >= len(f.ids[1]) {
		return false
	}
	sa, sb := &f.A.ELF.Sections[secA], &f.B.ELF.Sections[secB]
	if sa.Type == elfview.SHTNobits || sb.Type == elfview.SHTNobits {
		return false
	}
	at, to := int64(sa.Offset+a), int64(sb.Offset+b)
	there, hasA := f.Counterpart(at)
	here, hasB := f.CounterpartA(to)
	return a < sa.Size && hasA && there != to || b < sb.Size && hasB && here != at
}

// extendedVersions: the n-th of the checksums is that of the n-th name.
func (f *referenceFamily) extendedVersions() {
	if f.A.ELF.Section("__version_ext_names") == nil {
		return
	}
	for i, id := range f.ids[0] {
		if id.name == "__version_ext_names" && f.of(i) >= 0 && f.of(slices.Index(f.ids[0], sectionID{name: "__version_ext_crcs"})) < 0 {
			f.suspect("names of imported symbols", f.of(i))
		}
	}
}
