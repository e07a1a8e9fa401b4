// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

func TestSymbols(t *testing.T) {
	s := symbolsOf(t, "0x1\ta\tvmlinux\tEXPORT_SYMBOL\r\n0x0000002a\tb\tfs/x/x-y\tEXPORT_SYMBOL_GPL\tNS\n0x0\tc\tm\tEXPORT_UNUSED_SYMBOL_GPL\t")
	b := s.byName["b"]
	if s.Len() != 3 || !s.checksums || b != (symbol{42, "fs/x/x-y", true, "NS"}) || b.module() != "x_y" || s.byName["a"].gpl || !s.byName["c"].gpl {
		t.Errorf("%+v", s)
	}
	if err := s.Read(strings.NewReader("0x1\ta\tvmlinux\tEXPORT_SYMBOL\n0x5\td\tother\tEXPORT_SYMBOL\n")); err != nil || s.Len() != 4 {
		t.Errorf("a second file: %v, %d", err, s.Len())
	}
	if symbolsOf(t, "0x00000000\ta\tvmlinux\tEXPORT_SYMBOL\t\n").checksums {
		t.Error("checksums out of zeros")
	}
	for text, line := range map[string]int{
		"":                                     0,
		"\n":                                   1,
		"0x1 a vmlinux EXPORT_SYMBOL\n":        1,
		"0x1\ta\tvmlinux\n":                    1,
		"0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\t\n": 1,
		"1\ta\tvmlinux\tEXPORT_SYMBOL\n":       1,
		"0x100000000\ta\tb\tEXPORT_SYMBOL":     1,
		"0x-1\ta\tb\tEXPORT_SYMBOL":            1,
		"0x1_0\ta\tb\tEXPORT_SYMBOL":           1,
		"0x\ta\tb\tEXPORT_SYMBOL":              1,
		"0x1\t\tb\tEXPORT_SYMBOL":              1,
		"0x1\ta\t\tEXPORT_SYMBOL":              1,
		"0x1\ta\tb\tSYMBOL":                    1,
		"0x1\ta\x00\tb\tEXPORT_SYMBOL":         1,
		"0x1\ta\tb\tEXPORT_SYMBOL\n0x2\ta\tb\tEXPORT_SYMBOL":      2,
		"0x1\ta\tb\tEXPORT_SYMBOL\n" + strings.Repeat("x", 70000): 2,
	} {
		var se *SymbolsError
		if err := (&Symbols{}).Read(strings.NewReader(text)); !errors.As(err, &se) || se.Line != line {
			t.Errorf("%.40q: %v, want an error in line %d", text, err, line)
		}
	}
}

// repeated is a line without end.
type repeated struct {
	line string
	at   int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.line[r.at:])
	r.at = (r.at + n) % len(r.line)
	return n, nil
}

// TestSymbolsTooLarge: that a file is too large is not said of the line in which the
// limit happens to be.
func TestSymbolsTooLarge(t *testing.T) {
	for _, size := range []int{50_000, 50_001} { // long lines, which are read sooner
		line := "0x1\t" + strings.Repeat("a", size) + "\tvmlinux\tEXPORT_SYMBOL\n"
		err := (&Symbols{}).Read(&repeated{line: line})
		if err == nil || err.Error() != "no Module.symvers: more than 64 MiB" {
			t.Errorf("lines of %d bytes: %v", len(line), err)
		}
		fits := MaxSymbols / len(line) * len(line)
		if err := (&Symbols{}).Read(io.LimitReader(&repeated{line: line}, int64(fits))); err != nil {
			t.Errorf("%d bytes: %v", fits, err)
		}
	}
}

func FuzzSymbols(f *testing.F) {
	f.Add([]byte(exported))
	f.Add([]byte("0x1\ta\tvmlinux\tEXPORT_SYMBOL\r\n0x1\ta\tvmlinux\tEXPORT_SYMBOL\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Symbols{}
		if err := s.Read(bytes.NewReader(b)); err != nil {
			var se *SymbolsError
			if !errors.As(err, &se) {
				t.Fatal(err)
			}
			return
		}
		for name, x := range s.byName {
			if name == "" || x.owner == "" || strings.ContainsAny(name+x.owner+x.namespace, "\t\n\x00") {
				t.Fatalf("%q %+v", name, x)
			}
		}
	})
}

