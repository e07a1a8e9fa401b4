// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var hardening = compare.Cause{ID: "toolchain.hardening", Class: compare.Root, Title: "other mitigations in the code (retpolines, return thunks, IBT, call depth)",
	Mend: "the same .config (CONFIG_MITIGATION_…, CONFIG_RETPOLINE, CONFIG_RETHUNK, CONFIG_X86_KERNEL_IBT), and a compiler that has them", Doc: "arch/x86/Kconfig; tools/objtool/Documentation/objtool.txt"}

var mitigationCauses = []*compare.Cause{&hardening}

// siteTables are what objtool writes for mitigations that the code was built with.
var siteTables = map[string]bool{".retpoline_sites": true, ".return_sites": true, ".ibt_endbr_seal": true, ".call_sites": true, ".cfi_sites": true}

// mitigations explains the traces that mitigations leave beside the code: a table of
// places, with its header and relocations, which one side has. Names and code that
// differ with it stay changes.
func mitigations(p *pair) {
	if p.A.ELF == nil {
		return
	}
	in := func(bl *compare.Block) bool {
		return bl.Kind == units.Table || siteTables[strings.TrimPrefix(bl.Name, ".rela")]
	}
	p.eachOf(p.Unit, in, func(x *place) {
		u := x.unit()
		switch {
		case x.Relation != compare.Changed:
		case u.Kind == units.SectionField && !x.both() && siteTables[strings.TrimPrefix(u.Name, ".rela")]:
			p.claim(x, &hardening, "", "", "")
		case x.block.Kind == units.Section && x.block.A.Len*x.block.B.Len == 0 && siteTables[strings.TrimPrefix(x.block.Name, ".rela")]:
			p.claim(x, &hardening, "", "", "")
		}
	})
}
