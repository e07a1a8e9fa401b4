// SPDX-License-Identifier: Apache-2.0

// Package units splits a kernel module's payload into the smallest things that
// have a name: fields of headers, symbols, relocations, strings, functions. The
// units of a file partition it.
//
// A unit says nothing about what its bytes mean, only which bytes they are and
// by what they are recognised on another side. Its name shares the memory of the
// file and must be cloned by who keeps it. Names of symbols and sections are without
// the hashes that [Promoted] takes out.
package units

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unsafe"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// Kind is what a unit, or a block of units, is.
type Kind uint8

const (
	Bytes        Kind = iota // a run of bytes without a name of its own
	Gap                      // between two others: mostly padding
	Header                   // field of the ELF header
	SectionField             // field of an entry of the section table
	String                   // with its NUL
	Modinfo                  // "key=value" with its NUL
	Note                     // ELF note, with its padding
	CRC                      // of an imported symbol
	Symbol                   // entry of the symbol table
	Reloc                    // relocation entry
	Function                 // what a symbol of type FUNC covers
	Object                   // what any other symbol covers
	Type                     // record of a type (BTF)
	Part                     // of a trailer
	Frame                    // of a compressed file's framing
	Stream                   // the compressed bytes themselves
	Section                  // blocks only: a section as a whole
	Table                    // blocks only: the section table
	Programs                 // the program header table
	Trailer                  // blocks only
)

var kinds = [...]string{"bytes", "padding", "ELF header", "section header", "string", "modinfo", "note", "CRC of symbol", "symbol", "relocation",
	"function", "object", "type", "trailer", "frame", "compressed stream", "section", "section table", "program headers", "trailer"}

func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Unit is one piece of a file. Two units of different files are the same thing
// if Kind, Name and Key are equal and as many like them come before.
type Unit struct {
	Off, Len int64 // in the file
	Kind     Kind
	// Index is its number in its table: symbol, relocation, section; -1 if it is
	// in none.
	Index int32
	Key   uint64
	Name  string
}

// Block is what holds units: a section, a header, or the space between two.
type Block struct {
	Off, Len int64
	Kind     Kind
	Index    int    // of the section; -1 for anything else
	Name     string // identity together with Kind and Ordinal
	Ordinal  int
}

// File is a payload that has been split into blocks.
type File struct {
	*elfview.File
	Bytes  []byte
	Blocks []Block // in the order of the file, without holes
	// Table is where the section table is.
	Table Block

	parser elfview.Parser
	big    bool // the byte order
	syms   symbols
	hashes map[int]string // see Hash
}

// maxSections is above what modules have that were built with a section for each
// function.
const maxSections = 1 << 14

// ErrOverlap says that two parts of an ELF file share bytes, so that bytes have
// no unit of their own.
var ErrOverlap = errors.New("sections overlap")

// memReader lets elfview look into memory.
type memReader []byte

func (m memReader) Slice(off, n int64) []byte { return m[off : off+n : off+n] }

func (m memReader) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m).ReadAt(p, off)
}

var _ io.ReaderAt = memReader(nil)

