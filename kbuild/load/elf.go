// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// Limits of what is read of a module. Real ones stay below by orders of magnitude.
const (
	maxSection = 256 << 20 // bytes of a symbol or string table
	maxNames   = 1 << 20   // names of undefined or exported symbols
)

// Numbers of the gABI, and of include/linux/module.h.
const (
	etRel = 1

	shtNull   = 0
	shtSymtab = 2
	shtStrtab = 3

	symbolWeak   = 2
	undefined    = 0
	shnLivepatch = 0xff20
	shnAbs       = 0xfff1
	shnCommon    = 0xfff2
)

const moduleSection = ".gnu.linkonce.this_module"

// module is what the kernel reads of a module's ELF file.
type module struct {
	name      string   // of struct module
	modinfo   []string // "key=value"
	undefined []needed
	exported  []string
	hasCRCs   bool // section __versions
	crcs      map[string]uint32
	extended  bool // section __version_ext_crcs
	extCRCs   map[string]uint32
	common    string // a common symbol, with which no module is loaded
	machine   string
	size      int // of the kernel's struct module
}

// needed is an undefined symbol.
type needed struct {
	name string
	weak bool
}

// An elfError says why a kernel refuses an ELF file; log is what it logs.
type elfError struct{ reason, log string }

func (e *elfError) Error() string { return e.reason }

func badELF(log, format string, args ...any) error {
	return &elfError{fmt.Sprintf(format, args...), log}
}

// readModule checks the file as the kernel's elf_validity_cache_copy does and
// reads what later steps need. Errors beside *elfError are those of reading r.
func (k *Kernel) readModule(r io.ReaderAt, size int64) (*module, error) {
	f, err := elfview.Parse(r, size)
	var fe *elfview.FormatError
	switch {
	case errors.Is(err, elfview.ErrNotELF):
		if size < k.headerSize() {
			return nil, badELF(fmt.Sprintf("Invalid ELF header len %d", size), "%d bytes, less than an ELF header", size)
		}
		return nil, badELF("Invalid ELF header magic: != \x7fELF", "not an ELF file")
	case errors.As(err, &fe):
		return nil, badELF(k.headerLog(r, size), "%v", err)
	case err != nil:
		return nil, err
	}
	if err := k.checkHeader(f, r); err != nil {
		return nil, err
	}
	for i := range f.Sections {
		s := &f.Sections[i]
		if i > 0 && s.Type != shtNull && s.Type != elfview.SHTNobits && (s.Offset > uint64(size) || s.Size > uint64(size)-s.Offset) {
			return nil, badELF(fmt.Sprintf("Invalid ELF section in module (section %d type %d)", i, s.Type), "section %d (%s) leaves the file", i, s.Name)
		}
	}
	m := &module{machine: elfview.MachineName(f.Machine), size: k.Struct}
	for _, read := range []func(*elfview.File) error{m.readModinfo, m.readName, m.readVersions, m.readSymbols} {
		if err := read(f); err != nil {
			if errors.As(err, &fe) {
				return nil, badELF("", "%v", err)
			}
			return nil, err
		}
	}
	return m, nil
}

// headerSize is the size of an ELF header of the kernel's kind.
func (k *Kernel) headerSize() int64 {
	if k.Bits == 32 {
		return 52
	}
	return 64
}

// headerLog is what the kernel logs of an ELF header that does not lead to a table
// of sections; "" if it is something else that is wrong. It reads the header in the
// kernel's byte order, little endian if that is not known.
func (k *Kernel) headerLog(r io.ReaderAt, size int64) string {
	raw := make([]byte, k.headerSize())
	if n, _ := r.ReadAt(raw, 0); n < len(raw) {
		return ""
	}
	order := k.order
	if order == nil {
		order = binary.LittleEndian
	}
	at, entry := order.Uint64(raw[40:]), uint64(64)
	if k.Bits == 32 {
		at, entry = uint64(order.Uint32(raw[32:])), 40
	}
	tail := raw[len(raw)-6:] // e_shentsize, e_shnum, e_shstrndx
	switch num := uint64(order.Uint16(tail[2:])); {
	case order.Uint16(raw[16:]) != etRel:
		return ""
	case uint64(order.Uint16(tail)) != entry:
		return "Invalid ELF section header size"
	case at >= uint64(size) || num*entry > uint64(size)-at:
		return "Invalid ELF section header overflow"
	}
	return ""
}

