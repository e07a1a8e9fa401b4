// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"slices"
)

// rect is a place on a map, in its units.
type rect struct{ X, Y, W, H int64 }

// tile is something that takes room on a map. Its rect is filled in.
type tile struct {
	name   string
	weight int64 // above 0
	at     *rect
}

// layTiles cuts a rectangle into one for each tile, about as large as its weight.
// The heaviest lie top left. Integers alone are used, so that the same tiles give the
// same map on every machine.
func layTiles(tiles []tile, in rect) {
	slices.SortFunc(tiles, func(x, y tile) int { return cmp.Or(cmp.Compare(y.weight, x.weight), cmp.Compare(x.name, y.name)) })
	cutTiles(tiles, in)
}

// cutTiles cuts the longer side in two, with about half of the weight in each, until
// one tile is left.
func cutTiles(tiles []tile, in rect) {
	if len(tiles) == 0 {
		return
	}
	if len(tiles) == 1 {
		*tiles[0].at = in
		return
	}
	var total, first int64
	for _, t := range tiles {
		total += t.weight
	}
	n := 0
	for n < len(tiles)-1 && (n == 0 || first+tiles[n].weight/2 <= total/2) {
		first += tiles[n].weight
		n++
	}
	a, b := in, in
	if in.W >= in.H {
		a.W = share(in.W, first, total)
		b.X, b.W = in.X+a.W, in.W-a.W
	} else {
		a.H = share(in.H, first, total)
		b.Y, b.H = in.Y+a.H, in.H-a.H
	}
	cutTiles(tiles[:n], a)
	cutTiles(tiles[n:], b)
}

// share is the part of a length that belongs to a part of a weight. Weights are at
// most 2^62 in all; they are made smaller until the product cannot overflow.
func share(length, part, total int64) int64 {
	for total >= 1<<40 {
		part, total = part>>1, total>>1
	}
	return length * part / total
}

// weights makes sizes in bytes, -1 where they are not known, weights: nothing is
// smaller than an eighth of the average, so that it can be seen and hit, and one of
// unknown size is as large as the average.
func weights(sizes []int64) []int64 {
	const limit = 1 << 40 // 1 TiB: larger sizes look alike
	var sum, known int64
	for _, s := range sizes {
		if s >= 0 {
			sum += min(s, limit)
			known++
		}
	}
	average := int64(8)
	if known > 0 {
		average = max(8, sum/known)
	}
	out := make([]int64, len(sizes))
	for i, s := range sizes {
		if out[i] = average; s >= 0 {
			out[i] = max(min(s, limit), average/8)
		}
	}
	return out
}
