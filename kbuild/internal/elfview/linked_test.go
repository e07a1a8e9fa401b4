// SPDX-License-Identifier: Apache-2.0

package elfview

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// linked describes a linked ELF file for tests. Sections are laid out one after
// the other; section 0 and the tables are made.
type linked struct {
	bits     int
	big      bool
	typ      uint16
	sections []linkedSection
	symbols  []linkedSymbol
	segments bool // a program header for each section with an address
}

type linkedSection struct {
	name       string
	typ, flags uint64
	addr       uint64
	data       []byte
}

type linkedSymbol struct {
	name  string
	value uint64
	info  byte // binding in the upper four bits: 0 local, 1 global, 2 weak
	shndx uint16
}

// sample is a file with all that the tests look for.
func (l linked) sample() linked {
	l.typ = ETExec
	l.sections = []linkedSection{
		{".text", 1, 6, 0x81000000, []byte("code code code..")},
		{".module_hashes", 1, 2, 0x81001000, bytes.Repeat([]byte{0x11}, 36)},
		{".data", 1, 3, 0x81002000, []byte("0123456789abcdef")},
		{".bss", 8, 3, 0x81003000, nil},
	}
	l.symbols = []linkedSymbol{
		{"start", 0x81000000, 0x12, 1},
		{"value", 0x81002004, 0x11, 3},
		{"twice", 1, 0x01, 3}, {"twice", 2, 0x11, 3}, {"twice", 3, 0x01, 3},
		{"weak", 7, 0x21, 3},
		{"undefined", 9, 0x10, 0},
		{"local", 0x81002008, 0x01, 3},
	}
	return l
}

func (l linked) bytes() []byte {
	var o binary.AppendByteOrder = binary.LittleEndian
	if l.big {
		o = binary.BigEndian
	}
	wide := l.bits == 64
	word := func(b []byte, v uint64) []byte {
		if wide {
			return o.AppendUint64(b, v)
		}
		return o.AppendUint32(b, uint32(v))
	}
	secs := append([]linkedSection{{}}, l.sections...)
	if l.symbols != nil {
		strtab := []byte{0}
		sym := make([]byte, map[bool]int{true: 24, false: 16}[wide])
		for _, s := range l.symbols {
			name := uint32(len(strtab))
			strtab = append(append(strtab, s.name...), 0)
			sym = o.AppendUint32(sym, name)
			if wide {
				sym = o.AppendUint16(append(sym, s.info, 0), s.shndx)
				sym = o.AppendUint64(o.AppendUint64(sym, s.value), 0)
			} else {
				sym = o.AppendUint32(o.AppendUint32(sym, uint32(s.value)), 0)
				sym = o.AppendUint16(append(sym, s.info, 0), s.shndx)
			}
		}
		secs = append(secs, linkedSection{".symtab", shtSymtab, 0, 0, sym}, linkedSection{".strtab", 3, 0, 0, strtab})
	}
	names := []byte{0}
	var nameAt []uint32
	for _, s := range append(secs, linkedSection{name: ".shstrtab"}) {
		nameAt = append(nameAt, uint32(len(names)))
		names = append(append(names, s.name...), 0)
	}
	nameAt[0] = 0
	secs = append(secs, linkedSection{".shstrtab", 3, 0, 0, names})

	eh, ph, sh := 64, 56, 64
	if !wide {
		eh, ph, sh = 52, 32, 40
	}
	nph := 0
	if l.segments {
		nph = len(l.sections)
	}
	var body []byte
	at := func() uint64 { return uint64(eh + nph*ph + len(body)) }
	offs := make([]uint64, len(secs))
	for i, s := range secs {
		for at()%8 != 0 {
			body = append(body, 0)
		}
		if i > 0 {
			offs[i] = at()
		}
		body = append(body, s.data...)
	}
	for at()%8 != 0 {
		body = append(body, 0)
	}
	class, data := byte(1), byte(1)
	if wide {
		class = 2
	}
	if l.big {
		data = 2
	}
	b := append([]byte{0x7f, 'E', 'L', 'F', class, data, 1}, make([]byte, 9)...)
	b = o.AppendUint32(o.AppendUint16(o.AppendUint16(b, l.typ), 62), 1)
	b = word(b, 0)
	if nph > 0 {
		b = word(b, uint64(eh))
	} else {
		b = word(b, 0)
	}
	b = word(b, at())
	b = o.AppendUint16(o.AppendUint32(b, 0), uint16(eh))
	b = o.AppendUint16(o.AppendUint16(b, uint16(ph)), uint16(nph))
	b = o.AppendUint16(o.AppendUint16(o.AppendUint16(b, uint16(sh)), uint16(len(secs))), uint16(len(secs)-1))
	for i := range nph {
		s := l.sections[i]
		b = o.AppendUint32(b, 1)
		if wide {
			b = o.AppendUint32(b, 5)
		}
		b = word(b, offs[i+1])
		b = word(word(b, s.addr), s.addr)
		b = word(word(b, uint64(len(s.data))), uint64(len(s.data)))
		if !wide {
			b = o.AppendUint32(b, 5)
		}
		b = word(b, 0)
	}
	b = append(b, body...)
	for i, s := range secs {
		b = o.AppendUint32(o.AppendUint32(b, nameAt[i]), uint32(s.typ))
		b = word(word(word(b, s.flags), s.addr), offs[i])
		size, link, entsize := uint64(len(s.data)), uint32(0), uint64(0)
		if s.typ == 8 {
			size = 0x100
		}
		if s.typ == shtSymtab {
			link, entsize = uint32(i+1), uint64(map[bool]int{true: 24, false: 16}[wide])
		}
		b = o.AppendUint32(o.AppendUint32(word(b, size), link), 0)
		b = word(word(b, 1), entsize)
	}
	return b
}