func (k *Kernel) checkHeader(f *elfview.File, r io.ReaderAt) error {
	switch machine := elfview.MachineName(f.Machine); {
	case f.Type != etRel:
		return badELF(fmt.Sprintf("Invalid ELF header type: %d != %d", f.Type, etRel), "ELF file of type %d, not relocatable", f.Type)
	case k.Arch != "" && machine != k.Arch:
		return badELF(fmt.Sprintf("Invalid architecture in ELF header: %d", f.Machine), "for %s, the kernel is for %s", machine, k.Arch)
	case k.Arch != "" && f.Bits != k.Bits:
		return badELF("", "ELF file of %d bits, the kernel has %d", f.Bits, k.Bits)
	case k.order != nil && f.Order != k.order:
		return badELF("", "%v, the kernel is %v", f.Order, k.order)
	case len(f.Sections) == 0:
		return badELF("Invalid ELF section header overflow", "no sections")
	}
	// The kernel does not know numbers of sections that do not fit the header.
	var raw [4]byte
	if n, err := r.ReadAt(raw[:], k.headerSize()-4); n < len(raw) {
		return fmt.Errorf("reading the ELF header: %w", err)
	}
	num, names := f.Order.Uint16(raw[:]), f.Order.Uint16(raw[2:])
	first := &f.Sections[0]
	switch {
	case int(num) != len(f.Sections) || names == 0 || names >= num:
		return badELF(fmt.Sprintf("Invalid ELF section name index: %d || e_shstrndx (%d) >= e_shnum (%d)", names, names, num), "%d sections, and their names in section %d", num, names)
	case first.Type != shtNull || first.Size != 0 || first.Addr != 0:
		return badELF(fmt.Sprintf("ELF Spec violation: section 0 type(%d)!=SH_NULL or non-zero len or addr", first.Type), "section 0 is not empty")
	case f.Sections[names].Type != shtStrtab:
		return badELF(fmt.Sprintf("Invalid ELF section name table type: %d", f.Sections[names].Type), "section names of type %d", f.Sections[names].Type)
	}
	return nil
}

// unique is the only section of a name; nil if there is none.
func unique(f *elfview.File, name string) (*elfview.Section, bool) {
	var found *elfview.Section
	for i := range f.Sections {
		if s := &f.Sections[i]; i > 0 && s.Name == name {
			if found != nil {
				return found, false
			}
			found = s
		}
	}
	return found, true
}

func (m *module) readModinfo(f *elfview.File) error {
	s, ok := unique(f, ".modinfo")
	if !ok {
		return badELF("Only one .modinfo section must exist.", "several sections .modinfo")
	}
	if s == nil {
		return nil
	}
	b, err := f.Data(s, maxSection)
	if err != nil {
		return err
	}
	for x := range bytes.SplitSeq(b, []byte{0}) {
		if len(x) > 0 && len(m.modinfo) < maxNames {
			m.modinfo = append(m.modinfo, string(x))
		}
	}
	return nil
}

// info returns the first value of a key of .modinfo.
func (m *module) info(key string) (string, bool) {
	for _, x := range m.modinfo {
		if v, ok := strings.CutPrefix(x, key+"="); ok {
			return v, true
		}
	}
	return "", false
}

// readName reads the name in struct module, which follows its state and two
// pointers.
func (m *module) readName(f *elfview.File) error {
	s, ok := unique(f, moduleSection)
	own, _ := m.info("name")
	switch {
	case s == nil || !ok:
		return badELF("module "+own+": Exactly one .gnu.linkonce.this_module section must exist.", "not one section %s", moduleSection)
	case s.Type == elfview.SHTNobits:
		return badELF("module "+own+": .gnu.linkonce.this_module section must have a size set", "section %s without content", moduleSection)
	case s.Flags&elfview.SHFAlloc == 0:
		return badELF("module "+own+": .gnu.linkonce.this_module must occupy memory during process execution", "section %s that is not loaded", moduleSection)
	}
	b, err := f.Data(s, maxSection)
	if err != nil {
		return err
	}
	at, room := 24, 56
	if f.Bits == 32 {
		at, room = 12, 60
	}
	if len(b) < at+room || m.size != 0 && len(b) != m.size {
		return badELF("module "+own+": .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time",
			"section %s of %d bytes, struct module of the kernel has %d", moduleSection, len(b), max(m.size, at+room))
	}
	name, _, ended := bytes.Cut(b[at:at+room], []byte{0})
	if !ended || len(name) == 0 {
		return badELF("", "a module without a name")
	}
	m.name = string(name)
	return nil
}
