// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/testdata/gen/boot"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

func root() []byte { return append([]byte{13, 0, 0, 0}, bytes.Repeat([]byte{0xcd}, 32)...) }

// TestHashsetForms: a root, a flat list, a list of no modules, and none.
func TestHashsetForms(t *testing.T) {
	for name, data := range map[string][]byte{
		"root": root(), "flat": bytes.Repeat([]byte{7}, 32*300), "empty flat": {}, "placeholder": make([]byte, 36), "odd": make([]byte, 35),
	} {
		for _, form := range forms {
			k := formOf(form, vmlinux.Kernel{Hashes: data, Stripped: true})
			im := mustOpen(t, k.ELF(), nil)
			if h := im.Hashset; h == nil || !bytes.Equal(h.Data, data) || h.Origin != FromSection || (h.Order == binary.BigEndian) != k.Big {
				t.Errorf("%s, %d bits, big %v: %+v", name, k.Bits, k.Big, h)
			}
		}
	}
	if im := mustOpen(t, vmlinux.Kernel{}.ELF(), nil); im.Hashset != nil {
		t.Errorf("%+v", im.Hashset)
	}
}

// TestHashsetBySymbol: where there is no section, the symbols of v5's root or of
// the flat list lead to it.
func TestHashsetBySymbol(t *testing.T) {
	k := vmlinux.Kernel{Hashes: root()}
	flat := boot.Flat(k.Flat(), arm64Magic)
	im := mustOpen(t, flat, &Options{SystemMap: strings.NewReader(k.SystemMap())})
	if h := im.Hashset; h == nil || !bytes.Equal(h.Data, k.Hashes) || h.Origin != FromSystemMap ||
		!bytes.Equal(flat[h.Offset:h.Offset+36], k.Hashes) {
		t.Errorf("%+v", im.Hashset)
	}
	k.Hashes = bytes.Repeat([]byte{9}, 64)
	list := strings.Replace(k.SystemMap(), "module_hashes_root", "__start_module_hashes", 1)
	var start uint64
	if _, err := fmt.Sscanf(list[strings.Index(list, "__start_module_hashes")-19:], "%x", &start); err != nil {
		t.Fatal(err)
	}
	flat = boot.Flat(k.Flat(), arm64Magic)
	for stop, want := range map[uint64]int{start + 64: 64, start + 32: 32, start: 0} {
		im = mustOpen(t, flat, &Options{SystemMap: strings.NewReader(list + fmt.Sprintf("%016x R __stop_module_hashes\n", stop))})
		if im.Hashset == nil || len(im.Hashset.Data) != want {
			t.Errorf("%+v, want %d bytes", im.Hashset, want)
		}
	}
	for _, stop := range []uint64{start - 1, start + maxHashes + 1, 1<<64 - 1, start + 1<<20} {
		if _, err := open(t, flat, &Options{SystemMap: strings.NewReader(list + fmt.Sprintf("%016x R __stop_module_hashes\n", stop))}); err == nil {
			t.Errorf("up to %x: no error", stop)
		}
	}
	// A symbol that does not lead to the section.
	f := vmlinux.Kernel{Hashes: root()}.File()
	for i := range f.Symbols {
		if f.Symbols[i].Name == symHashesRoot {
			f.Symbols[i].Value = vmlinux.Base + 8
		}
	}
	if im := mustOpen(t, f.Bytes(), nil); len(im.Problems) != 1 || im.Hashset.Origin != FromSection {
		t.Errorf("%+v, %v", im.Hashset, im.Problems)
	}
}

// TestHashsetRange: the bytes are those of the section and of nothing else,
// so that a kernel patched there holds the new hashset and differs nowhere else.
func TestHashsetRange(t *testing.T) {
	for _, form := range forms {
		for _, stripped := range []bool{false, true} {
			k := formOf(form, sample(t))
			k.Stripped = stripped
			b := k.ELF()
			h, err := HashsetRange(bytes.NewReader(b), int64(len(b)), 36)
			if err != nil || !bytes.Equal(h.Data, k.Hashes) || (h.Order == binary.BigEndian) != k.Big {
				t.Fatalf("%d bits, big %v: %+v, %v", k.Bits, k.Big, h, err)
			}
			patched := bytes.Clone(b)
			copy(patched[h.Offset:], root())
			k.Hashes = root()
			if !bytes.Equal(patched, k.ELF()) {
				t.Errorf("%d bits, big %v: patching is not building", k.Bits, k.Big)
			}
			checkSample(t, "patched", mustOpen(t, patched, nil), k)
		}
	}
}

