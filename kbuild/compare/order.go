// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
)

// placed is something that has a place on both sides.
type placed struct {
	name string
	a, b int
}

// inOrder tells which of the things are in the same relative order on both
// sides: those of the longest chain that increases on both. Which chain, if
// there are several, depends on the names and not on which side is which. No
// two things may have the same place on a side.
func inOrder(things []placed) map[string]bool {
	things = slices.Clone(things)
	slices.SortFunc(things, func(x, y placed) int { return cmp.Compare(x.a, y.a) })
	// b-places become ranks, so that a Fenwick tree over them is small.
	byB := make([]int, len(things))
	for i := range byB {
		byB[i] = i
	}
	slices.SortFunc(byB, func(i, j int) int { return cmp.Compare(things[i].b, things[j].b) })
	rank := make([]int, len(things))
	for r, i := range byB {
		rank[i] = r
	}
	best := make([]chain, len(things)+1) // Fenwick tree of maxima
	prev := make([]int, len(things))     // the thing before, in the best chain that ends here
	top := chain{last: -1}
	for i, t := range things {
		c := chain{last: -1}
		for r := rank[i]; r > 0; r -= r & -r {
			c = better(c, best[r])
		}
		prev[i] = c.last
		c = c.with(t.name, i)
		for r := rank[i] + 1; r <= len(things); r += r & -r {
			best[r] = better(best[r], c)
		}
		top = better(top, c)
	}
	keep := make(map[string]bool, top.length)
	for i := top.last; i >= 0; i = prev[i] {
		keep[things[i].name] = true
	}
	return keep
}

// chain is the best one that ends at a thing. Chains of equal length are told
// apart by a sum over the names in them, which no side influences.
type chain struct {
	length int
	hi, lo uint64
	last   int
}

func better(x, y chain) chain {
	if x.length == 0 {
		x.last = -1
	}
	if y.length == 0 {
		return x
	}
	if c := cmp.Or(cmp.Compare(x.length, y.length), cmp.Compare(x.hi, y.hi), cmp.Compare(x.lo, y.lo)); c >= 0 {
		return x
	}
	return y
}

func (c chain) with(name string, i int) chain {
	// A weaker hash gives equal sums to different sets of similar names.
	h := sha256.Sum256([]byte(name))
	hi, lo := binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16])
	var carry uint64
	c.lo, carry = bits.Add64(c.lo, lo, 0)
	// The top bits are left out so that the sum of many cannot overflow.
	c.hi += hi>>24 + carry
	c.length++
	c.last = i
	return c
}
