// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// messageForm is a message to be written, in the one shape that sign-file has:
// one signer, detached, no certificates.
type messageForm struct {
	cert       *Key
	byKeyID    bool
	hash       string // kernel name
	algorithm  string // name of an object
	attributes []byte // a SET, as it is signed; nil if there are none
	value      []byte
}

// identifiers are the object identifiers by name.
var identifiers = func() map[string]string {
	m := make(map[string]string, len(objects))
	for _, o := range objects {
		m[o.name] = o.dotted
	}
	return m
}()

func addObject(b *cryptobyte.Builder, name string) {
	b.AddASN1ObjectIdentifier(parseDotted(identifiers[name]))
}

// addAlgorithm adds an AlgorithmIdentifier: RSA has NULL for its parameters,
// the others have none.
func addAlgorithm(b *cryptobyte.Builder, name string) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addObject(b, name)
		if name == oidRSA {
			b.AddASN1NULL()
		}
	})
}

// signedAttributes is the SET of the content type and the message digest.
func signedAttributes(digest []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
		addAttribute(b, oidContentType, func(b *cryptobyte.Builder) { addObject(b, oidData) })
		addAttribute(b, oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) })
	})
	return b.BytesOrPanic()
}

func addAttribute(b *cryptobyte.Builder, name string, value cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addObject(b, name)
		b.AddASN1(cbasn1.SET, value)
	})
}

// marshal writes ContentInfo, SignedData and SignerInfo (RFC 5652, sections 3
// and 5).
func (f *messageForm) marshal() ([]byte, error) {
	version := int64(1)
	if f.byKeyID {
		version = 3
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addObject(b, oidSignedDataType)
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(version)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, f.hash) })
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addObject(b, oidData) })
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(version)
						f.addSigner(b)
					})
				})
			})
		})
	})
	return b.Bytes()
}

// addSigner adds what follows the version of SignerInfo. Issuer and serial number
// are the certificate's own bytes, because the kernel compares bytes.
func (f *messageForm) addSigner(b *cryptobyte.Builder) {
	if f.byKeyID {
		b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(f.cert.KeyID) })
	} else {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(f.cert.issuer.element(f.cert.Raw))
			b.AddBytes(f.cert.serial.element(f.cert.Raw))
		})
	}
	addAlgorithm(b, f.hash)
	if f.attributes != nil {
		implicit := append([]byte{contextOf + 0}, f.attributes[1:]...)
		b.AddBytes(implicit)
	}
	addAlgorithm(b, f.algorithm)
	b.AddASN1OctetString(f.value)
}
