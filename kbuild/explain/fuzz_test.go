// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"testing"

	"github.com/modhash/modhash/testdata/gen/ko"
)

// FuzzExplain compares a file with one that has other bytes in one place, and
// with one that has them twice. Whatever the files are, nothing panics, the
// ledgers pass their check, and something differs if and only if the bytes do.
func FuzzExplain(f *testing.F) {
	for _, name := range []string{"base", "path", "extra", "debug"} {
		b := built(f, name)
		f.Add(b, uint32(0x40), []byte("other"))
		f.Add(b, uint32(40), []byte{0, 0x10}) // e_shoff
	}
	for _, b := range [][]byte{typed("base")(f), typed("full")(f), table("path")(f), built(f, "debug-zlib"), built(f, "debug-zstd"), built(f, "debug-long")} {
		off, _ := sectionRange(f, b, map[bool]string{true: ".BTF", false: ".text"}[bytes.Contains(b, []byte("\x00.BTF\x00"))])
		f.Add(b, uint32(off+28), []byte{2, 0, 0, 4}) // the second word of the first type
		f.Add(b, uint32(len(b)-100), []byte{1})
	}
	f.Add(ko.Compress(built(f, "salt"), ".xz"), uint32(30), []byte{1, 2})
	f.Add(ko.Module{Name: "m", Bits: 32, Big: true, Symbols: true}.Bytes(), uint32(52), []byte{9})
	f.Add([]byte("\x7fELF"), uint32(0), []byte{})
	f.Fuzz(func(t *testing.T, a []byte, at uint32, patch []byte) {
		if len(a) > 64<<10 {
			return
		}
		off := int(at) % (len(a) + 1)
		changed := bytes.Clone(a)
		copy(changed[off:], patch)
		longer := bytes.Join([][]byte{a[:off], patch, a[off:]}, nil)
		for _, b := range [][]byte{changed, longer} {
			acc := explained(t, a, b)
			differs := false
			for _, l := range acc.Layers {
				differs = differs || !l.Tally.IsZero()
			}
			if differs == bytes.Equal(a, b) {
				t.Errorf("%d bytes at %d: %v", len(patch), off, acc.Layers)
			}
		}
	})
}
