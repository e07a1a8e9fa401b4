// SPDX-License-Identifier: Apache-2.0

package elfview

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/testdata/gen/ko"
)

// kinds are the four forms that an ELF file can have.
var kinds = []struct {
	name string
	mod  ko.Module
}{
	{"64 little", ko.Module{Name: "a", Machine: 62}},
	{"64 big", ko.Module{Name: "b", Machine: 22, Big: true}},
	{"32 little", ko.Module{Name: "c", Machine: 40, Bits: 32}},
	{"32 big", ko.Module{Name: "d", Machine: 20, Bits: 32, Big: true}},
}

func parse(b []byte) (*File, error) { return Parse(bytes.NewReader(b), int64(len(b))) }

// TestParse compares with what the ELF reader of the standard library sees.
func TestParse(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			b := k.mod.Bytes()
			f, err := parse(b)
			if err != nil {
				t.Fatal(err)
			}
			want, err := elf.NewFile(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if f.Machine != uint16(want.Machine) || f.Type != uint16(want.Type) || f.Order != want.ByteOrder {
				t.Errorf("machine %d, type %d, %v; want %d, %d, %v", f.Machine, f.Type, f.Order, want.Machine, want.Type, want.ByteOrder)
			}
			if wantBits := 32 * int(want.Class); f.Bits != wantBits {
				t.Errorf("%d bits, want %d", f.Bits, wantBits)
			}
			if len(f.Sections) != len(want.Sections) {
				t.Fatalf("%d sections, want %d", len(f.Sections), len(want.Sections))
			}
			for i := range f.Sections {
				s, w := &f.Sections[i], want.Sections[i]
				got := elf.SectionHeader{
					Name: s.Name, Type: elf.SectionType(s.Type), Flags: elf.SectionFlag(s.Flags), Addr: s.Addr, Offset: s.Offset,
					Size: s.Size, Link: s.Link, Info: s.Info, Addralign: s.Addralign, Entsize: s.Entsize, FileSize: s.Size,
				}
				if got != w.SectionHeader {
					t.Errorf("section %d: %+v, want %+v", i, got, w.SectionHeader)
				}
				if s.Type == 0 {
					continue
				}
				data, err := f.Data(s, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if wantData, err := w.Data(); err != nil || !bytes.Equal(data, wantData) {
					t.Errorf("section %s: other bytes than debug/elf reads (%v)", s.Name, err)
				}
			}
			if f.Section(".modinfo") == nil || f.Section(".nothing") != nil {
				t.Error("Section does not find by name")
			}
		})
	}
}

// layout is where the fields of the ELF header are, by class.
type layout struct{ shoff, shentsize, shnum, shstrndx, shsize int }

func layoutOf(bits int) layout {
	if bits == 32 {
		return layout{32, 46, 48, 50, 40}
	}
	return layout{40, 58, 60, 62, 64}
}

// editor changes fields of an ELF file.
type editor struct {
	b     []byte
	order binary.ByteOrder
	layout
}

func edit(m ko.Module) *editor {
	e := &editor{b: m.Bytes(), order: binary.LittleEndian, layout: layoutOf(m.Bits)}
	if m.Big {
		e.order = binary.BigEndian
	}
	return e
}

func (e *editor) put16(at int, v uint16) { e.order.PutUint16(e.b[at:], v) }

func (e *editor) word(at int) uint64 {
	if e.shsize == 40 {
		return uint64(e.order.Uint32(e.b[at:]))
	}
	return e.order.Uint64(e.b[at:])
}

func (e *editor) putWord(at int, v uint64) {
	if e.shsize == 40 {
		e.order.PutUint32(e.b[at:], uint32(v))
	} else {
		e.order.PutUint64(e.b[at:], v)
	}
}

// section is where the header of section i starts.
func (e *editor) section(i int) int { return int(e.word(e.shoff)) + i*e.shsize }

