// SPDX-License-Identifier: Apache-2.0

// Package elfview reads the ELF files of a kernel build as hostile input:
// every offset, length and count is compared with the file before it is used,
// and nothing is allocated that the file's own size does not pay for.
//
// Source of the format: System V ABI, chapter 4 and 5 (gABI), and
// include/uapi/linux/elf.h for what kernels use.
package elfview

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits. The largest modules have a few thousand sections.
const (
	MaxSections = 1 << 17
	maxStrings  = 16 << 20 // bytes of the section name table
	maxName     = 16 << 10 // bytes of one name: many may share one that has no end
)

// ErrNotELF is what [Parse] wraps for a file without the ELF magic.
var ErrNotELF = errors.New("not an ELF file")

// FormatError says what is wrong with an ELF file, and where.
type FormatError struct {
	Offset int64 // in the file
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("malformed ELF file at offset %d: %s", e.Offset, e.Reason)
}

// File is the header and section table of an ELF file.
type File struct {
	Bits     int // 32 or 64
	Order    binary.ByteOrder
	Type     uint16 // ET_REL is 1, ET_EXEC 2, ET_DYN 3
	Machine  uint16
	Sections []Section

	r    io.ReaderAt
	size int64
}

// Section is one entry of the section table.
type Section struct {
	Name                        string
	Type                        uint32
	Flags, Addr, Offset, Size   uint64
	Link, Info                  uint32
	Addralign, Entsize, nameOff uint64
}

// SHTNobits is the type of a section without bytes in the file.
const SHTNobits = 8

// Parse reads the header and the section table of the ELF file in the first
// size bytes of r. Sections that leave the file are not refused here but when
// their [File.Data] is asked for. The error is a read error of r, a
// [*FormatError], or wraps [ErrNotELF].
func Parse(r io.ReaderAt, size int64) (*File, error) { return new(Parser).Parse(r, size) }

// Parser is for who parses many files: a File and its sections are valid until
// the next one is parsed, and their memory is used again.
type Parser struct {
	file     File
	sections []Section
}

// Memory is a reader whose bytes need not be copied to be looked at.
type Memory interface {
	io.ReaderAt
	// Slice returns the n bytes at off, which lie within the file.
	Slice(off, n int64) []byte
}

// Parse is [Parse].
func (p *Parser) Parse(r io.ReaderAt, size int64) (*File, error) {
	t, err := p.header(r, size)
	if err != nil {
		return nil, err
	}
	err = t.read()
	p.sections = t.f.Sections
	if err != nil {
		return nil, err
	}
	return t.f, nil
}

// Find reads the header and looks for the first section with that name, without
// making the table of all sections; nil if there is none. The File has no
// Sections.
func (p *Parser) Find(r io.ReaderAt, size int64, name string) (*File, *Section, error) {
	t, err := p.header(r, size)
	if err != nil {
		return nil, nil, err
	}
	s, err := t.find(name)
	return t.f, s, err
}

// header reads the ELF header.
func (p *Parser) header(r io.ReaderAt, size int64) (*table, error) {
	f := &p.file
	*f = File{r: r, size: size, Sections: p.sections[:0]}
	n := int(min(size, 64))
	head, err := f.bytes(0, uint64(max(n, 0)))
	if err != nil {
		return nil, err
	}
	if n < 16 || string(head[:4]) != "\x7fELF" {
		return nil, ErrNotELF
	}
	switch head[4] {
	case 1:
		f.Bits = 32
	case 2:
		f.Bits = 64
	default:
		return nil, &FormatError{4, fmt.Sprintf("class %d", head[4])}
	}
	switch head[5] {
	case 1:
		f.Order = binary.LittleEndian
	case 2:
		f.Order = binary.BigEndian
	default:
		return nil, &FormatError{5, fmt.Sprintf("data encoding %d", head[5])}
	}
	if n < 52 || n < 64 && f.Bits == 64 {
		return nil, &FormatError{int64(n), "the file ends within the ELF header"}
	}
	f.Type = f.Order.Uint16(head[16:])
	f.Machine = f.Order.Uint16(head[18:])
	t := &table{f: f, fields: fields64}
	if f.Bits == 32 {
		t.fields = fields32
		t.off = uint64(f.Order.Uint32(head[t.offAt:]))
	} else {
		t.off = f.Order.Uint64(head[t.offAt:])
	}
	t.entsize = f.Order.Uint16(head[t.entsizeAt:])
	t.num = uint64(f.Order.Uint16(head[t.numAt:]))
	t.strndx = uint32(f.Order.Uint16(head[t.strndxAt:]))
	return t, nil
}

// fields says where the ELF header tells of the section table, and the size of
// an entry.
type fields struct{ offAt, entsizeAt, numAt, strndxAt, size int }

var (
	fields32 = fields{32, 46, 48, 50, 40}
	fields64 = fields{40, 58, 60, 62, 64}
)

// table is the section table as the ELF header announces it.
type table struct {
	fields
	f       *File
	off     uint64
	entsize uint16
	num     uint64
	strndx  uint32
}

func (t *table) read() error {
	b, err := t.bytes()
	if err != nil {
		return err
	}
	f := t.f
	f.Sections = slices.Grow(f.Sections, int(t.num))
	for i := range int(t.num) {
		f.Sections = append(f.Sections, f.section(b[i*t.size:]))
	}
	return t.names()
}

