// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/modsig"
)

// writable refuses a section that is both written and executed, as the kernel's
// module_enforce_rwx_sections does with CONFIG_STRICT_MODULE_RWX.
func (d *decision) writable() {
	const both = elfview.SHFWrite | elfview.SHFExec
	for i := range d.mod.file.Sections {
		s := &d.mod.file.Sections[i]
		if s.Flags&both != both || d.k.StrictRWX == No {
			continue
		}
		errnos := []Errno{eNoExec}
		if d.k.StrictRWX == Maybe {
			if d.auth.own {
				return
			}
			errnos = append(errnos, success)
		}
		log := fmt.Sprintf("%s: section %s (index %d) has invalid WRITE|EXEC flags", d.mod.name, s.Name, i)
		d.add("sections", log, errnos, "section %d (%s) is both writable and executable", i, s.Name)
		return
	}
}

// exportTables looks for the tables that go with that of the exported symbols.
func (d *decision) exportTables() {
	const name = "exports"
	if d.auth.own && !d.ignores() {
		return
	}
	if d.mod.noFlags && d.k.flags == Yes {
		d.stop(name, eNoExec, d.mod.name+": no flags for exported symbols", "it exports symbols without a section __kflagstab")
		return
	}
	if !d.mod.noCRCs || d.k.Versions == No {
		return
	}
	errnos := []Errno{success, eNoExec}
	if d.k.Versions == Yes {
		errnos = d.force(eNoExec, "no versions for exported symbols")
	}
	d.add(name, "", errnos, "it exports symbols without checksums: taken with CONFIG_MODULE_FORCE_LOAD only")
}

// imports refuses a module that imports a namespace of symbols for certain modules by
// name, which kernels since 6.16 do.
func (d *decision) imports() {
	for _, line := range d.mod.modinfo {
		space, ok := strings.CutPrefix(line, "import_ns=")
		if !ok || !strings.HasPrefix(space, "module:") || d.k.imports == No || d.auth.own {
			continue
		}
		errnos := []Errno{ePerm}
		if d.k.imports == Maybe {
			errnos = append(errnos, success)
		}
		d.add("namespaces", d.mod.name+": module tries to import module namespace: "+space, errnos, "it imports the namespace %s, which is for the modules that it names", space)
		return
	}
}

// exports refuses a module that exports what is exported already.
func (d *decision) exports() {
	if d.k.Symbols == nil {
		return
	}
	for _, name := range d.mod.exported {
		x, ok := d.k.Symbols.byName[name]
		if owner := x.module(); ok && owner != d.mod.name {
			errnos := []Errno{eNoExec}
			if x.owner != "vmlinux" {
				errnos = append(errnos, success) // its owner need not be loaded
			}
			d.add("exports", fmt.Sprintf("%s: exports duplicate symbol %s (owned by %s)", d.mod.name, name, owner), errnos,
				"exports %s, which %s exports too", name, x.owner)
			return
		}
	}
}

// sysfs refuses what the kernel cannot make a folder of in /sys/module: a module
// without a name, and with CONFIG_KALLSYMS two sections of one name.
func (d *decision) sysfs() {
	const name = "sysfs"
	if d.mod.name == "" {
		d.stop(name, modsig.EINVAL, "", "the module has no name")
		return
	}
	if d.k.Kallsyms == No || d.auth.own {
		return
	}
	seen := map[string]bool{}
	for _, s := range d.mod.kept() {
		if !seen[s] {
			seen[s] = true
			continue
		}
		errnos := []Errno{eExist}
		if d.k.Kallsyms == Maybe || !refusesTwice(d.k.Release) {
			errnos = append(errnos, success)
		}
		d.add(name, fmt.Sprintf("sysfs: cannot create duplicate filename '/module/%s/sections/%s'", d.mod.name, s), errnos,
			"two sections %s, of each of which the kernel makes a file", s)
		return
	}
}

