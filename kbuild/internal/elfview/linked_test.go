// SPDX-License-Identifier: Apache-2.0

package elfview

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// sample is a file with all that the tests look for.
func sample(f vmlinux.File) vmlinux.File {
	f.Sections = []vmlinux.Section{
		{Name: ".text", Type: 1, Flags: 6, Addr: 0x81000000, Data: []byte("code code code..")},
		{Name: ".module_hashes", Type: 1, Flags: 2, Addr: 0x81001000, Data: bytes.Repeat([]byte{0x11}, 36)},
		{Name: ".data", Type: 1, Flags: 3, Addr: 0x81002000, Data: []byte("0123456789abcdef")},
		{Name: ".bss", Type: 8, Flags: 3, Addr: 0x81003000},
	}
	f.Symbols = []vmlinux.Symbol{
		{Name: "start", Value: 0x81000000, Info: 0x12, Shndx: 1},
		{Name: "value", Value: 0x81002004, Info: 0x11, Shndx: 3},
		{Name: "twice", Value: 1, Info: 0x01, Shndx: 3},
		{Name: "twice", Value: 2, Info: 0x11, Shndx: 3},
		{Name: "twice", Value: 3, Info: 0x01, Shndx: 3},
		{Name: "weak", Value: 7, Info: 0x21, Shndx: 3},
		{Name: "undefined", Value: 9, Info: 0x10},
		{Name: "local", Value: 0x81002008, Info: 0x01, Shndx: 3},
	}
	return f
}

var forms = []vmlinux.File{{Bits: 64}, {Bits: 64, Big: true}, {Bits: 32}, {Bits: 32, Big: true}}

func name(f vmlinux.File) string { return fmt.Sprintf("%d bits, big %v", f.Bits, f.Big) }

// TestSymbols compares with the ELF reader of the standard library.
func TestSymbols(t *testing.T) {
	for _, form := range forms {
		b := sample(form).Bytes()
		std, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		syms, err := std.Symbols()
		if err != nil || len(syms) != 8 {
			t.Fatalf("%s: the test's file: %d symbols, %v", name(form), len(syms), err)
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
			t.Errorf("%s: %v, want %v", name(form), got, want)
		}
	}
}

func TestSymbolsRefused(t *testing.T) {
	for _, form := range forms {
		l := sample(form)
		l.Symbols = nil
		if f, err := parse(l.Bytes()); err != nil {
			t.Fatal(err)
		} else if _, err := f.Symbols("x"); err != ErrNoSymbols {
			t.Errorf("%s: %v, want ErrNoSymbols", name(form), err)
		}
		for what, tt := range map[string]struct {
			edit   func(l *vmlinux.File, f *File)
			reason string
		}{
			"twice global": {func(l *vmlinux.File, _ *File) {
				l.Symbols = append(l.Symbols, vmlinux.Symbol{Name: "value", Value: 5, Info: 0x11, Shndx: 3})
			}, "defined twice"},
			"two tables": {func(l *vmlinux.File, _ *File) {
				l.Sections = append(l.Sections, vmlinux.Section{Name: ".symtab2", Type: shtSymtab})
			}, "a second symbol table"},
			"entries of another size": {func(_ *vmlinux.File, f *File) { f.Section(".symtab").Entsize++ }, "with entries of"},
			"half an entry":           {func(_ *vmlinux.File, f *File) { f.Section(".symtab").Size-- }, "symbol table of"},
			"leaves the file":         {func(_ *vmlinux.File, f *File) { f.Section(".symtab").Size = 1 << 60 }, "leaves the file"},
			"starts behind the file":  {func(_ *vmlinux.File, f *File) { f.Section(".symtab").Offset = 1 << 63 }, "leaves the file"},
			"names in no section":     {func(_ *vmlinux.File, f *File) { f.Section(".symtab").Link = 99 }, "names are in section 99"},
			"names leave the file":    {func(_ *vmlinux.File, f *File) { f.Section(".strtab").Size = 1 << 27 }, "the file has"},
			"names cut":               {func(_ *vmlinux.File, f *File) { f.Section(".strtab").Size = 4 }, "the table has 4 bytes"},
		} {
			l := sample(form)
			tt.edit(&l, &File{Sections: []Section{{Name: ".symtab"}, {Name: ".strtab"}}})
			f, err := parse(l.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			tt.edit(&vmlinux.File{}, f)
			got, err := f.Symbols("value", "weak", "longer than any name in the table is")
			var fe *FormatError
			if got != nil || !errors.As(err, &fe) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%s, %s: %v, %v; want %q", name(form), what, got, err, tt.reason)
			}
		}
	}
}

