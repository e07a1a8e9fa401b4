// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"

	"github.com/modhash/modhash/modsig/certlist"
)

// KeysSchema names the JSON form of what is known of keys and certificates, and its
// version.
const KeysSchema = "modhash.keys/1"

// Fact is an answer with what is known besides.
type Fact struct {
	Answer string // "yes", "no", "unknown"
	Detail string
}

// KeyCheck is whether a kernel trusts a certificate.
type KeyCheck struct {
	Verdict     string // "trusted", "not-trusted", "not-enforced", "unknown"
	Target      string // the image, or the listing of keys
	Path        string // of the certificate
	Certificate certlist.Certificate
	In          Fact // the kernel's list
	Read        Fact // when the kernel starts
	Accepted    Fact // as a key
	Enforces    *Fact
}

// KeyFolder is what "keys rotate" keeps in a folder.
type KeyFolder struct {
	Path    string
	Current string // "" if there is none
	Problem string // of Current
	Keys    []KeptKey
}

// KeptKey is one of them.
type KeptKey struct {
	Name        string
	Current     bool
	Certificate certlist.Certificate
	Hash        string // "" if it is not known
	Private     bool   // the private key is there
	Exposed     string // the file that others than its owner may use
	Problem     string // why Certificate is not known
	TrustedBy   []TrustingImage
}

// TrustingImage is a kernel image that trusts a key.
type TrustingImage struct{ Image, Where string }

// EmbeddedCertificate is a certificate in an image.
type EmbeddedCertificate struct {
	Class       string // "build", "listed", "inserted", "elsewhere", "revoked"
	Certificate certlist.Certificate
}

// certificateOf is a certificate as the report of inspect has it.
func certificateOf(c *certlist.Certificate) *certificateDoc {
	d := newCertificateDoc(c)
	return &d
}

type factDoc struct {
	Answer string `json:"answer"` // "yes", "no", "unknown"
	Detail text   `json:"detail,omitempty"`
}

// KeyCheckJSON writes it as JSON.
func KeyCheckJSON(w io.Writer, c *KeyCheck) error {
	doc := struct {
		Schema      string          `json:"schema"`
		Verb        string          `json:"verb"`
		Verdict     string          `json:"verdict"`
		Target      text            `json:"target"`
		Path        text            `json:"path"`
		Certificate *certificateDoc `json:"certificate"`
		In          factDoc         `json:"in"`
		Read        factDoc         `json:"read"`
		Accepted    factDoc         `json:"accepted"`
		Enforces    *factDoc        `json:"enforces,omitempty"`
	}{KeysSchema, "check", c.Verdict, text(c.Target), text(c.Path), certificateOf(&c.Certificate),
		newFactDoc(c.In), newFactDoc(c.Read), newFactDoc(c.Accepted), nil}
	if c.Enforces != nil {
		f := newFactDoc(*c.Enforces)
		doc.Enforces = &f
	}
	return writeJSON(w, doc)
}

func newFactDoc(f Fact) factDoc { return factDoc{f.Answer, text(f.Detail)} }

type keptKeyDoc struct {
	Name        text            `json:"name"`
	Current     bool            `json:"current"`
	Certificate *certificateDoc `json:"certificate,omitempty"`
	Hash        text            `json:"hash,omitempty"`
	Private     bool            `json:"private"` // the private key is there
	Exposed     text            `json:"exposed,omitempty"`
	Problem     text            `json:"problem,omitempty"`
	TrustedBy   []trustingDoc   `json:"trusted_by"`
}

type trustingDoc struct {
	Image text `json:"image"`
	Where text `json:"where"`
}

// KeyFolderJSON writes it as JSON.
func KeyFolderJSON(w io.Writer, f *KeyFolder) error {
	keys := make([]keptKeyDoc, len(f.Keys))
	for i := range f.Keys {
		k := &f.Keys[i]
		keys[i] = keptKeyDoc{text(k.Name), k.Current, nil, text(k.Hash), k.Private, text(k.Exposed), text(k.Problem), make([]trustingDoc, len(k.TrustedBy))}
		if k.Problem == "" {
			keys[i].Certificate = certificateOf(&k.Certificate)
		}
		for j, t := range k.TrustedBy {
			keys[i].TrustedBy[j] = trustingDoc{text(t.Image), text(t.Where)}
		}
	}
	return writeJSON(w, struct {
		Schema  string       `json:"schema"`
		Verb    string       `json:"verb"`
		Folder  text         `json:"folder"`
		Current text         `json:"current,omitempty"`
		Problem text         `json:"problem,omitempty"`
		Keys    []keptKeyDoc `json:"keys"`
	}{KeysSchema, "show", text(f.Path), text(f.Current), text(f.Problem), keys})
}

type embeddedDoc struct {
	Class       string          `json:"class"`
	Certificate *certificateDoc `json:"certificate"`
}

// EmbeddedJSON writes the certificates in an image as JSON.
func EmbeddedJSON(w io.Writer, image string, list []EmbeddedCertificate) error {
	docs := make([]embeddedDoc, len(list))
	for i := range list {
		e := &list[i]
		docs[i] = embeddedDoc{e.Class, certificateOf(&e.Certificate)}
	}
	return writeJSON(w, struct {
		Schema       string        `json:"schema"`
		Verb         string        `json:"verb"`
		Image        text          `json:"image"`
		Certificates []embeddedDoc `json:"certificates"`
	}{KeysSchema, "extract", text(image), docs})
}
