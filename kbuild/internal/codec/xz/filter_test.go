// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// How the data is cut into chunks must not change what filters make of it.
// (That they are right at all is shown by xz's own files in ../testdata.)
func TestFiltersInPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	data := slices.Repeat(golden(t, "sample.bin"), 2)
	for i := 0; i < len(data); i += 1 + rng.IntN(9) { // opcodes everywhere
		data[i] = [...]byte{0xe8, 0xe9, 0, 0xff, 0xeb, 0xf0, 0xf8, 0x94, 0x48}[rng.IntN(9)]
	}
	for _, ids := range [][]int64{
		{idDelta}, {idX86}, {idPowerPC}, {idARM}, {idARMThumb}, {idSPARC}, {idARM64},
		{idX86, idDelta}, {idARM64, idARMThumb, idX86},
	} {
		chain := func() (fs []filter) {
			for _, id := range ids {
				var props []byte
				if id == idDelta {
					props = []byte{3}
				}
				f, err := newFilter(id, props, 0)
				if err != nil {
					t.Fatal(err)
				}
				fs = append(fs, f)
			}
			return fs
		}
		whole := bytes.Clone(data)
		for _, f := range chain() {
			f.undo(whole)
		}
		if bytes.Equal(whole, data) {
			t.Errorf("filters %v do nothing", ids)
		}
		for _, most := range []int{1, 7, 300} {
			var z Reader
			z.s.block.filters = chain()
			z.done = make([]int, len(ids))
			var got []byte
			for rest := data; len(rest) > 0; {
				n := min(rng.IntN(most+1), len(rest))
				z.emit(rest[:n], false)
				got = append(got, z.ready...)
				rest = rest[n:]
			}
			z.emit(nil, true)
			got = append(got, z.ready...)
			if !bytes.Equal(got, whole) {
				t.Errorf("filters %v, pieces of up to %d bytes: result differs", ids, most)
			}
		}
	}
}
