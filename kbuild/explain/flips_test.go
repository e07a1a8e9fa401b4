// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"testing"
)

// flips are pairs with sections in which every byte of side B is changed,
// alone: none of that may look like what a build does
// otherwise.
var flips = []struct {
	name     string
	a, b     func(testing.TB) []byte
	sections []string
}{
	{"types", typed("base"), typed("base"), []string{".BTF"}},
	{"types in another order", typed("base"), typed("threads"), []string{".BTF"}},
	{"types of a whole", typed("full"), typed("full"), []string{".BTF"}},
	{"unwind tables and CRCs", table("base"), table("base"), []string{".orc_unwind", ".orc_unwind_ip", ".rela.orc_unwind_ip", "__kcrctab"}},
	{"strings in another section", table("base"), table("path"), []string{".orc_unwind", ".rela.orc_unwind_ip", ".rodata.str1.1", ".rela.text"}},
}

func TestFlips(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range flips {
		a, b := tt.a(t), tt.b(t)
		if acc := explained(t, a, b); !acc.Explained() {
			t.Errorf("%s: %q", tt.name, found(acc))
			continue
		}
		for _, name := range tt.sections {
			at, n := sectionRange(t, b, name)
			for off := at; off < at+n; off++ {
				flip := [...]byte{1, 0x80, 0x20, 3, 0xff, 4}[off%6]
				x := bytes.Clone(b)
				x[off] ^= flip
				if acc := explainedIn(t, dir, a, x); acc.Explained() {
					t.Errorf("%s: byte %d of %s, changed by %#x: only %q", tt.name, off-at, name, flip, found(acc))
				}
			}
		}
	}
}

// sectionRange returns where a section is in a file.
func sectionRange(t testing.TB, b []byte, name string) (off, size int) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Section(name)
	if s == nil || s.FileSize == 0 {
		t.Fatalf("no section %s", name)
	}
	return int(s.Offset), int(s.FileSize)
}
