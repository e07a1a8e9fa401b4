// SPDX-License-Identifier: Apache-2.0

package units

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// Sym is one entry of the symbol table.
type Sym struct {
	Name        string
	Hash        string // taken out of the name, see Promoted; only if the symbol is defined
	Value, Size uint64
	Info, Other uint8
	Section     int // resolved through no extension table: 0xff00 and above are special
	// NameAt is where the table of names has the name; Named tells whether there is
	// one, of at most 1023 bytes.
	NameAt uint32
	Named  bool
}

// Type is STT_…: 0 none, 1 object, 2 function, 3 section, 4 file.
func (s *Sym) Type() uint8 { return s.Info & 15 }

// symbols is the decoded symbol table.
type symbols struct {
	read  bool
	syms  []Sym
	bySec map[int][]int32 // those with a place in a section, by value
	// needed: a relocation is by it; nil until somebody asks.
	needed []bool
	last   found
}

// found is what was asked for last: of a section, the symbol that names the bytes from
// one offset to before another.
type found struct {
	sec      int
	from, to uint64
	sym      int32
}

// Symbols returns the first symbol table; entries that leave the file are
// missing, and names that leave the table of names are empty.
func (f *File) Symbols() []Sym {
	f.readSymbols()
	return f.syms.syms
}

// SymtabIndex is the number of the section that Symbols reads; -1 if there is
// none.
func (f *File) SymtabIndex() int {
	return slices.IndexFunc(f.Sections, func(s section) bool { return s.Type == shtSymtab })
}

func (f *File) symSize() int64 {
	if f.Bits == 32 {
		return 16
	}
	return 24
}

func (f *File) readSymbols() {
	if f.syms.read {
		return
	}
	f.syms.read = true
	i := f.SymtabIndex()
	if i < 0 {
		return
	}
	s := &f.Sections[i]
	var names []byte
	if int(s.Link) < len(f.Sections) {
		if t := &f.Sections[s.Link]; t.Type == shtStrtab {
			names = f.Data(t)
		}
	}
	b := f.Data(s)
	hashes := namesHashes(names)
	size := int(f.symSize())
	f.syms.syms = make([]Sym, 0, len(b)/size)
	for ; len(b) >= size; b = b[size:] {
		y := f.symbol(b, names)
		if hashes && y.Section != 0 {
			y.Name, y.Hash = Promoted(y.Name)
		}
		f.syms.syms = append(f.syms.syms, y)
	}
	f.place()
}

func (f *File) symbol(b, names []byte) Sym {
	o := f.Order
	y := Sym{}
	if f.Bits == 64 {
		y.Info, y.Other, y.Section = b[4], b[5], int(o.Uint16(b[6:]))
		y.Value, y.Size = o.Uint64(b[8:]), o.Uint64(b[16:])
	} else {
		y.Value, y.Size = uint64(o.Uint32(b[4:])), uint64(o.Uint32(b[8:]))
		y.Info, y.Other, y.Section = b[12], b[13], int(o.Uint16(b[14:]))
	}
	y.NameAt = o.Uint32(b)
	y.Name, y.Named = cstring(names, uint64(y.NameAt))
	return y
}

// maxName is twice what a kernel takes. Many symbols may share one that has no
// end.
const maxName = 1024

// cstring returns the name at an offset; false if there is none.
func cstring(b []byte, at uint64) (string, bool) {
	if at >= uint64(len(b)) {
		return "", false
	}
	b = b[at:min(uint64(len(b)), at+maxName)]
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return "", false
	}
	return text(b[:n]), true
}

// place sorts the symbols of each section by value; of several at one value, the
// one that names the range comes first: functions and objects before others,
// those with a size before those without, then by name.
func (f *File) place() {
	f.syms.bySec = map[int][]int32{}
	for i := range f.syms.syms {
		y := &f.syms.syms[i]
		if t := y.Type(); y.Section == 0 || y.Section >= len(f.Sections) || t > 2 || y.Name == "" {
			continue
		}
		f.syms.bySec[y.Section] = append(f.syms.bySec[y.Section], int32(i))
	}
	for _, l := range f.syms.bySec {
		slices.SortFunc(l, func(i, j int32) int {
			x, y := &f.syms.syms[i], &f.syms.syms[j]
			return cmp.Or(cmp.Compare(x.Value, y.Value), cmp.Compare(y.Type(), x.Type()), cmp.Compare(y.Size, x.Size),
				cmp.Compare(x.Name, y.Name), cmp.Compare(i, j))
		})
	}
}

