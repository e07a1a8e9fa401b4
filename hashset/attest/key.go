// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

// MaxKeys is the size in bytes above which a file of public keys is not read.
const MaxKeys = 1 << 20

// PublicKey is a key that links are verified with: Ed25519, or ECDSA on P-256,
// P-384 or P-521. RSA is not taken: rebuilderd has no such keys, and nothing is signed
// with them here that an Ed25519 key would not sign as well.
type PublicKey struct {
	// ID is what links name the key by, in hex.
	ID string

	key crypto.PublicKey
}

var (
	oidEd25519  = asn1.ObjectIdentifier{1, 3, 101, 112}
	curveScheme = map[elliptic.Curve]struct {
		name string
		hash crypto.Hash
	}{
		elliptic.P256(): {"ecdsa-sha2-nistp256", crypto.SHA256},
		elliptic.P384(): {"ecdsa-sha2-nistp384", crypto.SHA384},
		elliptic.P521(): {"ecdsa-sha2-nistp521", crypto.SHA512},
	}
)

// NewPublicKey computes the id of a key. Others than those that links can be
// verified with are refused.
func NewPublicKey(key crypto.PublicKey) (*PublicKey, error) {
	var public, kind, scheme string
	switch k := key.(type) {
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("Ed25519 key of %d bytes", len(k))
		}
		kind, scheme, public = "ed25519", "ed25519", hex.EncodeToString(k)
	case *ecdsa.PublicKey:
		s, ok := curveScheme[k.Curve]
		if !ok {
			return nil, errors.New("an ECDSA key must be on P-256, P-384 or P-521")
		}
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			return nil, err
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		kind, scheme, public = "ecdsa", s.name, string(text[:len(text)-1])
	case *rsa.PublicKey:
		return nil, errors.New("links are signed with Ed25519 or ECDSA, not with RSA")
	default:
		return nil, fmt.Errorf("links are signed with Ed25519 or ECDSA, not with a key of type %T", key)
	}
	canonical, err := cjson.EncodeCanonical(object{
		"keytype": kind, "scheme": scheme, "keyval": object{"public": public},
		"keyid_hash_algorithms": []string{"sha256", "sha512"},
	})
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(canonical)
	return &PublicKey{hex.EncodeToString(id[:]), key}, nil
}

// ParseKeys reads the public keys of a PEM file, at least one: blocks PUBLIC KEY,
// and the keys of blocks CERTIFICATE. A private key in it is refused, and so is a
// key that is there twice.
func ParseKeys(data []byte) ([]*PublicKey, error) {
	if len(data) > MaxKeys {
		return nil, fmt.Errorf("more than %d bytes", MaxKeys)
	}
	var keys []*PublicKey
	seen := map[string]bool{}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		key, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		if seen[key.ID] {
			return nil, fmt.Errorf("key %d is there twice", len(keys)+1)
		}
		seen[key.ID] = true
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no public key in it; want PEM, BEGIN PUBLIC KEY")
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (*PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		if key, ok := ed25519SPKI(block.Bytes); ok {
			return NewPublicKey(key)
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		return NewPublicKey(key)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return NewPublicKey(c.PublicKey)
	}
	return nil, fmt.Errorf("a block %q, where public keys are wanted", block.Type)
}

// ed25519SPKI reads a key with or without NULL parameters; crypto/x509 takes
// only the latter.
func ed25519SPKI(der []byte) (ed25519.PublicKey, bool) {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &spki)
	if err != nil || len(rest) > 0 || !spki.Algorithm.Algorithm.Equal(oidEd25519) {
		return nil, false
	}
	params := spki.Algorithm.Parameters.FullBytes
	if len(params) > 0 && string(params) != "\x05\x00" || spki.Key.BitLength != 8*ed25519.PublicKeySize {
		return nil, false
	}
	return ed25519.PublicKey(spki.Key.Bytes), true
}

// PEM is the key as rebuilderd publishes it.
func (k *PublicKey) PEM() ([]byte, error) {
	var der []byte
	var err error
	if key, ok := k.key.(ed25519.PublicKey); ok {
		der, err = asn1.Marshal(struct {
			Algorithm pkix.AlgorithmIdentifier
			Key       asn1.BitString
		}{pkix.AlgorithmIdentifier{Algorithm: oidEd25519, Parameters: asn1.NullRawValue}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
	} else {
		der, err = x509.MarshalPKIXPublicKey(k.key)
	}
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// verify reports whether sig is the key's signature over message.
func (k *PublicKey) verify(message, sig []byte) bool {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, sig)
	case *ecdsa.PublicKey:
		h := curveScheme[key.Curve].hash.New()
		h.Write(message)
		return ecdsa.VerifyASN1(key, h.Sum(nil), sig)
	}
	return false
}

// signWith signs message and verifies the signature.
func (k *PublicKey) signWith(key crypto.Signer, message []byte) ([]byte, error) {
	data, opts := message, crypto.Hash(0)
	if ec, ok := k.key.(*ecdsa.PublicKey); ok {
		opts = curveScheme[ec.Curve].hash
		h := opts.New()
		h.Write(message)
		data = h.Sum(nil)
	}
	sig, err := key.Sign(nil, data, opts)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if !k.verify(message, sig) {
		return nil, errors.New("signing: the key made a signature that its public key does not verify")
	}
	return sig, nil
}