// find decodes no more of the table than it takes to find a name.
func (t *table) find(name string) (*Section, error) {
	b, err := t.bytes()
	if err != nil || t.num == 0 || t.strndx == 0 {
		return nil, err
	}
	if uint64(t.strndx) >= t.num {
		return nil, t.badNames()
	}
	f := t.f
	strs := f.section(b[int(t.strndx)*t.size:])
	names, err := f.Data(&strs, maxStrings)
	if err != nil {
		return nil, fmt.Errorf("reading section names: %w", err)
	}
	want := []byte(name)
	for i := range int(t.num) {
		at := uint64(f.Order.Uint32(b[i*t.size:]))
		if at > uint64(len(names)) {
			continue
		}
		// The end of the table ends a name too.
		if rest, ok := bytes.CutPrefix(names[at:], want); ok && (len(rest) == 0 || rest[0] == 0) {
			s := f.section(b[i*t.size:])
			s.Name = name
			return &s, nil
		}
	}
	return nil, nil
}

func (t *table) badNames() error {
	return &FormatError{int64(t.strndxAt), fmt.Sprintf("names are in section %d of %d", t.strndx, t.num)}
}

// bytes returns the section headers, and finds out how many there are.
func (t *table) bytes() ([]byte, error) {
	f := t.f
	if t.off == 0 {
		t.num = 0
		return nil, nil // no section table
	}
	if int(t.entsize) != t.size {
		return nil, &FormatError{int64(t.entsizeAt), fmt.Sprintf("section headers of %d bytes, want %d", t.entsize, t.size)}
	}
	if t.num == 0 || t.strndx == 0xffff {
		// Above 0xff00 sections, section 0 holds the true numbers.
		b, err := f.bytes(t.off, uint64(t.size))
		if err != nil {
			return nil, err
		}
		s := f.section(b)
		if t.num == 0 {
			t.num = s.Size
		}
		if t.strndx == 0xffff {
			t.strndx = s.Link
		}
	}
	if t.num > MaxSections {
		return nil, &FormatError{int64(t.numAt), fmt.Sprintf("%d sections, at most %d are read", t.num, MaxSections)}
	}
	return f.bytes(t.off, t.num*uint64(t.size))
}

func (f *File) section(b []byte) Section {
	o := f.Order
	if f.Bits == 64 {
		return Section{
			nameOff: uint64(o.Uint32(b)), Type: o.Uint32(b[4:]), Flags: o.Uint64(b[8:]), Addr: o.Uint64(b[16:]),
			Offset: o.Uint64(b[24:]), Size: o.Uint64(b[32:]), Link: o.Uint32(b[40:]), Info: o.Uint32(b[44:]),
			Addralign: o.Uint64(b[48:]), Entsize: o.Uint64(b[56:]),
		}
	}
	w := func(i int) uint64 { return uint64(o.Uint32(b[i:])) }
	return Section{
		nameOff: w(0), Type: o.Uint32(b[4:]), Flags: w(8), Addr: w(12), Offset: w(16), Size: w(20),
		Link: o.Uint32(b[24:]), Info: o.Uint32(b[28:]), Addralign: w(32), Entsize: w(36),
	}
}

func (t *table) names() error {
	f := t.f
	if len(f.Sections) == 0 || t.strndx == 0 {
		return nil
	}
	if uint64(t.strndx) >= uint64(len(f.Sections)) {
		return t.badNames()
	}
	s := &f.Sections[t.strndx]
	b, err := f.Data(s, maxStrings)
	if err != nil {
		return fmt.Errorf("reading section names: %w", err)
	}
	names := string(b)
	for i := range f.Sections {
		s := &f.Sections[i]
		at := int64(t.off) + int64(i*t.size)
		if s.Type == 0 && s.nameOff > uint64(len(names)) {
			continue // SHT_NULL: the other members have undefined values
		}
		if s.nameOff > uint64(len(names)) {
			return &FormatError{at, fmt.Sprintf("name of section %d at %d, the table has %d bytes", i, s.nameOff, len(names))}
		}
		rest := names[s.nameOff:]
		s.Name, _, _ = strings.Cut(rest[:min(len(rest), maxName+1)], "\x00")
		if len(s.Name) > maxName {
			return &FormatError{at, fmt.Sprintf("name of section %d has more than %d bytes", i, maxName)}
		}
	}
	return nil
}

// bytes returns n bytes at off after comparing both with the file's size.
func (f *File) bytes(off, n uint64) ([]byte, error) {
	size := uint64(f.size)
	if off > size || n > size-off {
		return nil, &FormatError{int64(min(off, size)), fmt.Sprintf("%d bytes at %d, the file has %d", n, off, size)}
	}
	if m, ok := f.r.(Memory); ok {
		return m.Slice(int64(off), int64(n)), nil
	}
	b := make([]byte, n)
	if got, err := f.r.ReadAt(b, int64(off)); uint64(got) < n {
		return nil, fmt.Errorf("reading ELF file at offset %d: %w", off, err)
	}
	return b, nil
}

// Section returns the first section with that name, or nil.
func (f *File) Section(name string) *Section {
	for i := range f.Sections {
		if f.Sections[i].Name == name {
			return &f.Sections[i]
		}
	}
	return nil
}

// Data returns the bytes of s, none for a section without bytes in the file. A
// section of more than limit bytes is refused. The bytes must not be changed.
func (f *File) Data(s *Section, limit uint64) ([]byte, error) {
	switch {
	case s.Type == SHTNobits:
		return nil, nil
	case s.Size > limit:
		return nil, &FormatError{int64(min(s.Offset, uint64(f.size))), fmt.Sprintf("section %.64q has %d bytes, at most %d are read", s.Name, s.Size, limit)}
	}
	return f.bytes(s.Offset, s.Size)
}
