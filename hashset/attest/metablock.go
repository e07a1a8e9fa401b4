// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

// signMetablock writes the form of rebuilderd: one line, the keys in its order.
func signMetablock(s *Statement, public *PublicKey, key crypto.Signer) ([]byte, error) {
	if _, ok := public.key.(ed25519.PublicKey); !ok {
		return nil, errors.New("an in-toto Link in rebuilderd's form is signed with Ed25519 only")
	}
	if s.Rebuilt != nil {
		return nil, errors.New("a disagreement has no place in an in-toto Link")
	}
	type digests struct {
		SHA256 string `json:"sha256"`
		SHA512 string `json:"sha512,omitempty"`
	}
	of := func(as ...Artifact) map[string]digests {
		m := map[string]digests{}
		for _, a := range as {
			m[a.Name] = digests{a.SHA256.String(), hex.EncodeToString(a.SHA512)}
		}
		return m
	}
	type link struct {
		Type        string             `json:"_type"`
		Name        string             `json:"name"`
		Materials   map[string]digests `json:"materials"`
		Products    map[string]digests `json:"products"`
		Environment *struct{}          `json:"environment"`
		Byproducts  struct{}           `json:"byproducts"`
		Command     []string           `json:"command"`
	}
	l := link{Type: "link", Name: stepPrefix + s.Product.Name, Materials: of(s.Materials...), Products: of(s.Product), Command: []string{}}
	message, err := cjson.EncodeCanonical(l)
	if err != nil {
		return nil, err
	}
	sig, err := public.signWith(key, message)
	if err != nil {
		return nil, err
	}
	type sign struct {
		KeyID string `json:"keyid"`
		Sig   string `json:"sig"`
	}
	return marshal(struct {
		Signatures []sign `json:"signatures"`
		Signed     link   `json:"signed"`
	}{[]sign{{public.ID, hex.EncodeToString(sig)}}, l})
}

// marshal is json.Marshal without the escapes for HTML, which no reader of links
// needs and Parse refuses.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func parseMetablock(v any) (*Link, error) {
	o, err := asObject("the document", v, "signatures", "signed", "*")
	if err != nil {
		return nil, err
	}
	l := &Link{Form: Metablock}
	if l.signatures, err = parseSignatures(o["signatures"], hexSignature); err != nil {
		return nil, err
	}
	signed, err := asObject("signed", o["signed"], "_type", "name", "materials", "products", "environment", "byproducts", "command")
	if err != nil {
		return nil, err
	}
	if signed["_type"] != "link" {
		return nil, malformed("signed: _type is not %q", "link")
	}
	if l.Product, err = parseProduct(signed); err != nil {
		return nil, err
	}
	materials, ok := signed["materials"].(object)
	if !ok || len(materials) > maxMaterials {
		return nil, malformed("materials is no object, or a very large one")
	}
	for _, name := range sortedKeys(materials) {
		a, err := parseArtifact("material", name, materials[name])
		if err != nil {
			return nil, err
		}
		l.Materials = append(l.Materials, a)
	}
	if err := checkRest(signed); err != nil {
		return nil, err
	}
	if l.message, err = cjson.EncodeCanonical(signed); err != nil {
		return nil, malformed("%v", err)
	}
	return l, nil
}

// parseProduct reads the one product, after which the step is named.
func parseProduct(signed object) (Artifact, error) {
	name, err := asString("name", signed["name"])
	if err != nil {
		return Artifact{}, err
	}
	file, ok := strings.CutPrefix(name, stepPrefix)
	if !ok {
		return Artifact{}, malformed("the step %q is no rebuild", name)
	}
	products, ok := signed["products"].(object)
	if !ok || len(products) != 1 || products[file] == nil {
		return Artifact{}, malformed("the step is %q; want that file as the one product", name)
	}
	return parseArtifact("product", file, products[file])
}

// checkRest checks the keys of which rebuilderd leaves the values empty, and
// which may be set some day: they count for nothing, but must be of their kind.
func checkRest(signed object) error {
	if _, err := asList("command", signed["command"], maxMaterials); err != nil {
		return err
	}
	for _, k := range []string{"environment", "byproducts"} {
		if _, ok := signed[k].(object); !ok && (k != "environment" || signed[k] != nil) {
			return malformed("%s is no object", k)
		}
	}
	return noFractions(signed)
}

// noFractions refuses numbers that have no canonical form.
func noFractions(v any) error {
	switch v := v.(type) {
	case object:
		for _, k := range sortedKeys(v) {
			if err := noFractions(v[k]); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := noFractions(e); err != nil {
				return err
			}
		}
	case json.Number:
		if n, err := v.Int64(); err != nil || string(v) != strconv.FormatInt(n, 10) {
			return malformed("the number %.20q is no plain integer", v)
		}
	}
	return nil
}

func hexSignature(where string, v any) ([]byte, error) {
	s, err := asString(where, v)
	if err != nil {
		return nil, err
	}
	b, err := hex.DecodeString(s)
	if err != nil || strings.ToLower(s) != s || len(b) == 0 {
		return nil, malformed("%s: sig is not in lower-case hex", where)
	}
	return b, nil
}
