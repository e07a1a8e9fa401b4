// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"context"
	"crypto"
	"encoding/base64"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

const (
	payloadType   = "application/vnd.in-toto+json"
	statementType = "https://in-toto.io/Statement/v1"
	linkType      = "https://in-toto.io/attestation/link/v0.3"
)

// DisagreementType is the predicate type of a statement that what was built is
// not what was published.
const DisagreementType = "https://github.com/modhash/modhash/attestation/disagreement/v0.1"

// signEnvelope writes DSSE. The payload is canonical JSON, so that one statement
// has one envelope where the signature has one value.
func signEnvelope(s *Statement, public *PublicKey, key crypto.Signer) ([]byte, error) {
	subject := object{"name": s.Product.Name, "digest": s.Product.digests()}
	if s.Subject != (Subject{}) {
		subject["annotations"] = object{"name": s.Subject.Name, "version": s.Subject.Version, "architecture": s.Subject.Arch}
	}
	stamp := object{}
	if !s.Time.IsZero() {
		stamp["timestamp"] = s.Time.UTC().Format(time.RFC3339)
	}
	st := object{"_type": statementType, "subject": []object{subject}}
	materials := make([]object, len(s.Materials))
	for i, m := range s.Materials {
		materials[i] = descriptor(m)
	}
	if s.Rebuilt == nil {
		st["predicateType"] = linkType
		st["predicate"] = object{"name": stepPrefix + s.Product.Name, "command": []string{}, "environment": object{}, "materials": materials, "byproducts": stamp}
	} else {
		stamp["rebuilt"], stamp["materials"] = descriptor(*s.Rebuilt), materials
		st["predicateType"], st["predicate"] = DisagreementType, stamp
	}
	payload, err := cjson.EncodeCanonical(st)
	if err != nil {
		return nil, err
	}
	signer, err := dsse.NewEnvelopeSigner(dsseSigner{public, key})
	if err != nil {
		return nil, err
	}
	env, err := signer.SignPayload(context.Background(), payloadType, payload)
	if err != nil {
		return nil, err
	}
	return marshal(env)
}

func descriptor(a Artifact) object { return object{"name": a.Name, "digest": a.digests()} }

// dsseSigner signs for the library.
type dsseSigner struct {
	public *PublicKey
	key    crypto.Signer
}

func (s dsseSigner) KeyID() (string, error) { return s.public.ID, nil }

func (s dsseSigner) Sign(_ context.Context, message []byte) ([]byte, error) {
	return s.public.signWith(s.key, message)
}

func parseEnvelope(v any) (*Link, error) {
	o, err := asObject("the document", v, "payloadType", "payload", "signatures", "*")
	if err != nil {
		return nil, err
	}
	if o["payloadType"] != payloadType {
		return nil, malformed("the payload is not of type %s", payloadType)
	}
	payload, err := asBase64("payload", o["payload"])
	if err != nil {
		return nil, err
	}
	l := &Link{Form: Envelope, message: dsse.PAE(payloadType, payload)}
	if l.signatures, err = parseSignatures(o["signatures"], asBase64); err != nil {
		return nil, err
	}
	st, err := decodeJSON(payload)
	if err != nil {
		return nil, err
	}
	if err := l.parseStatement(st); err != nil {
		return nil, err
	}
	return l, nil
}

func asBase64(where string, v any) ([]byte, error) {
	s, err := asString(where, v)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || strings.ContainsAny(s, "\r\n") {
		return nil, malformed("%s is not in base64", where)
	}
	return b, nil
}

func (l *Link) parseStatement(v any) error {
	o, err := asObject("the statement", v, "_type", "subject", "predicateType", "predicate")
	if err != nil {
		return err
	}
	if o["_type"] != statementType {
		return malformed("the payload is no in-toto Statement of version 1")
	}
	subjects, err := asList("subject", o["subject"], 1)
	if err != nil {
		return err
	}
	if len(subjects) != 1 {
		return malformed("the statement has no subject")
	}
	if err := l.parseSubject(subjects[0]); err != nil {
		return err
	}
	switch o["predicateType"] {
	case linkType:
		return l.parseLink(o["predicate"])
	case DisagreementType:
		return l.parseDisagreement(o["predicate"])
	}
	return malformed("a predicate of another type than a link's")
}

func (l *Link) parseSubject(v any) (err error) {
	o, err := asObject("subject", v, "name", "digest", "annotations?")
	if err != nil {
		return err
	}
	name, err := asString("subject", o["name"])
	if err != nil {
		return err
	}
	if l.Product, err = parseArtifact("subject", name, o["digest"]); err != nil {
		return err
	}
	if o["annotations"] == nil {
		return nil
	}
	a, err := asObject("annotations", o["annotations"], "name", "version", "architecture")
	if err != nil {
		return err
	}
	for key, to := range map[string]*string{"name": &l.Subject.Name, "version": &l.Subject.Version, "architecture": &l.Subject.Arch} {
		if *to, err = asString("annotations", a[key]); err != nil {
			return err
		}
	}
	if err := l.Subject.Check(); err != nil {
		return malformed("annotations: %v", err)
	}
	return nil
}

func (l *Link) parseLink(v any) error {
	p, err := asObject("predicate", v, "name", "command", "environment", "materials", "byproducts")
	if err != nil {
		return err
	}
	if p["name"] != stepPrefix+l.Product.Name {
		return malformed("the step is not %q", stepPrefix+l.Product.Name)
	}
	if _, err := asList("command", p["command"], maxMaterials); err != nil {
		return err
	}
	if _, ok := p["environment"].(object); !ok {
		return malformed("environment is no object")
	}
	stamp, ok := p["byproducts"].(object)
	if !ok {
		return malformed("byproducts is no object")
	}
	if err := l.parseMaterials(p["materials"]); err != nil {
		return err
	}
	return l.parseTime(stamp)
}

func (l *Link) parseDisagreement(v any) error {
	p, err := asObject("predicate", v, "rebuilt", "materials", "timestamp?")
	if err != nil {
		return err
	}
	rebuilt, err := parseDescriptor("rebuilt", p["rebuilt"])
	if err != nil {
		return err
	}
	if rebuilt.SHA256 == l.Product.SHA256 {
		return malformed("a disagreement about two equal files")
	}
	l.Rebuilt = &rebuilt
	if err := l.parseMaterials(p["materials"]); err != nil {
		return err
	}
	return l.parseTime(p)
}

func parseDescriptor(where string, v any) (Artifact, error) {
	o, err := asObject(where, v, "name", "digest")
	if err != nil {
		return Artifact{}, err
	}
	name, err := asString(where, o["name"])
	if err != nil {
		return Artifact{}, err
	}
	return parseArtifact(where, name, o["digest"])
}

func (l *Link) parseMaterials(v any) error {
	list, err := asList("materials", v, maxMaterials)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, v := range list {
		a, err := parseDescriptor("material", v)
		if err != nil {
			return err
		}
		if seen[a.Name] {
			return malformed("two materials have the name %s", a.Name)
		}
		seen[a.Name] = true
		l.Materials = append(l.Materials, a)
	}
	return nil
}

// parseTime reads the timestamp of an object, which may lack it.
func (l *Link) parseTime(o object) error {
	v, ok := o["timestamp"]
	if !ok {
		return nil
	}
	s, err := asString("timestamp", v)
	if err != nil {
		return err
	}
	if l.Time, err = time.Parse(time.RFC3339, s); err != nil || l.Time.UTC().Format(time.RFC3339) != s {
		return malformed("the timestamp %.40q is not as 2026-01-02T03:04:05Z", s)
	}
	return nil
}
