// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"encoding/binary"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var lineNumbers = compare.Cause{ID: "line-numbers", Class: compare.Root, Local: true, Title: "the same code at other lines of its source",
	Mend: "the same sources; comments and empty lines count", Doc: "include/asm-generic/bug.h; include/linux/dynamic_debug.h"}

var lineCauses = []*compare.Cause{&lineNumbers}

// lines explains the line numbers that warnings and debug messages are told with.
// What a comment more does to one line it does to those behind it: claimed are
// numbers that differ by as much as another one of the module does. A single one
// can be anything. A table with an entry more is none of it.
func lines(p *pair) {
	if p.A.ELF == nil {
		return
	}
	by := map[int64]map[lineAt]bool{} // the lines that differ by so much
	p.eachLine(func(_ *place, at lineAt, delta int64) {
		if by[delta] == nil {
			by[delta] = map[lineAt]bool{}
		}
		by[delta][at] = true
	})
	p.eachLine(func(x *place, _ lineAt, delta int64) {
		if len(by[delta]) > 1 {
			p.claim(x, &lineNumbers, "", "", "")
		}
	})
}

// lineAt is the place of a line number.
type lineAt struct {
	table string
	word  uint64 // the offset of the four bytes that hold it
}

// eachLine calls f for every region that differs in line numbers alone, with by how
// much. Both sides' tables must be of one size.
func (p *pair) eachLine(f func(x *place, at lineAt, delta int64)) {
	tables := map[string]map[uint64]bool{}
	in := func(bl *compare.Block) bool {
		return bl.Kind == units.Section && (bl.Name == "__bug_table" || bl.Name == "__dyndbg") && bl.SectionA >= 0 && bl.A.Len == bl.B.Len
	}
	p.eachOf(p.Unit, in, func(x *place) {
		name := x.block.Name
		at := x.A.Off - x.block.A.Off
		if x.A.Len != x.B.Len || at != x.B.Off-x.block.B.Off || x.Relation != compare.Changed {
			return
		}
		if tables[name] == nil {
			tables[name] = relocated(p.A.ELF, x.block.SectionA)
		}
		word := uint64(at) &^ 3
		if uint64(at+x.A.Len) > word+4 || word+4 > uint64(x.block.A.Len) || !isLine(name, word, p.A.ELF.Bits/8, tables[name]) {
			return
		}
		a := p.A.ELF.Order.Uint32(p.BytesA(compare.Range{Off: x.block.A.Off + int64(word), Len: 4}))
		b := p.B.ELF.Order.Uint32(p.BytesB(compare.Range{Off: x.block.B.Off + int64(word), Len: 4}))
		bits := 16
		if name == "__dyndbg" {
			bits = 18
		}
		if p.A.ELF.Order != binary.LittleEndian || p.B.ELF.Order != binary.LittleEndian || (a^b)>>bits != 0 {
			return
		}
		f(x, lineAt{name, word}, int64(b)-int64(a))
	})
}

// isLine: the word at an offset of a table holds a line, in its low bits.
//
// An entry of __bug_table (struct bug_entry, of architectures with relative
// pointers) is two or more relocated words, two bytes of line and two of flags. One
// of __dyndbg (struct _ddebug) is four pointers, and behind them a word with the
// line in the low 18 bits.
func isLine(table string, word uint64, pointer int, relocated map[uint64]bool) bool {
	before, size := 2, uint64(4)
	if table == "__dyndbg" {
		before, size = 4, uint64(pointer)
	}
	for k := range uint64(before) {
		if word < (k+1)*size || !relocated[word-(k+1)*size] {
			return false
		}
	}
	return !relocated[word]
}

// relocated are the offsets of a section that are relocated.
func relocated(f *units.File, sec int) map[uint64]bool {
	out := map[uint64]bool{}
	for i := range f.Sections {
		s := &f.Sections[i]
		if !units.IsRel(s.Type) || int(s.Info) != sec {
			continue
		}
		for k := range f.Relocs(i) {
			if u := f.RelocUnit(i, int32(k)); u.Kind == units.Reloc {
				out[u.Key] = true // the offset
			}
		}
	}
	return out
}
