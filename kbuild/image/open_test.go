// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/boot"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/pe"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

func open(t testing.TB, b []byte, o *Options) (*Image, error) {
	t.Helper()
	im, err := Open(context.Background(), bytes.NewReader(b), int64(len(b)), o)
	if err == nil {
		t.Cleanup(func() { im.Close() })
	}
	return im, err
}

func mustOpen(t testing.TB, b []byte, o *Options) *Image {
	t.Helper()
	im, err := open(t, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// sample is a kernel with everything in it.
func sample(t testing.TB) vmlinux.Kernel {
	return vmlinux.Kernel{
		BuildID: []byte("0123456789abcdefghij"), Config: "CONFIG_MODULES=y\n# CONFIG_X is not set\n",
		Hashes: append([]byte{2, 0, 0, 0}, bytes.Repeat([]byte{0xab}, 32)...),
		Certs:  [][]byte{read(t, "rsa2048.der"), read(t, "ecp384.der")}, Revoked: [][]byte{read(t, "revoked.der")},
	}
}

// checkSample compares what was found with what is in sample.
func checkSample(t *testing.T, name string, im *Image, k vmlinux.Kernel) {
	t.Helper()
	banner := strings.TrimSuffix(k.Banner(), "\n")
	if im.Banner != banner || im.Release != "6.12.0-sample" || im.Version != "#1 SMP Thu Jan  1 00:00:00 UTC 2026" {
		t.Errorf("%s: banner %q, release %q, version %q", name, im.Banner, im.Release, im.Version)
	}
	if string(im.Config) != k.Config {
		t.Errorf("%s: config %q", name, im.Config)
	}
	known := im.Kind() == ELF || im.SymbolsFrom != ""
	switch {
	case known && !bytes.Equal(im.BuildID, k.BuildID):
		t.Errorf("%s: build id %q", name, im.BuildID)
	case known && (im.Hashset == nil || !bytes.Equal(im.Hashset.Data, k.Hashes) || im.Hashset.Order != im.Order):
		t.Errorf("%s: hashset %v", name, im.Hashset)
	case !known && (im.Hashset != nil || im.BuildID != nil):
		t.Errorf("%s: hashset %v, build id %x", name, im.Hashset, im.BuildID)
	}
	checkLists(t, name, im, k)
	module := int64(len(k.Certs[0]))
	if k.NoModule {
		module = 0
	}
	if im.Trusted != nil && im.Trusted.ModuleSize != module {
		t.Errorf("%s: first part of %d bytes, want %d", name, im.Trusted.ModuleSize, module)
	}
	if len(im.Problems) > 0 {
		t.Errorf("%s: problems %v", name, im.Problems)
	}
}

func extra(k vmlinux.Kernel) [][]byte {
	if k.Extra == nil {
		return nil
	}
	return [][]byte{k.Extra}
}

// checkLists wants the lists of k, and those of revoked ones among the trusted
// ones if there are no symbols to tell them by.
func checkLists(t *testing.T, name string, im *Image, k vmlinux.Kernel) {
	t.Helper()
	trusted, revoked := slices.Concat(k.Certs, extra(k)), k.Revoked
	if im.SymbolsFrom == "" {
		trusted, revoked = append(trusted, revoked...), nil
	}
	checkList(t, name+": trusted", im, im.Trusted, trusted)
	checkList(t, name+": revoked", im, im.Revoked, revoked)
}

func checkList(t *testing.T, name string, im *Image, l *CertificateList, want [][]byte) {
	t.Helper()
	if l == nil {
		if want != nil {
			t.Errorf("%s: no list", name)
		}
		return
	}
	if len(l.Certificates) != len(want) {
		t.Errorf("%s: %d certificates, want %d", name, len(l.Certificates), len(want))
		return
	}
	for i, c := range l.Certificates {
		if !bytes.Equal(c.Raw, want[i]) || c.Err != nil {
			t.Errorf("%s: certificate %d differs, %v", name, i, c.Err)
		}
		there := make([]byte, len(c.Raw))
		if _, err := im.Kernel().ReadAt(there, l.Offset+c.Offset); err != nil || !bytes.Equal(there, c.Raw) {
			t.Errorf("%s: certificate %d is not at offset %d (%v)", name, i, l.Offset+c.Offset, err)
		}
	}
}

// forms are the kinds of ELF files that kernels are.
var forms = []vmlinux.Kernel{{Machine: 62}, {Machine: 22, Big: true}, {Machine: 3, Bits: 32}, {Machine: 20, Bits: 32, Big: true}}

func formOf(form, k vmlinux.Kernel) vmlinux.Kernel {
	k.Bits, k.Big, k.Machine = form.Bits, form.Big, form.Machine
	return k
}

// TestKernels reads kernels of all widths and orders with their own symbols,
// with a System.map, and with neither.
func TestKernels(t *testing.T) {
	for i, form := range forms {
		k := formOf(form, sample(t))
		arch := []string{"x86_64", "s390", "i386", "ppc"}[i]
		for _, stripped := range []bool{false, true} {
			for _, systemMap := range []bool{false, true} {
				k.Stripped = stripped
				name := fmt.Sprintf("%s, stripped %v, System.map %v", arch, stripped, systemMap)
				o := &Options{}
				want := FromSymbol
				if stripped {
					want = ""
				}
				if systemMap {
					o.SystemMap = strings.NewReader(k.SystemMap())
					if stripped {
						want = FromSystemMap
					}
				}
				im := mustOpen(t, k.ELF(), o)
				if im.SymbolsFrom != want || im.Arch != arch || len(im.Layers) != 1 || im.Kind() != ELF {
					t.Errorf("%s: %q, %s, %v", name, im.SymbolsFrom, im.Arch, im.Layers)
				}
				if want := map[Origin]Origin{"": FromScan}[im.SymbolsFrom]; want != "" && im.Trusted.Origin != want {
					t.Errorf("%s: certificates from %s", name, im.Trusted.Origin)
				}
				checkSample(t, name, im, k)
			}
		}
	}
}

// wrap lists the forms of an image around one kernel.
func wrap(k vmlinux.Kernel) map[string][]byte {
	elf := k.ELF()
	images := map[string][]byte{
		"bzimage none": boot.BzImage(elf, "none", 0, "6.12.0-sample (modhash@sample) #1"),
		"uki":          boot.PE(0x8664, boot.PESection{Name: ".osrel", Data: []byte("ID=x")}, boot.PESection{Name: ".linux", Data: elf}),
	}
	for _, f := range boot.Formats {
		packed := boot.Compress(elf, f)
		bz := boot.BzImage(packed, f, len(elf), "6.12.0-sample (modhash@sample) #1")
		images["bzimage "+f] = bz
		images["zboot "+f] = boot.ZBoot(0x8664, packed, f, len(elf))
		images["vmlinux "+f] = packed
		images["uki bzimage "+f] = boot.PE(0x8664, boot.PESection{Name: ".linux", Data: bz})
		images["compressed uki bzimage "+f] = boot.Compress(images["uki bzimage "+f], f)
		images["trailer vmlinux "+f] = trailer.Append(bytes.Clone(packed), []byte("signature"), trailer.PKCS7)
	}
	images["trailer vmlinux"] = trailer.Append(bytes.Clone(elf), []byte("signature"), trailer.PKCS7)
	images["signed uki"] = sign(images["uki"])
	return images
}

// sign adds an attribute certificate table to what [boot.PE] made.
func sign(b []byte) []byte { return pe.SignAt(b, 0x58) }

// TestLayers takes off every wrapper; what is left is the kernel.
func TestLayers(t *testing.T) {
	k := sample(t)
	k.Stripped = true
	for name, b := range wrap(k) {
		im, err := open(t, b, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkSample(t, name, im, k)
		got, err := io.ReadAll(im.Kernel())
		if err != nil || !bytes.Equal(got, k.ELF()) {
			t.Errorf("%s: the kernel has %d bytes, %v; want %d", name, len(got), err, len(k.ELF()))
		}
		if strings.Contains(name, "uki") != (len(im.Sections) > 0) {
			t.Errorf("%s: sections %v", name, im.Sections)
		}
	}
	b := wrap(k)["compressed uki bzimage xz"]
	im := mustOpen(t, b, nil)
	var chain []string
	for _, l := range im.Layers {
		chain = append(chain, string(l.Kind)+" "+l.Compression)
	}
	want := []string{"compressed xz", "uki none", "bzimage xz", "vmlinux "}
	if diff := cmp.Diff(want, chain); diff != "" {
		t.Error(diff)
	}
	if im.Layers[0].Size != int64(len(b)) {
		t.Errorf("the file has %d bytes, the first layer %d", len(b), im.Layers[0].Size)
	}
}

// TestBzip2: the golden file is the work of bzip2 and gzip's of gzip.
func TestBzip2(t *testing.T) {
	b := read(t, "vmlinux.bz2")
	for name, img := range map[string][]byte{"file": b, "bzimage": boot.BzImage(b, "bzip2", len(vmlinux.Kernel{}.ELF()), "")} {
		im := mustOpen(t, img, nil)
		if got, err := io.ReadAll(im.Kernel()); err != nil || !bytes.Equal(got, vmlinux.Kernel{}.ELF()) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestFlat reads flat kernels, with and without a System.map.
func TestFlat(t *testing.T) {
	for _, tt := range []struct{ arch, magic string }{{"aarch64", arm64Magic}, {"riscv", riscvMagic}, {"loongarch", ""}} {
		k := sample(t)
		k.Align = 256
		var flat []byte
		if tt.magic != "" {
			flat = boot.Flat(k.Flat(), tt.magic)
		} else {
			flat = boot.Flat(k.Flat(), linuxPE)
			copy(flat[0x3c:], "\x40\x00\x00\x00")
			copy(flat[0x40:], boot.PE(0x6264)[0x40:0x1a0])
		}
		for _, b := range [][]byte{flat, boot.Compress(flat, "gzip"), boot.ZBoot(0xaa64, boot.Compress(flat, "zstd"), "zstd", len(flat))} {
			for _, systemMap := range []bool{false, true} {
				o := &Options{}
				if systemMap {
					o.SystemMap = strings.NewReader(k.SystemMap())
				}
				im, err := open(t, b, o)
				if err != nil {
					t.Errorf("%s: %v", tt.arch, err)
					continue
				}
				checkSample(t, fmt.Sprintf("%s, System.map %v", tt.arch, systemMap), im, k)
				if im.Arch != tt.arch || im.Kind() != Flat || im.Bits != 64 || im.Order != binary.LittleEndian {
					t.Errorf("%s: %s, %v", tt.arch, im.Arch, im.Layers)
				}
			}
		}
	}
	// A big-endian kernel says so.
	k := sample(t)
	k.Big = true
	flat := boot.Flat(k.Flat(), arm64Magic)
	flat[flatFlagsAt] = 1
	im := mustOpen(t, flat, &Options{SystemMap: strings.NewReader(k.SystemMap())})
	checkSample(t, "big-endian", im, k)
	if im.Order != binary.BigEndian {
		t.Errorf("order %v", im.Order)
	}
}

// TestSystemMap refuses maps that are not those of the kernel.
func TestSystemMap(t *testing.T) {
	k := sample(t)
	k.Stripped = true
	elf, flat, good := k.ELF(), boot.Flat(k.Flat(), arm64Magic), k.SystemMap()
	banner := fmt.Sprintf("%016x R linux_banner", vmlinux.Base)
	for name, tt := range map[string]struct{ text, reason string }{
		"stub":                {"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n", "is it a whole one?"},
		"empty":               {"", "is it a whole one?"},
		"no banner there":     {good[:strings.Index(good, "linux_banner")-19] + banner + "\n", "that of another kernel"},
		"outside":             {"ffffffffffffff00 R linux_banner\n0000000081000000 T _text\n", "that of another kernel"},
		"not a map":           {"hello\n", "line 1: not an address"},
		"no letter":           {"0000000000000000 text _text\n", "line 1: not an address"},
		"not hex":             {"xyz R linux_banner\n", "line 1: address"},
		"long line":           {strings.Repeat("x", 100_000), "longer than"},
		"two addresses":       {good + "0000000081000007 R linux_banner\n", "a second address of linux_banner"},
		"NUL":                 {"\x00\x00\x00", "line 1: not an address"},
		"addresses of a file": {good + "0000000081000007 r linux_banner\n", ""},
	} {
		for _, b := range [][]byte{elf, flat} {
			im, err := open(t, b, &Options{SystemMap: strings.NewReader(tt.text)})
			if tt.reason == "" {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			if im != nil || err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%s: %v, want %q", name, err, tt.reason)
			}
		}
	}
	if _, err := open(t, elf, &Options{SystemMap: io.MultiReader(strings.NewReader(good), failingReader{})}); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v, want EIO", err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, syscall.EIO }

// TestUnknown: what is not read is named.
func TestUnknown(t *testing.T) {
	at := func(off int, magic string) []byte {
		b := make([]byte, 0x10100)
		b[0] = 'x'
		copy(b[off:], magic)
		return b
	}
	old := boot.BzImage(boot.Compress([]byte("x"), "gzip"), "gzip", 1, "")
	old[0x206] = 7
	for name, tt := range map[string]struct {
		b      []byte
		reason string
	}{
		"u-boot":      {at(0, "\x27\x05\x19\x56"), "U-Boot"},
		"fit":         {at(0, "\xd0\x0d\xfe\xed"), "FIT"},
		"android":     {at(0, "ANDROID!"), "Android"},
		"arm":         {at(36, "\x18\x28\x6f\x01"), "arm zImage"},
		"arm be":      {at(36, "\x01\x6f\x28\x18"), "arm zImage"},
		"s390":        {at(0x10008, "S390EP"), "s390"},
		"efi":         {boot.PE(0x8664, boot.PESection{Name: ".text"}), "a PE file for x86_64"},
		"text":        {[]byte("#!/bin/sh\n"), "it starts with 23 21"},
		"a byte":      {[]byte("x"), "it starts with 78"},
		"old bzimage": {old, "boot protocol 2.07"},
		"mz":          {[]byte("MZ"), "it starts with 4d 5a"},
	} {
		if _, err := open(t, tt.b, nil); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want ErrUnknown with %q", name, err, tt.reason)
		}
	}
	lzo := boot.BzImage(append([]byte("\x89LZO\x00\r\n\x1a\n"), make([]byte, 30)...), "lzo", 1, "")
	var fe *FormatError
	lzo[len(lzo)-101] = 0x7f // a size above the limit
	if _, err := open(t, lzo, nil); !errors.As(err, &fe) || !strings.Contains(err.Error(), "lzo: this compression is not supported") {
		t.Errorf("lzo: %v", err)
	}
}

// TestOpenReadErrors: an error of the disk is passed on, wherever it strikes.
func TestOpenReadErrors(t *testing.T) {
	k := sample(t)
	k.Stripped = true
	images := wrap(k)
	for _, name := range []string{"bzimage gzip", "bzimage none", "uki", "zboot xz", "signed uki"} {
		b := images[name]
		for _, from := range []int{0, 10, 64, 300, 600, 2600, 4097, len(b) - 300} {
			if from >= len(b) {
				t.Fatalf("%s: %d bytes", name, len(b))
			}
			im, err := Open(context.Background(), failing{b, from}, int64(len(b)), nil)
			if im != nil || !errors.Is(err, syscall.EIO) {
				t.Errorf("%s, from offset %d: %v, want EIO", name, from, err)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	k := sample(t)
	k.Stripped = true
	elf := k.ELF()
	size := int64(len(elf))
	for _, f := range boot.Formats {
		packed := boot.Compress(elf, f)
		bz := boot.BzImage(packed, f, len(elf), "")
		for name, b := range map[string][]byte{f: packed, "bzimage " + f: bz} {
			if _, err := open(t, b, &Options{Limit: size}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := open(t, b, &Options{Limit: size - 1}); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: %v, want ErrTooLarge", name, err)
			}
		}
		// The limit is one for all layers.
		twice := boot.Compress(bz, f)
		if _, err := open(t, twice, &Options{Limit: size + int64(len(bz)) - 1}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s twice: %v, want ErrTooLarge", f, err)
		}
	}
	b := elf
	for range maxLayers {
		b = boot.Compress(b, "gzip")
	}
	if _, err := open(t, b, nil); err == nil || !strings.Contains(err.Error(), "more than 8 layers") {
		t.Errorf("%d layers: %v", maxLayers+1, err)
	}
	if _, err := open(t, boot.Compress(elf, "gzip"), &Options{TmpDir: "/nonexistent"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want an error of the folder", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, bytes.NewReader(elf), size, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}

// cancelling cancels when the payload is read.
type cancelling struct {
	io.ReaderAt
	cancel func()
}

func (c cancelling) ReadAt(p []byte, off int64) (int, error) {
	if off >= boot.Setup {
		c.cancel()
	}
	return c.ReaderAt.ReadAt(p, off)
}

// TestCancelled: what is being unpacked stops.
func TestCancelled(t *testing.T) {
	elf := sample(t).ELF()
	for _, f := range boot.Formats {
		ctx, cancel := context.WithCancel(context.Background())
		b := boot.BzImage(boot.Compress(elf, f), f, len(elf), "")
		im, err := Open(ctx, cancelling{bytes.NewReader(b), cancel}, int64(len(b)), nil)
		if im != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want Canceled", f, err)
		}
	}
}

// TestCanceller: not only between layers.
func TestCanceller(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &canceller{ctx, io.Discard}
	if n, err := w.Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	cancel()
	if n, err := w.Write([]byte("x")); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v, want Canceled", n, err)
	}
}

// TestNotAKernel: an ELF file without a banner is read, and reported.
func TestNotAKernel(t *testing.T) {
	b := ko.Module{Name: "x"}.Bytes()
	im := mustOpen(t, b, nil)
	if im.Banner != "" || len(im.Problems) != 1 {
		t.Errorf("%q, %v", im.Banner, im.Problems)
	}
}
