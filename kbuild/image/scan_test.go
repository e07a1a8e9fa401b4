// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
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

// TestLoadedRanges: program headers decide, whatever flags sections have, and
// parts that overlap are looked through once.
func TestLoadedRanges(t *testing.T) {
	f := vmlinux.Kernel{}.File()
	f.Sections = []vmlinux.Section{
		{Name: ".text", Type: 1, Flags: 6, Addr: 0x81000000, Data: make([]byte, 256)},
		{Name: ".none", Type: 1, Flags: 0, Addr: 0x81001000, Data: make([]byte, 100)},
		{Name: ".data", Type: 1, Flags: 7, Addr: 0x81002000, Data: make([]byte, 100)},
		{Name: ".bss", Type: 8, Flags: 3, Addr: 0x81003000},
	}
	f.Symbols, f.Segments = nil, false
	ranges := func(b []byte) []span {
		k, err := newKernel(memory(b), int64(len(b)), plainWrapper(ELF, int64(len(b))), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := k.loadedRanges()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	b := f.Bytes()
	if got := ranges(b); !slices.Equal(got, []span{{0, int64(len(b))}}) {
		t.Errorf("no program headers: %v, want all", got)
	}
	f.Segments = true
	b = f.Bytes()
	want := []span{{512, 768}, {768, 868}, {1024, 1124}}
	want = append([]span{{want[0].off, want[1].end}}, want[2])
	if got := ranges(b); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	const ph = 64 // of the first program header
	edit := func(change func(b []byte)) []span {
		c := bytes.Clone(b)
		change(c)
		return ranges(c)
	}
	put := binary.LittleEndian.PutUint64
	for name, tt := range map[string]struct {
		change func(b []byte)
		want   []span
	}{
		"overlap":             {func(b []byte) { put(b[ph+8:], 1000) }, []span{{512, 868}, {1000, 1256}}},
		"leaves the file":     {func(b []byte) { put(b[ph+8:], 1100); put(b[ph+32:], 1<<63) }, []span{{512, 868}, {1024, int64(len(b))}}},
		"outside":             {func(b []byte) { put(b[ph+8:], 1<<63) }, []span{{512, 868}, {1024, 1124}}},
		"wrong size of entry": {func(b []byte) { b[54]++ }, []span{{0, int64(len(b))}}},
		"nothing loaded":      {func(b []byte) { clear(b[ph : ph+4*56]) }, []span{{0, int64(len(b))}}},
	} {
		if got := edit(tt.change); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
