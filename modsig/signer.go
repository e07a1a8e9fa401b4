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
}

// Hex is the key id or the serial number in lower-case hex digits. Keys with the
// same name made for two builds have different ones.
func (s *Signer) Hex() string {
	if s.KeyID != nil {
		return hex.EncodeToString(s.KeyID)
	}
	b := s.Serial.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	return hex.EncodeToString(b)
}

func (s *Signer) String() string {
	if s.KeyID != nil {
		return "key id " + s.Hex()
	}
	return fmt.Sprintf("%s, serial %s", s.Issuer, s.Hex())
}

// The parts of RFC 5652 that are needed to find the signer. Fields that are not
// looked at are raw.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"explicit,tag:0"`
	}
	signedData struct {
		Version int
		Digests asn1.RawValue
		Content asn1.RawValue
		Certs   asn1.RawValue `asn1:"optional,tag:0"`
		CRLs    asn1.RawValue `asn1:"optional,tag:1"`
		Signers asn1.RawValue
	}
	signerInfo struct {
		Version   int
		SID       asn1.RawValue
		Digest    pkix.AlgorithmIdentifier
		Attrs     asn1.RawValue `asn1:"optional,tag:0"`
		Algorithm pkix.AlgorithmIdentifier
		Signature []byte
	}
	issuerAndSerial struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
)

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

// ParseSigner reads the first signer of a CMS SignedData message. Bytes after
// the message are ignored, as the kernel does.
func ParseSigner(der []byte) (*Signer, error) {
	if len(der) > MaxMessage {
		return nil, fmt.Errorf("CMS message of %d bytes, at most %d are read", len(der), MaxMessage)
	}
	var ci contentInfo
	if _, err := asn1.Unmarshal(der, &ci); err != nil {
		return nil, fmt.Errorf("CMS message: %w", err)
	}
	if !ci.Type.Equal(oidSignedData) {
		return nil, fmt.Errorf("CMS content type %v, want signed data", ci.Type)
	}
	var sd signedData
	if _, err := asn1.Unmarshal(ci.Content.Bytes, &sd); err != nil {
		return nil, fmt.Errorf("CMS signed data: %w", err)
	}
	if len(sd.Signers.Bytes) == 0 {
		return nil, errors.New("CMS signed data without a signer")
	}
	var si signerInfo
	if _, err := asn1.Unmarshal(sd.Signers.Bytes, &si); err != nil {
		return nil, fmt.Errorf("CMS signer: %w", err)
	}
	s := &Signer{}
	oid := si.Digest.Algorithm.String()
	if s.Digest = digestNames[oid]; s.Digest == "" {
		s.Digest = oid
	}
	if si.SID.Class == asn1.ClassContextSpecific && si.SID.Tag == 0 {
		s.KeyID = bytes.Clone(si.SID.Bytes)
		return s, nil
	}
	var is issuerAndSerial
	if _, err := asn1.Unmarshal(si.SID.FullBytes, &is); err != nil {
		return nil, fmt.Errorf("CMS signer's issuer and serial number: %w", err)
	}
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(is.Issuer.FullBytes, &rdns); err != nil {
		return nil, fmt.Errorf("CMS signer's issuer: %w", err)
	}
	var name pkix.Name
	name.FillFromRDNSequence(&rdns)
	if s.Issuer = strings.TrimSpace(name.CommonName); s.Issuer == "" {
		s.Issuer = rdns.String()
	}
	s.Serial = is.Serial
	return s, nil
}
