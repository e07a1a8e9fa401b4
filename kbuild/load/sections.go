// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

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

// named refuses a module without a name, of which sysfs makes no folder.
func (d *decision) named() {
	if d.mod.name == "" {
		d.stop("sysfs", modsig.EINVAL, "", "the module has no name")
	}
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
	for i := range f.Sections {
		s := &f.Sections[i]
		if i == 0 || uint64(s.Info) >= uint64(len(f.Sections)) || f.Sections[s.Info].Flags&elfview.SHFAlloc == 0 || s.Flags&shfLivepatch != 0 {
			continue
		}
		if target := &f.Sections[s.Info]; target.Name == ".modinfo" || target.Name == "__versions" {
			continue // not kept
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
