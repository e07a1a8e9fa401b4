// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild/compare"
)

func table(name string) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return testFile(t, "tables", name+".ko") }
}

// TestTables: what objtool writes follows from the code of the function that it is
// about, and of no other one; a string that has grown is found in the section for long
// ones; and the CRC of an exported symbol is a change of that symbol.
func TestTables(t *testing.T) {
	for _, tt := range []struct {
		name      string
		want      []string
		explained bool
	}{
		{"changed", []string{"build-id", "change.code bytes after second in .text", "change.code function second in .text",
			"change.relocation relocations of second in .text", "change.string string in .rodata.str1.1",
			"change.string string in .rodata.str1.8", "change.symbol second",
			"layout.offsets", "layout.orc", "layout.padding", "layout.relocation", "layout.symbol"}, false},
		{"exports", []string{"build-id", "change.exports second"}, false},
		{"path", []string{"build-id", "layout.offsets", "layout.padding", "layout.relocation", "layout.section-order",
			"layout.string-order", "path.string"}, true},
	} {
		a, b := table("base")(t), table(tt.name)(t)
		for _, way := range []string{"", ", mirrored"} {
			acc := explained(t, a, b)
			if diff := cmp.Diff(tt.want, found(acc)); diff != "" || acc.Explained() != tt.explained {
				t.Errorf("%s%s: explained %v (-want +got):\n%s", tt.name, way, acc.Explained(), diff)
			}
			a, b = b, a
		}
	}
}

// TestValues: symbols and folders are named with their values.
func TestValues(t *testing.T) {
	for _, tt := range []struct {
		a, b           []byte
		id, subject    string
		valueA, valueB string
	}{
		{built(t, "base"), built(t, "crc"), "modversions.crc", "memcpy", "0x1234567812345678", "0x00000099"},
		{table("base")(t), table("exports")(t), "change.exports", "second", "0x01234567", "0x01234568"},
		{table("base")(t), table("path")(t), "path.string", "", "/build", "/home/somebody/a-longer-folder"},
	} {
		acc := explained(t, tt.a, tt.b)
		if !slices.ContainsFunc(acc.Items, func(it compare.Item) bool {
			return it.ID() == tt.id && it.Subject == tt.subject && it.Owner.A == tt.valueA && it.Owner.B == tt.valueB
		}) {
			t.Errorf("no %s of %q, %q, %q: %+v", tt.id, tt.subject, tt.valueA, tt.valueB, acc.Items)
		}
	}
}

// TestStrayTampered: a string that is in another section is another one if a folder
// does not account for all of it. What leads to it is among the flips.
func TestStrayTampered(t *testing.T) {
	a, b := table("base")(t), table("path")(t)
	x := bytes.Clone(b)
	at := bytes.Index(x, []byte("/home/somebody/a-longer-folder/code.c"))
	copy(x[at:], "/home/somebody/a-longer-folder/cods.c") // another file
	if acc := explained(t, a, x); acc.Explained() {
		t.Errorf("another name of a file: only %q", found(acc))
	}
}

// TestORCHeader: a hash of which few bytes are others is none of another format.
func TestORCHeader(t *testing.T) {
	header := func(fill byte) []byte {
		b := table("base")(t)
		// The note of the build id becomes the section that this objtool did not write.
		n := bytes.Index(b, []byte("\x00.note.gnu.build-id\x00"))
		if n < 0 {
			t.Fatal("no name")
		}
		copy(b[n+1:], ".orc_header\x00\x00\x00\x00\x00\x00\x00")
		f, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(f.Sections, func(s *elf.Section) bool { return s.Name == ".orc_header" })
		shoff := int(f.ByteOrder.Uint64(b[40:]))
		f.ByteOrder.PutUint32(b[shoff+64*i+4:], 1)   // PROGBITS
		f.ByteOrder.PutUint64(b[shoff+64*i+32:], 20) // what follows is between sections
		for k := range 20 {
			b[int(f.Sections[i].Offset)+k] = fill + byte(k)
		}
		return b
	}
	a, b := header(1), header(100)
	if got := found(explained(t, a, b)); !slices.Equal(got, []string{"toolchain.orc"}) {
		t.Errorf("another hash: %q", got)
	}
	at, _ := sectionRange(t, a, ".orc_header")
	x := bytes.Clone(a)
	x[at+3] ^= 1
	if got := found(explained(t, a, x)); !slices.Equal(got, []string{"change.orc .orc_header"}) {
		t.Errorf("another byte: %q", got)
	}
}
