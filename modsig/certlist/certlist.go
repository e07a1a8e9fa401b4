// SPDX-License-Identifier: Apache-2.0

// Package certlist reads the list of X.509 certificates that is compiled into a
// kernel.
//
// The list (certs/system_certificates.S and revocation_certificates.S in the
// kernel's source) is certificates in DER one after the other with nothing
// between them. The package says what is in them, and verifies nothing.
package certlist

import (
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// MaxSize is the length in bytes above which a list is not read. Real ones have
// some ten thousand.
const MaxSize = 16 << 20

// Certificate is an X.509 certificate (RFC 5280, DER). It is read more leniently
// than by crypto/x509, which refuses certificates that the kernel takes.
type Certificate struct {
	Offset int64  // of Raw in the list
	Raw    []byte // the whole certificate
	Err    error  // what is malformed in it; fields behind the fault are empty then

	Subject, Issuer    string // for people: as the kernel calls them in its log, "O: CN" or less
	RawSubject         []byte // DER of the Name
	RawIssuer          []byte // DER of the Name
	Serial             *big.Int
	KeyID              []byte // subjectKeyIdentifier, nil if there is none
	NotBefore          time.Time
	NotAfter           time.Time
	SignatureAlgorithm string // as openssl calls it, or the dotted object identifier
	KeyAlgorithm       string // "rsa", "ecdsa", "ml-dsa-65", …, or the dotted object identifier
	Curve              string // of an ecdsa key: "P-384", or the dotted object identifier
	KeyBits            int    // of a rsa modulus or of the curve's field; 0 if not known
	PublicKeyInfo      []byte // DER of SubjectPublicKeyInfo
}

// Error says where a list of certificates is malformed.
type Error struct {
	Offset int64 // in bytes from the start of the list
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("malformed certificate list at offset %d: %s", e.Offset, e.Reason)
}

// Parse reads a list. As the kernel does when it starts (load_certificate_list
// in crypto/asymmetric_keys/x509_loader.c), it takes the length of each
// certificate from its first bytes, which must be 30 82, and stops with an
// [*Error] at anything else and at a certificate that is cut short. The
// certificates before that are returned with the error. One that is malformed
// within its own length is listed, with [Certificate.Err] set. An empty list has
// no certificates and is no error.
//
// The results share the memory of list.
func Parse(list []byte) ([]Certificate, error) {
	if len(list) > MaxSize {
		return nil, &Error{0, fmt.Sprintf("%d bytes, at most %d are read", len(list), MaxSize)}
	}
	var certs []Certificate
	for at := 0; at < len(list); {
		rest := list[at:]
		n, err := certificateLength(rest)
		if err != "" {
			return certs, &Error{int64(at), err}
		}
		c := ParseOne(rest[:n:n])
		c.Offset = int64(at)
		certs = append(certs, c)
		at += n
	}
	return certs, nil
}

// certificateLength returns the length of the certificate that b starts with,
// by the rule of the kernel, or what is wrong.
func certificateLength(b []byte) (n int, reason string) {
	switch {
	case len(b) < 4:
		return 0, fmt.Sprintf("%d bytes are left, fewer than a certificate's header", len(b))
	case b[0] != 0x30 || b[1] != 0x82:
		return 0, fmt.Sprintf("bytes %02x %02x, a certificate starts with 30 82", b[0], b[1])
	}
	n = 4 + int(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) {
		return 0, fmt.Sprintf("certificate of %d bytes, %d are left", n, len(b))
	}
	return n, ""
}

// ParseOne reads one certificate, which der must be to its last byte.
// What is malformed is told by [Certificate.Err].
func ParseOne(der []byte) Certificate {
	c := Certificate{Raw: der}
	c.Err = c.parse()
	return c
}

// parse reads Certificate and TBSCertificate (RFC 5280, 4.1), field by field.
func (c *Certificate) parse() error {
	in := cryptobyte.String(c.Raw)
	var cert, tbs, alg cryptobyte.String
	if !in.ReadASN1(&cert, cbasn1.SEQUENCE) || !cert.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return errors.New("certificate: not a DER sequence")
	}
	if !in.Empty() {
		return fmt.Errorf("certificate: %d bytes behind its end", len(in))
	}
	c.Serial = new(big.Int)
	if !tbs.SkipOptionalASN1(cbasn1.Tag(0).Constructed().ContextSpecific()) || !tbs.ReadASN1Integer(c.Serial) {
		c.Serial = nil
		return errors.New("certificate: malformed version or serial number")
	}
	if !tbs.ReadASN1(&alg, cbasn1.SEQUENCE) {
		return errors.New("certificate: malformed signature algorithm")
	}
	var oid asn1.ObjectIdentifier
	if !alg.ReadASN1ObjectIdentifier(&oid) {
		return errors.New("certificate: malformed signature algorithm")
	}
	c.SignatureAlgorithm = algorithmName(signatureNames, oid)
	if err := c.parseNames(&tbs); err != nil {
		return err
	}
	var spki cryptobyte.String
	if !tbs.ReadASN1Element(&spki, cbasn1.SEQUENCE) {
		return errors.New("certificate: malformed public key")
	}
	c.PublicKeyInfo = spki
	if err := c.parseKey(spki); err != nil {
		return err
	}
	if err := c.parseExtensions(tbs); err != nil {
		return err
	}
	// The outer algorithm and the signature itself.
	var sig cryptobyte.String
	if !cert.ReadASN1(&alg, cbasn1.SEQUENCE) || !cert.ReadASN1(&sig, cbasn1.BIT_STRING) || !cert.Empty() {
		return errors.New("certificate: malformed signature")
	}
	return nil
}