// TestListedSigner: that a key is listed says nothing about a signature by it.
func TestListedSigner(t *testing.T) {
	line := func(id []byte) string {
		return fmt.Sprintf("0f8f2ca1 I------     1 perm 1f030000     0     0 asymmetri X: %x: X509.rsa %x []\n", id, id[len(id)-4:])
	}
	ring := small(t, "sig", "main").Keyrings[0]
	own := ring.Keys()[0]
	for _, test := range []struct {
		file, listing string
		want          Fact
	}{
		{"k03-unknown-key", line([]byte{1, 2, 3, 4}), Maybe}, // names issuer and serial
		{"k03-unknown-key", line(own.KeyID), No},
		{"k01-rsa-good", line([]byte{1, 2, 3, 4}), Yes},
		{"k04-rsa-module-changed", line([]byte{1, 2, 3, 4}), No},
		{"k12-keyid-good", line([]byte{1, 2, 3, 4}), Yes},
	} {
		k := small(t, "sig", "main")
		var err error
		if k.Listing, err = modsig.ReadListing(strings.NewReader(test.listing)); err != nil {
			t.Fatal(err)
		}
		if r := check(t, k, vector(t, "hashes/cases/"+test.file), Request{}); r.Authenticated != test.want {
			t.Errorf("%s: %v, want %v: %+v", test.file, r.Authenticated, test.want, r.Steps)
		}
	}
	// A key id must be the one that is listed.
	k := small(t, "sig", "main")
	k.Keyrings = []*modsig.Keyring{modsig.NewKeyring(modsig.Kernel{})}
	for id, want := range map[string]Fact{string(own.KeyID): Maybe, "\x01\x02\x03\x04": No} {
		var err error
		if k.Listing, err = modsig.ReadListing(strings.NewReader(line([]byte(id)))); err != nil {
			t.Fatal(err)
		}
		if r := check(t, k, vector(t, "hashes/cases/k12-keyid-good"), Request{}); r.Authenticated != want {
			t.Errorf("key id %x: %v, want %v", id, r.Authenticated, want)
		}
	}
}

