// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// swapped returns a copy of a file in which two pieces of n bytes have changed places.
func swapped(b []byte, at, to, n int) []byte {
	x := bytes.Clone(b)
	copy(x[at:at+n], b[to:])
	copy(x[to:to+n], b[at:])
	return x
}

// TestSwapped: equal strings, names, symbols and sections in another order are other ones
// for all that leads to them and does not differ, alone and among benign differences.
func TestSwapped(t *testing.T) {
	texts := func(section, one, other string) func(*testing.T, []byte) []byte {
		return func(t *testing.T, b []byte) []byte {
			off, n := sectionRange(t, b, section)
			at, to := bytes.Index(b[off:off+n], []byte(one+"\x00")), bytes.Index(b[off:off+n], []byte(other+"\x00"))
			return swapped(b, off+at, off+to, len(one))
		}
	}
	for _, tt := range []struct {
		name    string
		b       func(*testing.T, []byte) []byte
		subject string
	}{
		{"strings", texts(".rodata.str1.1", "second", "fourth"), "relocations of names in .data"},
		{"names of symbols", texts(".strtab", "chosen", "memcpy"), "relocations of init_module in .text"},
		{"names of symbols without a relocation", texts(".strtab", "info_depends", "info_license"), "symbol info_depends"},
		{"symbols", func(t *testing.T, b []byte) []byte {
			f, err := elf.NewFile(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			syms, err := f.Symbols()
			if err != nil {
				t.Fatal(err)
			}
			number := func(name string) int { // without the first, which is empty
				return 1 + slices.IndexFunc(syms, func(y elf.Symbol) bool { return y.Name == name })
			}
			off, _ := sectionRange(t, b, ".symtab")
			return swapped(b, off+24*number("kfree"), off+24*number("memcpy"), 24)
		}, "relocations of chosen in .text"},
		{"headers of sections", func(t *testing.T, b []byte) []byte {
			f, err := elf.NewFile(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			number := func(name string) int {
				return slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == name })
			}
			table := int(f.ByteOrder.Uint64(b[40:]))
			return swapped(b, table+64*number(".rodata"), table+64*number(".data"), 64)
		}, "relocations of checked in .text"},
	} {
		base := built(t, "base")
		for _, name := range []string{"base", "path", "debug", "salt"} {
			b := tt.b(t, built(t, name))
			acc := explained(t, base, b)
			if acc.Explained() {
				t.Errorf("%s in %s: %q", tt.name, name, found(acc))
			}
			if name == "base" && !slices.Contains(found(acc), "change.reference "+tt.subject) {
				t.Errorf("%s: %q, want %q", tt.name, found(acc), tt.subject)
			}
			if diff := cmp.Diff(sums(acc, false), sums(explained(t, b, base), true)); diff != "" {
				t.Errorf("%s in %s, mirrored (-way +back):\n%s", tt.name, name, diff)
			}
		}
	}
}

// TestReverted: a relocation or a symbol that is as on the other side, where what it leads
// to is not, is seen, though it does not differ.
func TestReverted(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name    string
		a, b    []byte
		entries []string
	}{
		{"path", built(t, "base"), built(t, "path"), []string{".rela.text", ".rela.data"}},
		{"debug", built(t, "base"), built(t, "debug"), []string{".rela.text", ".rela.rodata", ".rela.data", ".rela__bug_table"}},
		{"stripped", built(t, "debug"), built(t, "base"), []string{".rela.text", ".rela.rodata", ".rela.data", ".rela__bug_table"}},
		{"unneeded", kernel("base")(t), kernel("unneeded")(t), []string{".rela.text", ".rela.init.text"}},
		{"shorter strings", testFile(t, "", "debug-long.ko"), testFile(t, "", "debug.ko"), []string{".rela.debug_info"}},
		{"reorder", built(t, "base"), built(t, "reorder"), []string{".symtab"}},
	} {
		base, b, name := tt.a, tt.b, tt.name
		n := 0
		for _, section := range tt.entries {
			offA, size := sectionRange(t, base, section)
			offB, _ := sectionRange(t, b, section)
			_, sizeB := sectionRange(t, b, section)
			for at := 0; at < min(size, sizeB); at += 24 {
				if bytes.Equal(base[offA+at:offA+at+24], b[offB+at:offB+at+24]) {
					continue
				}
				n++
				x := bytes.Clone(b)
				copy(x[offB+at:offB+at+24], base[offA+at:])
				if acc := explainedIn(t, dir, base, x); acc.Explained() {
					t.Errorf("%s: entry %d of %s: only %q", name, at/24, section, found(acc))
				}
			}
		}
		if n == 0 {
			t.Errorf("%s: no entry differs", name)
		}
	}
}

// TestExtendedVersions: checksums of imported symbols whose names have changed places are
// those of other symbols.
func TestExtendedVersions(t *testing.T) {
	m := func(names string) []byte {
		f := vmlinux.File{Type: uint16(elf.ET_REL), Sections: []vmlinux.Section{
			{Name: ".modinfo", Type: 1, Flags: 2, Data: []byte("vermagic=6.12.0-sample SMP \x00")},
			{Name: "__version_ext_crcs", Type: 1, Data: []byte{1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3}},
			{Name: "__version_ext_names", Type: 1, Data: []byte(names)},
		}}
		return f.Bytes()
	}
	acc := explained(t, m("iput\x00kill\x00printk\x00"), m("kill\x00iput\x00printk\x00"))
	if want := []string{"change.reference names of imported symbols"}; !cmp.Equal(found(acc), want) {
		t.Errorf("%q, want %q", found(acc), want)
	}
}
