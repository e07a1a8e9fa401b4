// SPDX-License-Identifier: Apache-2.0

// Package vmlinux makes small linked kernels for tests: ELF files of 32 and 64
// bit in both byte orders, and flat binaries, with the parts of a kernel that
// modhash reads, never meant to run. Everything is deterministic.
package vmlinux

import "encoding/binary"

// File describes a linked ELF file. Sections are laid out one after the other;
// section 0, the symbol table and the tables of names are made.
type File struct {
	Bits     int // 32 or 64, the default
	Big      bool
	Machine  uint16 // default 62, x86_64
	Type     uint16 // default 2, ET_EXEC
	Sections []Section
	Symbols  []Symbol // none: no symbol table
	Segments bool     // a program header for each section
}

// Section is a section of a File. One of type 8 (SHT_NOBITS) is 256 bytes long.
type Section struct {
	Name        string
	Type, Flags uint64
	Addr        uint64
	Data        []byte
}

// Symbol is a symbol of a File. The binding is in the upper four bits of Info:
// 0 local, 1 global, 2 weak.
type Symbol struct {
	Name  string
	Value uint64
	Info  byte
	Shndx uint16
}

// sizes are those of the ELF header, a program header, a section header and a
// symbol.
type sizes struct{ eh, ph, sh, sym int }

// layout is a file on its way.
type layout struct {
	o    binary.AppendByteOrder
	wide bool
	sizes
}

func (f *File) layout() layout {
	l := layout{binary.LittleEndian, f.Bits != 32, sizes{64, 56, 64, 24}}
	if f.Big {
		l.o = binary.BigEndian
	}
	if !l.wide {
		l.sizes = sizes{52, 32, 40, 16}
	}
	return l
}

func (l *layout) word(b []byte, v uint64) []byte {
	if l.wide {
		return l.o.AppendUint64(b, v)
	}
	return l.o.AppendUint32(b, uint32(v))
}

func (l *layout) u16(b []byte, vs ...uint16) []byte {
	for _, v := range vs {
		b = l.o.AppendUint16(b, v)
	}
	return b
}

func (l *layout) u32(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = l.o.AppendUint32(b, v)
	}
	return b
}

const (
	symtabType = 2
	strtabType = 3
	nobitsType = 8
)

// Bytes returns the file.
func (f File) Bytes() []byte {
	if f.Machine == 0 {
		f.Machine = 62
	}
	if f.Type == 0 {
		f.Type = 2
	}
	l := f.layout()
	secs := append([]Section{{}}, f.Sections...)
	if f.Symbols != nil {
		sym, names := l.symbols(f.Symbols)
		secs = append(secs, Section{".symtab", symtabType, 0, 0, sym}, Section{".strtab", strtabType, 0, 0, names})
	}
	names := []byte{0}
	nameAt := make([]uint32, len(secs)+1)
	for i, s := range append(secs, Section{Name: ".shstrtab"}) {
		if i > 0 {
			nameAt[i] = uint32(len(names))
			names = append(append(names, s.Name...), 0)
		}
	}
	secs = append(secs, Section{".shstrtab", strtabType, 0, 0, names})

	phnum := 0
	if f.Segments {
		phnum = len(f.Sections)
	}
	start := l.eh + phnum*l.ph
	var body []byte
	align := func(n int) {
		for (start+len(body))%n != 0 {
			body = append(body, 0)
		}
	}
	offs := make([]uint64, len(secs))
	for i, s := range secs {
		if i == 0 {
			continue
		}
		align(8)
		if s.Addr%256 == 0 && s.Addr > 0 {
			align(256) // as a page would be
		}
		offs[i] = uint64(start + len(body))
		body = append(body, s.Data...)
	}
	align(8)
	b := l.header(&f, phnum, uint64(start+len(body)), len(secs))
	for i := range phnum {
		b = l.program(b, &f.Sections[i], offs[i+1])
	}
	b = append(b, body...)
	for i := range secs {
		b = l.section(b, &secs[i], nameAt[i], offs[i], uint32(i))
	}
	return b
}

func (l *layout) symbols(syms []Symbol) (table, names []byte) {
	names = []byte{0}
	table = make([]byte, l.sym)
	for _, s := range syms {
		table = l.u32(table, uint32(len(names)))
		names = append(append(names, s.Name...), 0)
		if l.wide {
			table = l.u16(append(table, s.Info, 0), s.Shndx)
			table = l.word(l.word(table, s.Value), 0)
		} else {
			table = l.u32(table, uint32(s.Value), 0)
			table = l.u16(append(table, s.Info, 0), s.Shndx)
		}
	}
	return table, names
}

func (l *layout) header(f *File, phnum int, shoff uint64, shnum int) []byte {
	class, data, phoff := byte(1), byte(1), uint64(0)
	if l.wide {
		class = 2
	}
	if f.Big {
		data = 2
	}
	if phnum > 0 {
		phoff = uint64(l.eh)
	}
	b := append([]byte{0x7f, 'E', 'L', 'F', class, data, 1}, make([]byte, 9)...)
	b = l.u32(l.u16(b, f.Type, f.Machine), 1)
	b = l.word(l.word(l.word(b, 0), phoff), shoff)
	return l.u16(l.u32(b, 0), uint16(l.eh), uint16(l.ph), uint16(phnum), uint16(l.sh), uint16(shnum), uint16(shnum-1))
}

func (l *layout) program(b []byte, s *Section, off uint64) []byte {
	b = l.u32(b, 1)
	if l.wide {
		b = l.u32(b, 5)
	}
	n := uint64(len(s.Data))
	b = l.word(l.word(l.word(l.word(l.word(b, off), s.Addr), s.Addr), n), n)
	if !l.wide {
		b = l.u32(b, 5)
	}
	return l.word(b, 0)
}

func (l *layout) section(b []byte, s *Section, name uint32, off uint64, index uint32) []byte {
	size, link, entsize := uint64(len(s.Data)), uint32(0), uint64(0)
	switch s.Type {
	case nobitsType:
		size = 0x100
	case symtabType:
		link, entsize = index+1, uint64(l.sym)
	}
	b = l.u32(b, name, uint32(s.Type))
	b = l.word(l.word(l.word(l.word(b, s.Flags), s.Addr), off), size)
	return l.word(l.word(l.u32(b, link, 0), 1), entsize)
}
