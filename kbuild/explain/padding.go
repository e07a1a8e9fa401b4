// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var zeroPadding = compare.Cause{ID: "layout.padding", Class: compare.Derived, Local: true, Title: "another number of zeros between things of other sizes"}

var paddingCauses = []*compare.Cause{&zeroPadding}

// padding explains zeros that align what follows: fewer than its alignment takes,
// and nothing but zeros.
func padding(p *pair) {
	if p.A.ELF == nil {
		return
	}
	p.each(p.Unit, func(x *place) {
		inside := x.block.Kind == units.Section && x.unit().Kind == units.Gap
		if !inside && x.block.Kind != units.Gap {
			return
		}
		a, b := p.BytesA(x.A), p.BytesB(x.B)
		if p.aligns(p.A.ELF, &x.a, inside) && p.aligns(p.B.ELF, &x.b, inside) && len(bytes.Trim(a, "\x00"))+len(bytes.Trim(b, "\x00")) == 0 {
			p.claim(x, &zeroPadding, "", "", "")
		}
	}, units.Gap, units.Bytes)
}

// aligns: a gap is shorter than the alignment of what follows, and something does.
func (p *pair) aligns(f *units.File, gap *units.Unit, inside bool) bool {
	if gap.Len == 0 {
		return true
	}
	i, found := slices.BinarySearchFunc(f.Blocks, gap.Off, func(b units.Block, off int64) int { return cmp.Compare(b.Off, off) })
	if !found {
		i--
	}
	bl := &f.Blocks[i]
	if inside {
		return gap.Off+gap.Len < bl.Off+bl.Len && uint64(gap.Len) < f.Sections[bl.Index].Addralign
	}
	switch {
	case i+1 == len(f.Blocks):
		return false
	case f.Blocks[i+1].Kind == units.Section:
		return uint64(gap.Len) < f.Sections[f.Blocks[i+1].Index].Addralign
	}
	return gap.Len < 8 // a table
}
