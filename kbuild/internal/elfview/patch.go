// SPDX-License-Identifier: Apache-2.0

package elfview

import (
	"fmt"
)

// Exclusive returns where the bytes of the section with that name are in a
// linked file (ET_EXEC or ET_DYN), for who wants to change them. So that a change
// is one of this section and nothing else, it refuses, with a FormatError: a
// name that no section or more than one has, a section of another type than
// SHT_PROGBITS (SHT_NOBITS has no bytes), a compressed one, one that leaves the
// file, one that shares bytes with another section, the ELF header or one of its
// tables, and one whose address leads elsewhere by the program headers, by which
// a kernel is loaded.
func (f *File) Exclusive(name string) (off, size int64, err error) {
	if f.Type != ETExec && f.Type != ETDyn {
		return 0, 0, &FormatError{16, fmt.Sprintf("ELF file of type %d, want a linked kernel", f.Type)}
	}
	var s *Section
	for i := range f.Sections {
		if f.Sections[i].Name != name {
			continue
		}
		if s != nil {
			return 0, 0, &FormatError{f.clamp(f.Sections[i].Offset), fmt.Sprintf("a second section %s", name)}
		}
		s = &f.Sections[i]
	}
	switch {
	case s == nil:
		return 0, 0, &FormatError{0, fmt.Sprintf("no section %s", name)}
	case s.Type == SHTNobits:
		return 0, 0, &FormatError{f.clamp(s.Offset), fmt.Sprintf("section %s has no bytes in the file", name)}
	case s.Type != SHTProgbits:
		return 0, 0, &FormatError{f.clamp(s.Offset), fmt.Sprintf("section %s is of type %d, want %d", name, s.Type, SHTProgbits)}
	case s.Flags&shfCompressed != 0:
		return 0, 0, &FormatError{f.clamp(s.Offset), fmt.Sprintf("section %s is compressed", name)}
	case s.Offset > uint64(f.size) || s.Size > uint64(f.size)-s.Offset:
		return 0, 0, &FormatError{f.clamp(s.Offset), fmt.Sprintf("section %s of %d bytes leaves the file", name, s.Size)}
	}
	if err := f.alone(s); err != nil {
		return 0, 0, err
	}
	if err := f.mapped(s); err != nil {
		return 0, 0, err
	}
	return int64(s.Offset), int64(s.Size), nil
}

// mapped refuses a section that is not where its address is.
func (f *File) mapped(s *Section) error {
	segs, err := f.Segments()
	if err != nil || len(segs) == 0 || s.Size == 0 {
		return err
	}
	switch off, err := f.FileOffset(s.Addr, s.Size); {
	case err != nil:
		return fmt.Errorf("section %.64q by its address: %w", s.Name, err)
	case uint64(off) != s.Offset:
		return &FormatError{off, fmt.Sprintf("section %.64q is at offset %d, what is loaded to its address is here", s.Name, s.Offset)}
	}
	return nil
}

func (f *File) clamp(off uint64) int64 { return int64(min(off, uint64(f.size))) }

// alone refuses a section that shares bytes with anything else; s lies in the
// file.
func (f *File) alone(s *Section) error {
	clash := func(off, size uint64, what string) error {
		if size == 0 || s.Size == 0 || off >= s.Offset+s.Size || off < s.Offset && size <= s.Offset-off {
			return nil
		}
		return &FormatError{f.clamp(s.Offset), fmt.Sprintf("section %s shares bytes with %s", s.Name, what)}
	}
	ehsize, shentsize := uint64(64), uint64(64)
	shoffAt := fields64.offAt
	if f.Bits == 32 {
		ehsize, shentsize, shoffAt = 52, 40, fields32.offAt
	}
	if err := clash(0, ehsize, "the ELF header"); err != nil {
		return err
	}
	head, err := f.bytes(0, ehsize)
	if err != nil {
		return err
	}
	shoff := uint64(f.Order.Uint32(head[shoffAt:]))
	if f.Bits == 64 {
		shoff = f.Order.Uint64(head[shoffAt:])
	}
	if err := clash(shoff, uint64(len(f.Sections))*shentsize, "the section headers"); err != nil {
		return err
	}
	phoff, num, p, err := f.programTable()
	if err != nil {
		return err
	}
	if err := clash(phoff, uint64(num*p.size), "the program headers"); err != nil {
		return err
	}
	for i := range f.Sections {
		o := &f.Sections[i]
		if o == s || o.Type == 0 || o.Type == SHTNobits {
			continue
		}
		if err := clash(o.Offset, o.Size, fmt.Sprintf("section %d, %.64q", i, o.Name)); err != nil {
			return err
		}
	}
	return nil
}