// hashesAddr returns the address of the hashset.
func hashesAddr(t *testing.T, b []byte) uint64 {
	t.Helper()
	f, err := elfview.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f.Section(hashesSection).Addr
}

func TestHashsetRangeRefused(t *testing.T) {
	k := vmlinux.Kernel{Hashes: root()}
	with := func(edit func(f *vmlinux.File)) []byte {
		f := k.File()
		edit(&f)
		return f.Bytes()
	}
	hashes := func(f *vmlinux.File) *vmlinux.Section {
		for i := range f.Sections {
			if f.Sections[i].Name == hashesSection {
				return &f.Sections[i]
			}
		}
		panic("no section")
	}
	overlap := k.ELF()
	h, err := HashsetRange(bytes.NewReader(overlap), int64(len(overlap)), 36)
	if err != nil {
		t.Fatal(err)
	}
	addr := hashesAddr(t, overlap)
	// The last section with an address moves over it.
	shoff := binary.LittleEndian.Uint64(overlap[40:])
	binary.LittleEndian.PutUint64(overlap[shoff+4*64+24:], uint64(h.Offset)+35)
	// The section's header leads to a copy behind everything; the kernel would load
	// what is at the section's address.
	moved := k.ELF()
	shoff = binary.LittleEndian.Uint64(moved[40:])
	for i := shoff; i < uint64(len(moved)); i += 64 {
		if binary.LittleEndian.Uint64(moved[i+24:]) == uint64(h.Offset) {
			binary.LittleEndian.PutUint64(moved[i+24:], uint64(len(moved)))
		}
	}
	moved = append(moved, k.Hashes...)
	// Another segment loads a byte of it.
	twice := k.ELF()
	last := 64 + 56*(uint64(binary.LittleEndian.Uint16(twice[56:]))-1)
	binary.LittleEndian.PutUint64(twice[last+16:], addr+35)
	for name, tt := range map[string]struct {
		b      []byte
		reason string
	}{
		"moved":         {moved, "what is loaded to its address is here"},
		"loaded twice":  {twice, "holds a part of the 36 bytes"},
		"not ELF":       {boot.BzImage(boot.Compress(k.ELF(), "gzip"), "gzip", 0, ""), "not an ELF file"},
		"empty":         {nil, "not an ELF file"},
		"no section":    {vmlinux.Kernel{}.ELF(), "no section .module_hashes"},
		"longer":        {vmlinux.Kernel{Hashes: make([]byte, 37)}.ELF(), "has 37 bytes, the hashset 36"},
		"shorter":       {vmlinux.Kernel{Hashes: make([]byte, 32)}.ELF(), "has 32 bytes, the hashset 36"},
		"two":           {with(func(f *vmlinux.File) { f.Sections = append(f.Sections, *hashes(f)) }), "a second section"},
		"without bytes": {with(func(f *vmlinux.File) { hashes(f).Type = 8; hashes(f).Data = nil }), "no bytes in the file"},
		"an object":     {with(func(f *vmlinux.File) { f.Type = 1 }), "ELF file of type 1"},
		"overlap":       {overlap, "shares bytes with section 4"},
	} {
		if _, err := HashsetRange(bytes.NewReader(tt.b), int64(len(tt.b)), 36); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want %q", name, err, tt.reason)
		}
	}
	if _, err := HashsetRange(bytes.NewReader(nil), 0, 36); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v, want ErrUnknown", err)
	}
	b := vmlinux.Kernel{}.ELF()
	if _, err := HashsetRange(bytes.NewReader(b), int64(len(b)), 36); !errors.Is(err, ErrNoHashset) {
		t.Errorf("%v, want ErrNoHashset", err)
	}
	// What cannot be patched is not read either.
	for reason, b := range map[string][]byte{"shares bytes": overlap, "is loaded to its address": moved, "holds a part": twice} {
		var fe *FormatError
		if _, err := open(t, b, nil); !errors.As(err, &fe) || !strings.Contains(err.Error(), reason) {
			t.Errorf("Open: %v, want %q", err, reason)
		}
	}
}