// IsSymtab: the section is the one that Symbols reads.
func (f *File) IsSymtab(sec int) bool { return sec >= 0 && sec == f.SymtabIndex() }

func (f *File) symbolUnits(dst []Unit, bl *Block) []Unit {
	if !f.IsSymtab(bl.Index) {
		return append(dst, Unit{Off: bl.Off, Len: bl.Len, Kind: Bytes, Index: -1})
	}
	n := len(f.Symbols())
	dst = slices.Grow(dst, n+1)
	for i := range n {
		dst = append(dst, f.symbolUnit(bl.Off, int32(i)))
	}
	return f.rest(dst, bl, bl.Off+int64(n)*f.symSize())
}

// symbolUnit is that of symbol i, in a table at an offset. The name of a section's
// symbol is that of the section.
func (f *File) symbolUnit(table int64, i int32) Unit {
	y := &f.syms.syms[i]
	name := y.Name
	if y.Type() == 3 && y.Section < len(f.Sections) && name == "" {
		name = f.Sections[y.Section].Name
	}
	size := f.symSize()
	return Unit{table + int64(i)*size, size, Symbol, i, uint64(y.Type()), name}
}

// Entry returns unit i, of those that Units makes of a section of relocations or of
// the symbol table.
func (f *File) Entry(sec int, i int32) Unit {
	s := &f.Sections[sec]
	if IsRel(s.Type) {
		return f.RelocUnit(sec, i)
	}
	if n := len(f.Symbols()); int(i) >= n {
		bl := Block{Off: int64(s.Offset), Len: int64(s.Size)}
		return f.rest(nil, &bl, bl.Off+int64(n)*f.symSize())[0]
	}
	return f.symbolUnit(int64(s.Offset), i)
}

// ranges splits a section by the symbols that lie in it.
func (f *File) ranges(dst []Unit, bl *Block) []Unit {
	f.readSymbols()
	at, end := int64(0), bl.Len
	last := ""
	gap := func(to int64) {
		if to > at {
			dst = append(dst, Unit{Off: bl.Off + at, Len: to - at, Kind: Bytes, Index: -1, Name: last})
			at = to
		}
	}
	list := f.syms.bySec[bl.Index]
	dst = slices.Grow(dst, 2*len(list)+1)
	for k, i := range list {
		y := &f.syms.syms[i]
		if y.Value >= uint64(end) || k > 0 && y.Value == f.syms.syms[list[k-1]].Value {
			continue
		}
		start := int64(y.Value)
		next := end
		for _, j := range list[k+1:] {
			if v := f.syms.syms[j].Value; v > y.Value {
				next = min(end, int64(min(v, uint64(end))))
				break
			}
		}
		gap(start)
		stop := next
		if y.Size > 0 && y.Size < uint64(next-start) {
			stop = start + int64(y.Size)
		}
		kind := Object
		if y.Type() == 2 {
			kind = Function
		}
		dst = append(dst, Unit{bl.Off + start, stop - start, kind, i, 0, y.Name})
		at, last = stop, y.Name
	}
	gap(end)
	return dst
}

// At returns the symbol that names the byte at an offset of a section; nil if
// none does.
func (f *File) At(sec int, off uint64) *Sym {
	f.readSymbols()
	if i := f.at(sec, off); i >= 0 {
		return &f.syms.syms[i]
	}
	return nil
}

// at returns the number of the symbol that At finds; -1 if there is none.
func (f *File) at(sec int, off uint64) int32 {
	if l := &f.syms.last; l.sec == sec && l.from <= off && off < l.to {
		return l.sym // mostly it is the one that was asked for last
	}
	list := f.syms.bySec[sec]
	i, _ := slices.BinarySearchFunc(list, off, func(i int32, off uint64) int {
		if f.syms.syms[i].Value <= off {
			return -1
		}
		return 1
	})
	if i == 0 {
		return -1
	}
	last := found{sec: sec, to: math.MaxUint64}
	if i < len(list) {
		last.to = f.syms.syms[list[i]].Value
	}
	for i--; i > 0 && f.syms.syms[list[i-1]].Value == f.syms.syms[list[i]].Value; {
		i--
	}
	last.sym, last.from = list[i], f.syms.syms[list[i]].Value
	f.syms.last = last
	return list[i]
}
