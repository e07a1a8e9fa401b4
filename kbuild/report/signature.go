// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/verify"
	"github.com/modhash/modhash/modsig"
)

// signatures writes the keys, and who signed what: with all names, or only how many
// modules there are of each kind.
func (p *page) signatures(r *verify.Result) {
	x := r.Signatures
	if x == nil {
		return
	}
	p.line("  keys      %s", plural(len(x.Keys), "key"))
	p.items(len(x.Keys), func(i int) string { return keyText(x.Keys[i]) })
	what := "module"
	if !byKeysAlone(r) {
		what = "out-of-tree module"
	}
	p.line("  signed    %s of %s", count(x.Valid), plural(len(x.List), what))
	if p.style.All {
		for i := range x.List {
			s := &x.List[i]
			p.line("    %s: %s: %s", Safe(s.Name), stateOf(s), signersText(s))
		}
		return
	}
	counts := map[string]int{}
	var kinds []string
	for i := range x.List {
		text := stateOf(&x.List[i]) + ": " + signersText(&x.List[i])
		if counts[text] == 0 {
			kinds = append(kinds, text)
		}
		counts[text]++
	}
	p.items(len(kinds), func(i int) string { return count(counts[kinds[i]]) + " " + kinds[i] })
}

func keyText(k *modsig.Key) string {
	return fmt.Sprintf("%s; %s; serial %s; key id %s", Safe(k.Subject), Safe(k.Algorithm), found(modsig.SerialHex(k.Serial)), found(hex.EncodeToString(k.KeyID)))
}

// stateOf says what a signature is in one word, with the kernel's answer.
func stateOf(s *verify.Signature) string {
	switch {
	case s.Kind == "":
		return "valid"
	case s.Allowed != "":
		return "unsigned, allowed"
	case s.Kind == verify.Unchecked:
		return "unchecked"
	}
	return fmt.Sprintf("%s (%s)", s.Kind, s.Errno)
}

func signersText(s *verify.Signature) string {
	if len(s.Signers) == 0 {
		return "no signer"
	}
	const shown = 3
	var w []string
	for i := range s.Signers[:min(len(s.Signers), shown)] {
		w = append(w, signerText(&s.Signers[i]))
	}
	if n := len(s.Signers) - shown; n > 0 {
		w = append(w, plural(n, "more signer"))
	}
	text := strings.Join(w, " and ")
	if s.Extra > 0 {
		text += fmt.Sprintf(", %s behind the message", plural(s.Extra, "byte"))
	}
	return text
}

// signerText is whom a message names, and how that one signed.
func signerText(s *modsig.Signer) string {
	text := Safe(s.String()) + ", " + Safe(s.Digest)
	if s.Algorithm != "" {
		text = Safe(s.String()) + ", " + s.Algorithm + " with " + Safe(s.Digest)
	}
	if s.Attributes {
		text += " and signed attributes"
	}
	return text
}

// signedWords says, in a verdict, that signatures were checked and found right.
func signedWords(r *verify.Result) string {
	x := r.Signatures
	what := plural(len(x.List), "module")
	if !byKeysAlone(r) {
		what = plural(len(x.List), "out-of-tree module")
	}
	if x.Valid < len(x.List) {
		what = count(x.Valid) + " of " + what
	}
	return what + " signed by the keys given"
}

// byKeysAlone: nothing but signatures was checked.
func byKeysAlone(r *verify.Result) bool {
	return r.Signatures != nil && r.Manifest == nil && r.Kernel == nil
}

type signaturesDoc struct {
	Keys    []keyDoc       `json:"keys"`
	Valid   int            `json:"valid"`
	Modules []signatureDoc `json:"modules"`
}

type keyDoc struct {
	Subject   text   `json:"subject"`
	Issuer    text   `json:"issuer"`
	Serial    string `json:"serial"`
	KeyID     string `json:"key_id,omitempty"`
	Algorithm string `json:"algorithm"`
}

type signatureDoc struct {
	Name    text         `json:"name"`
	Path    text         `json:"path"`
	State   string       `json:"state"` // "valid", or the kind of the finding
	Errno   modsig.Errno `json:"errno,omitempty"`
	Reason  text         `json:"reason,omitempty"`
	Signers []*signerDoc `json:"signers"`
	Extra   int          `json:"extra_bytes,omitempty"`
	Key     *keyDoc      `json:"key,omitempty"`
	Allowed text         `json:"allowed,omitempty"`
}

func newKeyDoc(k *modsig.Key) keyDoc {
	return keyDoc{text(k.Subject), text(k.Issuer), modsig.SerialHex(k.Serial), hex.EncodeToString(k.KeyID), k.Algorithm}
}

func newSignaturesDoc(x *verify.Signatures) *signaturesDoc {
	if x == nil {
		return nil
	}
	doc := &signaturesDoc{Keys: make([]keyDoc, len(x.Keys)), Valid: x.Valid, Modules: make([]signatureDoc, len(x.List))}
	for i, k := range x.Keys {
		doc.Keys[i] = newKeyDoc(k)
	}
	for i := range x.List {
		s := &x.List[i]
		d := signatureDoc{Name: text(s.Name), Path: text(s.Path), State: "valid", Errno: s.Errno, Reason: text(s.Reason),
			Signers: make([]*signerDoc, len(s.Signers)), Extra: s.Extra, Allowed: text(s.Allowed)}
		if s.Kind != "" {
			d.State = string(s.Kind)
		}
		if s.Key != nil {
			k := newKeyDoc(s.Key)
			d.Key = &k
		}
		for j := range s.Signers {
			d.Signers[j] = newSignerDoc(&s.Signers[j])
		}
		doc.Modules[i] = d
	}
	return doc
}
