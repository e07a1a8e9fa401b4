// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/modhash/modhash/hashset"
)

// Artifact is a file by its name and digests.
type Artifact struct {
	Name   string
	SHA256 hashset.Digest
	SHA512 []byte // 64 bytes; nil if a link does not tell
}

// Measure reads a file.
func Measure(name string, r io.Reader) (Artifact, error) {
	h256, h512 := sha256.New(), sha512.New()
	if _, err := io.Copy(io.MultiWriter(h256, h512), r); err != nil {
		return Artifact{}, err
	}
	return Artifact{name, hashset.Digest(h256.Sum(nil)), h512.Sum(nil)}, nil
}

// Equal reports whether both are the same bytes by the same name, as far as both
// tell.
func (a Artifact) Equal(b Artifact) bool {
	return a.Name == b.Name && a.SHA256 == b.SHA256 && (a.SHA512 == nil || b.SHA512 == nil || string(a.SHA512) == string(b.SHA512))
}

// Form is how a statement is written.
type Form string

const (
	Metablock Form = "link" // an in-toto Link as rebuilderd has it; Ed25519 only
	Envelope  Form = "dsse" // DSSE with an in-toto Statement
)

// Statement is what a rebuilder states.
type Statement struct {
	// Product is the file that was built again.
	Product Artifact
	// Materials are what it was built from.
	Materials []Artifact
	// Rebuilt, if not nil, is what was built in the place of Product: the
	// statement is then one of disagreement, which has the form Envelope only.
	Rebuilt *Artifact
	// Subject is zero if the form or the author does not tell.
	Subject Subject
	// Time is zero if the form or the author does not tell. Seconds count.
	Time time.Time
}

// maxMaterials is how many materials a link can have.
const maxMaterials = 1024

// Check reports what keeps a statement from being signed.
func (s *Statement) Check() error {
	if len(s.Materials) == 0 {
		return errors.New("a link needs a material: what the product was built from")
	}
	if len(s.Materials) > maxMaterials {
		return fmt.Errorf("%d materials, above %d", len(s.Materials), maxMaterials)
	}
	all := append([]Artifact{s.Product}, s.Materials...)
	if s.Rebuilt != nil {
		if s.Rebuilt.SHA256 == s.Product.SHA256 {
			return errors.New("a disagreement about two equal files")
		}
		all = append(all, *s.Rebuilt)
	}
	for _, a := range all {
		if err := CheckFile(a.Name); err != nil {
			return err
		}
		if a.SHA512 != nil && len(a.SHA512) != sha512.Size {
			return fmt.Errorf("%s: SHA-512 of %d bytes", a.Name, len(a.SHA512))
		}
	}
	names := map[string]bool{}
	for _, m := range s.Materials {
		if names[m.Name] {
			return fmt.Errorf("two materials have the name %s", m.Name)
		}
		names[m.Name] = true
	}
	if s.Subject != (Subject{}) {
		return s.Subject.Check()
	}
	return nil
}

const stepPrefix = "rebuild "

// digests is the object of an artifact's digests.
func (a Artifact) digests() object {
	d := object{"sha256": a.SHA256.String()}
	if a.SHA512 != nil {
		d["sha512"] = hex.EncodeToString(a.SHA512)
	}
	return d
}

func parseArtifact(where, name string, v any) (Artifact, error) {
	if err := CheckFile(name); err != nil {
		return Artifact{}, malformed("%s: %v", where, err)
	}
	o, err := asObject(where+" "+name, v, "sha256", "sha512?")
	if err != nil {
		return Artifact{}, err
	}
	text, err := asString(where+" "+name, o["sha256"])
	if err != nil {
		return Artifact{}, err
	}
	a := Artifact{Name: name}
	if a.SHA256, err = hashset.ParseDigest(text); err != nil {
		return Artifact{}, malformed("%s %s: sha256: %v", where, name, err)
	}
	if v, ok := o["sha512"]; ok {
		if a.SHA512, err = asHex(where+" "+name+": sha512", v, sha512.Size); err != nil {
			return Artifact{}, err
		}
	}
	return a, nil
}

// asHex reads lower-case hex of size bytes.
func asHex(where string, v any, size int) ([]byte, error) {
	s, err := asString(where, v)
	if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(s)
	if err != nil || strings.ToLower(s) != s || len(b) != size {
		return nil, malformed("%s: want %d lower-case hex digits", where, 2*size)
	}
	return b, nil
}

