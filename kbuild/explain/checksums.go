// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	symbolCRC = compare.Cause{ID: "modversions.crc", Class: compare.Root, Local: true, Title: "other checksums of imported symbols (CONFIG_MODVERSIONS)",
		Mend: "the same sources and configuration of what exports the symbol, and the same genksyms or gendwarfksyms", Doc: "Documentation/kbuild/modules.rst"}
	importOrder  = compare.Cause{ID: "modversions.order", Class: compare.Derived, Local: true, Title: "imported symbols in another order"}
	importChange = compare.Cause{ID: "change.imports", Class: compare.CodeChange, Title: "other imported symbols"}
)

var checksumCauses = []*compare.Cause{&symbolCRC, &importOrder, &importChange}

// checksums explains the CRCs of imported symbols. Of an entry that has both, the
// name must be equal to its last zero.
func checksums(p *pair) {
	p.each(p.Unit, func(x *place) {
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
			p.claim(x, &symbolCRC, "", "", "")
		}
	})
}
