// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"fmt"

	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// Signer returns whom a PKCS#7 trailer names; nil if there is no such trailer
// or its message cannot be read.
func (m *Module) Signer() (*modsig.Signer, error) {
	t := &m.Trailer
	if t.State != trailer.Valid || t.Block.Type != trailer.PKCS7 || t.Block.SigLen > modsig.MaxMessage {
		return nil, nil
	}
	b := make([]byte, t.Block.SigLen)
	if n, err := m.src.ReadAt(b, t.SignatureOffset()); n < len(b) {
		return nil, fmt.Errorf("reading the signature: %w", err)
	}
	s, err := modsig.ParseSigner(b)
	if err != nil {
		return nil, nil // a message that cannot be read names nobody
	}
	return s, nil
}

// TrailerName names what a module ends in, for people: "none", "proof",
// "signature by …", "legacy x509 signature", "malformed", "junk", "stacked".
// signer is what [Module.Signer] returned.
func (m *Module) TrailerName(signer *modsig.Signer) string {
	switch {
	case m.Stacked:
		return "stacked"
	case m.Trailer.State != trailer.Valid:
		return m.Trailer.State.String()
	}
	switch t := m.Trailer.Block.Type; t {
	case trailer.Merkle:
		return "proof"
	case trailer.PKCS7:
		if signer == nil {
			return "signature that cannot be read"
		}
		return "signature by " + signer.String()
	default:
		return "legacy " + t.String() + " signature"
	}
}
