// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	symbolPlace  = compare.Cause{ID: "layout.symbol", Class: compare.Derived, Local: true, Title: "symbols whose code or data is at another offset"}
	symbolOrder  = compare.Cause{ID: "layout.symbol-order", Class: compare.Derived, Local: true, Title: "symbols in another order"}
	symbolChange = compare.Cause{ID: "change.symbol", Class: compare.CodeChange, Title: "symbols that came, went, or are others"}
)

var symbolCauses = []*compare.Cause{&symbolPlace, &symbolOrder, &symbolChange}

// symbols explains the symbol table.
func symbols(p *pair) {
	p.each(p.Unit, func(x *place) {
		u := x.unit()
		switch {
		case u.Kind != units.Symbol:
		case x.Relation == compare.Moved:
			p.claim(x, &symbolOrder, "", "", "")
		case !x.both():
			p.claim(x, &symbolChange, u.Name, side(x, true), side(x, false))
		case p.symbolFollows(int(x.a.Index), int(x.b.Index)):
			p.claim(x, &symbolPlace, "", "", "")
		default:
			p.claim(x, &symbolChange, u.Name, "", "")
		}
	}, units.Symbol)
}

// symbolFollows: all that differs of an entry is where its name is, which number
// its section has, where in it its bytes have gone, and how many there are.
func (p *pair) symbolFollows(i, j int) bool {
	a, b := &p.A.ELF.Symbols()[i], &p.B.ELF.Symbols()[j]
	if a.Name != b.Name || !p.sameHash(a.Hash, b.Hash) || a.Info != b.Info || a.Other != b.Other ||
		a.Name == "" && a.NameAt != b.NameAt || !a.Named || !b.Named {
		return false
	}
	if a.Section >= 0xff00 || b.Section >= 0xff00 || a.Section == 0 || b.Section == 0 {
		return a.Section == b.Section && a.Value == b.Value && a.Size == b.Size
	}
	if a.Type() == 3 && a.Value|b.Value|a.Size|b.Size == 0 {
		return p.sameSection(a.Section, b.Section)
	}
	if !p.samePlace(a.Section, a.Value, b.Section, b.Value, false) {
		return false
	}
	// What is of another size is accounted for where it lies: the end of the one
	// must be the end of the other.
	return a.Size == b.Size || p.samePlace(a.Section, a.Value+a.Size, b.Section, b.Value+b.Size, false)
}

// samePlace: an offset in a section of A and one of B lead to the same bytes, by
// the alignment of the two files. inside tells that the end of what comes before
// does not count.
func (p *pair) samePlace(secA int, a uint64, secB int, b uint64, inside bool) bool {
	fa, fb := p.A.ELF, p.B.ELF
	if secA >= len(fa.Sections) || secB >= len(fb.Sections) {
		return false
	}
	sa, sb := &fa.Sections[secA], &fb.Sections[secB]
	if a < sa.Size && b < sb.Size {
		if same, known := p.strayPlace(int64(sa.Offset+a), int64(sb.Offset+b)); known {
			return same
		}
	}
	if !p.sameSection(secA, secB) {
		return false
	}
	if sa.Type == elfview.SHTNobits || sb.Type == elfview.SHTNobits || sa.Size == 0 || sb.Size == 0 {
		return a == b && sa.Type == sb.Type
	}
	switch {
	case a > sa.Size || b > sb.Size:
		return a == b && sa.Size == sb.Size
	case a == sa.Size || b == sb.Size:
		return a == sa.Size && b == sb.Size && !inside // the end of the section
	}
	return p.Corresponds(int64(sa.Offset+a), int64(sb.Offset+b))
}