var forms = []linked{{bits: 64}, {bits: 64, big: true}, {bits: 32}, {bits: 32, big: true}}

func (l linked) String() string { return fmt.Sprintf("%d bits, big %v", l.bits, l.big) }

// TestSymbols compares with the ELF reader of the standard library.
func TestSymbols(t *testing.T) {
	for _, form := range forms {
		b := form.sample().bytes()
		std, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		syms, err := std.Symbols()
		if err != nil || len(syms) != 8 {
			t.Fatalf("%v: the test's file: %d symbols, %v", form, len(syms), err)
		}
		f, err := parse(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Symbols("start", "value", "twice", "weak", "undefined", "local", "absent", "")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]uint64{"start": 0x81000000, "value": 0x81002004, "twice": 2, "weak": 7, "local": 0x81002008}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: %v, want %v", form, got, want)
		}
	}
}

func TestSymbolsRefused(t *testing.T) {
	for _, form := range forms {
		l := form.sample()
		l.symbols = nil
		if f, err := parse(l.bytes()); err != nil {
			t.Fatal(err)
		} else if _, err := f.Symbols("x"); err != ErrNoSymbols {
			t.Errorf("%v: %v, want ErrNoSymbols", form, err)
		}
		for name, tt := range map[string]struct {
			edit   func(l *linked, f *File)
			reason string
		}{
			"twice global": {func(l *linked, _ *File) {
				l.symbols = append(l.symbols, linkedSymbol{"value", 5, 0x11, 3})
			}, "defined twice"},
			"two tables": {func(l *linked, _ *File) {
				l.sections = append(l.sections, linkedSection{".symtab2", shtSymtab, 0, 0, nil})
			}, "a second symbol table"},
			"entries of another size": {func(_ *linked, f *File) { f.Section(".symtab").Entsize++ }, "with entries of"},
			"half an entry":           {func(_ *linked, f *File) { f.Section(".symtab").Size-- }, "symbol table of"},
			"leaves the file":         {func(_ *linked, f *File) { f.Section(".symtab").Size = 1 << 60 }, "leaves the file"},
			"starts behind the file":  {func(_ *linked, f *File) { f.Section(".symtab").Offset = 1 << 63 }, "leaves the file"},
			"names in no section":     {func(_ *linked, f *File) { f.Section(".symtab").Link = 99 }, "names are in section 99"},
			"names leave the file":    {func(_ *linked, f *File) { f.Section(".strtab").Size = 1 << 27 }, "the file has"},
			"names cut":               {func(_ *linked, f *File) { f.Section(".strtab").Size = 4 }, "the table has 4 bytes"},
		} {
			l := form.sample()
			tt.edit(&l, &File{Sections: []Section{{Name: ".symtab"}, {Name: ".strtab"}}})
			f, err := parse(l.bytes())
			if err != nil {
				t.Fatal(err)
			}
			tt.edit(&linked{}, f)
			got, err := f.Symbols("value", "weak", "longer than any name in the table is")
			var fe *FormatError
			if got != nil || !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v, %s: %v, %v; want %q", form, name, got, err, tt.reason)
			}
		}
	}
}

