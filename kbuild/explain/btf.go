// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"encoding/binary"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/btf"
	"github.com/modhash/modhash/kbuild/internal/units"
)

const docPahole = "pahole(1)"

var (
	btfOrder = compare.Cause{ID: "btf.order", Class: compare.Root, Local: true, Title: "the same types (BTF) in another order",
		Mend: "pahole without threads, or with --btf_features=reproducible_build (KBUILD_BUILD_TIMESTAMP set)", Doc: docPahole}
	btfKernel = compare.Cause{ID: "btf.kernel", Class: compare.Root, Title: "types of the kernel (BTF of vmlinux) under other numbers",
		Mend: "the same vmlinux: sources, configuration, and pahole without threads", Doc: docPahole}
	btfPlace  = compare.Cause{ID: "layout.btf", Class: compare.Derived, Local: true, Title: "types and names (BTF) that follow from where others are"}
	btfIDs    = compare.Cause{ID: "layout.btf-ids", Class: compare.Derived, Local: true, Title: "numbers of types (.BTF_ids) that follow from where the types are"}
	btfChange = compare.Cause{ID: "change.btf", Class: compare.CodeChange, Title: "other type information (BTF)"}
)

var btfCauses = []*compare.Cause{&btfOrder, &btfKernel, &btfPlace, &btfIDs, &btfChange}

// types explains type information. What cannot be read, or was not compared by its
// types for another reason, stays bytes and is a change.
func types(p *pair) {
	if p.A.ELF == nil {
		return
	}
	for _, name := range []string{".BTF.base", ".BTF"} {
		m, why := p.matchTypes(name)
		if m == nil && why == "" {
			continue
		}
		stayed := m != nil && name == ".BTF" && p.idsStay(m)
		in := func(bl *compare.Block) bool {
			return bl.Kind == units.Section && bl.Name == name && bl.Ordinal == 0 && bl.A.Len*bl.B.Len > 0
		}
		p.eachOf(p.Unit, in, func(x *place) {
			if m == nil {
				p.claim(x, &btfChange, "compared as bytes: "+why, "", "")
				return
			}
			if stayed {
				p.claim(x, &btfChange, "types under .BTF_ids, whose numbers have stayed", "", "")
				return
			}
			p.typeInfo(x, m)
		})
		if m != nil && name == ".BTF" {
			p.typeIDs(m)
		}
	}
}

// matchTypes reads the section on both sides; why says what could not be read. It is not
// read if there is no need to.
func (p *pair) matchTypes(name string) (m *btf.Matching, why string) {
	if p.sameBytes(name) && (name != ".BTF" || p.sameBytes(".BTF_ids")) {
		return nil, ""
	}
	sections := [2]*btf.Section{}
	for i, f := range []*units.File{p.A.ELF, p.B.ELF} {
		b := f.Data(f.Section(name))
		if len(b) == 0 {
			return nil, "" // one side only
		}
		s, err := btf.Parse(b, f.Order)
		if err != nil {
			return nil, err.Error()
		}
		if base, ok := baseOf(f, name); ok {
			s.First, s.NameBase = uint32(base.Len())+1, uint32(len(base.Bytes)-base.Names)
		}
		sections[i] = s
	}
	m, err := btf.Match(sections[0], sections[1])
	if err != nil {
		return nil, err.Error()
	}
	return m, ""
}

// sameBytes: both sides have the section with the same bytes, or both do not have it.
func (p *pair) sameBytes(name string) bool {
	return bytes.Equal(p.A.ELF.Data(p.A.ELF.Section(name)), p.B.ELF.Data(p.B.ELF.Section(name)))
}

// baseOf reads the section that .BTF goes on from, if the module has it.
func baseOf(f *units.File, name string) (*btf.Section, bool) {
	b := f.Data(f.Section(".BTF.base"))
	if name != ".BTF" || len(b) == 0 {
		return nil, false
	}
	s, err := btf.Parse(b, f.Order)
	return s, err == nil
}

