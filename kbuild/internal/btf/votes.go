// SPDX-License-Identifier: Apache-2.0

package btf

import (
	"cmp"
	"slices"
)

// votes tell what numbers of the kernel have become, which is not at hand: each use of
// a number is a witness. A number that two uses agree on, and that no third one
// contradicts, on either side, is confirmed; a single use proves nothing, since it may
// have been tampered with.
type votes struct {
	pairs []uint64 // of A and of B, each of 32 bits
	good  []uint64 // those that are confirmed, sorted
	other bool     // the kernel is another one: most numbers are others
}

// count finds which pairs are confirmed.
func (v *votes) count() {
	slices.Sort(v.pairs)
	type run struct {
		pair uint64
		n    int
	}
	var runs []run
	for k := 0; k < len(v.pairs); {
		end := k
		for end < len(v.pairs) && v.pairs[end] == v.pairs[k] {
			end++
		}
		runs = append(runs, run{v.pairs[k], end - k})
		k = end
	}
	v.pairs = nil
	alone := make([]bool, len(runs)) // no other number of B, later none of A
	for k := range runs {
		a := runs[k].pair >> 32
		alone[k] = (k == 0 || runs[k-1].pair>>32 != a) && (k+1 == len(runs) || runs[k+1].pair>>32 != a)
	}
	byB := make([]int32, len(runs))
	for k := range byB {
		byB[k] = int32(k)
	}
	b := func(k int32) uint32 { return uint32(runs[k].pair) }
	slices.SortFunc(byB, func(x, y int32) int { return cmp.Compare(b(x), b(y)) })
	moved, kept := 0, 0
	for k, x := range byB {
		if k > 0 && b(byB[k-1]) == b(x) || k+1 < len(byB) && b(byB[k+1]) == b(x) || !alone[x] || runs[x].n < 2 {
			continue
		}
		v.good = append(v.good, runs[x].pair)
		if runs[x].pair>>32 == runs[x].pair&0xffffffff {
			kept++
		} else {
			moved++
		}
	}
	slices.Sort(v.good)
	v.other = moved > kept
}

// moved: the numbers are those of another kernel.
func (v *votes) moved() bool { return v.other }

// confirmed: of another kernel, the two numbers are those of one thing.
func (v *votes) confirmed(a, b uint32) bool {
	_, ok := slices.BinarySearch(v.good, uint64(a)<<32|uint64(b))
	return ok && v.other
}
