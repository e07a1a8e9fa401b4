// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	codeChange  = compare.Cause{ID: "change.code", Class: compare.CodeChange, Title: "other code"}
	dataChange  = compare.Cause{ID: "change.data", Class: compare.CodeChange, Title: "other data"}
	debugChange = compare.Cause{ID: "change.debug", Class: compare.CodeChange, Title: "other debug information"}
	orderOfCode = compare.Cause{ID: "layout.order", Class: compare.Root, Title: "the same code and data in another order",
		Mend: "the same linker, and objects and sections in the same order", Doc: docRepro}
)

var codeCauses = []*compare.Cause{&codeChange, &dataChange, &debugChange, &orderOfCode}

// code names what of the sections is left as changes of the functions and
// objects that the bytes belong to.
func code(p *pair) {
	if p.A.ELF == nil {
		return
	}
	p.each(p.Unit, func(x *place) {
		if x.block.Kind != units.Section {
			return
		}
		u := x.unit()
		switch u.Kind {
		case units.Function, units.Object, units.Bytes:
		default:
			if x.both() && x.Relation != compare.Moved {
				return
			}
		}
		if x.Relation == compare.Moved {
			p.claim(x, &orderOfCode, "", "", "")
			return
		}
		p.claim(x, p.changeOf(x), subject(x), side2(x, true), side2(x, false))
	})
}

// side2 tells of what is on one side only on which it is.
func side2(x *place, a bool) string {
	if x.both() {
		return ""
	}
	return side(x, a)
}

// subject names the function, the object or the section.
func subject(x *place) string {
	u := x.unit()
	if x.b.Len > 0 && x.b.Name < u.Name {
		u = &x.b // the same name whichever side is A
	}
	in := x.block.String()
	switch {
	case u.Kind == units.Function || u.Kind == units.Object:
		return u.Kind.String() + " " + u.Name + " in " + in
	case u.Kind == units.Bytes && u.Name != "":
		return "bytes after " + u.Name + " in " + in
	}
	return in
}

// changeOf chooses by what the section holds on either side.
func (p *pair) changeOf(x *place) *compare.Cause {
	var flags uint64
	rel := false
	for i, f := range []*units.File{p.A.ELF, p.B.ELF} {
		if k := []int{x.block.SectionA, x.block.SectionB}[i]; k >= 0 {
			flags |= f.Sections[k].Flags
			rel = rel || units.IsRel(f.Sections[k].Type)
		}
	}
	switch name := x.block.Name; {
	case flags&elfview.SHFExec != 0:
		return &codeChange
	case strings.HasPrefix(name, ".debug_"), strings.HasPrefix(name, ".rela.debug_"):
		return &debugChange
	case name == ".BTF", name == ".BTF.ext", name == ".BTF.base":
		return &btfChange
	case rel:
		return &relocChange
	}
	return &dataChange
}

// consistent notes on changes which global causes were found beside them.
func consistent(p *pair) {
	if len(p.roots) == 0 {
		return
	}
	var notes []string
	for _, c := range p.roots {
		notes = append(notes, "consistent-with: "+c.ID)
	}
	for _, o := range p.owners {
		if o.Cause.Class == compare.CodeChange {
			o.Notes = notes
		}
	}
}
