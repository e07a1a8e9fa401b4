// SPDX-License-Identifier: Apache-2.0

package units

import (
	"slices"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// tables are sections that say something of places in code, and the size of their
// entries: the unwinder's (ORC, of which .orc_unwind has the entries and .orc_unwind_ip
// the places), and lists of calls, returns and lock prefixes that are patched.
var tables = map[string]int64{
	".orc_unwind": 6, ".orc_unwind_ip": 4, ".call_sites": 4, ".return_sites": 4, ".retpoline_sites": 4, ".ibt_endbr_seal": 4, ".smp_locks": 4,
	"__mcount_loc": 8,
}

// IsTable reports whether a section is one of those that [File.Units] splits by the
// functions that its entries are about.
func IsTable(name string) bool { return tables[name] > 0 }

// table splits a section by what its entries are about: entries of one function that
// follow each other are one unit, with the name of the function; but one for the very
// start of it is a unit of its own, with Key 1, since objtool leaves it out where it
// repeats the entry before. Where an entry's place is not told by a relocation, there is
// no name.
func (f *File) table(dst []Unit, bl *Block) ([]Unit, bool) {
	size := tables[bl.Name]
	if size == 0 || bl.Len%size != 0 {
		return dst, false
	}
	of := f.owners(bl, size)
	if of == nil {
		return dst, false
	}
	next := func(from int64) int64 { // where the next unit begins
		to := from + 1
		for to < int64(len(of)) && of[to] == of[from] && of[from]&start == 0 {
			to++
		}
		return to
	}
	n := 0
	for from := int64(0); from < int64(len(of)); from = next(from) {
		n++
	}
	dst = slices.Grow(dst, n)
	for from, to := int64(0), int64(0); from < int64(len(of)); from = to {
		to = next(from)
		u := Unit{Off: bl.Off + from*size, Len: (to - from) * size, Kind: Object, Index: -1}
		if of[from] >= 0 {
			u.Name = f.syms.syms[of[from]&^start].Name
			u.Key = uint64(of[from] & start >> 30)
		}
		dst = append(dst, u)
	}
	return dst, true
}

// start marks the number of a symbol whose first byte is meant. Symbols are fewer.
const start = 1 << 30

// owners tells of each entry the number of the symbol that its place is in, -1 for none.
// The places of .orc_unwind are those of .orc_unwind_ip.
func (f *File) owners(bl *Block, size int64) []int32 {
	at, step := bl.Index, size
	if bl.Name == ".orc_unwind" {
		ip := f.Section(".orc_unwind_ip")
		if ip == nil || ip.Size/4 != uint64(bl.Len/size) {
			return nil
		}
		at, step = f.index(ip), 4
	}
	var rel *section
	for i := range f.Sections {
		if s := &f.Sections[i]; s.Type == shtRela && int(s.Info) == at {
			rel = s
			break
		}
	}
	if rel == nil {
		return nil
	}
	f.readSymbols()
	of := make([]int32, bl.Len/size)
	for i := range of {
		of[i] = -1
	}
	entry := f.relSize(rel.Type)
	for b := f.Data(rel); int64(len(b)) >= entry; b = b[entry:] {
		r := f.Rel(b, rel.Type)
		if k := r.Offset / uint64(step); r.Offset%uint64(step) == 0 && k < uint64(len(of)) {
			i, first := f.target(r)
			if of[k] = i; first {
				of[k] |= start
			}
		}
	}
	return of
}

// target is the number of the symbol in whose bytes a relocation leads to; -1 if there
// is none. first: it is the first of them.
func (f *File) target(r Rel) (i int32, first bool) {
	if uint64(r.Sym) >= uint64(len(f.syms.syms)) || len(f.syms.syms) >= start {
		return -1, false
	}
	y := &f.syms.syms[r.Sym]
	if y.Section == 0 || y.Section >= len(f.Sections) {
		return -1, false
	}
	to := y.Value + uint64(r.Addend)
	i = f.at(y.Section, to)
	return i, i >= 0 && f.syms.syms[i].Value == to
}

func (f *File) index(s *elfview.Section) int {
	for i := range f.Sections {
		if &f.Sections[i] == s {
			return i
		}
	}
	return -1
}

// Target names the symbol in whose bytes a relocation leads to; "" if there is none.
func (f *File) Target(r Rel) string {
	f.readSymbols()
	if i, _ := f.target(r); i >= 0 {
		return f.syms.syms[i].Name
	}
	return ""
}
