// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// readVersions reads the checksums that the module expects: __versions, entries of
// 64 bytes with a long and a name, and __version_ext_crcs with __version_ext_names.
func (m *module) readVersions(f *elfview.File) error {
	crcs, names := f.Section("__version_ext_crcs"), f.Section("__version_ext_names")
	if (crcs == nil) != (names == nil) {
		return badELF("extended version crc+name presence does not match", "one of __version_ext_crcs and __version_ext_names")
	}
	if crcs != nil {
		m.extended, m.extCRCs = true, map[string]uint32{}
		sums, err := f.Data(crcs, maxSection)
		if err != nil {
			return err
		}
		text, err := f.Data(names, maxSection)
		if err != nil {
			return err
		}
		for ; len(sums) >= 4; sums = sums[4:] {
			name, rest, ok := bytes.Cut(text, []byte{0})
			if !ok {
				return badELF("more extended version crcs than names", "more checksums than names")
			}
			addFirst(m.extCRCs, string(name), f.Order.Uint32(sums))
			text = rest
		}
	}
	s := f.Section("__versions")
	if s == nil {
		return nil
	}
	b, err := f.Data(s, maxSection)
	if err != nil {
		return err
	}
	m.hasCRCs, m.crcs = true, map[string]uint32{}
	const entry = 64
	for ; len(b) >= entry; b = b[entry:] {
		crc, name := uint64(f.Order.Uint32(b)), b[4:entry]
		if f.Bits == 64 {
			crc, name = f.Order.Uint64(b), b[8:entry]
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		if crc>>32 == 0 { // a larger one is equal to none
			addFirst(m.crcs, string(name), uint32(crc))
		}
	}
	return nil
}

// addFirst keeps the first value, which is the one that the kernel finds.
func addFirst(m map[string]uint32, name string, crc uint32) {
	if _, ok := m[name]; !ok {
		m[name] = crc
	}
}

// symbolTable finds the one symbol table and its names.
func symbolTable(f *elfview.File, own string) (table []byte, names string, err error) {
	var s *elfview.Section
	n := 0
	for i := range f.Sections {
		if f.Sections[i].Type == shtSymtab {
			s = &f.Sections[i]
			n++
		}
	}
	if n != 1 {
		return nil, "", badELF(own+": module has no symbols (stripped?)", "%d symbol tables, want one (was it stripped?)", n)
	}
	if s.Link == 0 || uint64(s.Link) >= uint64(len(f.Sections)) || f.Sections[s.Link].Type != shtStrtab {
		return nil, "", badELF("", "the names of symbols are in section %d, which is no table of strings", s.Link)
	}
	if table, err = f.Data(s, maxSection); err != nil {
		return nil, "", err
	}
	b, err := f.Data(&f.Sections[s.Link], maxSection)
	if err != nil {
		return nil, "", err
	}
	if len(b) == 0 || b[0] != 0 || b[len(b)-1] != 0 {
		return nil, "", badELF("symbol string table isn't NUL terminated", "the table of symbol names does not start and end with a zero byte")
	}
	return table, string(b), nil // one copy, which the names that are kept share
}

func (m *module) readSymbols(f *elfview.File) error {
	own, _ := m.info("name")
	table, names, err := symbolTable(f, own)
	if err != nil {
		return err
	}
	size := 24
	if f.Bits == 32 {
		size = 16
	}
	for i := 0; len(table) >= size; i++ {
		name, bind, section := symbolAt(table, f.Order, f.Bits)
		table = table[size:]
		if uint64(name) >= uint64(len(names)) {
			return badELF("symbol name out of bounds in string table", "the name of symbol %d lies outside of the table", i)
		}
		if i == 0 {
			continue
		}
		rest := names[name:]
		text := rest[:strings.IndexByte(rest, 0)] // the table ends in a zero byte
		switch {
		case section == undefined:
			m.undefined = append(m.undefined, needed{text, bind == symbolWeak})
		case section == shnCommon:
			if !strings.HasPrefix(text, "__gnu_lto") {
				m.common = text
			}
		case section != shnAbs && section != shnLivepatch && int(section) >= len(f.Sections):
			return badELF("", "symbol %d is in section %d of %d", i, section, len(f.Sections))
		case strings.HasPrefix(text, "__ksymtab_"):
			m.exported = append(m.exported, strings.TrimPrefix(text, "__ksymtab_"))
		}
		if len(m.undefined) > maxNames || len(m.exported) > maxNames {
			return badELF("", "more than %d symbols", maxNames)
		}
	}
	return nil
}

func symbolAt(b []byte, order binary.ByteOrder, bits int) (name uint32, bind byte, section uint16) {
	if bits == 32 {
		return order.Uint32(b), b[12] >> 4, order.Uint16(b[14:])
	}
	return order.Uint32(b), b[4] >> 4, order.Uint16(b[6:])
}
