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
	at, end := bl.Off, bl.Off+bl.Len
	dst = slices.Grow(dst, int(bl.Len/size)+1)
	for i := int32(0); end-at >= size; i++ {
		dst = append(dst, Unit{at, size, Reloc, i, f.Rel(f.Bytes[at:at+size], s.Type).Offset, ""})
		at += size
	}
	return f.rest(dst, bl, at)
}