// TestFileOffset asks both by sections and by segments.
func TestFileOffset(t *testing.T) {
	for _, form := range forms {
		for _, segments := range []bool{false, true} {
			l := sample(form)
			l.Segments = segments
			b := l.Bytes()
			f, err := parse(b)
			if err != nil {
				t.Fatal(err)
			}
			if segs, err := f.Segments(); err != nil || (len(segs) == 4) != segments {
				t.Fatalf("%s: segments %v, %v", name(form), segs, err)
			}
			if segments { // what sections say does not count
				f.Section(".data").Addr, f.Section(".text").Offset = 0, 0
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
					t.Errorf("%s: 0x%x, %d: %d, %v; want a FormatError", name(form), tt.addr, tt.n, off, err)
				case tt.want != "" && (err != nil || string(b[off:off+int64(tt.n)]) != tt.want):
					t.Errorf("%s: 0x%x, %d: %d, %v", name(form), tt.addr, tt.n, off, err)
				}
			}
		}
	}
	// The same address at two offsets, and at one and a part of a segment.
	for _, tt := range []struct {
		segments bool
		addr     uint64
	}{{false, 0x81002000}, {true, 0x81002000}, {true, 0x81002001}, {true, 0x81001fff}, {true, 0x81002003}} {
		l := sample(forms[0])
		l.Segments = tt.segments
		l.Sections[0].Addr = tt.addr
		f, err := parse(l.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if off, err := f.FileOffset(0x81002000, 4); err == nil {
			t.Errorf("ambiguous address, %+v: offset %d", tt, off)
		}
	}
}

// TestExclusive breaks what makes a section safe to write to, one thing at a
// time.
func TestExclusive(t *testing.T) {
	const hashes = ".module_hashes"
	for _, form := range forms {
		l := sample(form)
		l.Segments = true
		b := l.Bytes()
		f, err := parse(b)
		if err != nil {
			t.Fatal(err)
		}
		off, size, err := f.Exclusive(hashes)
		if err != nil || size != 36 || !bytes.Equal(b[off:off+size], bytes.Repeat([]byte{0x11}, 36)) {
			t.Fatalf("%s: %d, %d, %v", name(form), off, size, err)
		}
		sec := func(f *File) *Section { return f.Section(hashes) }
		for what, tt := range map[string]struct {
			edit   func(f *File)
			reason string
		}{
			"no section":       {func(f *File) { sec(f).Name = "x" }, "no section"},
			"two":              {func(f *File) { f.Section(".data").Name = hashes }, "a second section"},
			"two, one empty":   {func(f *File) { f.Section(".bss").Name = hashes }, "a second section"},
			"without bytes":    {func(f *File) { sec(f).Type = SHTNobits }, "no bytes in the file"},
			"a note":           {func(f *File) { sec(f).Type = 7 }, "is of type 7"},
			"compressed":       {func(f *File) { sec(f).Flags |= shfCompressed }, "is compressed"},
			"leaves the file":  {func(f *File) { sec(f).Size = 1 << 40 }, "leaves the file"},
			"overflows":        {func(f *File) { sec(f).Offset = 1<<64 - 8 }, "leaves the file"},
			"end in another":   {func(f *File) { sec(f).Size += 256 }, "shares bytes with section 3"},
			"start in another": {func(f *File) { s := f.Section(".text"); s.Size = uint64(off) - s.Offset + 1 }, "shares bytes with section 1"},
			"within another":   {func(f *File) { s := f.Section(".text"); s.Size = 1000 }, "shares bytes with section 1"},
			"around another":   {func(f *File) { s := f.Section(".data"); s.Offset, s.Size = uint64(off)+4, 1 }, "shares bytes with section 3"},
			"other overflows":  {func(f *File) { s := f.Section(".data"); s.Offset, s.Size = 1, 1<<64-1 }, "shares bytes with section 3"},
			"in the header":    {func(f *File) { s := sec(f); s.Offset, s.Size = 51, 1 }, "the ELF header"},
			"in program table": {func(f *File) { s := sec(f); s.Offset, s.Size = 70, 1 }, "the program headers"},
			"moved": {func(f *File) {
				s := sec(f)
				s.Offset, f.Section(".data").Offset = f.Section(".data").Offset, s.Offset
				s.Size = 8
			}, "is loaded to its address"},
			"address moved":     {func(f *File) { sec(f).Addr += 4 }, "holds a part"},
			"address nowhere":   {func(f *File) { sec(f).Addr = 8 }, "no segment holds"},
			"address unused":    {func(f *File) { s := sec(f); s.Addr, s.Size = 8, 0 }, ""},
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
			_, _, err = f.Exclusive(hashes)
			var fe *FormatError
			if tt.reason == "" && err != nil || tt.reason != "" && (!errors.As(err, &fe) || !strings.Contains(err.Error(), tt.reason)) {
				t.Errorf("%s, %s: %v, want %q", name(form), what, err, tt.reason)
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
		l := sample(form)
		f.Add(l.Bytes(), uint64(0x81002004), uint64(4))
		l.Segments = true
		f.Add(l.Bytes(), uint64(0x81000000), uint64(1))
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
