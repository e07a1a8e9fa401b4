// SPDX-License-Identifier: Apache-2.0

package elfview

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrNoSymbols is what [File.Symbols] returns for a file without a symbol
// table, such as the vmlinux that a boot image holds.
var ErrNoSymbols = errors.New("the ELF file has no symbol table")

const (
	maxStrtab   = 256 << 20 // bytes of the symbol name table; that of a debug kernel has about 10 MB
	symbolChunk = 4096      // symbols that are read at a time
)

// symbols says where the fields of a symbol are, and its size.
type symbolFields struct{ valueAt, infoAt, shndxAt, size int }

var (
	symbols32 = symbolFields{4, 12, 14, 16}
	symbols64 = symbolFields{8, 4, 6, 24}
)

// Symbols returns the values of the defined symbols with the given names, which
// in a linked file are addresses; names that the table lacks are absent from the
// result. A global or weak symbol goes before local ones of its name. Two of
// equal rank with different values are refused with a FormatError, as are
// names that leave the string table. Memory: the name table, at most the file.
func (f *File) Symbols(names ...string) (map[string]uint64, error) {
	table, strings, err := f.symbolTables()
	if err != nil {
		return nil, err
	}
	s := symbolSearch{f: f, fields: symbols64, found: map[string]foundSymbol{}, strings: strings}
	if f.Bits == 32 {
		s.fields = symbols32
	}
	for _, n := range names {
		s.found[n] = foundSymbol{}
		s.longest = max(s.longest, len(n))
	}
	size := uint64(s.fields.size)
	if table.Entsize != size || table.Size%size != 0 {
		return nil, &FormatError{int64(min(table.Offset, uint64(f.size))),
			fmt.Sprintf("symbol table of %d bytes with entries of %d, want %d", table.Size, table.Entsize, size)}
	}
	for at := uint64(0); at < table.Size; at += symbolChunk * size {
		b, err := f.bytes(table.Offset+at, min(symbolChunk*size, table.Size-at))
		if err != nil {
			return nil, err
		}
		if err := s.chunk(b, table.Offset+at); err != nil {
			return nil, err
		}
	}
	values := map[string]uint64{}
	for n, v := range s.found {
		if v.rank > 0 {
			values[n] = v.value
		}
	}
	return values, nil
}

// symbolTables finds the symbol table and its names.
func (f *File) symbolTables() (*Section, []byte, error) {
	var table *Section
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Type != shtSymtab {
			continue
		}
		if table != nil {
			return nil, nil, &FormatError{int64(min(s.Offset, uint64(f.size))), "a second symbol table"}
		}
		table = s
	}
	if table == nil {
		return nil, nil, ErrNoSymbols
	}
	off := int64(min(table.Offset, uint64(f.size)))
	if uint64(table.Link) >= uint64(len(f.Sections)) {
		return nil, nil, &FormatError{off, fmt.Sprintf("symbol names are in section %d of %d", table.Link, len(f.Sections))}
	}
	// Compared first: a table that leaves the file must not cost its names.
	if table.Offset > uint64(f.size) || table.Size > uint64(f.size)-table.Offset {
		return nil, nil, &FormatError{off, fmt.Sprintf("symbol table of %d bytes leaves the file", table.Size)}
	}
	strings, err := f.Data(&f.Sections[table.Link], maxStrtab)
	if err != nil {
		return nil, nil, fmt.Errorf("reading symbol names: %w", err)
	}
	return table, strings, nil
}

type foundSymbol struct {
	value uint64
	rank  int // 0: not found, 1: local, 2: global or weak
}

type symbolSearch struct {
	f       *File
	fields  symbolFields
	strings []byte
	longest int
	found   map[string]foundSymbol
}

// chunk looks at whole symbols, the first of which is at offset off.
func (s *symbolSearch) chunk(b []byte, off uint64) error {
	o := s.f.Order
	for at := 0; at < len(b); at += s.fields.size {
		sym := b[at:]
		nameAt := uint64(o.Uint32(sym))
		if nameAt > uint64(len(s.strings)) {
			return &FormatError{int64(off) + int64(at), fmt.Sprintf("name of a symbol at %d, the table has %d bytes", nameAt, len(s.strings))}
		}
		name := s.strings[nameAt:]
		name = name[:min(len(name), s.longest+1)]
		n := bytes.IndexByte(name, 0)
		if n < 0 || o.Uint16(sym[s.fields.shndxAt:]) == 0 {
			continue // longer than all that is wanted, or not defined here
		}
		old, wanted := s.found[string(name[:n])]
		if !wanted {
			continue
		}
		value := uint64(o.Uint32(sym[s.fields.valueAt:]))
		if s.f.Bits == 64 {
			value = o.Uint64(sym[s.fields.valueAt:])
		}
		rank := 1
		if bind := sym[s.fields.infoAt] >> 4; bind != 0 {
			rank = 2
		}
		switch {
		case rank > old.rank:
			s.found[string(name[:n])] = foundSymbol{value, rank}
		case rank == old.rank && value != old.value:
			return &FormatError{int64(off) + int64(at), fmt.Sprintf("symbol %s is defined twice, as 0x%x and 0x%x", name[:n], old.value, value)}
		}
	}
	return nil
}
