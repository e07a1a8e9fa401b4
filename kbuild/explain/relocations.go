// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	relocPlace  = compare.Cause{ID: "layout.relocation", Class: compare.Derived, Local: true, Title: "relocations of bytes that are at another offset, or lead to such"}
	relocInside = compare.Cause{ID: "layout.relocation-target", Class: compare.Unverified, Local: true, Title: "relocations that lead to before or behind the bytes that they are for"}
	relocOrder  = compare.Cause{ID: "layout.relocation-order", Class: compare.Derived, Local: true, Title: "relocations in another order"}
	relocChange = compare.Cause{ID: "change.relocation", Class: compare.CodeChange, Title: "other relocations"}
)

var relocationCauses = []*compare.Cause{&relocPlace, &relocInside, &relocOrder, &relocChange}

// relocations explains entries of which the same thing is told in other numbers.
func relocations(p *pair) {
	p.each(p.Unit, func(x *place) {
		u := x.unit()
		switch {
		case u.Kind != units.Reloc:
		case x.Relation == compare.Moved:
			p.claim(x, &relocOrder, "", "", "")
		case x.both() && p.relocFollows(x):
		default:
			p.claim(x, &relocChange, p.site(x), "", "")
		}
	}, units.Reloc)
}

// entries decodes both sides of a relocation.
func (p *pair) entries(x *place) (a, b units.Rel, fine bool) {
	sa, sb := &p.A.ELF.Sections[x.block.SectionA], &p.B.ELF.Sections[x.block.SectionB]
	if sa.Type != sb.Type {
		return a, b, false
	}
	ba, bb := p.bytes(x)
	return p.A.ELF.Rel(ba, sa.Type), p.B.ELF.Rel(bb, sb.Type), true
}

// relocFollows claims an entry if both sides relocate the same bytes, in the same
// way, by the same symbol, and lead to the same bytes.
func (p *pair) relocFollows(x *place) bool {
	a, b, fine := p.entries(x)
	if !fine || a.Type != b.Type {
		return false
	}
	sa, sb := &p.A.ELF.Sections[x.block.SectionA], &p.B.ELF.Sections[x.block.SectionB]
	if !p.samePlace(int(sa.Info), a.Offset, int(sb.Info), b.Offset, true) {
		return false
	}
	ya, yb := p.A.ELF.Symbols(), p.B.ELF.Symbols()
	if int(a.Sym) >= len(ya) || int(b.Sym) >= len(yb) {
		return false
	}
	s, t := &ya[a.Sym], &yb[b.Sym]
	if s.Type() != t.Type() || s.Type() != 3 && (s.Name != t.Name || !p.sameHash(s.Hash, t.Hash)) || (s.Section == 0) != (t.Section == 0) {
		return false
	}
	if s.Section == 0 || s.Section >= 0xff00 {
		return p.relocClaim(x, a.Addend == b.Addend && s.Section == t.Section, true)
	}
	if s.Type() != 3 {
		// What the symbol is, is told with it; the same name on both sides must
		// be the same symbol.
		return p.relocClaim(x, a.Addend == b.Addend && p.sameSymbol(a.Sym, b.Sym), true)
	}
	ok, exact := p.sameTarget(s, t, a.Addend, b.Addend, p.bias(a.Type, sa))
	return p.relocClaim(x, ok, exact)
}

func (p *pair) relocClaim(x *place, ok, exact bool) bool {
	switch {
	case ok && exact:
		p.claim(x, &relocPlace, "", "", "")
	case ok:
		p.claim(x, &relocInside, "", "", "")
	}
	return ok
}

// sameSymbol: of symbols that share a name, as many come before. Global names are
// unique.
func (p *pair) sameSymbol(i, j uint32) bool {
	ya, yb := p.A.ELF.Symbols(), p.B.ELF.Symbols()
	return ya[i].Info>>4 != 0 && yb[j].Info>>4 != 0 || p.ordinal(0, i) == p.ordinal(1, j)
}

// bias is what a relative relocation subtracts from where it leads to: in x86 code the
// addend counts from the end of the four bytes, if no other operand follows. In data it
// counts from the bytes themselves.
func (p *pair) bias(typ uint32, rel *elfview.Section) int64 {
	if p.A.ELF.Sections[rel.Info].Flags&elfview.SHFExec == 0 {
		return 0
	}
	if p.A.ELF.Machine == 62 && p.B.ELF.Machine == 62 && (typ == 2 || typ == 4) { // R_X86_64_PC32, R_X86_64_PLT32
		return 4
	}
	return 0
}

// sameTarget: the addends lead to the same bytes. exact is false if they do so
// only for an instruction with an operand behind the relocated bytes, which only a
// disassembler could tell.
func (p *pair) sameTarget(s, t *units.Sym, a, b, bias int64) (ok, exact bool) {
	leads := func(k int64) bool {
		return p.samePlace(s.Section, s.Value+uint64(a+bias+k), t.Section, t.Value+uint64(b+bias+k), k > 0)
	}
	if leads(0) {
		return true, true
	}
	for _, k := range []int64{1, 2, 4} { // an immediate of one, two or four bytes
		if bias > 0 && leads(k) {
			return true, false
		}
	}
	return false, false
}

// site names the function or object whose bytes an entry relocates.
func (p *pair) site(x *place) string {
	name := ""
	for i, f := range []*units.File{p.A.ELF, p.B.ELF} {
		u, k := []*units.Unit{&x.a, &x.b}[i], []int{x.block.SectionA, x.block.SectionB}[i]
		if u.Len == 0 || u.Kind != units.Reloc || k < 0 {
			continue
		}
		s := &f.Sections[k]
		off := f.Rel(f.Bytes[u.Off:u.Off+u.Len], s.Type).Offset
		if int(s.Info) < len(f.Sections) {
			if n := p.sites[i].at(f, int(s.Info), off); name == "" || n < name { // the same whichever side is A
				name = n
			}
		}
	}
	if name == "" {
		return "relocations in " + x.block.Name
	}
	return name
}

// site is what was relocated last on a side: mostly it is so again.
type site struct {
	sym  *units.Sym
	sec  int
	name string
}

// at names what lies at an offset of a section.
func (s *site) at(f *units.File, sec int, off uint64) string {
	y := f.At(sec, off)
	if s.name != "" && s.sym == y && s.sec == sec {
		return s.name
	}
	name := f.Sections[sec].Name
	if y != nil {
		name = y.Name + " in " + name
	}
	*s = site{y, sec, "relocations of " + name}
	return s.name
}
