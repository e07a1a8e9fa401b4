// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var stripped = compare.Cause{ID: "strip", Class: compare.Root, Local: true, Title: "stripped on one side only",
	Mend: "strip on both sides with the same options (INSTALL_MOD_STRIP), once, before signing", Doc: "Documentation/kbuild/kbuild.rst"}

var debugLink = compare.Cause{ID: "debug-link", Class: compare.Unverified, Local: true, Title: "another file of separate debug information, by its checksum or name",
	Mend: "what makes that file differ, or strip without a link to it", Doc: "objcopy(1), --add-gnu-debuglink"}

var strippingCauses = []*compare.Cause{&stripped, &debugLink}

// strippable are the sections that strip removes and that no kernel loads. What a
// kernel needs is not among them: the symbol table stays.
func strippable(name string) bool {
	return strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, ".rela.debug_") || strings.HasPrefix(name, ".rel.debug_") || name == ".gnu_debuglink" || name == ".gnu_debugaltlink"
}

// plainDebug: the header of a strippable section says what those of compilers and
// objcopy do, so that nothing is loaded.
func plainDebug(f *units.File, s *elfview.Section) bool {
	if units.IsRel(s.Type) { // of debug information, or a kernel would apply them to what it loads
		return s.Flags&^0x40 == 0 && s.Addr == 0 && int(s.Info) < len(f.Sections) && // SHF_INFO_LINK
			strings.HasPrefix(f.Sections[s.Info].Name, ".debug_") && int(s.Link) == f.SymtabIndex() &&
			(s.Name == ".rela"+f.Sections[s.Info].Name || s.Name == ".rel"+f.Sections[s.Info].Name)
	}
	const mergeStringsCompressed = 0x830
	return s.Type == 1 && s.Flags&^mergeStringsCompressed == 0 && s.Addr == 0 && s.Link == 0 && s.Info == 0 && s.Entsize <= 1 &&
		(s.Name != ".gnu_debuglink" || s.Flags == 0 && s.Entsize == 0 && s.Addralign == 4)
}

// stripping explains sections of debug information that one side lacks, with
// their headers, names and symbols.
func stripping(p *pair) {
	if p.A.ELF == nil {
		return
	}
	inA, inB := names(p.A.ELF), names(p.B.ELF)
	loaded := map[string]bool{} // of such a name, but not what it says
	for _, f := range []*units.File{p.A.ELF, p.B.ELF} {
		for i := range f.Sections {
			if s := &f.Sections[i]; strippable(s.Name) && !plainDebug(f, s) {
				loaded[s.Name] = true
			}
		}
	}
	oneSided := func(name string) bool { return strippable(name) && inA[name] != inB[name] && !loaded[name] }
	has := func(b bool) string {
		if b {
			return "has debug information"
		}
		return "stripped"
	}
	files := map[string]bool{} // names of sources, whose symbols go with debug information
	for i, f := range []*units.File{p.A.ELF, p.B.ELF} {
		if !p.hasDebug(i) || p.hasDebug(1-i) {
			continue
		}
		for _, y := range f.Symbols() {
			if y.Type() == 4 && plainSymbol(&y) {
				files[y.Name] = true
			}
		}
	}
	var bare *[2]map[int32]bool // computed when it is asked for
	unneeded := map[string]bool{}
	p.each(p.Unit, func(x *place) {
		if link := links[x.block.Name]; link != nil && x.block.Kind == units.Section && link(p.BytesA(x.block.A)) && link(p.BytesB(x.block.B)) {
			p.claim(x, &debugLink, "", "", "")
			return
		}
		if x.both() || x.Relation != compare.Changed {
			return
		}
		u := x.unit()
		if bare == nil && (u.Kind == units.Symbol || u.Kind == units.String && x.block.Name == ".strtab") {
			bare = p.unneeded(unneeded)
		}
		in := 0 // the side that has it
		if x.a.Len == 0 {
			in = 1
		}
		ok, a, b := false, has(p.hasDebug(0)), has(p.hasDebug(1))
		switch {
		case x.block.Kind == units.Section && x.block.A.Len*x.block.B.Len == 0:
			ok = strippable(x.block.Name) && oneSided(x.block.Name)
		case u.Kind == units.SectionField, u.Kind == units.String && x.block.Name == ".shstrtab":
			ok = oneSided(u.Name)
		case u.Kind == units.Symbol && (u.Key == 3 || u.Key == 4):
			ok = p.hasDebug(in) && !p.hasDebug(1-in) && plainSymbol(&[]*units.File{p.A.ELF, p.B.ELF}[in].Symbols()[u.Index])
		case u.Kind == units.Symbol:
			ok = bare[in][u.Index]
			a, b = bareness(bare[0]), bareness(bare[1])
		case u.Kind == units.String && x.block.Name == ".strtab":
			if ok = files[u.Name] || unneeded[u.Name]; !files[u.Name] {
				a, b = bareness(bare[0]), bareness(bare[1])
			}
		}
		if ok {
			p.claim(x, &stripped, "", a, b)
		}
	}, units.Bytes, units.Object, units.Function, units.SectionField, units.Symbol, units.String)
}

