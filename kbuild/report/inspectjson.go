// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/hex"
	"io"
	"time"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/inspect"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
)

// InspectSchema names the JSON form of an inspection and its version: one
// document, on one line, for each file.
const InspectSchema = "modhash.inspect/1"

type inspectDoc struct {
	Schema   string       `json:"schema"`
	Path     text         `json:"path"`
	Kind     string       `json:"kind"` // module, image, package, folder, manifest, sidecar
	Size     int64        `json:"size,omitempty"`
	Module   *moduleDoc   `json:"module,omitempty"`
	Image    *kernelDoc   `json:"image,omitempty"`
	Build    *sourceDoc   `json:"build,omitempty"`
	Manifest *manifestDoc `json:"manifest,omitempty"`
	Sidecar  *proofDoc    `json:"sidecar,omitempty"`
}

type moduleDoc struct {
	Digest      hashset.Digest `json:"sha256"`
	Payload     int64          `json:"payload_size"`
	Decoded     int64          `json:"decompressed_size"`
	Compression string         `json:"compression"`
	Arch        string         `json:"arch,omitempty"`
	Release     string         `json:"release,omitempty"`
	Fault       text           `json:"fault,omitempty"`
	Modinfo     []text         `json:"modinfo"`
	Trailers    []layerDoc     `json:"trailers"`
}

