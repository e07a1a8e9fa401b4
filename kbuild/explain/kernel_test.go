// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"testing"
)

// kernel reads a module that was built with a distribution's kernel headers; see
// testdata/README.md.
func kernel(name string) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return testFile(t, "kernel", name+".ko") }
}

// TestLineAlone: a line number that differs as no other one does can be anything, and
// the flags beside one are no line.
func TestLineAlone(t *testing.T) {
	a, b := kernel("base")(t), kernel("lines")(t)
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, name := range []string{"__bug_table", "__dyndbg"} {
		s := f.Section(name)
		for off := s.Offset; off < s.Offset+s.Size; off++ {
			if a[off] == b[off] {
				continue
			}
			lines++
			x := bytes.Clone(b)
			x[off]++ // by two, where others went by one
			if acc := explained(t, a, x); acc.Explained() {
				t.Errorf("another line in %s: only %v", name, ids(acc))
			}
			x[off] = b[off]
			x[off+2] ^= 0x10 // flags, or what is above the 18 bits
			if acc := explained(t, a, x); acc.Explained() {
				t.Errorf("other flags in %s: only %v", name, ids(acc))
			}
		}
	}
	if lines != 2 {
		t.Errorf("%d lines differ, want 2", lines)
	}
}

// TestNumberedElsewhere: a symbol of such a name that covers no entry of modinfo is not
// explained by it.
func TestNumberedElsewhere(t *testing.T) {
	a, b := kernel("base")(t), kernel("intree")(t)
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	table := f.Section(".symtab").Offset
	tried := 0
	for i, y := range syms {
		if !isNumbered(y.Name) || f.Sections[y.Section].Name != ".modinfo" || bytes.Contains(a, []byte(y.Name+"\x00")) {
			continue
		}
		tried++
		for _, at := range []uint64{4, 5, 8, 16} { // type, visibility, value, size
			x := bytes.Clone(b)
			x[table+uint64(i+1)*24+at] ^= 1
			if acc := explained(t, a, x); acc.Explained() {
				t.Errorf("%s with another byte at %d: only %v", y.Name, at, ids(acc))
			}
		}
	}
	if tried == 0 {
		t.Error("no name differs")
	}
}
