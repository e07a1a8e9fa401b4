// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/btf"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

func typed(name string) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return testFile(t, "btf", name+".ko") }
}

// found are the causes and subjects of an account, sorted.
func found(acc *compare.Account) []string {
	var out []string
	for i := range acc.Items {
		if s := strings.TrimSpace(acc.Items[i].ID() + " " + acc.Items[i].Subject); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// TestTypes: what pahole's threads put into another order is that, a member that was
// added is a change of its structure alone, and another kernel is named as such.
func TestTypes(t *testing.T) {
	for _, tt := range []struct {
		name      string
		want      []string
		explained bool
	}{
		{"threads", []string{"btf.order"}, true},
		{"member", []string{"change.btf names in .BTF", "change.btf struct first", "layout.btf", "layout.offsets", "layout.padding"}, false},
		{"kernel", []string{"btf.kernel", "change.btf types that lead to those of the kernel", "layout.btf"}, false},
	} {
		a, b := typed("base")(t), typed(tt.name)(t)
		for _, way := range []string{"", ", mirrored"} {
			acc := explained(t, a, b)
			if diff := cmp.Diff(tt.want, found(acc)); diff != "" || acc.Explained() != tt.explained {
				t.Errorf("%s%s: explained %v (-want +got):\n%s", tt.name, way, acc.Explained(), diff)
			}
			a, b = b, a
		}
	}
}

// TestTypesBytes: what is no BTF is compared as bytes, which is said.
func TestTypesBytes(t *testing.T) {
	base := typed("base")(t)
	at, _ := sectionRange(t, base, ".BTF")
	le := binary.LittleEndian
	for name, patch := range map[string]func(b []byte){
		"magic":      func(b []byte) { b[0] ^= 1 },
		"header":     func(b []byte) { le.PutUint32(b[4:], 1<<31) },
		"cut short":  func(b []byte) { le.PutUint32(b[12:], le.Uint32(b[12:])-4); le.PutUint32(b[16:], le.Uint32(b[16:])-4) },
		"names":      func(b []byte) { le.PutUint32(b[20:], 1<<32-1) },
		"many":       func(b []byte) { b[28], b[29] = 255, 255 },
		"kind":       func(b []byte) { b[31] = 31 },
		"to no type": func(b []byte) { le.PutUint32(b[32:], 1<<32-1) },
	} {
		x := bytes.Clone(base)
		patch(x[at:])
		for _, pair := range [][2][]byte{{base, x}, {x, base}} {
			acc := explained(t, pair[0], pair[1])
			if got := found(acc); len(got) != 1 || !strings.HasPrefix(got[0], "change.btf ") || name != "to no type" && !strings.Contains(got[0], "compared as bytes: BTF, offset ") {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

// TestTypeIDs: where types are in another order, the numbers in .BTF_ids are others; those
// that have stayed are those of other types.
func TestTypeIDs(t *testing.T) {
	le := binary.LittleEndian
	data := func(name string) []byte {
		b := typed(name)(t)
		at, n := sectionRange(t, b, ".BTF")
		return b[at : at+n]
	}
	a, err := btf.Parse(data("base"), le)
	if err != nil {
		t.Fatal(err)
	}
	b, err := btf.Parse(data("threads"), le)
	if err != nil {
		t.Fatal(err)
	}
	number := func(s *btf.Section, name string) uint32 {
		for i := range s.Len() {
			if s.String(i) == name {
				return s.First + uint32(i)
			}
		}
		t.Fatalf("no %s", name)
		return 0
	}
	if _, err := btf.Match(a, b); err != nil { // which finds the number of the first
		t.Fatal(err)
	}
	first, second := number(a, "func second_how"), number(b, "func second_how")
	if first == second {
		t.Fatal("the function has one number")
	}
	m := func(types []byte, id uint32) []byte {
		f := vmlinux.File{Type: uint16(elf.ET_REL), Sections: []vmlinux.Section{
			{Name: ".modinfo", Type: 1, Flags: 2, Data: []byte("vermagic=6.12.0-sample SMP \x00")},
			{Name: ".BTF", Type: 1, Data: types},
			{Name: ".BTF_ids", Type: 1, Data: le.AppendUint32(le.AppendUint32(nil, 1), id)}, // a count and a number
		}}
		return f.Bytes()
	}
	for _, tt := range []struct {
		id        uint32
		want      []string
		explained bool
	}{
		{second, []string{"btf.order", "layout.btf-ids"}, true},
		{first, []string{"change.btf types under .BTF_ids, whose numbers have stayed"}, false},
	} {
		acc := explained(t, m(data("base"), first), m(data("threads"), tt.id))
		if got := found(acc); acc.Explained() != tt.explained || !cmp.Equal(got, tt.want) {
			t.Errorf("%d, now %d: %q, want %q", first, tt.id, got, tt.want)
		}
	}
}