func kernelOf(t testing.TB, f vmlinux.File, s Sources) *Kernel {
	t.Helper()
	b := f.Bytes()
	img, err := image.Open(context.Background(), bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	s.Image = img
	k, err := NewKernel(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func config(t testing.TB, text string) *kconfig.File {
	t.Helper()
	f, err := kconfig.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const distribution = `CONFIG_MODULES=y
CONFIG_MODULE_SIG=y
CONFIG_SMP=y
CONFIG_PREEMPT_BUILD=y
CONFIG_MODULE_UNLOAD=y
CONFIG_MODVERSIONS=y
CONFIG_MODULE_DECOMPRESS=y
CONFIG_MODULE_COMPRESS_XZ=y
CONFIG_XZ_DEC_X86=y
CONFIG_CRYPTO_RSA=y
CONFIG_CRYPTO_ECDSA=y
CONFIG_CRYPTO_SHA256=y
CONFIG_CRYPTO_SHA512=y
`

// TestNewKernel: what an image tells, and what has to be given.
func TestNewKernel(t *testing.T) {
	rsa, ec := vector(t, "signing/rsa2048.der"), vector(t, "signing/ecp384.der")
	with := func(k vmlinux.Kernel, text string) vmlinux.File {
		f := k.File()
		f.Sections = append(f.Sections, vmlinux.Section{Name: ".text.more", Type: 1, Flags: 2, Addr: 0x91000000, Data: []byte(text)})
		return f
	}
	const own = "\x006.12.0-sample SMP mod_unload \x00"

	k := kernelOf(t, with(vmlinux.Kernel{Certs: [][]byte{rsa}}, "x6.12.0-sample in words\x00"+own+rejected), Sources{})
	if k.Rules != Mainline || k.Signatures != Yes || k.Hashes != No || k.Vermagic != "6.12.0-sample SMP mod_unload " || k.Versions != No || k.Enforced != Maybe || len(k.Keyrings) != 2 {
		t.Errorf("without a configuration: %+v", k)
	}
	if got := k.Keyrings[0].Keys(); len(got) != 1 {
		t.Errorf("keys: %v", got)
	}
	k = kernelOf(t, with(vmlinux.Kernel{Certs: [][]byte{rsa}, Config: distribution}, ""), Sources{Trusted: [][]byte{ec}})
	if k.Signatures != Yes || k.Vermagic != "6.12.0-sample SMP preempt mod_unload modversions " || k.Versions != Yes || k.Enforced != No ||
		len(k.Keyrings) != 1 || len(k.Keyrings[0].Keys()) != 2 || k.Decompress != Yes || k.Decompressor != kmod.XZ || k.branch[4] != Yes || k.branch[7] != No {
		t.Errorf("with its own configuration: %+v", k)
	}
	k = kernelOf(t, with(vmlinux.Kernel{Certs: [][]byte{rsa, ec}}, own), Sources{Config: config(t, "CONFIG_MODULES=y\nCONFIG_SMP=y\nCONFIG_MODULE_UNLOAD=y\nCONFIG_IMA_APPRAISE_MODSIG=y\n"), Symbols: symbolsOf(t, exported)})
	if k.Signatures != No || k.Versions != No || len(k.Keyrings[0].Keys()) != 1 { // that of the build's key is not loaded
		t.Errorf("the configuration that is given counts: %+v", k)
	}
	k = kernelOf(t, with(vmlinux.Kernel{Hashes: vector(t, "hashes/roots/main.bin")}, rejected), Sources{Symbols: symbolsOf(t, exported)})
	if k.Rules != Hashes || k.Hashes != Yes || k.Signatures != Maybe || k.Hashset.Root.Levels != 3 || k.Versions != Yes || k.Vermagic != "" {
		t.Errorf("module hashes: %+v", k)
	}
	k = kernelOf(t, with(vmlinux.Kernel{Hashes: vector(t, "hashes/roots/levels33.bin")}, own+own+"\x006.12.0-sample SMP \x00"), Sources{Rules: Mainline})
	if k.Rules != Mainline || k.Hashes != No || k.Vermagic != "" {
		t.Errorf("mainline by choice, two vermagics: %+v", k)
	}
	k = kernelOf(t, with(vmlinux.Kernel{Hashes: make([]byte, 64)}, ""), Sources{})
	if k.Hashset == nil || len(k.Hashset.Digests) != 2 {
		t.Errorf("flat list: %+v", k)
	}
	mod := strings.Replace(distribution, "SHA256=y", "SHA256=m", 1)
	if k = kernelOf(t, with(vmlinux.Kernel{Certs: [][]byte{rsa}, Config: mod}, ""), Sources{}); len(k.Keyrings) != 2 {
		t.Errorf("a hash that is a module may be loaded or not: %d keyrings", len(k.Keyrings))
	}
	stray := string(vector(t, "signing/ecp384.der"))
	k = kernelOf(t, with(vmlinux.Kernel{Certs: [][]byte{rsa}, Config: distribution}, stray), Sources{})
	if len(k.Keyrings) != 3 || len(k.Keyrings[0].Keys()) != 1 || len(k.Keyrings[1].Keys()) != 2 || len(k.Keyrings[2].Keys()) != 1 {
		t.Errorf("a certificate outside of the list may be trusted or not: %d keyrings", len(k.Keyrings))
	}
}

// TestContradiction: a configuration that the image disproves is that of another kernel.
func TestContradiction(t *testing.T) {
	root, rsa := vector(t, "hashes/roots/main.bin"), vector(t, "signing/rsa2048.der")
	const magic = "\x006.12.0-sample SMP mod_unload \x00"
	const plain = "CONFIG_MODULES=y\nCONFIG_SMP=y\nCONFIG_MODULE_UNLOAD=y\n"
	for _, test := range []struct {
		k            vmlinux.Kernel
		text, config string
		rules        Rules
		want         string
	}{
		{vmlinux.Kernel{}, magic, plain, "", ""},
		{vmlinux.Kernel{}, magic, "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.12.117 Kernel Configuration\n#\n" + plain, "", ""},
		{vmlinux.Kernel{}, magic, "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.117 Kernel Configuration\n#\n" + plain, "", `of Linux "6.1.117"`},
		{vmlinux.Kernel{Hashes: root}, magic, plain + "CONFIG_MODULE_HASHES=y\n", "", ""},
		{vmlinux.Kernel{Hashes: root}, magic, plain, "", "the image has a hashset"},
		{vmlinux.Kernel{Hashes: root}, magic, plain, Mainline, ""},
		{vmlinux.Kernel{}, magic, plain + "CONFIG_MODULE_HASHES=y\n", "", "has no hashset"},
		{vmlinux.Kernel{}, magic + rejected, plain, "", "messages of the check"},
		{vmlinux.Kernel{}, magic + rejected, plain + "CONFIG_MODULE_SIG=y\n", "", ""},
		{vmlinux.Kernel{Certs: [][]byte{rsa}}, magic, plain, "", "certificate of a key"},
		{vmlinux.Kernel{}, magic, plain + "CONFIG_MODVERSIONS=y\n", "", "lacks modversions"},
		{vmlinux.Kernel{}, magic, "CONFIG_MODULES=y\nCONFIG_SMP=y\n", "", "has mod_unload"},
		{vmlinux.Kernel{Config: plain}, "", plain + "CONFIG_MODULE_SIG_FORCE=y\n", "", "another CONFIG_MODULE_SIG_FORCE"},
		{vmlinux.Kernel{Config: plain}, "", plain + "CONFIG_BLOCK=y\n", "", ""},
	} {
		f := test.k.File()
		f.Sections = append(f.Sections, vmlinux.Section{Name: ".text.more", Type: 1, Flags: 2, Addr: 0x91000000, Data: []byte(test.text)})
		b := f.Bytes()
		img, err := image.Open(context.Background(), bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewKernel(Sources{Image: img, Config: config(t, test.config), Rules: test.rules})
		var c *ContradictionError
		switch {
		case test.want == "" && err != nil, test.want != "" && (!errors.As(err, &c) || !strings.Contains(c.Reason, test.want)):
			t.Errorf("%q: %v, want %q", test.config, err, test.want)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestStructModule(t *testing.T) {
	le := func(v ...uint32) (b []byte) {
		for _, x := range v {
			b = append(b, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
		}
		return b
	}
	names := "\x00int\x00module\x00other_module\x00"
	build := func(types []byte) []byte {
		return append(append(le(0x0001eb9f, 24, 0, uint32(len(types)), uint32(len(types)), uint32(len(names))), types...), names...)
	}
	number := le(1, 1<<24, 4, 32)
	two := le(5, 4<<24|1, 1280, 1, 1, 0)
	other := le(12, 4<<24, 8)
	for i, test := range []struct {
		types []byte
		want  int
	}{
		{append(append(append([]byte{}, number...), other...), two...), 1280},
		{append(append([]byte{}, two...), two...), 1280},
		{append(append([]byte{}, two...), le(5, 4<<24, 64)...), 0},
		{other, 0},
		{append(le(0, 25<<24, 0), two...), 0},
		{two[:len(two)-4], 0},
		{nil, 0},
	} {
		b := build(test.types)
		img := vmlinux.File{Sections: []vmlinux.Section{
			{Name: ".rodata", Type: 1, Flags: 2, Addr: 0x81000000, Data: []byte(vmlinux.Kernel{}.Banner())},
			{Name: ".BTF", Type: 1, Data: b},
		}}
		if got := kernelOf(t, img, Sources{}).Struct; got != test.want {
			t.Errorf("%d: %d, want %d", i, got, test.want)
		}
	}
}
