// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

const docORC = "Documentation/arch/x86/orc-unwinder.rst"

var (
	orcFormat = compare.Cause{ID: "toolchain.orc", Class: compare.Root, Title: "unwind tables (ORC) of another format",
		Mend: "the same kernel sources, and objtool built from them", Doc: docORC}
	orcTable   = compare.Cause{ID: "layout.orc", Class: compare.Unverified, Local: true, Title: "unwind tables (ORC) of functions whose code differs"}
	codeTable  = compare.Cause{ID: "layout.code-table", Class: compare.Unverified, Local: true, Title: "lists of places (calls, returns, locks) in functions whose code differs"}
	orcChange  = compare.Cause{ID: "change.orc", Class: compare.CodeChange, Title: "other unwind tables (ORC) of the same code"}
	listChange = compare.Cause{ID: "change.code-table", Class: compare.CodeChange, Title: "other lists of places in the same code"}
)

var tableCauses = []*compare.Cause{&orcFormat, &orcTable, &codeTable, &orcChange, &listChange}

// tables explains what objtool and the assembler write about code: it follows from the
// code, and is a change where that is the same. Only objtool could compute it again.
// Relocations that lead from a table to other places in equal code are relocations like
// all others.
func tables(p *pair) {
	if p.A.ELF == nil {
		return
	}
	t := &tableFamily{pair: p, left: map[int64]bool{}}
	// Each of these needs what the one before has found.
	for _, in := range []func(name string) bool{
		func(name string) bool { return name == ".orc_unwind" || name == ".orc_header" },
		units.IsTable,
		func(name string) bool { return units.IsTable(strings.TrimPrefix(name, ".rela")) },
	} {
		p.eachOf(p.Unit, func(bl *compare.Block) bool { return bl.Kind == units.Section && in(bl.Name) }, func(x *place) {
			if x.Relation == compare.Changed {
				t.place(x)
			}
		})
	}
}

// tableFamily is what is found out about the tables of a pair.
type tableFamily struct {
	*pair
	code map[string]bool // see changedCode
	// left has where the places of entries of one side begin that the other side leaves
	// out, -1 less for side B.
	left map[int64]bool
	// entries are the units of .orc_unwind of A and B.
	entries [2][]units.Unit
}

func (t *tableFamily) place(x *place) {
	if x.block.Name == ".orc_header" {
		t.orcHeader(x)
		return
	}
	if t.code == nil {
		t.code = t.changedCode()
	}
	name := strings.TrimPrefix(x.block.Name, ".rela")
	derived, change := &codeTable, &listChange
	if strings.HasPrefix(name, ".orc_") {
		derived, change = &orcTable, &orcChange
	}
	function, known := t.about(x)
	switch reloc := name != x.block.Name; {
	case known && t.code[function], t.repeats(x):
		t.claim(x, derived, "", "", "")
	case !reloc:
		t.claim(x, change, strings.TrimSpace(name+" of "+function), side2(x, true), side2(x, false))
	}
}

// repeats: the entry for the start of a function is left out on one side, because the
// entry before it there is the same; that was looked at in .orc_unwind.
func (t *tableFamily) repeats(x *place) bool {
	if x.both() {
		return false
	}
	here, f, own, u := t.A.ELF, t.B.ELF, x.block.SectionA, &x.a
	bl, there, other, sign := x.block.A, x.block.B, 1, func(at int64) int64 { return at }
	if x.a.Len == 0 {
		here, f, own, u = t.B.ELF, t.A.ELF, x.block.SectionB, &x.b
		bl, there, other, sign = x.block.B, x.block.A, 0, func(at int64) int64 { return -1 - at }
	}
	if own < 0 {
		return false
	}
	s := &here.Sections[own]
	if units.IsRel(s.Type) {
		r := here.Rel(here.Bytes[u.Off:u.Off+u.Len], s.Type)
		return int(s.Info) < len(here.Sections) && r.Offset < 1<<40 && t.left[sign(int64(here.Sections[s.Info].Offset+r.Offset))]
	}
	if x.block.Name != ".orc_unwind" {
		return t.left[sign(u.Off)]
	}
	if there.Len == 0 {
		return false
	}
	const size = 6
	if t.entries[other] == nil {
		t.entries[other] = f.Units(nil, f.BlockAt(there.Off))
	}
	others := t.entries[other]
	i := slices.IndexFunc(others, func(o units.Unit) bool { return o.Name == u.Name })
	ip := here.Section(".orc_unwind_ip")
	if u.Key == 0 || u.Len != size || u.Name == "" || i <= 0 || ip == nil ||
		!bytes.Equal(here.Bytes[u.Off:u.Off+size], f.Bytes[others[i].Off-size:others[i].Off]) {
		return false
	}
	t.left[sign(int64(ip.Offset)+(u.Off-bl.Off)/size*4)] = true
	return true
}

// about names the function that an entry is about: both sides must agree.
func (p *pair) about(x *place) (function string, known bool) {
	names := [2]string{x.a.Name, x.b.Name}
	for i, u := range []*units.Unit{&x.a, &x.b} {
		if f, k := []*units.File{p.A.ELF, p.B.ELF}[i], []int{x.block.SectionA, x.block.SectionB}[i]; u.Len > 0 && u.Kind == units.Reloc && k >= 0 {
			names[i] = f.Target(f.Rel(f.Bytes[u.Off:u.Off+u.Len], f.Sections[k].Type))
		}
	}
	switch {
	case !x.both():
		function = names[0] + names[1] // one is empty
	case names[0] == names[1]:
		function = names[0]
	}
	return function, function != ""
}

// changedCode are the functions of which bytes differ, or that one side lacks.
func (p *pair) changedCode() map[string]bool {
	out := map[string]bool{}
	for i := range p.Unit.Len() {
		r := p.Unit.Region(i)
		if r.Relation != compare.Changed {
			continue
		}
		bl := p.Block(p.Unit, &r)
		if bl.Kind != units.Section || !p.executable(bl) {
			continue
		}
		for _, u := range []units.Unit{p.UnitA(p.Unit, &r), p.UnitB(p.Unit, &r)} {
			if u.Len > 0 && u.Kind == units.Function {
				out[u.Name] = true
			}
		}
	}
	return out
}

func (p *pair) executable(bl *compare.Block) bool {
	return bl.SectionA >= 0 && p.A.ELF.Sections[bl.SectionA].Flags&elfview.SHFExec != 0 ||
		bl.SectionB >= 0 && p.B.ELF.Sections[bl.SectionB].Flags&elfview.SHFExec != 0
}

// orcHeader compares the hashes of the format (20 bytes, a SHA-1). Two of them have
// hardly a byte in common; what differs in a few was changed afterwards.
func (p *pair) orcHeader(x *place) {
	a, b := p.BytesA(x.block.A), p.BytesB(x.block.B)
	other := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			other++
		}
	}
	if len(a) == 20 && len(b) == 20 && other >= 15 {
		p.claim(x, &orcFormat, "", fmt.Sprintf("%x", a), fmt.Sprintf("%x", b))
		return
	}
	p.claim(x, &orcChange, x.block.Name, side2(x, true), side2(x, false))
}
