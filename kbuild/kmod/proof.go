// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"fmt"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/modsig/trailer"
)

// MaxProof is the length in bytes above which a proof is not read: no tree that
// positions of 32 bits can address has one of a tenth.
const MaxProof = 16 << 10

// Proof returns the proof that the module ends in; nil if it ends in something
// else, or in what cannot be a proof.
func (m *Module) Proof() (*hashset.Proof, error) {
	t := &m.Trailer
	if t.State != trailer.Valid || t.Block.Type != trailer.Merkle || t.Block.SigLen > MaxProof {
		return nil, nil
	}
	b := make([]byte, t.Block.SigLen)
	if n, err := m.src.ReadAt(b, t.SignatureOffset()); n < len(b) {
		return nil, fmt.Errorf("reading the proof: %w", err)
	}
	p, err := hashset.ParseProof(b)
	if err != nil {
		return nil, nil // a kernel says the same of it as of one of another depth
	}
	return &p, nil
}
