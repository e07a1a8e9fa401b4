// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// Module is what a module file says about itself.
type Module struct {
	Compression kmod.Compression
	Decoded     int64 // size in bytes after decompression
	Payload     int64 // and without the outermost trailer
	Digest      hashset.Digest
	Info        kmod.Info
	Modinfo     []string // "key=value", in the order of the file
	// Fault says why Info or Modinfo is not complete: the payload is not the ELF
	// file of a module.
	Fault  string
	Layers []Layer // trailers, the outermost first
}

// Layer is one trailer.
type Layer struct {
	Kind   string // "signature", "proof", "legacy x509 signature", "legacy pgp signature", "malformed", "junk"
	Offset int64  // of its first byte, in the decompressed file
	Size   int64  // in bytes; 0 if it is not well-formed
	Fault  string // what is wrong with it; "" if nothing is
	// Signers are whom a signature names. Of a message that a kernel does not take,
	// only the first is known, and Fault says why.
	Signers      []modsig.Signer
	Certificates []*modsig.Key // in the message
	Content      bool          // the message holds its content, which it must not
	Extra        int           // bytes behind the message, which a kernel ignores
	// LegacySigner and LegacyKeyID are what trailers of kernels before 4.3 say.
	LegacySigner string
	LegacyKeyID  []byte
	// Proof, of the outermost layer with Root, the root that it leads to.
	Proof *hashset.Proof
	Root  *hashset.Root
}

// openModule reads a module. isModule is false for an ELF file that is none,
// which can be a kernel, and for what kmod cannot open.
func openModule(r io.ReaderAt, size int64, o *kbuild.Options) (_ *Module, isModule bool, err error) {
	op := kmod.NewOpener(&kmod.Options{MaxSize: o.MaxModule, TempDir: o.TempDir})
	defer op.Close() // read only
	k, err := op.Open(r, size)
	if err != nil {
		return nil, false, err
	}
	if module, err := k.Relocatable(); !module {
		return nil, false, err
	}
	m := &Module{Compression: k.Compression, Decoded: k.Decoded, Payload: k.Trailer.Payload}
	if m.Info, err = k.Info(); err == nil {
		m.Modinfo, err = k.Modinfo()
	}
	if isFormat(err) {
		m.Fault, err = err.Error(), nil
	}
	if err != nil {
		return nil, true, err
	}
	layers, err := k.Layers()
	if err != nil {
		return nil, true, err
	}
	for i := range layers {
		m.Layers = append(m.Layers, describe(&layers[i]))
	}
	return m, true, m.hash(k)
}

func describe(l *kmod.Layer) Layer {
	out := Layer{Kind: l.State.String(), Offset: l.Payload, Fault: l.Reason}
	if l.State != trailer.Valid {
		return out
	}
	out.Size = l.Len()
	switch l.Block.Type {
	case trailer.Merkle:
		out.Kind = "proof"
		p, err := hashset.ParseProof(l.Signature)
		if l.Signature == nil {
			err = fmt.Errorf("%d bytes, which no proof has", l.Block.SigLen)
		}
		if err != nil {
			out.Fault = err.Error()
			return out
		}
		out.Proof = &p
	case trailer.PKCS7:
		out.Kind = "signature"
		message(&out, l)
	default:
		out.Kind = "legacy " + l.Block.Type.String() + " signature"
		legacy(&out, l)
	}
	return out
}

// message takes a CMS message apart, as the newest kernel does. Of one that it refuses,
// the first signer may be readable all the same.
func message(out *Layer, l *kmod.Layer) {
	if l.Signature == nil {
		out.Fault = fmt.Sprintf("%d bytes, more than are read", l.Block.SigLen)
		return
	}
	m, err := (&modsig.Kernel{}).ParseMessage(l.Signature)
	if err == nil {
		out.Signers, out.Certificates, out.Content, out.Extra = m.Signers, m.Keys, m.Content, m.Extra
		return
	}
	out.Fault = "no kernel takes the message: " + err.Error()
	s, err := modsig.ParseSigner(l.Signature)
	if err != nil {
		out.Fault = err.Error()
		return
	}
	out.Signers = []modsig.Signer{*s}
}

// legacy takes the signature of a kernel before 4.3 apart: 2 bytes of length, big
// endian, and the signature.
func legacy(out *Layer, l *kmod.Layer) {
	if n := len(l.Signature); n >= 2 && int(binary.BigEndian.Uint16(l.Signature)) != n-2 {
		out.Fault = fmt.Sprintf("the signature states %d bytes, there are %d", binary.BigEndian.Uint16(l.Signature), n-2)
	}
	out.LegacySigner, out.LegacyKeyID = string(l.Signer), l.KeyID
}

// hash computes the digest of the payload, and the root that an outermost proof
// leads to.
func (m *Module) hash(k *kmod.Module) error {
	var proof *hashset.Proof
	if len(m.Layers) > 0 {
		proof = m.Layers[0].Proof
	}
	h := hashset.NewHasher(hashset.Flat, 0)
	if proof != nil {
		h = hashset.NewHasher(hashset.Merkle, proof.Pos)
	}
	if err := k.WritePayload(h); err != nil {
		return err
	}
	digest, leaf := h.Sum()
	m.Digest = digest
	if proof != nil {
		root := proof.Root(leaf)
		m.Layers[0].Root = &root
	}
	return nil
}