// Sign writes a statement in a form, signed. The signature is verified, and the
// document read again, before it is returned.
func Sign(form Form, s *Statement, key crypto.Signer) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	public, err := NewPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	var doc []byte
	switch form {
	case Metablock:
		doc, err = signMetablock(s, public, key)
	case Envelope:
		doc, err = signEnvelope(s, public, key)
	default:
		err = fmt.Errorf("no form %q", form)
	}
	if err != nil {
		return nil, err
	}
	l, err := Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("reading what was signed: %w", err)
	}
	if _, err := l.Verify([]*PublicKey{public}); err != nil {
		return nil, fmt.Errorf("reading what was signed: %w", err)
	}
	return doc, nil
}

// Link is a signed statement as it was read. Nothing in it is to be trusted
// before Verify.
type Link struct {
	Statement
	Form Form

	message    []byte // what is signed
	signatures []signature
}

type signature struct {
	key string
	sig []byte
}

// maxSignatures is above what several rebuilders put on one link.
const maxSignatures = 64

// ErrUnknownKey is what Verify wraps when none of the keys has signed.
var ErrUnknownKey = errors.New("no trusted key has signed it")

// ErrSignature is what Verify wraps when one of the keys is named by a signature
// that is not its own.
var ErrSignature = errors.New("bad signature")

// Parse reads a document of either form. See the package comment for what is
// refused, with a *FormatError.
func Parse(data []byte) (*Link, error) {
	v, err := decodeJSON(data)
	if err != nil {
		return nil, err
	}
	if o, ok := v.(object); ok {
		if err := oneForm(o); err != nil {
			return nil, err
		}
		if _, dsse := o["payloadType"]; dsse {
			return parseEnvelope(v)
		}
	}
	return parseMetablock(v)
}

// oneForm refuses a document that one reader can take for a link, and another one for
// an envelope, or that has another one for readers who do not heed the case of keys.
func oneForm(o object) error {
	if err := oneCase("the document", o, "signatures", "signed", "payload", "payloadType"); err != nil {
		return err
	}
	_, link := o["signed"]
	_, payload := o["payload"]
	_, kind := o["payloadType"]
	if link && (payload || kind) {
		return malformed("the document is both a link and an envelope")
	}
	return nil
}

// Verify returns which of the keys have signed. Signatures by others are passed
// over; one that is named after one of the keys and is not its signature spoils
// the whole.
func (l *Link) Verify(keys []*PublicKey) ([]*PublicKey, error) {
	var by []*PublicKey
	for _, s := range l.signatures {
		i := slices.IndexFunc(keys, func(k *PublicKey) bool { return k.ID == s.key })
		if i < 0 {
			continue
		}
		if !keys[i].verify(l.message, s.sig) {
			return nil, fmt.Errorf("%w by key %s", ErrSignature, s.key)
		}
		by = append(by, keys[i])
	}
	if len(by) == 0 {
		return nil, ErrUnknownKey
	}
	return by, nil
}

// parseSignatures reads the signatures of either form. What else is with them
// is signed by nobody, and is not looked at.
func parseSignatures(v any, decode func(where string, v any) ([]byte, error)) ([]signature, error) {
	list, err := asList("signatures", v, maxSignatures)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, malformed("nobody has signed it")
	}
	var out []signature
	for i, v := range list {
		where := fmt.Sprintf("signature %d", i+1)
		o, err := asObject(where, v, "keyid", "sig", "*")
		if err == nil {
			err = oneCase(where, o, "keyid", "sig")
		}
		if err != nil {
			return nil, err
		}
		id, err := asString(where, o["keyid"])
		if err != nil {
			return nil, err
		}
		if _, err := asHex(where+": keyid", o["keyid"], sha256.Size); err != nil {
			return nil, err
		}
		sig, err := decode(where, o["sig"])
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(s signature) bool { return s.key == id && bytes.Equal(s.sig, sig) }) {
			continue
		}
		if slices.ContainsFunc(out, func(s signature) bool { return s.key == id }) {
			return nil, malformed("two signatures by the key %s", id)
		}
		out = append(out, signature{id, sig})
	}
	return out, nil
}
