// SPDX-License-Identifier: Apache-2.0

package elfview

import "fmt"

// Section types and flags that matter here.
const (
	SHTProgbits   = 1
	shtSymtab     = 2
	SHFAlloc      = 1 << 1
	SHFExec       = 1 << 2
	SHFWrite      = 1 << 0
	shfCompressed = 1 << 11
)

// Types of files that are linked and so have addresses.
const (
	ETExec = 2
	ETDyn  = 3
)

// Segment is one entry of the program header table that is loaded (PT_LOAD).
type Segment struct {
	Offset, Addr, Filesz uint64
}

// maxSegments is more than a kernel has and less than costs anything.
const maxSegments = 1 << 10

// programs says where the ELF header tells of the program header table, and the
// size of an entry.
type programs struct{ offAt, entsizeAt, numAt, size int }

var (
	programs32 = programs{28, 42, 44, 32}
	programs64 = programs{32, 54, 56, 56}
)

// programTable returns where the program header table is and what it holds.
func (f *File) programTable() (off uint64, num int, p programs, err error) {
	p = programs64
	if f.Bits == 32 {
		p = programs32
	}
	head, err := f.bytes(0, uint64(p.numAt+2))
	if err != nil {
		return 0, 0, p, err
	}
	off = uint64(f.Order.Uint32(head[p.offAt:]))
	if f.Bits == 64 {
		off = f.Order.Uint64(head[p.offAt:])
	}
	num = int(f.Order.Uint16(head[p.numAt:]))
	switch entsize := int(f.Order.Uint16(head[p.entsizeAt:])); {
	case off == 0 || num == 0:
		return 0, 0, p, nil
	case entsize != p.size:
		return 0, 0, p, &FormatError{int64(p.entsizeAt), fmt.Sprintf("program headers of %d bytes, want %d", entsize, p.size)}
	case num > maxSegments:
		return 0, 0, p, &FormatError{int64(p.numAt), fmt.Sprintf("%d program headers, at most %d are read", num, maxSegments)}
	}
	return off, num, p, nil
}

// Segments reads the program header table; it returns none if there is none.
func (f *File) Segments() ([]Segment, error) {
	off, num, p, err := f.programTable()
	if err != nil || num == 0 {
		return nil, err
	}
	b, err := f.bytes(off, uint64(num*p.size))
	if err != nil {
		return nil, err
	}
	var segs []Segment
	for i := range num {
		e := b[i*p.size:]
		if f.Order.Uint32(e) != 1 { // PT_LOAD
			continue
		}
		if f.Bits == 64 {
			segs = append(segs, Segment{f.Order.Uint64(e[8:]), f.Order.Uint64(e[16:]), f.Order.Uint64(e[32:])})
		} else {
			w := func(at int) uint64 { return uint64(f.Order.Uint32(e[at:])) }
			segs = append(segs, Segment{w(4), w(8), w(16)})
		}
	}
	return segs, nil
}

// FileOffset returns where in a linked file the n bytes at the virtual address
// addr are. Segments decide, as for who loads the file, and sections only if
// nothing is loaded by segments. It fails with a FormatError if none holds all n
// bytes, if a segment holds only some of them, or if two hold them at different
// offsets, so that one cannot tell which bytes a kernel would see.
func (f *File) FileOffset(addr, n uint64) (int64, error) {
	segs, err := f.Segments()
	if err != nil {
		return 0, err
	}
	l := lookup{f: f, addr: addr, n: n, found: -1}
	for _, s := range segs {
		if overlaps(s.Addr, s.Filesz, addr, n) && !holds(s.Addr, s.Filesz, addr, n) {
			return 0, &FormatError{f.clamp(s.Offset), fmt.Sprintf("a segment holds a part of the %d bytes at address 0x%x", n, addr)}
		}
		if err := l.visit(s.Addr, s.Offset, s.Filesz); err != nil {
			return 0, err
		}
	}
	for i := range f.Sections {
		if s := &f.Sections[i]; len(segs) == 0 && s.loaded() {
			if err := l.visit(s.Addr, s.Offset, s.Size); err != nil {
				return 0, err
			}
		}
	}
	if l.found < 0 {
		what := "section"
		if len(segs) > 0 {
			what = "segment"
		}
		return 0, &FormatError{0, fmt.Sprintf("no %s holds %d bytes at address 0x%x", what, n, addr)}
	}
	return l.found, nil
}

// lookup is the search for n bytes at an address.
type lookup struct {
	f       *File
	addr, n uint64
	found   int64 // -1: not yet
}

// visit looks at the size bytes at offset off, which are for address at.
func (l *lookup) visit(at, off, size uint64) error {
	if !holds(at, size, l.addr, l.n) {
		return nil
	}
	if end := uint64(l.f.size); off > end || size > end-off {
		return &FormatError{l.f.clamp(off), fmt.Sprintf("%d bytes for address 0x%x leave the file", size, at)}
	}
	if to := int64(off + l.addr - at); l.found < 0 {
		l.found = to
	} else if l.found != to {
		return &FormatError{to, fmt.Sprintf("address 0x%x is at offset %d and here", l.addr, l.found)}
	}
	return nil
}

// holds reports whether the size bytes at address at hold the n at addr.
func holds(at, size, addr, n uint64) bool {
	return addr >= at && n <= size && addr-at <= size-n
}

// overlaps reports whether they have a byte in common.
func overlaps(at, size, addr, n uint64) bool {
	return addr >= at && addr-at < size && n > 0 || at > addr && at-addr < n && size > 0
}

// loaded reports whether s has bytes in the file that end up in memory.
func (s *Section) loaded() bool {
	return s.Flags&SHFAlloc != 0 && s.Type != 0 && s.Type != SHTNobits
}
