// SPDX-License-Identifier: Apache-2.0

package units

import (
	"slices"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

type section = elfview.Section

// Rel is one relocation entry.
type Rel struct {
	Offset uint64 // in the section that is relocated
	Sym    uint32
	Type   uint32
	Addend int64 // 0 in entries without one
}

// relSize is the size of an entry of a section of relocations.
func (f *File) relSize(typ uint32) int64 {
	n := int64(16)
	if typ == shtRela {
		n = 24
	}
	if f.Bits == 32 {
		n /= 2
	}
	return n
}

// Rel decodes the relocation entry b, of a section of that type. Little-endian
// MIPS of 64 bits, whose info is laid out otherwise, is not told apart: its
// numbers mean nothing then, but equal ones are still equal.
func (f *File) Rel(b []byte, typ uint32) Rel {
	o := f.Order
	if f.Bits == 64 {
		info := o.Uint64(b[8:])
		r := Rel{Offset: o.Uint64(b), Sym: uint32(info >> 32), Type: uint32(info)}
		if typ == shtRela {
			r.Addend = int64(o.Uint64(b[16:]))
		}
		return r
	}
	info := o.Uint32(b[4:])
	r := Rel{Offset: uint64(o.Uint32(b)), Sym: info >> 8, Type: info & 0xff}
	if typ == shtRela {
		r.Addend = int64(int32(o.Uint32(b[8:])))
	}
	return r
}

// IsRel: the section holds relocations.
func IsRel(typ uint32) bool { return typ == shtRela || typ == shtRel }

// relocs: the Key of an entry is the offset that it relocates.
func (f *File) relocs(dst []Unit, bl *Block) []Unit {
	s := &f.Sections[bl.Index]
	size := f.relSize(s.Type)
	n := bl.Len / size
	dst = slices.Grow(dst, int(n)+1)
	for i := range int32(n) {
		dst = append(dst, f.entry(s, i))
	}
	return f.rest(dst, bl, bl.Off+n*size)
}

func (f *File) entry(s *section, i int32) Unit {
	size := f.relSize(s.Type)
	at := int64(s.Offset) + int64(i)*size
	return Unit{at, size, Reloc, i, f.Rel(f.Bytes[at:at+size], s.Type).Offset, ""}
}

// Relocs is how many units Units makes of a section of relocations, at most.
func (f *File) Relocs(sec int) int {
	s := &f.Sections[sec]
	return int(int64(s.Size)/f.relSize(s.Type)) + 1
}

// RelocUnit returns unit i, of those that Units makes of a section of relocations.
func (f *File) RelocUnit(sec int, i int32) Unit {
	s := &f.Sections[sec]
	n := int64(s.Size) / f.relSize(s.Type)
	if int64(i) < n {
		return f.entry(s, i)
	}
	bl := Block{Off: int64(s.Offset), Len: int64(s.Size)}
	return f.rest(nil, &bl, bl.Off+n*f.relSize(s.Type))[0]
}