// offsetField and sizeField of a section header.
func (e *editor) offsetField() int { return map[int]int{40: 16, 64: 24}[e.shsize] }
func (e *editor) sizeField() int   { return map[int]int{40: 20, 64: 32}[e.shsize] }
func (e *editor) linkField() int   { return map[int]int{40: 24, 64: 40}[e.shsize] }

// TestMalformed breaks one field at a time; the error names its offset.
func TestMalformed(t *testing.T) {
	const huge = 1<<32 - 1
	for _, k := range kinds {
		at := layoutOf(k.mod.Bits)
		tests := []struct {
			name   string
			edit   func(e *editor)
			offset int // -1: any
			reason string
		}{
			{"class 0", func(e *editor) { e.b[4] = 0 }, 4, "class 0"},
			{"class 3", func(e *editor) { e.b[4] = 3 }, 4, "class 3"},
			{"encoding 0", func(e *editor) { e.b[5] = 0 }, 5, "data encoding 0"},
			{"encoding 3", func(e *editor) { e.b[5] = 3 }, 5, "data encoding 3"},
			{"header cut", func(e *editor) { e.b = e.b[:40] }, 40, "ends within the ELF header"},
			{"entries of 1 byte", func(e *editor) { e.put16(e.shentsize, 1) }, at.shentsize, "section headers of 1 bytes"},
			{"table behind the end", func(e *editor) { e.putWord(e.shoff, huge) }, -1, "the file has"},
			{"table at the end", func(e *editor) { e.putWord(e.shoff, uint64(len(e.b)-1)) }, -1, "the file has"},
			{"too many entries", func(e *editor) { e.put16(e.shnum, 0xfeff) }, -1, "the file has"},
			{"names in no section", func(e *editor) { e.put16(e.shstrndx, 0xff00) }, at.shstrndx, "names are in section 65280"},
			{"names behind the end", func(e *editor) { e.putWord(e.section(5)+e.offsetField(), huge) }, -1, "the file has"},
			{"names too long", func(e *editor) { e.putWord(e.section(5)+e.sizeField(), huge) }, -1, "at most"},
			{"name outside", func(e *editor) { e.order.PutUint32(e.b[e.section(2):], huge) }, -1, "name of section 2"},
			{"true number too large", func(e *editor) {
				e.put16(e.shnum, 0)
				e.putWord(e.section(0)+e.sizeField(), huge)
			}, at.shnum, "4294967295 sections"},
			{"true names outside", func(e *editor) {
				e.put16(e.shstrndx, 0xffff)
				e.order.PutUint32(e.b[e.section(0)+e.linkField():], 6)
			}, at.shstrndx, "names are in section 6 of 6"},
		}
		if k.mod.Bits != 32 {
			tests = append(tests, struct {
				name   string
				edit   func(e *editor)
				offset int
				reason string
			}{"sum overflows", func(e *editor) { e.putWord(e.shoff, 1<<64-64) }, -1, "the file has"})
		}
		for _, tt := range tests {
			t.Run(k.name+" "+tt.name, func(t *testing.T) {
				e := edit(k.mod)
				tt.edit(e)
				f, err := parse(e.b)
				var fe *FormatError
				if f != nil || !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.reason) {
					t.Fatalf("%v, %v; want a FormatError with %q", f != nil, err, tt.reason)
				}
				if tt.offset >= 0 && fe.Offset != int64(tt.offset) || fe.Offset < 0 || fe.Offset > int64(len(e.b)) {
					t.Errorf("offset %d, want %d", fe.Offset, tt.offset)
				}
			})
		}
	}
}

