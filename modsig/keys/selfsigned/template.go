// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"crypto"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys/genkey"
)

// Style says which OpenSSL's certificate it is. They differ in the extensions that
// say which key it is.
//
//	                                    4.0                        3.x (that of 3.6)
//	authorityKeyIdentifier=keyid        the key's own id           left out
//	…=issuer, without keyid             issuer and serial number   left out
//	…=keyid:always                      the key's own id           the same
//	no subjectKeyIdentifier             none                       added at the end
//	authorityKeyIdentifier before it    both change places         the same
type Style int

// The styles.
const (
	OpenSSL4 Style = iota
	OpenSSL3
)

// Template is what a certificate is made of, beside the key.
type Template struct {
	Request   *genkey.Request
	Serial    *big.Int // from 1 to 2¹⁵⁹ - 1
	NotBefore time.Time
	NotAfter  time.Time
	Hash      crypto.Hash // of the signature; ignored with ML-DSA
	Style     Style
}

// TBS returns the DER of the TBSCertificate for a public key.
func (t *Template) TBS(public crypto.PublicKey) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	spki, err := mldsax509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	algorithm, err := signatureAlgorithm(public, t.Hash)
	if err != nil {
		return nil, err
	}
	name, err := Name(t.Request.Subject)
	if err != nil {
		return nil, err
	}
	extensions, err := t.extensions(spki, name)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(t.Serial)
		b.AddBytes(algorithm)
		b.AddBytes(name)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.NotBefore)
			addTime(b, t.NotAfter)
		})
		b.AddBytes(name)
		b.AddBytes(spki)
		if len(extensions) > 0 {
			b.AddASN1(cbasn1.Tag(3).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, e := range extensions {
						e.add(b)
					}
				})
			})
		}
	})
	return b.Bytes()
}

func (t *Template) check() error {
	from, to := t.NotBefore.UTC(), t.NotAfter.UTC()
	switch {
	case t.Serial == nil || t.Serial.Sign() <= 0 || t.Serial.BitLen() > 159:
		return errors.New("the serial number is to be positive and below 2^159")
	case from.Year() < 1970 || to.Year() > 9999:
		// The kernel reads no year before 1970, and X.509 none of five digits.
		return errors.New("the certificate is to be valid within the years 1970 to 9999")
	case to.Before(from):
		return errors.New("the certificate would end before it begins")
	}
	return nil
}

func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// Make returns the DER of the certificate. Key signs a digest, or with ML-DSA the
// message, and does so deterministically if it is in memory. The result is read
// back as the newest kernel does; what that would not take is an error.
func (t *Template) Make(key crypto.Signer) ([]byte, error) {
	tbs, err := t.TBS(key.Public())
	if err != nil {
		return nil, err
	}
	algorithm, err := signatureAlgorithm(key.Public(), t.Hash)
	if err != nil {
		return nil, err
	}
	value, err := sign(key, tbs, t.Hash)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(value)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return der, t.checkMade(der)
}

// checkMade reads the certificate as a kernel does when it starts.
func (t *Template) checkMade(der []byte) error {
	k := modsig.Kernel{}
	read, err := k.ParseKey(der)
	if err != nil {
		return fmt.Errorf("a kernel would not take the certificate: %w", err)
	}
	if !read.SelfSigned {
		return errors.New("a kernel would not find the certificate to be signed by its own key: authorityKeyIdentifier names another")
	}
	if !slices.Equal(read.Raw, der) {
		return errors.New("a kernel would read only a part of the certificate")
	}
	if reason := Listable(der); reason != "" {
		return errors.New(reason)
	}
	return nil
}

// Listable says why a kernel that starts would not find a certificate in its list
// of built-in ones, or would lose those behind it; "" if there is no reason. Its
// loader (crypto/asymmetric_keys/x509_loader.c) takes lengths of two bytes only.
func Listable(der []byte) string {
	const header = 4
	switch {
	case len(der) < header || der[0] != 0x30:
		return "it does not begin as a certificate does"
	case der[1] != 0x82:
		return fmt.Sprintf("the certificate has %d bytes: a kernel that starts reads those of 260 to 65535 bytes only, and none behind another one", len(der))
	case header+int(der[2])<<8+int(der[3]) != len(der):
		return fmt.Sprintf("the certificate has %d bytes, and says it has %d", len(der), header+int(der[2])<<8+int(der[3]))
	}
	return ""
}

func sign(key crypto.Signer, tbs []byte, h crypto.Hash) ([]byte, error) {
	switch k := key.(type) {
	case *mldsa.PrivateKey:
		return k.SignDeterministic(tbs, crypto.Hash(0))
	default:
		if _, ok := key.Public().(*mldsa.PublicKey); ok {
			return key.Sign(nil, tbs, crypto.Hash(0))
		}
	}
	d := h.New()
	d.Write(tbs)
	return key.Sign(nil, d.Sum(nil), h) // without randomness: ECDSA with nonces of RFC 6979
}
