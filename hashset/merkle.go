// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"crypto/sha256"
	"math/bits"
)

// Root is the top of a Merkle tree, as the kernel's struct module_hashes_root
// holds it. For [Flat], Levels is 0 and Hash is the SHA-256 of the
// concatenated digests.
type Root struct {
	Levels uint32
	Hash   Digest
}

// Levels is the number of rows above the leaves of a tree over n modules: 0
// for none, 1 for one, else the smallest k with 2^k >= n.
func Levels(n int) uint32 {
	switch {
	case n <= 0:
		return 0
	case n == 1:
		return 1
	}
	return uint32(bits.Len(uint(n - 1)))
}

// nodeHash is the parent of two elements of a row.
func nodeHash(l, r Digest) Digest {
	var b [1 + 2*sha256.Size]byte
	b[0] = nodePrefix
	copy(b[1:], l[:])
	copy(b[1+sha256.Size:], r[:])
	return sha256.Sum256(b[:])
}

// Tree is a Merkle tree over the leaves of a build's modules.
type Tree struct {
	rows [][]Digest // rows[0] are the leaves, the last row is the root
}

// NewTree builds the tree. It keeps leaves and does not change it.
func NewTree(leaves []Digest) *Tree {
	t := &Tree{rows: [][]Digest{leaves}}
	for range Levels(len(leaves)) {
		row := t.rows[len(t.rows)-1]
		up := make([]Digest, (len(row)+1)/2)
		for i := range up {
			up[i] = nodeHash(row[2*i], row[min(2*i+1, len(row)-1)])
		}
		t.rows = append(t.rows, up)
	}
	return t
}

// Root returns the root: for no leaves 0 levels and a zero hash.
func (t *Tree) Root() Root {
	top := t.rows[len(t.rows)-1]
	if len(top) == 0 {
		return Root{}
	}
	return Root{Levels: uint32(len(t.rows) - 1), Hash: top[0]}
}

// Proof returns the proof of the leaf at position i. It panics if there is no
// such leaf.
func (t *Tree) Proof(i int) Proof {
	p := Proof{Pos: uint32(i), Path: make([]Digest, 0, len(t.rows)-1)}
	for _, row := range t.rows[:len(t.rows)-1] {
		p.Path = append(p.Path, row[min(i^1, len(row)-1)])
		i >>= 1
	}
	return p
}

// FlatRoot is the root of a flat hashset: Levels 0 and the SHA-256 of the
// concatenated digests.
func FlatRoot(digests []Digest) Root {
	h := sha256.New()
	for i := range digests {
		h.Write(digests[i][:])
	}
	var r Root
	h.Sum(r.Hash[:0])
	return r
}
