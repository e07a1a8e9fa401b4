// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
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
	noCRCs    bool              // what it exports has no checksums
	noFlags   bool              // nor section __kflagstab
	hasCRCs   bool              // section __versions
	crcs      map[string]uint64 // the entry is a long, so more than 32 bits are equal to none
	extended  bool              // section __version_ext_crcs
	extCRCs   map[string]uint64
	machine   string
	size      int // of the kernel's struct module

	file       *elfview.File
	length     int64  // of the file
	bounds     Fact   // the kernel refuses names of symbols outside of their table
	noExtended bool   // and does not know extended versions
	doubt      string // why a kernel that does not look at the bounds may refuse the module
}

// needed is an undefined symbol, or one that no kernel takes.
type needed struct {
	name    string
	weak    bool
	refusal string // what the kernel logs of one that it does not take; "" if it is undefined
}

// An elfError says why a kernel refuses an ELF file; log is what it logs.
type elfError struct{ reason, log string }

func (e *elfError) Error() string { return e.reason }

func badELF(log, format string, args ...any) error {
	return &elfError{fmt.Sprintf(format, args...), log}
}

// notRead says why a module is not read although the kernel would.
type notRead struct{ reason string }

func (e *notRead) Error() string { return e.reason }

// readModule checks the file as the kernel's elf_validity_cache_copy does and
// reads what later steps need. Errors beside *elfError and *notRead are those of
// reading r.
func (k *Kernel) readModule(r io.ReaderAt, size int64) (*module, error) {
	f, err := k.parse(r, size)
	if err != nil {
		return nil, err
	}
	m := &module{machine: elfview.MachineName(f.Machine), size: k.Struct, file: f, length: size, bounds: k.bounds, noExtended: k.extended == No}
	for _, read := range []func(*elfview.File) error{m.readModinfo, m.readName, m.readVersions, m.readSymbols, m.readExports} {
		var fe *elfview.FormatError
		if err := read(f); errors.As(err, &fe) {
			return nil, &notRead{err.Error()}
		} else if err != nil {
			return nil, err
		}
	}
	return m, nil
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
	b, err := content(f, s)
	if err != nil {
		return err
	}
	if b, err = m.ended(f, s, b); err != nil {
		return err
	}
	for x := range bytes.SplitSeq(b, []byte{0}) {
		if len(x) > 0 && len(m.modinfo) < maxNames {
			m.modinfo = append(m.modinfo, string(x))
		}
	}
	return nil
}

// maxInfo is above the length in bytes of any line of .modinfo.
const maxInfo = 64 << 10

// ended is the content of .modinfo with the rest of its last line: the kernel reads
// that, and the first one in any case, up to its zero byte wherever it is.
func (m *module) ended(f *elfview.File, s *elfview.Section, b []byte) ([]byte, error) {
	if len(b) > 0 && b[len(b)-1] == 0 {
		return b, nil
	}
	behind := elfview.Section{Type: elfview.SHTProgbits, Offset: s.Offset + s.Size}
	behind.Size = min(uint64(m.length)-behind.Offset, maxInfo)
	rest, err := content(f, &behind)
	if err != nil {
		return nil, err
	}
	end := bytes.IndexByte(rest, 0)
	if end < 0 {
		return nil, &notRead{"a line of .modinfo that does not end"}
	}
	return append(bytes.Clone(b), rest[:end]...), nil
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
	own := m.label()
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
	// Kernels do not look whether it ends within its room.
	name, _, ended := bytes.Cut(b[at:], []byte{0})
	if !ended {
		return &notRead{"a module whose name does not end"}
	}
	m.name = string(name)
	return nil
}

// label is how the kernel calls a module before it has seen its struct module.
func (m *module) label() string {
	if name, ok := m.info("name"); ok {
		return name
	}
	return "(missing .modinfo section or name field)"
}
