// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// readVersions reads the checksums that the module expects: __versions, entries of
// 64 bytes with a long and a name, and __version_ext_crcs with __version_ext_names.
func (m *module) readVersions(f *elfview.File) error {
	crcs, names := allocated(f, "__version_ext_crcs"), allocated(f, "__version_ext_names")
	if m.noExtended {
		crcs, names = nil, nil // it does not know them
	}
	if (crcs == nil) != (names == nil) {
		return badELF("extended version crc+name presence does not match", "one of __version_ext_crcs and __version_ext_names")
	}
	if crcs != nil {
		m.extended, m.extCRCs = true, map[string]uint64{}
		sums, err := content(f, crcs)
		if err != nil {
			return err
		}
		text, err := content(f, names)
		if err != nil {
			return err
		}
		for ; len(sums) >= 4; sums = sums[4:] {
			name, rest, ok := bytes.Cut(text, []byte{0})
			if !ok {
				return badELF("more extended version crcs than names", "more checksums than names")
			}
			addFirst(m.extCRCs, string(name), uint64(f.Order.Uint32(sums)))
			text = rest
		}
	}
	s := allocated(f, "__versions")
	if s == nil {
		return nil
	}
	b, err := content(f, s)
	if err != nil {
		return err
	}
	m.hasCRCs, m.crcs = true, map[string]uint64{}
	const entry = 64
	for ; len(b) >= entry; b = b[entry:] {
		crc, name := uint64(f.Order.Uint32(b)), b[4:entry]
		if f.Bits == 64 {
			crc, name = f.Order.Uint64(b), b[8:entry]
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		addFirst(m.crcs, string(name), crc)
	}
	return nil
}

// addFirst keeps the first value, which is the one that the kernel finds.
func addFirst(m map[string]uint64, name string, crc uint64) {
	if _, ok := m[name]; !ok {
		m[name] = crc
	}
}

// allocated is the first section of a name that is loaded, as the kernel's find_sec
// looks for it; nil if there is none.
func allocated(f *elfview.File, name string) *elfview.Section {
	for i := range f.Sections {
		if s := &f.Sections[i]; i > 0 && s.Flags&elfview.SHFAlloc != 0 && s.Name == name {
			return s
		}
	}
	return nil
}

// content are the bytes of a section, of whatever type it says that it is.
func content(f *elfview.File, s *elfview.Section) ([]byte, error) {
	plain := *s
	plain.Type = elfview.SHTProgbits
	return f.Data(&plain, maxSection)
}

// symbolTable finds the one symbol table and its names.
func (m *module) symbolTable(f *elfview.File) (table []byte, names string, err error) {
	var s *elfview.Section
	n := 0
	for i := range f.Sections {
		if i > 0 && f.Sections[i].Type == shtSymtab {
			s = &f.Sections[i]
			n++
		}
	}
	if n != 1 {
		return nil, "", badELF(m.label()+": module has no symbols (stripped?)", "%d symbol tables, want one (was it stripped?)", n)
	}
	if s.Link == 0 || uint64(s.Link) >= uint64(len(f.Sections)) {
		return nil, "", badELF(fmt.Sprintf("Invalid ELF sh_link!=SHN_UNDEF(%d) or (sh_link(%d) >= hdr->e_shnum(%d)", int32(s.Link), int32(s.Link), len(f.Sections)),
			"the names of symbols are in section %d of %d", s.Link, len(f.Sections))
	}
	text := &f.Sections[s.Link]
	if text.Type != shtStrtab {
		return nil, "", badELF(fmt.Sprintf("Invalid ELF symbol string table type: %d", text.Type), "the names of symbols are in section %d, which is no table of strings", s.Link)
	}
	if table, err = f.Data(s, maxSection); err != nil {
		return nil, "", err
	}
	b, err := f.Data(text, maxSection)
	if err != nil {
		return nil, "", err
	}
	return table, string(b), nil // one copy, which the names that are kept share
}

// entry is the size of a symbol.
func entry(f *elfview.File) int {
	if f.Bits == 32 {
		return 16
	}
	return 24
}

// checkNames is the kernel's elf_validity_cache_strtab, which Linux has since 6.13.
func checkNames(f *elfview.File, table []byte, names string) error {
	switch {
	case names == "":
		return badELF("empty symbol string table", "a table of symbol names without any")
	case names[0] != 0:
		return badELF("symbol string table missing leading NUL", "the table of symbol names does not start with a zero byte")
	case names[len(names)-1] != 0:
		return badELF("symbol string table isn't NUL terminated", "the table of symbol names does not end in a zero byte")
	}
	for i, size := 0, entry(f); len(table) >= size; i, table = i+1, table[size:] {
		if uint64(f.Order.Uint32(table)) >= uint64(len(names)) {
			return badELF("symbol name out of bounds in string table", "the name of symbol %d lies outside of the table", i)
		}
	}
	return nil
}

func (m *module) readSymbols(f *elfview.File) error {
	table, names, err := m.symbolTable(f)
	if err != nil {
		return err
	}
	if err := checkNames(f, table, names); err != nil {
		if m.bounds == Yes {
			return err
		}
		// What the kernel then reads beyond the table is not told.
		m.doubt = err.Error()
		names += "\x00"
	}
	size := entry(f)
	for i := 0; len(table) >= size; i++ {
		at, bind, section := symbolAt(table, f.Order, f.Bits)
		table = table[size:]
		if i == 0 {
			continue
		}
		text := ""
		if uint64(at) < uint64(len(names)) {
			text = names[at:][:strings.IndexByte(names[at:], 0)] // it ends in a zero byte
		}
		m.addSymbol(text, bind == symbolWeak, section, len(f.Sections))
		if len(m.undefined) > maxNames || len(m.exported) > maxNames {
			return &notRead{fmt.Sprintf("more than %d symbols", maxNames)}
		}
	}
	return nil
}

// addSymbol keeps a symbol if the kernel looks it up, refuses it, or exports it.
func (m *module) addSymbol(name string, weak bool, section uint16, sections int) {
	switch {
	case section == undefined:
		m.undefined = append(m.undefined, needed{name: name, weak: weak})
	case section == shnCommon:
		if !strings.HasPrefix(name, "__gnu_lto") {
			m.undefined = append(m.undefined, needed{name: name, refusal: "please compile with -fno-common"})
		}
	case section != shnAbs && section != shnLivepatch && int(section) >= sections:
		m.undefined = append(m.undefined, needed{name: name, refusal: fmt.Sprintf("Symbol %s has an invalid section index %d (max %d)", name, section, sections-1)})
	case strings.HasPrefix(name, "__ksymtab_"):
		m.exported = append(m.exported, strings.TrimPrefix(name, "__ksymtab_"))
	}
}

// readExports looks for what has to stand beside the table of exported symbols.
func (m *module) readExports(f *elfview.File) error {
	has := func(name string) bool {
		return allocated(f, name) != nil
	}
	some := func(name string) bool { return has(name) && allocated(f, name).Size > 0 }
	m.noCRCs = some("__ksymtab") && !has("__kcrctab") || some("__ksymtab_gpl") && !has("__kcrctab_gpl")
	m.noFlags = some("__ksymtab") && !has("__kflagstab")
	return nil
}

func symbolAt(b []byte, order binary.ByteOrder, bits int) (name uint32, bind byte, section uint16) {
	if bits == 32 {
		return order.Uint32(b), b[12] >> 4, order.Uint16(b[14:])
	}
	return order.Uint32(b), b[4] >> 4, order.Uint16(b[6:])
}