// TestFileOffset asks both by sections and by segments.
func TestFileOffset(t *testing.T) {
	for _, form := range forms {
		for _, segments := range []bool{false, true} {
			l := form.sample()
			l.segments = segments
			b := l.bytes()
			f, err := parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if segs, err := f.Segments(); err != nil || (len(segs) == 4) != segments {
				t.Fatalf("%v: segments %v, %v", form, segs, err)
			}
			if segments {
				f.Sections = nil
			}
			for _, tt := range []struct {
				addr, n uint64
				want    string // "": refused
			}{
				{0x81000000, 16, "code code code.."}, {0x81002004, 4, "4567"}, {0x8100200f, 1, "f"}, {0x81002010, 0, ""},
				{0x8100200f, 2, ""}, {0x81003000, 1, ""}, {0x80ffffff, 1, ""}, {0, 1, ""}, {1<<64 - 1, 2, ""},
				{0x81000000, 1<<64 - 1, ""},
			} {
				off, err := f.FileOffset(tt.addr, tt.n)
				var fe *FormatError
				switch {
				case tt.want == "" && tt.n > 0 && !errors.As(err, &fe):
					t.Errorf("%v: 0x%x, %d: %d, %v; want a FormatError", form, tt.addr, tt.n, off, err)
				case tt.want != "" && (err != nil || string(b[off:off+int64(tt.n)]) != tt.want):
					t.Errorf("%v: 0x%x, %d: %d, %v", form, tt.addr, tt.n, off, err)
				}
			}
		}
	}
	// The same address at two offsets.
	l := forms[0].sample()
	l.sections[0].addr = l.sections[2].addr
	f, err := parse(l.bytes())
	if err != nil {
		t.Fatal(err)
	}
	if off, err := f.FileOffset(0x81002000, 4); err == nil {
		t.Errorf("ambiguous address: offset %d", off)
	}
}