type layerDoc struct {
	Kind   string `json:"kind"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
	Fault  text   `json:"fault,omitempty"`
	// Signer is the first of Signers.
	Signer       *signerDoc   `json:"signer,omitempty"`
	Signers      []*signerDoc `json:"signers,omitempty"`
	Certificates []keyDoc     `json:"certificates,omitempty"`
	Content      bool         `json:"content,omitempty"`
	Extra        int          `json:"extra_bytes,omitempty"`
	Proof        *proofDoc    `json:"proof,omitempty"`
	Root         *merkleDoc   `json:"root,omitempty"`
}

type signerDoc struct {
	Name   text   `json:"name,omitempty"`
	Serial string `json:"serial,omitempty"`
	KeyID  string `json:"key_id,omitempty"`
	Digest text   `json:"digest,omitempty"`
	// Algorithm of the key, as a kernel calls it: "rsa", "ecdsa", "mldsa65".
	Algorithm  string `json:"algorithm,omitempty"`
	Attributes bool   `json:"signed_attributes,omitempty"`
	Value      string `json:"value,omitempty"` // of the signature, in hex; inspect only
}

type proofDoc struct {
	Pos  uint32           `json:"pos"`
	Path []hashset.Digest `json:"path"`
}

type merkleDoc struct {
	Levels uint32         `json:"levels"`
	Hash   hashset.Digest `json:"sha256"`
}

type kernelDoc struct {
	Digest   *hashset.Digest  `json:"sha256,omitempty"`
	Form     string           `json:"form,omitempty"`
	Fault    text             `json:"fault,omitempty"`
	Arch     string           `json:"arch"`
	Layers   []imageLayerDoc  `json:"layers"`
	Banner   text             `json:"banner,omitempty"`
	Release  text             `json:"release,omitempty"`
	BuildID  string           `json:"build_id,omitempty"`
	Hashset  *imageHashsetDoc `json:"hashset,omitempty"`
	Trusted  []certificateDoc `json:"trusted"`
	Revoked  []certificateDoc `json:"revoked"`
	Symbols  string           `json:"symbols,omitempty"`
	Config   *text            `json:"config,omitempty"`
	Problems []text           `json:"problems"`
}

type imageLayerDoc struct {
	Kind        string `json:"kind"`
	Size        int64  `json:"size"`
	Offset      int64  `json:"offset,omitempty"`
	Length      int64  `json:"length,omitempty"`
	Compression string `json:"compression,omitempty"`
}

type imageHashsetDoc struct {
	Hashset     hashset.Scheme   `json:"hashset,omitempty"`
	Root        *merkleDoc       `json:"root,omitempty"`
	Digests     []hashset.Digest `json:"digests,omitempty"`
	Placeholder bool             `json:"placeholder"`
	Fault       string           `json:"fault,omitempty"`
	Offset      int64            `json:"offset"`
	Origin      string           `json:"origin"`
}

type certificateDoc struct {
	Offset    int64  `json:"offset"`
	Size      int    `json:"size"`
	Subject   text   `json:"subject,omitempty"`
	Issuer    text   `json:"issuer,omitempty"`
	Serial    string `json:"serial,omitempty"`
	KeyID     string `json:"key_id,omitempty"`
	NotBefore string `json:"not_before,omitempty"`
	NotAfter  string `json:"not_after,omitempty"`
	Signature text   `json:"signature_algorithm,omitempty"`
	Key       text   `json:"key,omitempty"`
	Fault     text   `json:"fault,omitempty"`
}

type sourceDoc struct {
	Release   text         `json:"release,omitempty"`
	HasOrder  bool         `json:"has_order"`
	Members   int          `json:"members"`
	Listed    int          `json:"listed"`
	Present   int          `json:"present"`
	NotListed int          `json:"not_listed"`
	Image     text         `json:"image,omitempty"`
	Fault     text         `json:"fault,omitempty"`
	Problems  []problemDoc `json:"problems"`
}

// InspectJSON writes what was found in one file as one line of JSON.
func InspectJSON(w io.Writer, f *inspect.File) error {
	doc := inspectDoc{Schema: InspectSchema, Path: text(f.Path), Size: f.Size}
	switch {
	case f.Module != nil:
		doc.Kind, doc.Module = "module", newModuleDoc(f.Module)
	case f.Image != nil:
		doc.Kind, doc.Image = "image", newKernelDoc(f)
	case f.Build != nil:
		doc.Kind, doc.Build = "folder", newSourceDoc(f.Build)
		if f.Build.Archive {
			doc.Kind = "package"
		}
	case f.Manifest != nil:
		m := newManifestDoc(f.Manifest)
		doc.Kind, doc.Manifest = "manifest", &m
	case f.Sidecar != nil:
		doc.Kind, doc.Sidecar = "sidecar", &proofDoc{f.Sidecar.Pos, f.Sidecar.Path}
	}
	return writeJSONLine(w, doc)
}

func newModuleDoc(m *inspect.Module) *moduleDoc {
	d := &moduleDoc{
		Digest: m.Digest, Payload: m.Payload, Decoded: m.Decoded, Compression: m.Compression.String(),
		Arch: m.Info.Arch, Release: m.Info.Release, Fault: text(m.Fault), Modinfo: texts(m.Modinfo), Trailers: []layerDoc{},
	}
	for i := range m.Layers {
		l := &m.Layers[i]
		x := layerDoc{Kind: l.Kind, Offset: l.Offset, Size: l.Size, Fault: text(l.Fault), Content: l.Content, Extra: l.Extra}
		for j := range l.Signers {
			s := newSignerDoc(&l.Signers[j])
			s.Value = hex.EncodeToString(l.Signers[j].Value)
			x.Signers = append(x.Signers, s)
		}
		if len(x.Signers) > 0 {
			x.Signer = x.Signers[0]
		}
		for _, k := range l.Certificates {
			x.Certificates = append(x.Certificates, newKeyDoc(k))
		}
		if l.LegacySigner != "" || l.LegacyKeyID != nil {
			x.Signer = &signerDoc{Name: text(l.LegacySigner), KeyID: hex.EncodeToString(l.LegacyKeyID)}
		}
		if l.Proof != nil {
			x.Proof = &proofDoc{l.Proof.Pos, l.Proof.Path}
		}
		if l.Root != nil {
			x.Root = &merkleDoc{l.Root.Levels, l.Root.Hash}
		}
		d.Trailers = append(d.Trailers, x)
	}
	return d
}

func newSignerDoc(s *modsig.Signer) *signerDoc {
	d := &signerDoc{Name: text(s.Issuer), Digest: text(s.Digest), Algorithm: s.Algorithm, Attributes: s.Attributes}
	if s.KeyID != nil {
		d.KeyID = s.Hex()
	} else {
		d.Serial = s.Hex()
	}
	return d
}

func newKernelDoc(f *inspect.File) *kernelDoc {
	im := f.Image
	d := &kernelDoc{
		Arch: im.Arch, Banner: text(im.Banner), Release: text(im.Release), BuildID: hex.EncodeToString(im.BuildID),
		Trusted: newCertificateDocs(im.Trusted), Revoked: newCertificateDocs(im.Revoked), Symbols: string(im.SymbolsFrom),
		Fault: text(f.ImageFault), Problems: []text{},
	}
	if f.ImageFault == "" {
		d.Digest, d.Form = &f.ImageDigest, f.ImageForm.String()
	}
	for _, l := range im.Layers {
		d.Layers = append(d.Layers, imageLayerDoc{string(l.Kind), l.Size, l.Offset, l.Length, l.Compression})
	}
	if im.Config != nil {
		c := text(im.Config)
		d.Config = &c
	}
	if im.Hashset != nil {
		d.Hashset = newImageHashsetDoc(im.Hashset)
	}
	for _, p := range im.Problems {
		d.Problems = append(d.Problems, text(p.Text))
	}
	return d
}

func newImageHashsetDoc(h *image.Hashset) *imageHashsetDoc {
	d := &imageHashsetDoc{Offset: h.Offset, Origin: string(h.Origin)}
	s, err := hashset.ParseSection(h.Data, h.Order)
	if err != nil {
		d.Fault = err.Error()
		return d
	}
	d.Hashset, d.Digests, d.Placeholder = s.Scheme, s.Digests, s.Placeholder()
	d.Root = &merkleDoc{s.Root.Levels, s.Root.Hash}
	return d
}

func newCertificateDocs(l *image.CertificateList) []certificateDoc {
	out := []certificateDoc{}
	if l == nil {
		return out
	}
	for i := range l.Certificates {
		out = append(out, newCertificateDoc(&l.Certificates[i]))
	}
	return out
}

func newCertificateDoc(c *certlist.Certificate) certificateDoc {
	d := certificateDoc{
		Offset: c.Offset, Size: len(c.Raw), Subject: text(c.Subject), Issuer: text(c.Issuer),
		Serial: modsig.SerialHex(c.Serial), KeyID: hex.EncodeToString(c.KeyID), Signature: text(c.SignatureAlgorithm),
	}
	if c.Err != nil {
		d.Fault = text(c.Err.Error())
		return d
	}
	d.Key = text(keyWords(c))
	d.NotBefore, d.NotAfter = c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339)
	return d
}

func newSourceDoc(b *inspect.Build) *sourceDoc {
	d := &sourceDoc{
		Release: text(b.Release), HasOrder: b.HasOrder, Members: b.Members, Listed: b.Listed, Present: b.Present,
		NotListed: b.Others, Image: text(b.Image), Fault: text(b.Fault), Problems: []problemDoc{},
	}
	for _, p := range b.Problems {
		d.Problems = append(d.Problems, newProblemDoc(p))
	}
	return d
}
