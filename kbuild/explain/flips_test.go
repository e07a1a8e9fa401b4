// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild/compare"
)

// flips are pairs with sections in which bytes of side B are changed, one alone: none of
// that may look like what a build does otherwise. What is told with its value, as the one
// option that is new, could as well be another one.
var flips = []struct {
	name     string
	a, b     func(testing.TB) []byte
	sections []string
}{
	{"types", typed("base"), typed("base"), []string{".BTF"}},
	{"types in another order", typed("base"), typed("threads"), []string{".BTF"}},
	{"types of a whole", typed("full"), typed("full"), []string{".BTF"}},
	{"unwind tables and CRCs", table("base"), table("base"), []string{".orc_unwind", ".orc_unwind_ip", ".rela.orc_unwind_ip", "__kcrctab"}},
	{"debug information", mod("debug"), mod("debug-long"), []string{".debug_str", ".debug_line_str", ".rela.debug_info", ".rodata.str1.8"}},
	{"options", mod("debug"), mod("debug-options"), []string{".debug_str", ".rela.debug_info"}},
	{"compressed debug information", mod("debug"), mod("debug-zlib"), []string{".debug_line", ".debug_str"}},
	{"strings in another section", table("base"), table("path"), []string{".orc_unwind", ".rela.orc_unwind_ip", ".rodata.str1.1", ".rela.text"}},
	{"names of ThinLTO", thinLTO("base"), thinLTO("folder"), []string{".strtab", ".shstrtab", ".symtab", ".text.third", ".rela.text.third"}},
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
			step := max(1, n/150) // so that it takes seconds; each byte of small sections
			for off := at; off < at+n; off += step {
				if value := bytes.Index(b, []byte("-fno-math-errno")); value >= 0 && off >= value-1 && off < value+16 {
					continue
				}
				flip := [...]byte{1, 0x80, 0x20, 3, 0xff, 4}[off%6]
				x := bytes.Clone(b)
				x[off] ^= flip
				if acc := explainedIn(t, dir, a, x); acc.Explained() {
					t.Errorf("%s: byte %d of %s, changed by %#x: only %q", tt.name, off-at, name, flip, found(acc))
				} else if off%16 == 0 {
					if diff := cmp.Diff(sums(acc, false), sums(explainedIn(t, dir, x, a), true)); diff != "" {
						t.Errorf("%s: byte %d of %s, mirrored (-way +back):\n%s", tt.name, off-at, name, diff)
					}
				}
			}
		}
	}
}

// sums tells of each cause and subject how many bytes are its, with the sides swapped or
// not.
func sums(acc *compare.Account, swap bool) map[string]compare.Tally {
	out := map[string]compare.Tally{}
	for i := range acc.Items {
		it := &acc.Items[i]
		a, b, tally := it.Owner.A, it.Owner.B, it.Tally
		if swap {
			a, b = b, a
			tally.ChangedA, tally.ChangedB = tally.ChangedB, tally.ChangedA
		}
		k := fmt.Sprintf("%v %s %s: %s, %s", it.Layer, it.ID(), it.Subject, a, b)
		tally.ChangedA += out[k].ChangedA
		tally.ChangedB += out[k].ChangedB
		tally.Moved += out[k].Moved
		out[k] = tally
	}
	return out
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
