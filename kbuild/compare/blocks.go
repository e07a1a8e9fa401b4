// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"slices"
)

// BlockTally is what differs within one block of a pair of module files: a
// section, a header, padding, a trailer.
type BlockTally struct {
	Name string
	// A and B are where the block is; one is empty on a side that does not have it.
	A, B Range
	Tally
	// Class is the one among those of the block's bytes that asks for most
	// attention; "" if all bytes are the same.
	Class Class
}

// Equal is a module whose stored bytes are equal on both sides, or at manifest
// level its digest.
type Equal struct {
	Name   string
	Stored int64 // bytes; -1 if not known
}

// tallyBlocks counts what the regions of a ledger add to each of its blocks.
func (c *accountant) tallyBlocks(p *Pair, l *Ledger) []BlockTally {
	blocks := p.blocks[l.Layer]
	out := make([]BlockTally, len(blocks))
	for i := range blocks {
		bl := &blocks[i]
		out[i] = BlockTally{Name: c.clone(bl.String()), A: bl.A, B: bl.B}
	}
	for i := range l.regions {
		r := &l.regions[i]
		if r.relation == Same {
			continue
		}
		t := &out[r.block]
		t.add(r)
		if cl := l.class(r); rank(cl) > rank(t.Class) {
			t.Class = cl
		}
	}
	out = slices.DeleteFunc(out, func(t BlockTally) bool { return t.A.Len == 0 && t.B.Len == 0 })
	sortBlocks(out)
	return out
}

// sortBlocks sorts by A, and puts what is empty in A at the end, sorted by B. The
// offset of what is empty becomes zero.
func sortBlocks(ts []BlockTally) {
	for i := range ts {
		for _, r := range []*Range{&ts[i].A, &ts[i].B} {
			if r.Len == 0 {
				r.Off = 0
			}
		}
	}
	slices.SortFunc(ts, func(x, y BlockTally) int {
		if (x.A.Len == 0) != (y.A.Len == 0) {
			return cmp.Compare(y.A.Len, x.A.Len) // one of them is zero
		}
		return cmp.Or(cmp.Compare(x.A.Off, y.A.Off), cmp.Compare(x.B.Off, y.B.Off), cmp.Compare(x.Name, y.Name))
	})
}

// mirrorBlocks returns the tallies with the sides swapped.
func mirrorBlocks(ts []BlockTally) []BlockTally {
	out := slices.Clone(ts)
	for i := range out {
		t := &out[i]
		t.A, t.B = t.B, t.A
		t.ChangedA, t.ChangedB = t.ChangedB, t.ChangedA
	}
	sortBlocks(out)
	return out
}
