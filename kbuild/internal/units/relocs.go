// SPDX-License-Identifier: Apache-2.0

package units

import (
	"encoding/binary"
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
	if f.Bits == 64 {
		info := f.word(b[8:])
		r := Rel{Offset: f.word(b), Sym: uint32(info >> 32), Type: uint32(info)}
		if typ == shtRela {
			r.Addend = int64(f.word(b[16:]))
		}
		return r
	}
	o := f.Order
	info := o.Uint32(b[4:])
	r := Rel{Offset: uint64(o.Uint32(b)), Sym: info >> 8, Type: info & 0xff}
	if typ == shtRela {
		r.Addend = int64(int32(o.Uint32(b[8:])))
	}
	return r
}

// Needed tells of each symbol whether a relocation is by it.
func (f *File) Needed() []bool {
	if syms := f.Symbols(); f.syms.needed == nil && len(syms) > 0 {
		f.syms.needed = make([]bool, len(syms))
		for i := range f.Sections {
			if IsRel(f.Sections[i].Type) {
				f.needs(&f.Sections[i])
			}
		}
	}
	return f.syms.needed
}

// needs marks the symbols of a section of relocations.
func (f *File) needs(s *section) {
	b, size := f.Data(s), int(f.relSize(s.Type))
	for ; len(b) >= size; b = b[size:] {
		if r := f.Rel(b, s.Type); int64(r.Sym) < int64(len(f.syms.needed)) {
			f.syms.needed[r.Sym] = true
		}
	}
}

// word reads 64 bits; it is called for each relocation.
func (f *File) word(b []byte) uint64 {
	if f.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// IsRel: the section holds relocations.
func IsRel(typ uint32) bool { return typ == shtRela || typ == shtRel }

// relocs: the Key of an entry is the offset that it relocates.
func (f *File) relocs(dst []Unit, bl *Block) []Unit {
	n := f.Relocs(bl.Index)
	dst = slices.Grow(dst, n)
	for i := range int32(n) {
		dst = append(dst, f.RelocUnit(bl.Index, i))
	}
	return dst
}

// Relocs is how many units Units makes of a section of relocations: its entries,
// and what is left behind them.
func (f *File) Relocs(sec int) int {
	s := &f.Sections[sec]
	size := f.relSize(s.Type)
	return int((int64(s.Size) + size - 1) / size)
}

// Beyond is set in offsets that no section of less than 2 GiB has.
const Beyond = 1 << 31

// RelocOffsets appends the offsets that the entries of a section of relocations are
// for; of one that is [Beyond], the low bits.
func (f *File) RelocOffsets(dst []uint32, sec int) []uint32 {
	s := &f.Sections[sec]
	b, size := f.Data(s), int(f.relSize(s.Type))
	dst = slices.Grow(dst, len(b)/size)
	for ; len(b) >= size; b = b[size:] {
		off := uint64(0)
		if f.Bits == 64 {
			off = f.word(b)
		} else {
			off = uint64(f.Order.Uint32(b))
		}
		if off >= Beyond {
			off |= Beyond
		}
		dst = append(dst, uint32(off))
	}
	return dst
}

// RelocUnit returns unit i, of those that Units makes of a section of relocations.
func (f *File) RelocUnit(sec int, i int32) Unit {
	s := &f.Sections[sec]
	size := f.relSize(s.Type)
	off := int64(i) * size
	at := int64(s.Offset) + off
	if left := int64(s.Size) - off; left < size {
		return Unit{Off: at, Len: left, Kind: Bytes, Index: -1, Name: "rest"}
	}
	u := Unit{Off: at, Len: size, Kind: Reloc, Index: i}
	if f.Bits == 64 {
		u.Key = f.word(f.Bytes[at:])
	} else {
		u.Key = uint64(f.Order.Uint32(f.Bytes[at:]))
	}
	return u
}
