// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"fmt"

	"github.com/modhash/modhash/modsig/trailer"
)

// Layer is one trailer of a module with what it carries.
type Layer struct {
	trailer.Trailer
	// Signature is the signature data of a well-formed trailer: a CMS message, a
	// proof, or the bytes of a legacy signature. It is nil if there are more than
	// [MaxSignature] of them.
	Signature []byte
	// Signer and KeyID are what legacy trailers have beside it.
	Signer, KeyID []byte
}

// MaxSignature is the length in bytes above which signature data is not read.
const MaxSignature = 1 << 20

// MaxLayers is how many trailers are peeled off a module; a kernel looks at the
// outermost one only.
const MaxLayers = 64

// Layers peels all trailers off, the outermost first, as far as they are
// well-formed. One that is not, or a marker with something behind it, is the last
// layer and has a Reason. A module without a trailer has no layer.
func (m *Module) Layers() ([]Layer, error) {
	var out []Layer
	for t := m.Trailer; t.State != trailer.None && len(out) < MaxLayers; {
		l := Layer{Trailer: t}
		if t.State != trailer.Valid {
			return append(out, l), nil
		}
		if err := m.readLayer(&l); err != nil {
			return nil, err
		}
		out = append(out, l)
		var err error
		if t, err = trailer.Split(m.src, t.Payload); err != nil {
			return nil, fmt.Errorf("reading: %w", err)
		}
	}
	return out, nil
}

func (m *Module) readLayer(l *Layer) error {
	read := func(off int64, n uint32) ([]byte, error) {
		b := make([]byte, n)
		if got, err := m.src.ReadAt(b, off); got < len(b) {
			return nil, fmt.Errorf("reading the signature: %w", err)
		}
		return b, nil
	}
	k := l.Block
	var err error
	if l.Signer, err = read(l.Payload, uint32(k.SignerLen)); err != nil {
		return err
	}
	if l.KeyID, err = read(l.Payload+int64(k.SignerLen), uint32(k.KeyIDLen)); err != nil {
		return err
	}
	if k.SigLen <= MaxSignature {
		l.Signature, err = read(l.SignatureOffset(), k.SigLen)
	}
	return err
}

// Modinfo returns the entries of the section .modinfo, "key=value", in the order
// of the file. A payload without the section is a [*FormatError].
func (m *Module) Modinfo() ([]string, error) {
	_, b, err := m.modinfoSection()
	if err != nil {
		return nil, err
	}
	var out []string
	for s := range bytes.SplitSeq(b, []byte{0}) {
		if len(s) > 0 { // entries are aligned with zeros
			out = append(out, string(s))
		}
	}
	return out, nil
}
