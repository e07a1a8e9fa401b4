// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"crypto/sha1" //nolint:gosec // it is what RFC 5280 names keys by
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/modhash/modhash/modsig/keys/genkey"
)

const (
	subjectKeyID   = "subjectKeyIdentifier"
	authorityKeyID = "authorityKeyIdentifier"
)

// extension is one that is ready to be written.
type extension struct {
	oid      asn1.ObjectIdentifier
	critical bool
	value    []byte
}

func (e *extension) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(e.oid)
		if e.critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1OctetString(e.value)
	})
}

var (
	oidSubjectKeyID   = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// maker makes the extensions of one certificate.
type maker struct {
	t     *Template
	name  []byte
	ownID []byte // what the key is named by, if its extension says "hash"
	made  []extension
}

func (t *Template) extensions(spki, name []byte) ([]extension, error) {
	id, err := keyID(spki)
	if err != nil {
		return nil, err
	}
	m := &maker{t: t, name: name, ownID: id}
	for _, e := range inOrder(t.Request.Extensions) {
		x, err := m.extension(e)
		if err != nil {
			return nil, fmt.Errorf("%s on line %d: %w", e.Name, e.Line, err)
		}
		m.made = append(m.made, x)
	}
	_, said := m.find(oidSubjectKeyID)
	// What says "none" is written and then taken away.
	m.made = slices.DeleteFunc(m.made, func(x extension) bool {
		return len(x.value) <= 2 && (x.oid.Equal(oidSubjectKeyID) || x.oid.Equal(oidAuthorityKeyID))
	})
	if !said && t.Style == OpenSSL3 {
		m.made = append(m.made, extension{oid: oidSubjectKeyID, value: octets(id)})
	}
	return m.made, nil
}

// inOrder has the name of the key before that of who signed it, which is made of
// it: if they are the other way round, they change places.
func inOrder(list []genkey.Extension) []genkey.Extension {
	at := func(name string) int {
		return slices.IndexFunc(list, func(e genkey.Extension) bool { return e.Name == name })
	}
	s, a := at(subjectKeyID), at(authorityKeyID)
	if a < 0 || s < a {
		return list
	}
	list = slices.Clone(list)
	list[s], list[a] = list[a], list[s]
	return list
}

func (m *maker) find(oid asn1.ObjectIdentifier) (extension, bool) {
	i := slices.IndexFunc(m.made, func(x extension) bool { return x.oid.Equal(oid) })
	if i < 0 {
		return extension{}, false
	}
	return m.made[i], true
}

// keyID is the SHA-1 of the public key's bits.
func keyID(spki []byte) ([]byte, error) {
	in := cryptobyte.String(spki)
	var seq cryptobyte.String
	var bits asn1.BitString
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.SkipASN1(cbasn1.SEQUENCE) || !seq.ReadASN1BitString(&bits) {
		return nil, errors.New("malformed public key")
	}
	sum := sha1.Sum(bits.Bytes)
	return sum[:], nil
}

func octets(b []byte) []byte {
	var o cryptobyte.Builder
	o.AddASN1OctetString(b)
	return o.BytesOrPanic() // of a few bytes
}

// makers make the values of the extensions, by OpenSSL's names.
var makers = map[string]struct {
	oid  asn1.ObjectIdentifier
	make func(m *maker, value string) ([]byte, error)
}{
	"basicConstraints": {asn1.ObjectIdentifier{2, 5, 29, 19}, func(_ *maker, v string) ([]byte, error) { return basicConstraints(v) }},
	"keyUsage":         {asn1.ObjectIdentifier{2, 5, 29, 15}, func(_ *maker, v string) ([]byte, error) { return keyUsage(v) }},
	"extendedKeyUsage": {asn1.ObjectIdentifier{2, 5, 29, 37}, func(_ *maker, v string) ([]byte, error) { return extendedKeyUsage(v) }},
	"subjectAltName":   {asn1.ObjectIdentifier{2, 5, 29, 17}, func(_ *maker, v string) ([]byte, error) { return subjectAltName(v) }},
	"nsComment":        {asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 13}, func(_ *maker, v string) ([]byte, error) { return ia5(v) }},
	subjectKeyID:       {oidSubjectKeyID, (*maker).subjectKeyID},
	authorityKeyID:     {oidAuthorityKeyID, nil}, // below, because it looks at the others
}

