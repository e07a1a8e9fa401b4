// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// TestLog: what the kernel logs of modules that nothing authenticates. The texts are
// those of Linux 6.12; e2e-kernel compares them with what a kernel logged.
func TestLog(t *testing.T) {
	force := func(k *Kernel) { k.ForceLoad = Yes }
	outside := file{info: []string{"license=GPL"}, crcs: right()}
	put := func(at int, value uint16) func(b []byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint16(b[at:], value); return b }
	}
	for _, test := range []struct {
		name   string
		m      file
		edit   func([]byte) []byte
		kernel func(*Kernel)
		flags  Flags
		want   []string
	}{
		{"fits", file{crcs: right()}, nil, nil, 0, nil},
		{"out of tree", outside, nil, nil, 0, []string{"mod: loading out-of-tree module taints kernel."}},
		{"vermagic ignored", file{crcs: right()}, nil, force, IgnoreVermagic, []string{"mod: bad vermagic: kernel tainted."}},
		{"versions ignored", file{crcs: right()}, nil, force, IgnoreModversions | IgnoreVermagic, []string{"mod: module_layout: kernel tainted."}},
		{"both taints", outside, nil, force, IgnoreVermagic, []string{"mod: bad vermagic: kernel tainted.", "mod: loading out-of-tree module taints kernel."}},
		{"other checksum", file{crcs: map[string]uint32{"module_layout": 0x11, "free_one": 1}, needs: []string{"free_one"}}, nil, nil, 0,
			[]string{"mod: disagrees about version of symbol free_one", "mod: Unknown symbol free_one (err -22)"}},
		{"no checksum, and what nothing exports", file{crcs: right(), needs: []string{"free_one", "none"}}, nil, nil, 0,
			[]string{"mod: no symbol version for free_one", "mod: Unknown symbol free_one (err -22)", "mod: Unknown symbol none (err -2)"}},
		{"checksum of more than 32 bits", file{crcs: right(), edit: func(f *vmlinux.File) { f.Sections[2].Data[4] = 1 }}, nil, nil, 0,
			[]string{"mod: disagrees about version of symbol module_layout"}},
		{"namespace", file{crcs: right("spaced"), needs: []string{"spaced"}}, nil, nil, 0,
			[]string{"mod: module uses symbol (spaced) from namespace SPACE, but does not import it.", "mod: Unknown symbol spaced (err -22)"}},
		{"not ELF", file{crcs: right()}, put(0, 0), nil, 0, []string{"Invalid ELF header magic: != \x7fELF"}},
		{"end is missing", file{crcs: right()}, func(b []byte) []byte { return b[:len(b)-1] }, nil, 0, []string{"Invalid ELF section header overflow"}},
		{"size of a section header", file{crcs: right()}, put(58, 65), nil, 0, []string{"Invalid ELF section header size"}},
		{"section of names", file{crcs: right()}, put(62, 0), nil, 0, []string{"Invalid ELF section name index: 0 || e_shstrndx (0) >= e_shnum (7)"}},
	} {
		k := open(t)
		if test.kernel != nil {
			test.kernel(k)
		}
		b := test.m.bytes()
		if test.edit != nil {
			b = test.edit(b)
		}
		if got := check(t, k, b, Request{Call: FinitModule, Flags: test.flags}, Permissive).Answers[0].Log; !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestTaintWords: the series changed the words for all kernels of its source.
func TestTaintWords(t *testing.T) {
	k := small(t, "sig", "main")
	k.Rules = Mainline
	const tail = " failed: signature and/or required key missing - tainting kernel"
	for series, want := range map[bool]string{false: "verification", true: "authentication"} {
		k.series = series
		r := check(t, k, vector(t, "hashes/cases/b1-unsigned"), Request{}, Permissive)
		if got, want := r.Answers[0].Log, []string{r.Name + ": module " + want + tail}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