// TestExtendedNumbering has the number of sections, and of the one with the
// names, in section 0.
func TestExtendedNumbering(t *testing.T) {
	for _, k := range kinds {
		e := edit(k.mod)
		want, err := parse(bytes.Clone(e.b))
		if err != nil {
			t.Fatal(err)
		}
		e.put16(e.shnum, 0)
		e.putWord(e.section(0)+e.sizeField(), uint64(len(want.Sections)))
		e.put16(e.shstrndx, 0xffff)
		e.order.PutUint32(e.b[e.section(0)+e.linkField():], uint32(len(want.Sections)-1))
		f, err := parse(e.b)
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		if len(f.Sections) != len(want.Sections) || f.Section(".modinfo") == nil {
			t.Errorf("%s: %d sections, want %d", k.name, len(f.Sections), len(want.Sections))
		}
	}
}

// TestWithoutTable accepts what Linux accepts for a program: no section table,
// or one without names.
func TestWithoutTable(t *testing.T) {
	for _, k := range kinds {
		e := edit(k.mod)
		e.putWord(e.shoff, 0)
		if f, err := parse(e.b); err != nil || len(f.Sections) != 0 {
			t.Errorf("%s, no table: %v", k.name, err)
		}
		e = edit(k.mod)
		e.put16(e.shstrndx, 0)
		if f, err := parse(e.b); err != nil || len(f.Sections) != 6 || f.Sections[1].Name != "" {
			t.Errorf("%s, no names: %v", k.name, err)
		}
	}
}

func TestNotELF(t *testing.T) {
	for _, s := range []string{"", "\x7f", "\x7fELF", "\x7fELF\x02\x01\x01", "\x7fELG" + strings.Repeat("\x00", 60), strings.Repeat("x", 100)} {
		if f, err := parse([]byte(s)); f != nil || !errors.Is(err, ErrNotELF) {
			t.Errorf("%.10q: %v, want ErrNotELF", s, err)
		}
	}
}

// TestTruncated cuts the file at every byte. The table is at its end, so that
// every cut but none must be noticed.
func TestTruncated(t *testing.T) {
	for _, k := range kinds {
		b := k.mod.Bytes()
		for n := range b {
			f, err := parse(b[:n])
			var fe *FormatError
			if f != nil || err == nil || !errors.As(err, &fe) && !errors.Is(err, ErrNotELF) {
				t.Fatalf("%s, cut at %d of %d: %v, %v", k.name, n, len(b), f, err)
			}
		}
	}
}

// TestShrunk: a file that is shorter than its size said is trouble, no finding.
func TestShrunk(t *testing.T) {
	b := kinds[0].mod.Bytes()
	for _, n := range []int{10, 200, len(b) - 1} {
		_, err := Parse(bytes.NewReader(b[:n]), int64(len(b)))
		var fe *FormatError
		if !errors.Is(err, io.EOF) || errors.As(err, &fe) {
			t.Errorf("%d of %d bytes: %v, want io.EOF", n, len(b), err)
		}
	}
}

func TestData(t *testing.T) {
	e := edit(kinds[0].mod)
	f, err := parse(e.b)
	if err != nil {
		t.Fatal(err)
	}
	s := *f.Section(".text")
	var fe *FormatError
	if _, err := f.Data(&s, s.Size-1); !errors.As(err, &fe) || !strings.Contains(err.Error(), "at most") {
		t.Errorf("above the limit: %v", err)
	}
	if b, err := f.Data(&s, s.Size); err != nil || uint64(len(b)) != s.Size {
		t.Errorf("at the limit: %v", err)
	}
	for _, off := range []uint64{uint64(len(e.b)), uint64(len(e.b)) + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		s.Offset = off
		if b, err := f.Data(&s, 1<<20); b != nil || !errors.As(err, &fe) || fe.Offset < 0 {
			t.Errorf("at offset %d: %v", off, err)
		}
	}
	s.Type = SHTNobits
	if b, err := f.Data(&s, 0); b != nil || err != nil {
		t.Errorf("a section without bytes: %d bytes, %v", len(b), err)
	}
}

