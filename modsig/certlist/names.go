// SPDX-License-Identifier: Apache-2.0

package certlist

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// signatureNames are openssl's names of the algorithms that sign certificates
// of kernels.
var signatureNames = map[string]string{
	"1.2.840.113549.1.1.4":    "md5WithRSAEncryption",
	"1.2.840.113549.1.1.5":    "sha1WithRSAEncryption",
	"1.2.840.113549.1.1.10":   "rsassaPss",
	"1.2.840.113549.1.1.11":   "sha256WithRSAEncryption",
	"1.2.840.113549.1.1.12":   "sha384WithRSAEncryption",
	"1.2.840.113549.1.1.13":   "sha512WithRSAEncryption",
	"1.2.840.113549.1.1.14":   "sha224WithRSAEncryption",
	"2.16.840.1.101.3.4.3.14": "RSA-SHA3-256",
	"2.16.840.1.101.3.4.3.15": "RSA-SHA3-384",
	"2.16.840.1.101.3.4.3.16": "RSA-SHA3-512",
	"1.2.840.10045.4.1":       "ecdsa-with-SHA1",
	"1.2.840.10045.4.3.1":     "ecdsa-with-SHA224",
	"1.2.840.10045.4.3.2":     "ecdsa-with-SHA256",
	"1.2.840.10045.4.3.3":     "ecdsa-with-SHA384",
	"1.2.840.10045.4.3.4":     "ecdsa-with-SHA512",
	"2.16.840.1.101.3.4.3.10": "ecdsa_with_SHA3-256",
	"2.16.840.1.101.3.4.3.11": "ecdsa_with_SHA3-384",
	"2.16.840.1.101.3.4.3.12": "ecdsa_with_SHA3-512",
	"2.16.840.1.101.3.4.3.17": "ML-DSA-44",
	"2.16.840.1.101.3.4.3.18": "ML-DSA-65",
	"2.16.840.1.101.3.4.3.19": "ML-DSA-87",
	"1.2.156.10197.1.501":     "SM2-with-SM3",
	"1.3.101.112":             "ED25519",
}

// keyNames are the algorithms of public keys.
var keyNames = map[string]string{
	"1.2.840.113549.1.1.1":    "rsa",
	"1.2.840.113549.1.1.10":   "rsa-pss",
	"1.2.840.10045.2.1":       "ecdsa",
	"2.16.840.1.101.3.4.3.17": "ml-dsa-44",
	"2.16.840.1.101.3.4.3.18": "ml-dsa-65",
	"2.16.840.1.101.3.4.3.19": "ml-dsa-87",
	"1.3.101.112":             "ed25519",
}

// curves are those that the kernel knows, with the bits of their fields.
var curves = map[string]struct {
	name string
	bits int
}{
	"1.2.840.10045.3.1.1": {"P-192", 192},
	"1.3.132.0.33":        {"P-224", 224},
	"1.2.840.10045.3.1.7": {"P-256", 256},
	"1.3.132.0.34":        {"P-384", 384},
	"1.3.132.0.35":        {"P-521", 521},
	"1.2.156.10197.1.301": {"SM2", 256},
}

func algorithmName(names map[string]string, oid asn1.ObjectIdentifier) string {
	if name := names[oid.String()]; name != "" {
		return name
	}
	return oid.String()
}

// parseKey reads SubjectPublicKeyInfo: the algorithm, then the key as a bit
// string (RFC 5280, 4.1.2.7; RFC 3279 and 5480 for what is in it).
func (c *Certificate) parseKey(der cryptobyte.String) error {
	bad := errors.New("certificate: malformed public key")
	var info, alg, bits cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !der.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1(&alg, cbasn1.SEQUENCE) ||
		!alg.ReadASN1ObjectIdentifier(&oid) || !info.ReadASN1(&bits, cbasn1.BIT_STRING) || !info.Empty() || len(bits) < 1 {
		return bad
	}
	c.KeyAlgorithm = algorithmName(keyNames, oid)
	switch c.KeyAlgorithm {
	case "rsa", "rsa-pss":
		var key cryptobyte.String
		n := new(big.Int)
		key = bits[1:] // behind the count of unused bits
		if !key.ReadASN1(&key, cbasn1.SEQUENCE) || !key.ReadASN1Integer(n) {
			return bad
		}
		c.KeyBits = n.BitLen()
	case "ecdsa":
		var curve asn1.ObjectIdentifier
		if !alg.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) {
			return nil // a curve that has no name
		}
		if !alg.ReadASN1ObjectIdentifier(&curve) {
			return bad
		}
		known := curves[curve.String()]
		c.Curve, c.KeyBits = known.name, known.bits
		if c.Curve == "" {
			c.Curve = curve.String()
		}
	}
	return nil
}

// maxName is the length in bytes beyond which a part of a name is cut.
const maxName = 256

var (
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidEmail        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// displayName makes of a Name what the kernel calls it in its log
// (x509_fabricate_name in crypto/asymmetric_keys/x509_cert_parser.c):
// "O: CN", or just CN if it starts with O or if both have their first seven
// bytes in common; if there is only one of them, that one; else the email
// address. A long one is cut. A name without any of these is "".
func displayName(der cryptobyte.String) string {
	o, cn, email := nameParts(der)
	switch {
	case cn == "" && o == "":
		return email
	case cn == "":
		return o
	case o == "", strings.HasPrefix(cn, o), len(o) >= 7 && len(cn) >= 7 && cn[:7] == o[:7]:
		return cn
	}
	return o + ": " + cn
}

// nameParts returns the last organization, common name and email address.
func nameParts(der cryptobyte.String) (o, cn, email string) {
	var names, set, pair, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cbasn1.Tag
	if !der.ReadASN1(&names, cbasn1.SEQUENCE) {
		return "", "", ""
	}
	for names.ReadASN1(&set, cbasn1.SET) {
		for set.ReadASN1(&pair, cbasn1.SEQUENCE) {
			if !pair.ReadASN1ObjectIdentifier(&oid) || !pair.ReadAnyASN1(&value, &tag) {
				continue
			}
			switch {
			case oid.Equal(oidOrganization):
				o = nameText(value, tag)
			case oid.Equal(oidCommonName):
				cn = nameText(value, tag)
			case oid.Equal(oidEmail):
				email = nameText(value, tag)
			}
		}
	}
	return o, cn, email
}

// nameText returns the text of one value of a Name as UTF-8.
func nameText(value []byte, tag cbasn1.Tag) string {
	const bmpString = 30 // UTF-16, big-endian
	if tag == bmpString && len(value)%2 == 0 {
		units := make([]uint16, 0, maxName)
		for i := 0; i < len(value) && i < 2*maxName; i += 2 {
			units = append(units, uint16(value[i])<<8|uint16(value[i+1]))
		}
		value = []byte(string(utf16.Decode(units)))
	}
	text := string(value[:min(len(value), maxName)])
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "�")
	}
	if len(value) > maxName {
		text += "…"
	}
	return text
}
