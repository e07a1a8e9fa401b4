// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// longest is the length of the longest common chain, the slow way.
func longest(ts []placed) int {
	ts = slices.Clone(ts)
	slices.SortFunc(ts, func(x, y placed) int { return x.a - y.a })
	best, top := make([]int, len(ts)), 0
	for i := range ts {
		best[i] = 1
		for j := range i {
			if ts[j].b < ts[i].b {
				best[i] = max(best[i], best[j]+1)
			}
		}
		top = max(top, best[i])
	}
	return top
}

func TestInOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 500 {
		n := rnd.IntN(30)
		perm := rnd.Perm(n)
		if round%3 == 0 { // nearly sorted, as real builds are
			perm = nil
			for i := range n {
				perm = append(perm, i)
			}
			for range 2 {
				if n > 1 {
					i, j := rnd.IntN(n), rnd.IntN(n)
					perm[i], perm[j] = perm[j], perm[i]
				}
			}
		}
		var ab, ba []placed
		for i, p := range perm {
			ab = append(ab, placed{fmt.Sprint("m", i), i * 3, p * 5})
			ba = append(ba, placed{fmt.Sprint("m", i), p * 5, i * 3})
		}
		got := inOrder(ab)
		if len(got) != longest(ab) {
			t.Fatalf("%v: %d in order, want %d", perm, len(got), longest(ab))
		}
		var kept []placed
		for _, x := range ab {
			if got[x.name] {
				kept = append(kept, x)
			}
		}
		if longest(kept) != len(kept) {
			t.Fatalf("%v: %v is no chain", perm, kept)
		}
		rnd.Shuffle(len(ba), func(i, j int) { ba[i], ba[j] = ba[j], ba[i] })
		if diff := cmp.Diff(got, inOrder(ba)); diff != "" {
			t.Fatalf("%v: not the same with the sides swapped:\n%s", perm, diff)
		}
	}
}
