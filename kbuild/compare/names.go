// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/units"
)

// namer remembers the name it made last: regions of one unit follow each other.
type namer struct {
	layer Layer
	unit  Unit
	name  string
}

// UnitName names the unit that a region is, or is a part of, for people:
// "function ext4_fill_super in .text".
func (p *Pair) UnitName(l *Ledger, r *Region) string {
	if p.names.name == "" || p.names.layer != l.Layer || p.names.unit != r.Unit {
		p.names = namer{l.Layer, r.Unit, p.unitName(l, r)}
	}
	return p.names.name
}

// maxShown is how much of a string is shown.
const maxShown = 80

func (p *Pair) unitName(l *Ledger, r *Region) string {
	bl := p.Block(l, r)
	u := p.UnitA(l, r)
	if b := p.UnitB(l, r); u.Len == 0 || b.Len > 0 && b.Name < u.Name {
		u = b // the same name whichever side is A
	}
	if r.Unit.A < 0 && r.Unit.B < 0 {
		return bl.String()
	}
	name := u.Name
	if len(name) > maxShown {
		name = name[:maxShown] + "…"
	}
	in := " in " + bl.String()
	switch u.Kind {
	case units.Header:
		return "ELF header " + name
	case units.SectionField:
		return units.SectionFields[u.Key] + " of section " + name
	case units.String:
		return fmt.Sprintf("string %q%s", name, in)
	case units.Symbol:
		return "symbol " + name
	case units.Function, units.Object, units.CRC, units.Modinfo, units.Type:
		return u.Kind.String() + " " + name + in
	case units.Note:
		return fmt.Sprintf("note %s 0x%x%s", name, u.Key, in)
	case units.Reloc:
		return "relocations" + in
	case units.Part, units.Frame, units.Stream:
		return strings.TrimSpace(bl.String() + " " + name)
	case units.Bytes:
		if name != "" {
			return "bytes after " + name + in
		}
	}
	return u.Kind.String() + in
}

// String names the block: a section by its name.
func (b *Block) String() string {
	s := b.Name
	switch {
	case b.Kind == units.Section && b.Ordinal > 0:
		s = fmt.Sprintf("%s (%d)", b.Name, b.Ordinal+1)
	case b.Kind == units.Gap:
		s = "padding " + b.Name
	case b.Kind == units.Trailer && b.Ordinal > 0:
		s = fmt.Sprintf("trailer %d", b.Ordinal+1)
	case s == "":
		s = b.Kind.String()
	}
	return s
}