// Split finds the blocks of the ELF file b. The error says why it has none that
// could be trusted; b then is but bytes.
func (f *File) Split(b []byte) error {
	ef, err := f.parser.Parse(memReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	if len(ef.Sections) > maxSections {
		return fmt.Errorf("%d sections, more than any module has", len(ef.Sections))
	}
	f.File, f.Bytes, f.syms = ef, b, symbols{}
	f.big = ef.Order == binary.ByteOrder(binary.BigEndian)
	f.nameSections()
	f.Blocks = f.Blocks[:0]
	if err := f.collect(); err != nil {
		return err
	}
	slices.SortFunc(f.Blocks, func(x, y Block) int { return cmp.Compare(x.Off, y.Off) })
	return f.fill()
}

// collect lists headers and sections.
func (f *File) collect() error {
	ehsize, shentsize := int64(64), int64(64)
	if f.Bits == 32 {
		ehsize, shentsize = 52, 40
	}
	f.Blocks = append(f.Blocks, Block{0, ehsize, Header, -1, "", 0})
	shoff, phoff, phsize := f.headerTables()
	f.Table = Block{shoff, int64(len(f.Sections)) * shentsize, Table, -1, "", 0}
	if len(f.Sections) > 0 {
		f.Blocks = append(f.Blocks, f.Table)
	}
	if phsize > 0 {
		f.Blocks = append(f.Blocks, Block{phoff, phsize, Programs, -1, "", 0})
	}
	seen := map[string]int{}
	size := uint64(len(f.Bytes))
	for i := range f.Sections {
		s := &f.Sections[i]
		ord := seen[s.Name]
		seen[s.Name]++
		if s.Type == elfview.SHTNobits || s.Type == 0 || s.Size == 0 {
			continue
		}
		if s.Offset > size || s.Size > size-s.Offset {
			return fmt.Errorf("section %.64q of %d bytes at %d leaves the file", s.Name, s.Size, s.Offset)
		}
		f.Blocks = append(f.Blocks, Block{int64(s.Offset), int64(s.Size), Section, i, s.Name, ord})
	}
	return nil
}

// headerTables reads where the header says its tables are; program headers that
// are not in the file have size 0, their field is a difference all the same.
func (f *File) headerTables() (shoff, phoff, phsize int64) {
	b := f.Bytes
	var ph, n, ent uint64
	if f.Bits == 64 {
		shoff = int64(f.Order.Uint64(b[40:]))
		ph, ent, n = f.Order.Uint64(b[32:]), uint64(f.Order.Uint16(b[54:])), uint64(f.Order.Uint16(b[56:]))
	} else {
		shoff = int64(f.Order.Uint32(b[32:]))
		ph, ent, n = uint64(f.Order.Uint32(b[28:])), uint64(f.Order.Uint16(b[42:])), uint64(f.Order.Uint16(b[44:]))
	}
	if size := uint64(len(b)); n*ent == 0 || ph > size || n*ent > size-ph {
		return shoff, 0, 0
	}
	return shoff, int64(ph), int64(n * ent)
}

// fill puts a block into every hole and refuses an overlap.
func (f *File) fill() error {
	at := int64(0)
	n := len(f.Blocks)
	for i := range n {
		b := &f.Blocks[i]
		if b.Off < at {
			return fmt.Errorf("%w: %s %.64q at %d begins before the one before ends, at %d", ErrOverlap, b.Kind, b.Name, b.Off, at)
		}
		if b.Off > at {
			f.Blocks = append(f.Blocks, Block{at, b.Off - at, Gap, b.Index, "before " + b.Kind.String() + " " + b.Name, b.Ordinal})
			b = &f.Blocks[i]
		}
		at = b.Off + b.Len
	}
	if size := int64(len(f.Bytes)); at < size {
		f.Blocks = append(f.Blocks, Block{at, size - at, Gap, -1, "at the end", 0})
	}
	slices.SortFunc(f.Blocks, func(x, y Block) int { return cmp.Compare(x.Off, y.Off) })
	return nil
}

// BlockAt returns the block that begins at an offset, where one does.
func (f *File) BlockAt(off int64) *Block {
	i, _ := slices.BinarySearchFunc(f.Blocks, off, func(b Block, off int64) int { return cmp.Compare(b.Off, off) })
	return &f.Blocks[i]
}

// Data returns the bytes of a section of the file, none if it has none there.
func (f *File) Data(s *elfview.Section) []byte {
	if s == nil || s.Type == elfview.SHTNobits || s.Type == 0 || s.Size == 0 {
		return nil
	}
	return f.Bytes[s.Offset : s.Offset+s.Size] // compared with the file by Split
}

// text makes a string of bytes that do not change as long as it is used.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Units appends the units of a block, which partition it, in the order of the
// file.
func (f *File) Units(dst []Unit, bl *Block) []Unit {
	whole := Unit{Off: bl.Off, Len: bl.Len, Kind: Bytes, Index: -1}
	switch bl.Kind {
	case Header:
		return f.headerFields(dst)
	case Table:
		return f.sectionFields(dst)
	case Gap:
		whole.Kind = Gap
		return append(dst, whole)
	case Section:
	default:
		return append(dst, whole)
	}
	s := &f.Sections[bl.Index]
	switch {
	case s.Flags&Compressed != 0:
		return append(dst, whole)
	case s.Type == shtStrtab, s.Flags&shfStrings != 0 && s.Entsize <= 1:
		return f.strings(dst, bl)
	case s.Type == shtSymtab:
		return f.symbolUnits(dst, bl)
	case s.Type == shtRela || s.Type == shtRel:
		return f.relocs(dst, bl)
	case s.Type == shtNote:
		return f.notes(dst, bl)
	case s.Name == ".modinfo":
		return f.modinfo(dst, bl)
	case s.Name == "__versions":
		return f.versions(dst, bl)
	case s.Name == "__version_ext_names":
		return f.strings(dst, bl)
	case s.Name == "__version_ext_crcs":
		return f.extCRCs(dst, bl)
	case strings.HasPrefix(s.Name, ".debug_"):
		return f.debug(dst, bl)
	case s.Name == ".BTF", s.Name == ".BTF.base":
		return f.types(dst, bl)
	}
	if us, ok := f.table(dst, bl); ok {
		return us
	}
	return f.ranges(dst, bl)
}

// Compressed is the flag of a section whose bytes are compressed (SHF_COMPRESSED).
const Compressed = 0x800

const (
	shtSymtab  = 2
	shtStrtab  = 3
	shtRela    = 4
	shtNote    = 7
	shtRel     = 9
	shfStrings = 0x20
)
