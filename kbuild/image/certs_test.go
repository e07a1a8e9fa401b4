// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/modhash/modhash/testdata/gen/boot"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// TestLists finds lists of all shapes, by symbols and by scanning.
func TestLists(t *testing.T) {
	rsa, ec, mldsa, revoked := read(t, "rsa2048.der"), read(t, "ecp384.der"), read(t, "mldsa65.der"), read(t, "revoked.der")
	for name, lists := range map[string]vmlinux.Kernel{
		"one":              {Certs: [][]byte{ec}},
		"three":            {Certs: [][]byte{ec, rsa, mldsa}},
		"size ends in 00":  {Certs: [][]byte{padded(ec, 1024)}},
		"size of 4096":     {Certs: [][]byte{padded(ec, 4096)}},
		"without a key":    {Certs: [][]byte{rsa, ec}, NoModule: true},
		"room":             {Certs: [][]byte{ec, rsa}, Reserve: 4096},
		"room in use":      {Certs: [][]byte{ec, rsa}, Reserve: 4096, Extra: revoked},
		"room, odd":        {Certs: [][]byte{ec}, Reserve: 777},
		"room full":        {Certs: [][]byte{ec}, Reserve: len(rsa), Extra: rsa},
		"revoked":          {Certs: [][]byte{ec, rsa}, Revoked: [][]byte{revoked}},
		"aligned to 256":   {Certs: [][]byte{ec, rsa}, Revoked: [][]byte{revoked}, Align: 256},
		"256, without key": {Certs: [][]byte{ec, rsa}, NoModule: true, Align: 256},
		"256, room":        {Certs: [][]byte{ec, rsa}, Reserve: 4096, Extra: revoked, Align: 256},
	} {
		for _, form := range forms {
			k := formOf(form, lists)
			for _, k.Stripped = range []bool{false, true} {
				im := mustOpen(t, k.ELF(), nil)
				name := fmt.Sprintf("%s, %d bits, big %v, stripped %v", name, k.Bits, k.Big, k.Stripped)
				checkLists(t, name, im, k)
				want := int64(len(k.Certs[0]))
				if k.NoModule {
					want = 0
				}
				if im.Trusted != nil && im.Trusted.ModuleSize != want {
					t.Errorf("%s: first part of %d bytes, want %d", name, im.Trusted.ModuleSize, want)
				}
				if im.Trusted != nil && im.Trusted.Inserted != int64(len(k.Extra)) {
					t.Errorf("%s: %d bytes in the reserve, want %d", name, im.Trusted.Inserted, len(k.Extra))
				}
				if len(im.Problems) > 0 {
					t.Errorf("%s: %v", name, im.Problems)
				}
			}
		}
	}
}

// padded is the certificate with an issuer's signature of so many bytes that it
// has n.
func padded(cert []byte, n int) []byte {
	b := append(bytes.Clone(cert), ko.Code("signature", n-len(cert))...)
	binary.BigEndian.PutUint16(b[2:], uint16(n-4))
	tbs := 8 + int(binary.BigEndian.Uint16(b[6:]))
	alg := tbs + 2 + int(b[tbs+1])
	return append(append(bytes.Clone(b[:alg]), 3, 0x82, byte((n-alg-4)>>8), byte(n-alg-4), 0), ko.Code("s", n-alg-5)...)
}

// TestVector finds the list of the imitation of a kernel's data, by another
// hand, at every place that a linker could have put it.
func TestVector(t *testing.T) {
	region := read(t, "certlist-region-le64.bin")
	rsa, ec := read(t, "rsa2048.der"), read(t, "ecp384.der")
	for shift := 0; shift < 3<<20; shift += 349_528 {
		b := append(ko.Code("before", shift+64), region...)
		b = boot.Flat(append(b, ko.Code("after", 500)...), arm64Magic)
		im := mustOpen(t, b, nil)
		checkList(t, fmt.Sprint(shift), im, im.Trusted, [][]byte{rsa, ec})
		if im.Trusted != nil && (im.Trusted.Offset != int64(shift)+128 || im.Trusted.ModuleSize != 934 || im.Trusted.Origin != FromScan) {
			t.Errorf("%d: %+v", shift, im.Trusted)
		}
	}
}

// TestListsBySymbol: sizes are hostile, and symbols are believed.
func TestListsBySymbol(t *testing.T) {
	ec := read(t, "ecp384.der")
	k := vmlinux.Kernel{Certs: [][]byte{ec}}
	edit := func(symbol string, change func(*vmlinux.Symbol)) []byte {
		f := k.File()
		for i := range f.Symbols {
			if f.Symbols[i].Name == symbol {
				change(&f.Symbols[i])
			}
		}
		return f.Bytes()
	}
	value := func(v uint64) func(*vmlinux.Symbol) { return func(s *vmlinux.Symbol) { s.Value = v } }
	const text = vmlinux.Base // where there is something else
	for name, tt := range map[string]struct {
		b      []byte
		reason string
	}{
		"absurd size":       {edit(symTrustedSize, value(text)), "at most 16777216 bytes"},
		"size is nowhere":   {edit(symTrustedSize, value(5)), "no segment holds"},
		"list is nowhere":   {edit(symTrusted, value(5)), "no segment holds"},
		"list at the end":   {edit(symTrusted, func(s *vmlinux.Symbol) { s.Value += 500 }), "a segment holds a part"},
		"no size":           {edit(symTrustedSize, func(s *vmlinux.Symbol) { s.Name = "x" }), "without system_certificate_list_size"},
		"banner is nowhere": {edit(symBanner, value(5)), "no segment holds"},
	} {
		if _, err := open(t, tt.b, nil); err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want %q", name, err, tt.reason)
		}
	}
	// The kernel would stop there as well.
	im := mustOpen(t, edit(symTrusted, func(s *vmlinux.Symbol) { s.Value += 8 }), nil)
	checkList(t, "behind the start", im, im.Trusted, k.Certs)
	if len(im.Problems) != 1 || !strings.Contains(im.Problems[0].Text, "a kernel stops here") || im.Trusted.OfBuild(&im.Trusted.Certificates[0]) {
		t.Errorf("%+v, %v", im.Trusted, im.Problems)
	}
	im = mustOpen(t, edit(symModuleSize, value(text)), nil)
	if im.Trusted.ModuleSize != 0 || len(im.Problems) != 1 {
		t.Errorf("%+v, %v", im.Trusted, im.Problems)
	}
	// A kernel without keys, and one without a keyring.
	k.Certs = [][]byte{{}}
	im = mustOpen(t, k.ELF(), nil)
	if im.Trusted == nil || len(im.Trusted.Certificates) != 0 || im.Trusted.Size != 0 || len(im.Problems) > 0 {
		t.Errorf("%+v, %v", im.Trusted, im.Problems)
	}
	k.Certs = nil
	if im = mustOpen(t, k.ELF(), nil); im.Trusted != nil || im.SymbolsFrom != FromSymbol {
		t.Errorf("%+v, %v", im.Trusted, im.SymbolsFrom)
	}
}
