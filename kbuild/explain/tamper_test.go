// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"debug/elf"
	"math/rand/v2"
	"testing"
)

// sectionAt names the section of an ELF file that holds an offset.
func sectionAt(t testing.TB, b []byte) func(off int) string {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return func(off int) string {
		for _, s := range f.Sections {
			if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && uint64(off) >= s.Offset && uint64(off) < s.Offset+s.Size {
				return s.Name
			}
		}
		return "headers"
	}
}

// benign are the sections in which a change of one byte can look like a build
// that was done otherwise, because what they hold says nothing else: who signed,
// which release, which salt. A cause is told with its values there.
var benign = map[string]string{
	".note.gnu.build-id": "build-id",
	".note.Linux":        "build-salt",
	"__versions":         "modversions.crc",
	".modinfo":           "version.release modinfo.srcversion modinfo.vermagic-flags",
	".comment":           "toolchain.compiler",
}

// TestTamper changes bytes of a module, one or a few, alone and hidden among
// differences that are benign: each time something must be a change or
// unexplained.
func TestTamper(t *testing.T) {
	base, dir := built(t, "base"), t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"base", "path", "salt", "release", "time"} {
		b := built(t, name)
		at := sectionAt(t, b)
		path := bytes.Index(b, []byte("/build/"))
		for range 700 {
			off, n := r.IntN(len(b)), 1
			if r.IntN(3) == 0 {
				n = min(1+r.IntN(12), len(b)-off)
			}
			x := bytes.Clone(b)
			for k := range n {
				x[off+k] ^= byte(1 + r.IntN(255))
			}
			acc := explainedIn(t, dir, base, x)
			switch {
			case !acc.Explained():
			case name != "base" && benign[at(off)] != "", at(off) == ".note.gnu.build-id":
			case name != "base" && off+n > path && off < path+40: // the only path there is, so another one
			default:
				t.Errorf("%s: %d bytes at %#x in %s: only %v", name, n, off, at(off), ids(acc))
			}
		}
	}
}
