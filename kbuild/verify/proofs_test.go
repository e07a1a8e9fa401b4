// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
)

// TestProofsOfBuild: what a manifest of the build would vouch for, and no kernel loads.
func TestProofsOfBuild(t *testing.T) {
	section := merkleKernel
	_, _, honest := proven(6)
	_, _, other := proven(7)
	bare := func(files [][]byte) {
		for i := range files {
			files[i] = testModule(i, false)
		}
	}
	tests := []struct {
		name   string
		change func(files [][]byte)
		k      *Kernel
		want   []string // each in a finding of its own, and no others
	}{
		{"honest", nil, nil, nil},
		{"honest, its image", nil, section(honest), nil},
		{"image of another build", nil, section(other), []string{"hashset: vmlinuz: it is of another build: its root is 3 "}},
		{"placeholder", nil, kernelOf(make([]byte, 36)), []string{"hashset: vmlinuz: all zero"}},
		{"malformed section", nil, kernelOf(make([]byte, 35)), []string{"hashset: vmlinuz: "}},
		{"image without hashset", nil, &Kernel{Path: "vmlinuz", Image: &image.Image{SymbolsFrom: "its own"}}, nil},
		{"changed", func(f [][]byte) { f[1][70] ^= 1 }, section(honest), []string{
			"root: the modules make", "proof: kernel/m1.ko: its bytes are not those that were hashed", "hashset: vmlinuz: it is not that of these modules, of which it admits 5"}},
		{"changed, no image", func(f [][]byte) { f[1][70] ^= 1 }, nil, []string{"root: the modules make", "proof: kernel/m1.ko: "}},
		{"one without proof", func(f [][]byte) { f[4] = testModule(4, false) }, section(honest), []string{"proof: kernel/m4.ko: no proof"}},
		{"all changed", func(f [][]byte) {
			for i := range f {
				f[i][70] ^= 1
			}
		}, nil, []string{"m0.ko: no two proofs", "m1.ko", "m2.ko", "m3.ko", "m4.ko", "m5.ko"}},
		{"no proofs", bare, section(other), nil},
		{"not complete", func(f [][]byte) { f[2] = nil }, section(other), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			names, files, _ := proven(6)
			if tt.change != nil {
				tt.change(files)
			}
			b, err := kbuild.Open(context.Background(), []string{writeTree(t, names, files)}, &kbuild.Options{NoImage: true})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			sum, err := b.Summarize(context.Background(), hashset.Merkle, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := Proofs(sum, tt.k)
			ok := len(got) == len(tt.want)
			for i := range min(len(got), len(tt.want)) {
				ok = ok && strings.Contains(fmt.Sprint(got[i]), tt.want[i])
			}
			if !ok {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