// kept are the names of the sections that stay in memory.
func (m *module) kept() (names []string) {
	symbols := uint32(0)
	for i := range m.file.Sections {
		if s := &m.file.Sections[i]; i > 0 && s.Type == shtSymtab {
			symbols = s.Link
		}
	}
	versions, percpu := allocated(m.file, "__versions"), allocated(m.file, ".data..percpu")
	for i := range m.file.Sections {
		s := &m.file.Sections[i]
		always := i > 0 && (s.Type == shtSymtab || uint32(i) == symbols)
		if s.Size > 0 && (always || s.Flags&elfview.SHFAlloc != 0 && s.Name != ".modinfo" && s != versions && s != percpu) {
			names = append(names, s.Name)
		}
	}
	return names
}

// refusesTwice reports whether that kernel refuses a module of which it cannot make all
// files: all since 6.13, and Linux 6.12 since a stable release not later than 6.12.117.
// Older ones only complained.
func refusesTwice(release string) bool {
	var major, minor, patch int
	n, _ := fmt.Sscanf(release, "%d.%d.%d", &major, &minor, &patch)
	return n >= 2 && (major > 6 || major == 6 && (minor > 12 || minor == 12 && patch >= 117))
}

// Types of relocations of x86-64 that arch/x86/kernel/module.c knows, and how many
// bytes each writes.
var relocations = map[uint32]int{0: 0, 1: 8, 2: 4, 4: 4, 10: 4, 11: 4, 24: 8}

const (
	shtRela = 4
	shtRel  = 9

	shfLivepatch = 0x00100000 // applied by livepatch
)

// relocations goes through those of x86-64 as apply_relocations does: tables without
// addends, types that the kernel does not know, and places that are not zero. Whether
// a value fits depends on where the module comes to lie and is not told.
func (d *decision) relocations() error {
	f := d.mod.file
	if d.mod.machine != "x86_64" || f.Bits != 64 || d.auth.own {
		return nil
	}
	// Sections may share their bytes, so that all of them have many times those of the file.
	left := 4*uint64(d.mod.length) + 1<<20
	for i := range f.Sections {
		s := &f.Sections[i]
		if i == 0 || uint64(s.Info) >= uint64(len(f.Sections)) || f.Sections[s.Info].Flags&elfview.SHFAlloc == 0 || s.Flags&shfLivepatch != 0 {
			continue
		}
		if target := &f.Sections[s.Info]; target.Name == ".modinfo" || target.Name == "__versions" {
			continue // not kept
		}
		reads := s.Size
		if target := &f.Sections[s.Info]; target.Type != elfview.SHTNobits {
			reads += target.Size
		}
		if s.Type == shtRela && reads > left {
			d.add("relocations", "", []Errno{success, unknown}, "they have many times the bytes of the file, which are not read")
			return nil
		} else if s.Type == shtRela {
			left -= reads
		}
		switch s.Type {
		case shtRel:
			d.stop("relocations", eNoExec, "module "+d.mod.name+": REL relocation unsupported", "section %d (%s) has relocations without addends", i, s.Name)
			return nil
		case shtRela:
			if goes, err := d.relocate(s, &f.Sections[s.Info]); !goes || err != nil {
				return err
			}
		}
	}
	return nil
}

// relocate goes through one table of relocations of the section target. goes is false
// if it is refused.
func (d *decision) relocate(s, target *elfview.Section) (goes bool, err error) {
	var fe *elfview.FormatError
	f := d.mod.file
	table, err := f.Data(s, maxSection)
	if errors.As(err, &fe) {
		return true, nil // larger than any
	} else if err != nil {
		return false, err
	}
	var content []byte
	if target.Size <= maxSection {
		if content, err = f.Data(target, maxSection); err != nil && !errors.As(err, &fe) {
			return false, err
		}
	}
	const entry = 24
	for ; len(table) >= entry; table = table[entry:] {
		at, kind := binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint32(table[8:])
		n, known := relocations[kind]
		if !known {
			d.stop("relocations", eNoExec, fmt.Sprintf("module: %s: Unknown rela relocation: %d", d.mod.name, kind), "section %s has a relocation of type %d", s.Name, kind)
			return false, nil
		}
		if end := at + uint64(n); end >= at && end <= uint64(len(content)) && len(bytes.Trim(content[at:end], "\x00")) > 0 {
			// The log has addresses.
			d.stop("relocations", eNoExec, "", "section %s has a relocation at %d of %s, where bytes are not zero", s.Name, at, target.Name)
			return false, nil
		}
	}
	return true, nil
}
