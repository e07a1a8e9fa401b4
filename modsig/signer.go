// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxMessage is the length in bytes above which a message is not read. Real
// ones have a few hundred bytes, with ML-DSA up to five thousand.
const MaxMessage = 64 << 10

// Signer is whom a signature names. It says nothing about whether the signature
// is valid.
type Signer struct {
	Issuer string   // issuer's common name, or the whole name if it has none
	Serial *big.Int // with Issuer
	KeyID  []byte   // subject key identifier, instead of Issuer and Serial
	Digest string   // "sha256", or the dotted object identifier

	// Set by [Kernel.ParseMessage] only.
	Algorithm  string // "rsa", "ecdsa", "mldsa65"
	Attributes bool   // there are signed attributes
	Value      []byte // the signature value
}

// Hex is the key id or the serial number in lower-case hex digits. Keys with the
// same name made for two builds have different ones.
func (s *Signer) Hex() string {
	if s.KeyID != nil {
		return hex.EncodeToString(s.KeyID)
	}
	return SerialHex(s.Serial)
}

// SerialHex is a serial number in lower-case hex digits, two for each byte, as
// [Signer.Hex] and OpenSSL have it; "" if it is not known. There is no sign.
func SerialHex(n *big.Int) string {
	if n == nil {
		return ""
	}
	if n.Sign() == 0 {
		return "00"
	}
	return hex.EncodeToString(n.Bytes())
}

// String is for people: longer ids than any real one are cut short.
func (s *Signer) String() string {
	const most = 64 // digits; certificates have at most 40
	id := s.Hex()
	if len(id) > most {
		id = id[:most] + "…"
	}
	if s.KeyID != nil {
		return "key id " + id
	}
	return fmt.Sprintf("%s, serial %s", s.Issuer, id)
}

var oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

var digestNames = map[string]string{
	"1.3.14.3.2.26":           "sha1",
	"2.16.840.1.101.3.4.2.1":  "sha256",
	"2.16.840.1.101.3.4.2.2":  "sha384",
	"2.16.840.1.101.3.4.2.3":  "sha512",
	"2.16.840.1.101.3.4.2.4":  "sha224",
	"2.16.840.1.101.3.4.2.8":  "sha3-256",
	"2.16.840.1.101.3.4.2.9":  "sha3-384",
	"2.16.840.1.101.3.4.2.10": "sha3-512",
}

// maxName is the length in bytes of an issuer's name that is kept whole.
const maxName = 256

// ParseSigner reads the first signer of a CMS SignedData message. Bytes after
// the message are ignored, as the kernel does. A long issuer's name is cut.
func ParseSigner(der []byte) (*Signer, error) {
	if len(der) > MaxMessage {
		return nil, fmt.Errorf("CMS message of %d bytes, at most %d are read", len(der), MaxMessage)
	}
	si, err := firstSigner(der)
	if err != nil {
		return nil, err
	}
	// SignerInfo: version, sid, digestAlgorithm, … (RFC 5652, 5.3). The sid is
	// issuer and serial number, or [0] with the key identifier.
	var version, sid, digest cryptobyte.String
	var keyID cryptobyte.String
	var hasKeyID bool
	var oid asn1.ObjectIdentifier
	if !si.ReadASN1(&version, cbasn1.INTEGER) ||
		!si.ReadOptionalASN1(&keyID, &hasKeyID, cbasn1.Tag(0).ContextSpecific()) ||
		!hasKeyID && !si.ReadASN1(&sid, cbasn1.SEQUENCE) ||
		!si.ReadASN1(&digest, cbasn1.SEQUENCE) || !digest.ReadASN1ObjectIdentifier(&oid) {
		return nil, errors.New("malformed signer in CMS signed data")
	}
	s := &Signer{Digest: digestName(oid)}
	if hasKeyID {
		s.KeyID = bytes.Clone(keyID[:min(len(keyID), maxName)])
		return s, nil
	}
	var issuer cryptobyte.String
	s.Serial = new(big.Int)
	if !sid.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !sid.ReadASN1Integer(s.Serial) {
		return nil, errors.New("malformed issuer and serial number of a CMS signer")
	}
	if s.Issuer, err = issuerName(issuer); err != nil {
		return nil, err
	}
	return s, nil
}

// firstSigner walks down from ContentInfo to the content of the first
// SignerInfo.
func firstSigner(der []byte) (cryptobyte.String, error) {
	in := cryptobyte.String(der)
	var info, content, data, rest, signers, first cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&oid) {
		return nil, errors.New("malformed CMS message")
	}
	if !oid.Equal(oidSignedData) {
		return nil, fmt.Errorf("CMS content type %v, want signed data", oid)
	}
	if !info.ReadASN1(&content, cbasn1.Tag(0).Constructed().ContextSpecific()) || !content.ReadASN1(&data, cbasn1.SEQUENCE) ||
		!data.ReadASN1(&rest, cbasn1.INTEGER) || // version
		!data.ReadASN1(&rest, cbasn1.SET) || // digest algorithms
		!data.ReadASN1(&rest, cbasn1.SEQUENCE) || // encapsulated content
		!data.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || // certificates
		!data.SkipOptionalASN1(cbasn1.Tag(1).Constructed().ContextSpecific()) || // revocations
		!data.ReadASN1(&signers, cbasn1.SET) {
		return nil, errors.New("malformed CMS signed data")
	}
	if signers.Empty() {
		return nil, errors.New("CMS signed data without a signer")
	}
	if !signers.ReadASN1(&first, cbasn1.SEQUENCE) {
		return nil, errors.New("malformed signer in CMS signed data")
	}
	return first, nil
}

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// commonName finds the last common name of a Name (RFC 5280, 4.1.2.4), if it is
// of a type that holds its text as it is; "" else.
func commonName(der cryptobyte.String) string {
	var names, set, pair, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cbasn1.Tag
	found := ""
	for der.ReadASN1(&names, cbasn1.SEQUENCE); names.ReadASN1(&set, cbasn1.SET); {
		for set.ReadASN1(&pair, cbasn1.SEQUENCE) {
			if pair.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidCommonName) && pair.ReadAnyASN1(&value, &tag) &&
				(tag == cbasn1.UTF8String || tag == cbasn1.PrintableString) && utf8.Valid(value) {
				found = string(value)
			}
		}
	}
	return found
}

// issuerName is the common name, or else the whole name.
func issuerName(der []byte) (string, error) {
	if text := strings.TrimSpace(commonName(der)); text != "" && len(text) <= maxName {
		return text, nil // almost always, and without reflection
	}
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &rdns); err != nil || len(rest) > 0 {
		return "", errors.New("malformed issuer of a CMS signer")
	}
	var name pkix.Name
	name.FillFromRDNSequence(&rdns)
	text := strings.TrimSpace(name.CommonName)
	if text == "" {
		text = rdns.String()
	}
	if len(text) > maxName {
		text = strings.ToValidUTF8(text[:maxName], "") + "…"
	}
	return strings.Clone(text), nil
}

// dotted is an object identifier in its usual form, or its octets in hex if they
// are none.
func dotted(content []byte) string {
	var oid asn1.ObjectIdentifier
	if len(content) < 128 {
		der := append([]byte{tagOID, byte(len(content))}, content...)
		if _, err := asn1.Unmarshal(der, &oid); err == nil {
			return oid.String()
		}
	}
	return hex.EncodeToString(content[:min(len(content), 32)])
}

func digestName(oid asn1.ObjectIdentifier) string {
	if name := digestNames[oid.String()]; name != "" {
		return name
	}
	return oid.String()
}
