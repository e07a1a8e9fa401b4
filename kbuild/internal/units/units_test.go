// SPDX-License-Identifier: Apache-2.0

package units

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/modhash/modhash/testdata/gen/ko"
)

// samples are modules that a compiler made, and made-up ones of other classes
// and byte orders.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{
		"32 bits, big endian": ko.Module{Name: "m", Bits: 32, Big: true, Symbols: true, Debug: true}.Bytes(),
		"64 bits, big endian": ko.Module{Name: "m", Big: true, Symbols: true}.Bytes(),
	}
	names, err := filepath.Glob("../../explain/testdata/*.ko")
	for _, more := range []string{"btf", "tables"} {
		found, globErr := filepath.Glob("../../explain/testdata/" + more + "/*.ko")
		if globErr != nil {
			t.Fatal(globErr)
		}
		names = append(names, found...)
	}
	if err != nil || len(names) < 10 {
		t.Fatalf("%d samples, %v", len(names), err)
	}
	for _, n := range names {
		if out[n], err = os.ReadFile(n); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestPartition: blocks partition a file, and units a block.
func TestPartition(t *testing.T) {
	for name, b := range samples(t) {
		var f File
		if err := f.Split(b); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		partition(t, name, &f)
	}
}

func partition(t *testing.T, name string, f *File) {
	t.Helper()
	at := int64(0)
	for i := range f.Blocks {
		bl := &f.Blocks[i]
		for _, u := range f.Units(nil, bl) {
			if u.Off != at || u.Len <= 0 {
				t.Fatalf("%s: %s %q: unit %q of %d bytes at %d, want one at %d", name, bl.Kind, bl.Name, u.Name, u.Len, u.Off, at)
			}
			at += u.Len
		}
		if at != bl.Off+bl.Len {
			t.Fatalf("%s: units of %s %q end at %d, the block at %d", name, bl.Kind, bl.Name, at, bl.Off+bl.Len)
		}
	}
	if at != int64(len(f.Bytes)) {
		t.Fatalf("%s: blocks end at %d of %d", name, at, len(f.Bytes))
	}
}

// TestKinds: the things that have a name are found under it.
func TestKinds(t *testing.T) {
	var f File
	if err := f.Split(samples(t)["../../explain/testdata/base.ko"]); err != nil {
		t.Fatal(err)
	}
	type id struct {
		kind Kind
		name string
	}
	found := map[id]int{}
	for i := range f.Blocks {
		for k, u := range f.Units(nil, &f.Blocks[i]) {
			if u.Kind == Reloc && f.RelocUnit(f.Blocks[i].Index, int32(k)) != u {
				t.Errorf("relocation %d of block %d, made again: %v, want %v", k, i, f.RelocUnit(f.Blocks[i].Index, int32(k)), u)
			}
			found[id{u.Kind, u.Name}]++
		}
	}
	for want, n := range map[id]int{
		{Header, "e_shoff"}: 1, {SectionField, ".text"}: 10, {String, "third one"}: 1, {Modinfo, "vermagic"}: 1, {Note, "GNU"}: 1, {Note, "Linux"}: 1,
		{CRC, "memcpy"}: 1, {Symbol, "chosen"}: 1, {Symbol, ".data"}: 1, {Function, "init_module"}: 1, {Object, "table"}: 1, {Reloc, ""}: 39,
	} {
		if found[want] != n {
			t.Errorf("%d of %s %q, want %d", found[want], want.kind, want.name, n)
		}
	}
	if y := f.At(3, 0x30); y == nil || y.Name != "chosen" {
		t.Errorf("at 0x30 of .text: %v", y)
	}
}

// TestOverlap: a file whose parts share bytes has no units.
func TestOverlap(t *testing.T) {
	b := samples(t)["../../explain/testdata/base.ko"]
	var f File
	if err := f.Split(b); err != nil {
		t.Fatal(err)
	}
	// The entry of .modinfo, at its offset.
	at := f.Table.Off + 11*64 + 24
	f.Order.(interface{ PutUint64([]byte, uint64) }).PutUint64(b[at:], f.Sections[11].Offset-1)
	if err := f.Split(b); !errors.Is(err, ErrOverlap) {
		t.Errorf("%v, want an overlap", err)
	}
}

// FuzzSplit: whatever the file is, its units partition it or there are none.
func FuzzSplit(f *testing.F) {
	for _, b := range samples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var x File
		if x.Split(b) == nil {
			partition(t, "fuzzed", &x)
		}
	})
}
