// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"slices"

	"github.com/modhash/modhash/kbuild/internal/units"
)

// weightedChain finds, among pairs sorted by A, the chain that increases in B
// and has most bytes. Of several, the one with the greatest sum of hashes is
// taken: the hashes are those of what the pairs are, so that the choice is the
// same whichever side is A.
type weightedChain struct {
	byB  []int32
	rank []int32
	prev []int32
	tree []link
}

// link is the best chain that ends at a pair, which is numbered from 1.
type link struct {
	weight int64
	hash   uint64
	last   int32
}

func (x link) better(y link) bool {
	return cmp.Or(cmp.Compare(x.weight, y.weight), cmp.Compare(x.hash, y.hash)) > 0
}

// find returns, for every pair, whether it is in the chain. order lists the pairs
// that take part, sorted by A; no two of them begin at one place.
func (w *weightedChain) find(pairs []pairing, order []int32, keep []bool) []bool {
	n := len(order)
	w.byB = slices.Grow(w.byB[:0], n)[:n]
	for i := range w.byB {
		w.byB[i] = int32(i)
	}
	slices.SortFunc(w.byB, func(i, j int32) int { return cmp.Compare(pairs[order[i]].b, pairs[order[j]].b) })
	w.rank = slices.Grow(w.rank[:0], n)[:n]
	for r, i := range w.byB {
		w.rank[i] = int32(r)
	}
	w.prev = slices.Grow(w.prev[:0], n+1)[:n+1]
	w.tree = slices.Grow(w.tree[:0], n+1)[:n+1]
	clear(w.tree)
	var top link
	for i := range n {
		var c link
		for r := w.rank[i]; r > 0; r -= r & -r {
			if w.tree[r].better(c) {
				c = w.tree[r]
			}
		}
		w.prev[i+1] = c.last
		p := &pairs[order[i]]
		c = link{c.weight + p.weight, c.hash + p.hash, int32(i + 1)}
		for r := w.rank[i] + 1; int(r) <= n; r += r & -r {
			if c.better(w.tree[r]) {
				w.tree[r] = c
			}
		}
		if c.better(top) {
			top = c
		}
	}
	keep = slices.Grow(keep[:0], len(pairs))[:len(pairs)]
	clear(keep)
	for i := top.last; i > 0; i = w.prev[i] {
		keep[order[i-1]] = true
	}
	return keep
}

// mix spreads the bits of x (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325) // FNV-1a
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(h)
}

// hashUnit leaves out the Key of a relocation, which is an offset on side A.
func hashUnit(u *units.Unit) uint64 {
	h := hashString(u.Name) + uint64(u.Kind)
	if u.Kind != units.Reloc {
		h += mix(u.Key)
	}
	return mix(h)
}

func blockHash(b *Block) uint64 {
	return mix(hashString(b.Name) + uint64(b.Kind) + mix(uint64(b.Ordinal)))
}
