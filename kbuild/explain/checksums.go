// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	symbolCRC = compare.Cause{ID: "modversions.crc", Class: compare.Root, Local: true, Title: "other checksums of imported symbols (CONFIG_MODVERSIONS)",
		Mend: "the same sources and configuration of what exports the symbol, and the same genksyms or gendwarfksyms", Doc: "Documentation/kbuild/modules.rst"}
	importOrder  = compare.Cause{ID: "modversions.order", Class: compare.Derived, Local: true, Title: "imported symbols in another order"}
	exportChange = compare.Cause{ID: "change.exports", Class: compare.CodeChange, Title: "other checksums of exported symbols (CONFIG_MODVERSIONS): their types differ"}
	importChange = compare.Cause{ID: "change.imports", Class: compare.CodeChange, Title: "other imported symbols"}
)

var checksumCauses = []*compare.Cause{&symbolCRC, &importOrder, &exportChange, &importChange}

// checksums explains the CRCs of imported symbols, which are those of what exports them,
// another file. Of an entry that has both, the name must be equal to its last zero. The
// CRC of a symbol that the module itself exports is a change of the module, since it is
// made of the types that are behind the symbol.
func checksums(p *pair) {
	p.each(p.Unit, func(x *place) {
		if x.block.Kind == units.Section && (x.block.Name == "__kcrctab" || x.block.Name == "__kcrctab_gpl") && x.Relation == compare.Changed {
			a, b := p.bytes(x)
			p.claim(x, &exportChange, strings.TrimPrefix(x.unit().Name, "__crc_"), crc(p.A.ELF, a, 4), crc(p.B.ELF, b, 4))
			return
		}
		if x.unit().Kind != units.CRC {
			return
		}
		a, b := p.bytes(x)
		long := p.A.ELF.Bits / 8
		switch {
		case x.Relation == compare.Moved:
			p.claim(x, &importOrder, "", "", "")
		case !x.both():
			p.claim(x, &importChange, x.unit().Name, "", "")
		case len(a) == 4 || len(a) == 64 && bytes.Equal(a[long:], b[long:]):
			p.claim(x, &symbolCRC, x.unit().Name, crc(p.A.ELF, a, long), crc(p.B.ELF, b, long))
		}
	}, units.CRC, units.Object, units.Bytes)
}

// crc shows the number that an entry begins with, of that many bytes, if it has as many.
func crc(f *units.File, b []byte, size int) string {
	switch size = min(size, len(b)); size {
	case 4:
		return fmt.Sprintf("0x%08x", f.Order.Uint32(b))
	case 8:
		return fmt.Sprintf("0x%08x", f.Order.Uint64(b))
	}
	return ""
}
