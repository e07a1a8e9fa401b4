// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// onlyReader hides that its bytes are in memory.
type onlyReader struct{ io.ReaderAt }

// TestScan puts texts and certificates at every offset around the end of a
// chunk and elsewhere, and compares with a search by the standard library.
func TestScan(t *testing.T) {
	noise := ko.Code("noise", 2*scanChunk+4096)
	cert := read(t, "ecp384.der")[:certHead]
	for _, text := range []string{bannerStart, configStart, string(cert)} {
		for _, base := range []int{0, 1000, scanChunk, 2 * scanChunk} {
			for shift := -18; shift < 18; shift++ {
				at := base + shift
				if at < 0 {
					continue
				}
				b := noise // put back below
				saved := bytes.Clone(b[at : at+len(text)])
				copy(b[at:], text)
				for _, r := range []io.ReaderAt{memory(b), onlyReader{bytes.NewReader(b)}} {
					f, err := (&kernel{r: r, size: int64(len(b))}).scan()
					if err != nil {
						t.Fatal(err)
					}
					want := []int64{int64(bytes.Index(b, []byte(text)))}
					got := slices.Concat(f.banners, f.configs, f.certs)
					if text == string(cert) && at%8 != 0 {
						want = nil
					}
					if !slices.Equal(got, want) || f.dropped {
						t.Errorf("%.8q at %d: %v, want %v", text, at, got, want)
					}
				}
				copy(b[at:], saved)
			}
		}
	}
}

// TestScanEnd: a text at the very end, cut or whole.
func TestScanEnd(t *testing.T) {
	for _, text := range []string{bannerStart, configStart} {
		for before := range 9 {
			for cut := range 3 {
				b := append(bytes.Repeat([]byte{'x'}, before), text[:len(text)-cut]...)
				f, err := (&kernel{r: memory(b), size: int64(len(b))}).scan()
				if err != nil {
					t.Fatal(err)
				}
				if n := len(f.banners) + len(f.configs); (n == 1) != (cut == 0) {
					t.Errorf("%q: found %d times", b, n)
				}
			}
		}
	}
}

// TestDataRanges: code is left out, data that is code too is not, and sections
// that overlap are looked through once.
func TestDataRanges(t *testing.T) {
	f := vmlinux.Kernel{}.File()
	f.Sections = []vmlinux.Section{
		{Name: ".text", Type: 1, Flags: 6, Addr: 0x81000000, Data: make([]byte, 256)},
		{Name: ".rodata", Type: 1, Flags: 2, Addr: 0x81001000, Data: make([]byte, 100)},
		{Name: ".debug", Type: 1, Data: make([]byte, 300)},
		{Name: ".data", Type: 1, Flags: 7, Addr: 0x81002000, Data: make([]byte, 100)},
		{Name: ".bss", Type: 8, Flags: 3, Addr: 0x81003000},
	}
	f.Symbols = nil
	b := f.Bytes()
	k, err := newKernel(bytes.NewReader(b), int64(len(b)), plainWrapper(ELF, int64(len(b))), nil)
	if err != nil {
		t.Fatal(err)
	}
	rodata, data := k.elf.Section(".rodata"), k.elf.Section(".data")
	want := []span{{int64(rodata.Offset), int64(rodata.Offset) + 100}, {int64(data.Offset), int64(data.Offset) + 100}}
	if got := k.dataRanges(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	data.Offset, data.Size = rodata.Offset+50, 80
	want = []span{{int64(rodata.Offset), int64(rodata.Offset) + 130}}
	if got := k.dataRanges(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	k.elf.Sections = nil
	if got := k.dataRanges(); !slices.Equal(got, []span{{0, int64(len(b))}}) {
		t.Errorf("%v, want all", got)
	}
}