// typeInfo claims a place in a section whose types were matched.
func (p *pair) typeInfo(x *place, m *btf.Matching) {
	if m.Complete {
		p.claim(x, &btfOrder, "", "", "")
		return
	}
	sa, sb := btf.Follows, btf.Follows
	subject := "" // the same whichever side is A
	look := func(u *units.Unit, s *btf.Section, states []btf.State) btf.State {
		if u.Len == 0 || u.Kind != units.Type {
			return btf.Follows
		}
		if n := s.String(int(u.Index)); subject == "" || n < subject {
			subject = n
		}
		return states[u.Index]
	}
	sa, sb = look(&x.a, m.A, m.StatesA), look(&x.b, m.B, m.StatesB)
	worst := min(sa, sb)
	switch kind := x.unit().Kind; {
	case kind == units.String && x.Relation == compare.Moved:
		p.claim(x, &btfPlace, "", "", "")
	case kind == units.String || kind == units.Gap:
		a, b := p.bytes(x)
		p.claim(x, &btfChange, "names in "+x.block.Name, shown(bytes.TrimRight(a, "\x00")), shown(bytes.TrimRight(b, "\x00")))
	case kind == units.Bytes && headFollows(m):
		p.claim(x, &btfPlace, "", "", "")
	case kind != units.Type:
		p.claim(x, &btfChange, "header of "+x.block.Name, "", "")
	case worst == btf.Follows:
		p.claim(x, &btfPlace, "", "", "")
	case worst == btf.Renumbered:
		p.claim(x, &btfKernel, "", "", "")
	case worst == btf.Unconfirmed:
		p.claim(x, &btfChange, "types that lead to those of the kernel", "", "")
	default:
		p.claim(x, &btfChange, subject, side2(x, true), side2(x, false))
	}
}

// headFollows: but for the sizes, which were found to be right, the headers are equal.
func headFollows(m *btf.Matching) bool {
	a, b := m.A.Bytes[:m.A.Head], m.B.Bytes[:m.B.Head]
	return len(a) == len(b) && string(a[:12]) == string(b[:12]) && string(a[24:]) == string(b[24:])
}

// typeIDs explains the numbers of functions and types that a module lists: each must
// be that of the same type. A set, which is sorted by number, and so has its entries in
// another order if the numbers are others, stays a change.
func (p *pair) typeIDs(m *btf.Matching) {
	in := func(bl *compare.Block) bool { return bl.Kind == units.Section && bl.Name == ".BTF_ids" }
	p.eachOf(p.Unit, in, func(x *place) {
		if x.Relation != compare.Changed || !x.both() {
			return
		}
		a, b := p.bytes(x)
		if idsFollow(m, p.A.ELF.Order, a, b) {
			p.claim(x, &btfIDs, "", "", "")
		}
	})
}

// idsStay: a number that both sides list in the same place is that of another type.
// Between numbers of types are counts and flags, which are below those of a module's own.
func (p *pair) idsStay(m *btf.Matching) bool {
	a, b := p.A.ELF.Data(p.A.ELF.Section(".BTF_ids")), p.B.ELF.Data(p.B.ELF.Section(".BTF_ids"))
	for i := 0; i+4 <= min(len(a), len(b)); i += 4 {
		if v := p.A.ELF.Order.Uint32(a[i:]); v == p.B.ELF.Order.Uint32(b[i:]) && v >= min(m.A.First, m.B.First) && m.Elsewhere(v) {
			return true
		}
	}
	return false
}

func idsFollow(m *btf.Matching, o binary.ByteOrder, a, b []byte) bool {
	if len(a) != len(b) || len(a)%4 != 0 {
		return false
	}
	for i := 0; i < len(a); i += 4 {
		if va, vb := o.Uint32(a[i:]), o.Uint32(b[i:]); va != vb && !m.ID(va, vb) {
			return false
		}
	}
	return true
}