// parseNames reads issuer, validity and subject.
func (c *Certificate) parseNames(tbs *cryptobyte.String) error {
	var issuer, validity, subject cryptobyte.String
	if !tbs.ReadASN1Element(&issuer, cbasn1.SEQUENCE) {
		return errors.New("certificate: malformed issuer")
	}
	c.RawIssuer, c.Issuer = issuer, displayName(issuer)
	if !tbs.ReadASN1(&validity, cbasn1.SEQUENCE) || !readTime(&validity, &c.NotBefore) ||
		!readTime(&validity, &c.NotAfter) || !validity.Empty() {
		return errors.New("certificate: malformed validity")
	}
	if !tbs.ReadASN1Element(&subject, cbasn1.SEQUENCE) {
		return errors.New("certificate: malformed subject")
	}
	c.RawSubject, c.Subject = subject, displayName(subject)
	return nil
}

func readTime(s *cryptobyte.String, t *time.Time) bool {
	if s.PeekASN1Tag(cbasn1.UTCTime) {
		return s.ReadASN1UTCTime(t)
	}
	return s.ReadASN1GeneralizedTime(t)
}

var (
	oidSubjectKeyID = asn1.ObjectIdentifier{2, 5, 29, 14}

	tagExtensions = cbasn1.Tag(3).Constructed().ContextSpecific()
)

// parseExtensions finds the subjectKeyIdentifier in what follows the key.
func (c *Certificate) parseExtensions(tbs cryptobyte.String) error {
	bad := errors.New("certificate: malformed extensions")
	var exts, list cryptobyte.String
	var present bool
	if !tbs.SkipOptionalASN1(cbasn1.Tag(1).ContextSpecific()) || !tbs.SkipOptionalASN1(cbasn1.Tag(2).ContextSpecific()) ||
		!tbs.ReadOptionalASN1(&exts, &present, tagExtensions) || !tbs.Empty() {
		return bad
	}
	if !present {
		return nil
	}
	if !exts.ReadASN1(&list, cbasn1.SEQUENCE) || !exts.Empty() {
		return bad
	}
	for !list.Empty() {
		var ext, value, id cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&oid) ||
			!ext.SkipOptionalASN1(cbasn1.BOOLEAN) || !ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return bad
		}
		if !oid.Equal(oidSubjectKeyID) {
			continue
		}
		if c.KeyID != nil || !value.ReadASN1(&id, cbasn1.OCTET_STRING) || !value.Empty() || len(id) == 0 {
			return errors.New("certificate: malformed subject key identifier")
		}
		c.KeyID = id
	}
	return nil
}