// TestExclusive breaks what makes a section safe to write to, one thing at a
// time.
func TestExclusive(t *testing.T) {
	const name = ".module_hashes"
	for _, form := range forms {
		l := form.sample()
		l.segments = true
		b := l.bytes()
		f, err := parse(b)
		if err != nil {
			t.Fatal(err)
		}
		off, size, err := f.Exclusive(name)
		if err != nil || size != 36 || !bytes.Equal(b[off:off+size], bytes.Repeat([]byte{0x11}, 36)) {
			t.Fatalf("%v: %d, %d, %v", form, off, size, err)
		}
		sec := func(f *File) *Section { return f.Section(name) }
		for what, tt := range map[string]struct {
			edit   func(f *File)
			reason string
		}{
			"no section":        {func(f *File) { sec(f).Name = "x" }, "no section"},
			"two":               {func(f *File) { f.Section(".data").Name = name }, "a second section"},
			"two, one empty":    {func(f *File) { f.Section(".bss").Name = name }, "a second section"},
			"without bytes":     {func(f *File) { sec(f).Type = SHTNobits }, "no bytes in the file"},
			"a note":            {func(f *File) { sec(f).Type = 7 }, "is of type 7"},
			"compressed":        {func(f *File) { sec(f).Flags |= shfCompressed }, "is compressed"},
			"leaves the file":   {func(f *File) { sec(f).Size = 1 << 40 }, "leaves the file"},
			"overflows":         {func(f *File) { sec(f).Offset = 1<<64 - 8 }, "leaves the file"},
			"end in another":    {func(f *File) { sec(f).Size += 8 }, "shares bytes with section 3"},
			"start in another":  {func(f *File) { f.Section(".text").Size += 9 }, "shares bytes with section 1"},
			"within another":    {func(f *File) { s := f.Section(".text"); s.Size = 200 }, "shares bytes with section 1"},
			"around another":    {func(f *File) { s := f.Section(".data"); s.Offset, s.Size = uint64(off)+4, 1 }, "shares bytes with section 3"},
			"other overflows":   {func(f *File) { s := f.Section(".data"); s.Offset, s.Size = 1, 1<<64-1 }, "shares bytes with section 3"},
			"in the header":     {func(f *File) { s := sec(f); s.Offset, s.Size = 51, 1 }, "the ELF header"},
			"in program table":  {func(f *File) { s := sec(f); s.Offset, s.Size = 70, 1 }, "the program headers"},
			"in section table":  {func(f *File) { s := sec(f); s.Offset, s.Size = uint64(len(b)-1), 1 }, "the section headers"},
			"not linked":        {func(f *File) { f.Type = 1 }, "of type 1"},
			"other without":     {func(f *File) { s := f.Section(".bss"); s.Offset = uint64(off) }, ""},
			"other of type 0":   {func(f *File) { s := f.Section(".data"); s.Type, s.Offset = 0, uint64(off) }, ""},
			"other of no bytes": {func(f *File) { s := f.Section(".data"); s.Size, s.Offset = 0, uint64(off)+3 }, ""},
		} {
			f, err := parse(b)
			if err != nil {
				t.Fatal(err)
			}
			tt.edit(f)
			_, _, err = f.Exclusive(name)
			var fe *FormatError
			if tt.reason == "" && err != nil || tt.reason != "" && (!errors.As(err, &fe) || !strings.Contains(err.Error(), tt.reason)) {
				t.Errorf("%v, %s: %v, want %q", form, what, err, tt.reason)
			}
		}
	}
}

func TestMachineName(t *testing.T) {
	for machine, want := range map[uint16]string{62: "x86_64", 183: "aarch64", 22: "s390", 0: "em-0", 65535: "em-65535"} {
		if got := MachineName(machine); got != want {
			t.Errorf("%d: %s, want %s", machine, got, want)
		}
	}
}

// FuzzLinked: whatever the file, errors are FormatErrors or of the known kind,
// and offsets lie within.
func FuzzLinked(f *testing.F) {
	for _, form := range forms {
		l := form.sample()
		f.Add(l.bytes(), uint64(0x81002004), uint64(4))
		l.segments = true
		f.Add(l.bytes(), uint64(0x81000000), uint64(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, addr, n uint64) {
		file, err := parse(b)
		if err != nil {
			return
		}
		var fe *FormatError
		if _, err := file.Symbols("value", "start", "weak"); err != nil && err != ErrNoSymbols && !errors.As(err, &fe) {
			t.Fatalf("Symbols: %v", err)
		}
		if off, err := file.FileOffset(addr, n); err != nil && !errors.As(err, &fe) ||
			err == nil && (off < 0 || uint64(off) > uint64(len(b)) || n > uint64(len(b))-uint64(off)) {
			t.Fatalf("FileOffset: %d, %v", off, err)
		}
		off, size, err := file.Exclusive(".module_hashes")
		if err != nil && !errors.As(err, &fe) || err == nil && (off < 0 || size < 0 || off+size > int64(len(b))) {
			t.Fatalf("Exclusive: %d, %d, %v", off, size, err)
		}
		if err != nil || size == 0 {
			return
		}
		// A change there is no change elsewhere.
		c := bytes.Clone(b)
		for i := off; i < off+size; i++ {
			c[i] ^= 0xff
		}
		again, err := parse(c)
		if err != nil || fmt.Sprint(again.Sections) != fmt.Sprint(file.Sections) {
			t.Fatalf("the file changes with the section: %v", err)
		}
	})
}