func (m *maker) extension(e genkey.Extension) (extension, error) {
	x := extension{critical: e.Critical}
	known, ok := makers[e.Name]
	hex, generic := strings.CutPrefix(e.Value, "DER:")
	switch oid, isOID := genkey.ParseOID(e.Name); {
	case ok:
		x.oid = known.oid
	case isOID && generic:
		x.oid = oid
	case isOID:
		return x, errors.New("want DER: and the value in hex digits")
	default:
		return x, errors.New("this extension is not known here; write its identifier in numbers, and DER: with the value in hex digits")
	}
	var err error
	switch {
	case generic:
		x.value, err = hexBytes(hex)
	case strings.HasPrefix(e.Value, "ASN1:") || strings.HasPrefix(e.Value, "@"):
		err = errors.New("values in other sections are not supported; DER: and hex digits are")
	case e.Name == authorityKeyID:
		x.value, err = m.authorityKeyID(e.Value)
	default:
		x.value, err = known.make(m, e.Value)
	}
	return x, err
}

func (m *maker) subjectKeyID(value string) ([]byte, error) {
	switch value {
	case "hash":
		return octets(m.ownID), nil
	case "none":
		return octets(nil), nil
	}
	b, err := hexBytes(value)
	if err != nil {
		return nil, errors.New("want hash, none or hex digits")
	}
	return octets(b), nil
}

// authorityKeyID says which key has signed the certificate, which is its own.
func (m *maker) authorityKeyID(value string) ([]byte, error) {
	const asked, always = 1, 2
	var keyid, issuer int
	items, err := list(value)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		what := asked
		if it.value == "always" {
			what = always
		}
		switch {
		case it.name == "none" && len(items) == 1 && !it.has:
			continue
		case it.name == "keyid" && keyid == 0 && (!it.has || it.value == "always"):
			keyid = what
		case it.name == "issuer" && issuer == 0 && (!it.has || it.value == "always"):
			issuer = what
		default:
			return nil, fmt.Errorf("want keyid or issuer, each once, with :always or not, not %.20q", it.name)
		}
	}
	if m.t.Style == OpenSSL3 { // they leave out what a self-signed certificate need not say
		if keyid == asked {
			keyid = 0
		}
		if issuer == asked {
			issuer = 0
		}
	}
	var id []byte
	if keyid != 0 {
		if x, ok := m.find(oidSubjectKeyID); ok && len(x.value) > 2 {
			id = x.value[2:]
		}
		switch {
		case id == nil && m.t.Style == OpenSSL3:
			id = m.ownID
		case id == nil && keyid == always:
			return nil, errors.New("keyid:always without a subjectKeyIdentifier")
		}
	}
	return m.authorityValue(id, issuer == always || issuer == asked && id == nil)
}

func (m *maker) authorityValue(id []byte, issuer bool) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if id != nil {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
		}
		if !issuer {
			return
		}
		directoryName := cbasn1.Tag(4).Constructed().ContextSpecific()
		b.AddASN1(cbasn1.Tag(1).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(directoryName, func(b *cryptobyte.Builder) { b.AddBytes(m.name) })
		})
		var serial cryptobyte.Builder
		serial.AddASN1BigInt(m.t.Serial)
		s := cryptobyte.String(serial.BytesOrPanic())
		var content cryptobyte.String
		s.ReadASN1(&content, cbasn1.INTEGER) // it was written just now
		b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(content) })
	})
	return b.Bytes()
}