// TestLongName has all sections share one name of 16 MiB without an end, which
// takes the square of the file's size to read for who looks for the end.
func TestLongName(t *testing.T) {
	const sections = 100_000
	e := edit(kinds[0].mod)
	names := uint64(len(e.b) + sections*64)
	b := append(e.b, make([]byte, sections*64)...)
	table := b[len(e.b):]
	for i := range sections {
		binary.LittleEndian.PutUint32(table[i*64+4:], 3)
	}
	binary.LittleEndian.PutUint64(table[64+24:], names)
	binary.LittleEndian.PutUint64(table[64+32:], maxStrings)
	binary.LittleEndian.PutUint64(table[32:], sections) // of section 0: the true number
	le := binary.LittleEndian
	le.PutUint64(b[40:], uint64(len(e.b)))
	le.PutUint16(b[60:], 0)
	le.PutUint16(b[62:], 1)
	b = append(b, bytes.Repeat([]byte{'x'}, maxStrings)...)
	start := time.Now()
	_, err := parse(b)
	var fe *FormatError
	if !errors.As(err, &fe) || !strings.Contains(err.Error(), "name of section 0") {
		t.Errorf("%v, want a FormatError about the name of section 0", err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestLongestName takes a name of the length that is allowed and no longer one.
func TestLongestName(t *testing.T) {
	for _, n := range []int{maxName, maxName + 1} {
		e := edit(kinds[0].mod)
		le := binary.LittleEndian
		le.PutUint64(e.b[e.section(5)+e.offsetField():], uint64(len(e.b)))
		le.PutUint64(e.b[e.section(5)+e.sizeField():], uint64(n+2))
		for i := range 6 {
			le.PutUint32(e.b[e.section(i):], 0)
		}
		le.PutUint32(e.b[e.section(2):], 1)
		e.b = append(append(append(e.b, 0), bytes.Repeat([]byte{'x'}, n)...), 0)
		f, err := parse(e.b)
		if n > maxName {
			if err == nil {
				t.Errorf("a name of %d bytes is accepted", n)
			}
		} else if err != nil || len(f.Sections[2].Name) != n {
			t.Errorf("a name of %d bytes: %v", n, err)
		}
	}
}

// checkFind: Find finds what is first in the table of all sections.
func checkFind(t *testing.T, v *File, b []byte) {
	t.Helper()
	var p Parser
	for i := range min(len(v.Sections), 50) {
		name := v.Sections[i].Name
		if name == "" {
			continue // also that of a section whose place in the table of names is none
		}
		f, s, err := p.Find(bytes.NewReader(b), int64(len(b)), name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		want := *v.Section(name)
		if s == nil || *s != want || f.Machine != v.Machine || f.Bits != v.Bits {
			t.Fatalf("%q: %+v, want %+v", name, s, want)
		}
	}
	if _, s, err := p.Find(bytes.NewReader(b), int64(len(b)), ".no such section"); s != nil || err != nil {
		t.Fatalf("%+v, %v", s, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range kinds {
		f.Add(k.mod.Bytes())
	}
	e := edit(kinds[0].mod)
	e.put16(e.shnum, 0)
	e.put16(e.shstrndx, 0xffff)
	f.Add(e.b)
	f.Add(e.b[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parse(b)
		if (v == nil) != (err != nil) {
			t.Fatalf("%v with error %v", v, err)
		}
		var fe *FormatError
		if err != nil {
			if errors.As(err, &fe) && (fe.Offset < 0 || fe.Offset > int64(len(b))) {
				t.Fatalf("offset %d in a file of %d bytes", fe.Offset, len(b))
			}
			if fe == nil && !errors.Is(err, ErrNotELF) {
				t.Fatalf("%v is no FormatError, and there is no read error", err)
			}
			return
		}
		checkFind(t, v, b)
		for i := range v.Sections {
			s := &v.Sections[i]
			data, err := v.Data(s, 1<<16)
			switch {
			case err == nil && s.Type != SHTNobits && uint64(len(data)) != s.Size:
				t.Fatalf("%d bytes of a section of %d", len(data), s.Size)
			case err != nil && !errors.As(err, &fe):
				t.Fatal(err)
			}
		}
	})
}
