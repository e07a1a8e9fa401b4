// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var stripped = compare.Cause{ID: "strip", Class: compare.Root, Local: true, Title: "stripped on one side only",
	Mend: "strip on both sides with the same options (INSTALL_MOD_STRIP), once, before signing", Doc: "Documentation/kbuild/kbuild.rst"}

var strippingCauses = []*compare.Cause{&stripped}

// strippable are the sections that strip removes and that no kernel loads. What a
// kernel needs is not among them: the symbol table stays.
func strippable(name string) bool {
	return strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, ".rela.debug_") || strings.HasPrefix(name, ".rel.debug_") || name == ".gnu_debuglink"
}

// stripping explains sections of debug information that one side lacks, with
// their headers, names and symbols.
func stripping(p *pair) {
	if p.A.ELF == nil {
		return
	}
	inA, inB := names(p.A.ELF), names(p.B.ELF)
	oneSided := func(name string) bool { return strippable(name) && inA[name] != inB[name] }
	has := func(b bool) string {
		if b {
			return "has debug information"
		}
		return "stripped"
	}
	p.each(p.Unit, func(x *place) {
		u := x.unit()
		name := ""
		switch {
		case x.both() || x.Relation != compare.Changed:
			return
		case x.block.Kind == units.Section && strippable(x.block.Name):
			name = x.block.Name
		case u.Kind == units.SectionField, u.Kind == units.Symbol && u.Key == 3, u.Kind == units.String && x.block.Name == ".shstrtab":
			name = u.Name
		}
		if oneSided(name) {
			p.claim(x, &stripped, "", has(inA[name]), has(inB[name]))
		}
	})
}

// names are those of the sections.
func names(f *units.File) map[string]bool {
	out := map[string]bool{}
	for i := range f.Sections {
		out[f.Sections[i].Name] = true
	}
	return out
}
