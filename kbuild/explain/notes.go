// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"fmt"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	buildID = compare.Cause{ID: "build-id", Class: compare.Unverified, Local: true, Title: "build id; if nothing else differs, the cause is in bytes that were stripped",
		Mend: "what fed it: paths in debug information (-ffile-prefix-map), or build with --build-id=none", Doc: docRepro}
	buildSalt = compare.Cause{ID: "build-salt", Class: compare.Root, Local: true, Title: "another build salt",
		Mend: "the same CONFIG_BUILD_SALT", Doc: docRepro}
	lto = compare.Cause{ID: "lto", Class: compare.Root, Title: "link-time optimisation on one side only",
		Mend: "the same CONFIG_LTO_…", Doc: "arch/Kconfig"}
	property = compare.Cause{ID: "toolchain.property", Class: compare.Root, Title: "another .note.gnu.property",
		Mend: "the same compiler with the same options", Doc: "x86-64 psABI"}
)

var noteCauses = []*compare.Cause{&buildID, &buildSalt, &lto, &property}

// Types of notes: NT_GNU_BUILD_ID and NT_GNU_PROPERTY_TYPE_0 of the name GNU;
// LINUX_ELFNOTE_BUILD_SALT and LINUX_ELFNOTE_LTO_INFO of the name Linux.
const (
	noteBuildID  = 3
	noteProperty = 5
	noteSalt     = 0x100
	noteLTO      = 0x101
)

// notes explains ELF notes. Name and type are equal on both sides, or they would
// not be one unit.
func notes(p *pair) {
	p.each(p.Unit, func(x *place) {
		u := x.unit()
		if u.Kind != units.Note || x.Relation == compare.Moved {
			return
		}
		a, b := p.bytes(x)
		da, okA := p.desc(p.A.ELF, a, u.Name)
		db, okB := p.desc(p.B.ELF, b, u.Name)
		if !okA || !okB {
			return
		}
		switch {
		case u.Name == "GNU" && u.Key == noteBuildID && (len(da) == len(db) || !x.both()):
			p.claim(x, &buildID, "", "", "")
		case u.Name == "GNU" && u.Key == noteProperty:
			p.claim(x, &property, "", "", "")
		case u.Name == "Linux" && u.Key == noteSalt && salt(da) && salt(db):
			p.claim(x, &buildSalt, "", string(bytes.TrimRight(da, "\x00")), string(bytes.TrimRight(db, "\x00")))
		case u.Name == "Linux" && u.Key == noteLTO && len(da)|len(db) == 4:
			p.claim(x, &lto, "", fmt.Sprintf("% x", da), fmt.Sprintf("% x", db))
		}
	}, units.Note)
}

// desc cuts the descriptor of a note; what is beside it must be as it has to be.
// A side without the note has none.
func (p *pair) desc(f *units.File, b []byte, name string) ([]byte, bool) {
	if len(b) == 0 {
		return nil, true
	}
	namesz, descsz := int(f.Order.Uint32(b)), int(f.Order.Uint32(b[4:]))
	at := 12 + (namesz+3)&^3
	if namesz != len(name)+1 || at+descsz > len(b) {
		return nil, false
	}
	zeros := append(bytes.Clone(b[12+len(name):at]), b[at+descsz:]...)
	return b[at : at+descsz], len(bytes.Trim(zeros, "\x00")) == 0
}

// salt: a NUL-terminated text.
func salt(b []byte) bool {
	t, ok := bytes.CutSuffix(b, []byte{0})
	return len(b) == 0 || ok && cleanText(t)
}