// plainSymbol: that of a section or of a source file, as assemblers write it.
func plainSymbol(y *units.Sym) bool {
	const local, absolute = 0, 0xfff1
	if y.Info>>4 != local || y.Other != 0 || y.Value != 0 || y.Size != 0 {
		return false
	}
	return y.Type() == 3 && y.NameAt == 0 && y.Section > 0 && y.Section < 0xff00 || y.Type() == 4 && y.Name != "" && y.Section == absolute
}

func bareness(unneeded map[int32]bool) string {
	if len(unneeded) > 0 {
		return "has all symbols"
	}
	return "has those that relocations need"
}

// unneeded are the symbols of each side that strip --strip-unneeded has taken from
// the other: local ones that no relocation is by. Of the other side, none such may
// be left. Their names go into names.
func (p *pair) unneeded(names map[string]bool) *[2]map[int32]bool {
	var all [2]map[int32]bool
	files := [2]*units.File{p.A.ELF, p.B.ELF}
	has := func(f *units.File, do func(k int32) (stop bool)) bool {
		syms, needed := f.Symbols(), f.Needed()
		for k := range syms {
			if y := &syms[k]; y.Info>>4 == 0 && y.Type() < 3 && y.Name != "" && !needed[k] && do(int32(k)) {
				return true
			}
		}
		return false
	}
	first := func(int32) bool { return true }
	if has(files[0], first) && has(files[1], first) {
		return &all
	}
	for i, f := range files {
		all[i] = map[int32]bool{}
		has(f, func(k int32) bool {
			all[i][k] = true
			names[f.Symbols()[k].Name] = true
			return false
		})
	}
	return &all
}

// links are the sections that name a file of debug information.
var links = map[string]func([]byte) bool{".gnu_debuglink": isDebugLink, ".gnu_debugaltlink": isAltLink}

// isAltLink: the path of a file with debug information that several share (dwz), and its
// build id, a SHA-1 or longer.
func isAltLink(b []byte) bool {
	name, id, ok := bytes.Cut(b, []byte{0})
	return ok && len(name) > 0 && cleanText(name) && len(id) >= 16 && len(id) <= 64
}

// isDebugLink: the name of a file, zeros up to a multiple of four, and a checksum.
func isDebugLink(b []byte) bool {
	name, _, ok := bytes.Cut(b, []byte{0})
	at := len(name)/4*4 + 4
	return ok && len(name) > 0 && len(b) == at+4 && cleanText(name) && !bytes.ContainsRune(name, '/') && len(bytes.Trim(b[len(name):at], "\x00")) == 0
}

// hasDebug: the side has a section of debug information.
func (p *pair) hasDebug(side int) bool {
	return slices.ContainsFunc(p.ids[side], func(id sectionID) bool { return strings.HasPrefix(id.name, ".debug_") })
}

// names are those of the sections.
func names(f *units.File) map[string]bool {
	out := map[string]bool{}
	for i := range f.Sections {
		out[f.Sections[i].Name] = true
	}
	return out
}
