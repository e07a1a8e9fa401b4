// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/modhash/modhash/modsig/keys/genkey"
)

// KeyTypes are the names that [Generate] takes.
func KeyTypes() []string {
	return []string{"rsa", "p256", "p384", "p521", "mldsa44", "mldsa65", "mldsa87"}
}

// Generate makes a key. bits is the length of an RSA key: 2048, 3072 or 4096.
func Generate(kind string, bits int) (crypto.Signer, error) {
	curve := map[string]elliptic.Curve{"p256": elliptic.P256(), "p384": elliptic.P384(), "p521": elliptic.P521()}[kind]
	if curve != nil {
		return ecdsa.GenerateKey(curve, rand.Reader)
	}
	parameters := map[string]func() mldsa.Parameters{"mldsa44": mldsa.MLDSA44, "mldsa65": mldsa.MLDSA65, "mldsa87": mldsa.MLDSA87}[kind]
	switch {
	case parameters != nil:
		return mldsa.GenerateKey(parameters())
	case kind != "rsa":
		return nil, fmt.Errorf("no type of key is known as %q", kind)
	case bits != 2048 && bits != 3072 && bits != 4096:
		return nil, fmt.Errorf("an RSA key of %d bits: kernels take 2048, 3072 and 4096", bits)
	}
	return rsa.GenerateKey(rand.Reader, bits)
}

// KeyType is the name of a public key's type, as [Generate] takes it; "" if it is
// none of them.
func KeyType(public crypto.PublicKey) string {
	switch p := public.(type) {
	case *rsa.PublicKey:
		return "rsa"
	case *ecdsa.PublicKey:
		return map[elliptic.Curve]string{elliptic.P256(): "p256", elliptic.P384(): "p384", elliptic.P521(): "p521"}[p.Curve]
	case *mldsa.PublicKey:
		return map[string]string{"ML-DSA-44": "mldsa44", "ML-DSA-65": "mldsa65", "ML-DSA-87": "mldsa87"}[p.Parameters().String()]
	}
	return ""
}

// MarshalKey returns the PEM of a private key, PKCS #8. ML-DSA keys are written by
// their seed (RFC 9881).
func MarshalKey(key crypto.Signer) ([]byte, error) {
	der, err := mldsax509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// RandomSerial returns a serial number of 159 random bits, as OpenSSL makes it.
func RandomSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
	if err == nil && n.Sign() == 0 {
		n.SetInt64(1)
	}
	return n, err
}

// DerivedSerial returns the serial number that follows from what is certified, for
// certificates that can be made again: the first 20 bytes of the SHA-256 of the
// DER of the SubjectPublicKeyInfo and of the Name, and of the first second of
// validity since 1970 (8 bytes, big-endian), with the first bit 0 and the second 1.
func DerivedSerial(public crypto.PublicKey, subject []genkey.Attribute, notBefore time.Time) (*big.Int, error) {
	spki, err := mldsax509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	name, err := Name(subject)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	h.Write(spki)
	h.Write(name)
	var seconds [8]byte
	new(big.Int).SetInt64(max(0, notBefore.Unix())).FillBytes(seconds[:])
	h.Write(seconds[:])
	n := h.Sum(nil)[:20]
	n[0] = n[0]&0x3f | 0x40
	return new(big.Int).SetBytes(n), nil
}
