// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/modhash/modhash/modsig/trailer"
)

// Proof leads from one leaf to the root: the sibling of the leaf, then of each
// node above it. An element without a sibling is its own.
type Proof struct {
	Pos  uint32
	Path []Digest
}

// What [Check] answers, with the kernel's own outcomes.
var (
	// ErrDepth is the kernel's ENOPKG: the proof has not as many hashes as the
	// tree has levels.
	ErrDepth = errors.New("proof of another depth")
	// ErrMismatch is the kernel's ENOKEY: the proof does not lead to the root.
	ErrMismatch = errors.New("proof does not reach the root")
)

// Root is the root that p claims for leaf, the leaf hash at position p.Pos. Bit
// k of the position tells whether the hash so far is the left (0) or right (1)
// one of the pair on row k; bits from 32 up count as 0. All modules of one build
// claim the same root. The position is not checked against a number of modules,
// because no proof tells one.
func (p Proof) Root(leaf Digest) Root {
	cur := leaf
	for k, sib := range p.Path {
		if uint64(p.Pos)>>k&1 == 0 {
			cur = nodeHash(cur, sib)
		} else {
			cur = nodeHash(sib, cur)
		}
	}
	return Root{Levels: uint32(len(p.Path)), Hash: cur}
}

// Check compares the root that p claims for leaf with r, in the kernel's steps:
// the depth first ([ErrDepth]), then the hash ([ErrMismatch]). The leaf must be
// that of position p.Pos, made with [NewHasher]: the kernel takes the position
// from the proof, and only the leaf covers all of its bits.
func Check(r Root, p Proof, leaf Digest) error {
	if uint64(len(p.Path)) != uint64(r.Levels) {
		return fmt.Errorf("%w: %d levels, the root has %d", ErrDepth, len(p.Path), r.Levels)
	}
	if p.Root(leaf).Hash != r.Hash {
		return ErrMismatch
	}
	return nil
}

// posSize is the size in bytes of the position at the start of a proof.
const posSize = 4

// AppendTo appends the proof as a trailer of type 3 carries it: the position in
// 4 bytes, big endian on every architecture, then 32 bytes for each level, the
// sibling of the leaf first.
func (p Proof) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, p.Pos)
	for i := range p.Path {
		b = append(b, p.Path[i][:]...)
	}
	return b
}

// ParseProof reads what [Proof.AppendTo] writes. The one thing that can be wrong
// is the length, which no tree has then: [ErrDepth], as the kernel says. There is
// no limit on the levels; the result takes as much memory as b.
func ParseProof(b []byte) (Proof, error) {
	if len(b) < posSize || (len(b)-posSize)%sha256.Size != 0 {
		return Proof{}, fmt.Errorf("%w: proof of %d bytes, want %d and a multiple of %d",
			ErrDepth, len(b), posSize, sha256.Size)
	}
	p := Proof{Pos: binary.BigEndian.Uint32(b), Path: make([]Digest, (len(b)-posSize)/sha256.Size)}
	for i := range p.Path {
		p.Path[i] = Digest(b[posSize+i*sha256.Size:])
	}
	return p, nil
}

// AppendSidecar appends what a build puts into x.merkle and appends to the
// installed x.ko: proof, signature block of type 3 and marker, together 44 + 32 x
// levels bytes (package [trailer]).
func (p Proof) AppendSidecar(b []byte) []byte {
	return trailer.Append(b, p.AppendTo(nil), trailer.Merkle)
}

// ParseSidecar reads a file that holds what [Proof.AppendSidecar] writes and
// nothing else.
func ParseSidecar(b []byte) (Proof, error) {
	const tail = trailer.BlockSize + len(trailer.Marker)
	if len(b) < tail {
		return Proof{}, fmt.Errorf("sidecar of %d bytes, shorter than the %d of signature block and marker", len(b), tail)
	}
	end := len(b) - tail
	p, err := ParseProof(b[:end])
	if err != nil {
		return Proof{}, err
	}
	want := trailer.Append(nil, b[:end], trailer.Merkle)
	for i := end; i < len(b); i++ {
		if b[i] != want[i] {
			return Proof{}, fmt.Errorf("sidecar has the byte 0x%02x at offset %d, where block and marker for a proof of %d bytes have 0x%02x",
				b[i], i, end, want[i])
		}
	}
	return p, nil
}
