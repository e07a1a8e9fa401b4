// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"slices"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	tableOffsets  = compare.Cause{ID: "layout.offsets", Class: compare.Derived, Local: true, Title: "offsets, sizes and numbers of sections that follow from other differences"}
	moduleStruct  = compare.Cause{ID: "module-struct", Class: compare.Root, Title: "struct module of another size", Mend: "the same .config", Doc: "include/linux/module.h"}
	sectionChange = compare.Cause{ID: "change.section", Class: compare.CodeChange, Title: "other sections, or other attributes of them"}
	headerChange  = compare.Cause{ID: "change.header", Class: compare.CodeChange, Title: "other fields of the ELF header"}
	sectionOrder  = compare.Cause{ID: "layout.section-order", Class: compare.Root, Local: true, Title: "sections in another order", Mend: "the same linker and linker script", Doc: "scripts/module.lds.S"}
)

var headerCauses = []*compare.Cause{&tableOffsets, &moduleStruct, &sectionChange, &headerChange, &sectionOrder}

// headers explains the ELF header and the section table.
func headers(p *pair) {
	if p.A.ELF == nil {
		return
	}
	p.each(p.Unit, func(x *place) {
		switch u := x.unit(); u.Kind {
		case units.Header:
			p.headerField(x)
		case units.SectionField:
			p.sectionField(x)
		}
	}, units.Header, units.SectionField)
}

func (p *pair) headerField(x *place) {
	name := x.unit().Name
	a, b := p.A.ELF, p.B.ELF
	derived := false
	switch name {
	case "e_shoff":
		// The table was read from there. It must lie behind the same block.
		derived = p.follows(uint64(a.Table.Off), uint64(b.Table.Off), 8)
	case "e_shnum":
		derived = len(a.Sections) != len(b.Sections)
	case "e_shstrndx":
		ia, ib := stringTable(a), stringTable(b)
		derived = ia < len(a.Sections) && ib < len(b.Sections) && p.sameSection(ia, ib)
	}
	if derived {
		p.claim(x, &tableOffsets, "", "", "")
		return
	}
	va, vb := p.bytes(x)
	p.claim(x, &headerChange, name, fmt.Sprintf("% x", va), fmt.Sprintf("% x", vb))
}

// stringTable is e_shstrndx, which is small or the file has an escape there that
// no module needs.
func stringTable(f *units.File) int {
	at := 62
	if f.Bits == 32 {
		at = 50
	}
	return int(f.Order.Uint16(f.Bytes[at:]))
}

// before is the last block that ends at an offset or before, padding left out,
// and how far behind its end the offset is.
func before(f *units.File, off int64) (block string, behind int64) {
	for i := len(f.Blocks) - 1; i >= 0; i-- {
		if b := &f.Blocks[i]; b.Kind != units.Gap && b.Off+b.Len <= off {
			return fmt.Sprint(b.Kind, " ", b.Name, " ", b.Ordinal), off - b.Off - b.Len
		}
	}
	return "", off
}

// follows: two offsets lie right behind the same block, but for what aligns them;
// or, if blocks came, went or moved, behind any.
func (p *pair) follows(a, b, align uint64) bool {
	ba, na := before(p.A.ELF, int64(a))
	bb, nb := before(p.B.ELF, int64(b))
	most := int64(max(min(align, 4096), 8))
	return na < most && nb < most && (ba == bb || !p.orderKept())
}

func (p *pair) sectionField(x *place) {
	u := x.unit()
	field := units.SectionFields[u.Key]
	switch {
	case x.Relation == compare.Moved:
		p.claim(x, &sectionOrder, "", "", "")
	case !x.both():
		p.claim(x, &sectionChange, "section "+u.Name, side(x, true), side(x, false))
	case p.fieldFollows(field, int(x.a.Index), int(x.b.Index)):
		p.claim(x, &tableOffsets, "", "", "")
	case field == "sh_size" && u.Name == ".gnu.linkonce.this_module":
		a, b := &p.A.ELF.Sections[x.a.Index], &p.B.ELF.Sections[x.b.Index]
		p.claim(x, &moduleStruct, "", fmt.Sprint(a.Size), fmt.Sprint(b.Size))
	default:
		a, b := p.bytes(x)
		p.claim(x, &sectionChange, field+" of "+u.Name, fmt.Sprintf("% x", a), fmt.Sprintf("% x", b))
	}
}

func side(x *place, a bool) string {
	if (x.a.Len > 0) == a {
		return "present"
	}
	return "absent"
}

// fieldFollows computes a field of an entry of the section table again.
func (p *pair) fieldFollows(field string, i, j int) bool {
	fa, fb := p.A.ELF, p.B.ELF
	a, b := &fa.Sections[i], &fb.Sections[j]
	if !p.sameSection(i, j) || a.Type != b.Type {
		return false
	}
	nobits := a.Type == elfview.SHTNobits
	switch field {
	case "sh_name":
		return a.Name != "" // the names that the two offsets lead to are equal
	case "sh_offset":
		return a.Offset <= uint64(len(fa.Bytes)) && b.Offset <= uint64(len(fb.Bytes)) && p.follows(a.Offset, b.Offset, max(a.Addralign, b.Addralign))
	case "sh_size":
		// The bytes are accounted for as that section's.
		return !nobits && a.Type != 0 && a.Name != ".gnu.linkonce.this_module"
	case "sh_link":
		return p.sameSection(int(a.Link), int(b.Link))
	case "sh_info":
		if units.IsRel(a.Type) {
			return p.sameSection(int(a.Info), int(b.Info))
		}
		return a.Type == 2 && int(a.Info) == locals(fa) && int(b.Info) == locals(fb)
	}
	return false
}

// locals counts the local symbols, which come first.
func locals(f *units.File) int {
	for i, y := range f.Symbols() {
		if y.Info>>4 != 0 {
			return i
		}
	}
	return len(f.Symbols())
}

// orderKept: no section came, went, or moved.
func (p *pair) orderKept() bool {
	if p.order == 0 {
		p.order = 1
		if slices.EqualFunc(p.A.ELF.Blocks, p.B.ELF.Blocks, func(x, y units.Block) bool {
			return x.Kind == y.Kind && x.Name == y.Name && x.Ordinal == y.Ordinal
		}) {
			p.order = 2
		}
	}
	return p.order == 2
}
