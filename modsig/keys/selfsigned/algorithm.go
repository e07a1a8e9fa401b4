// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // for crypto.Hash
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"encoding/asn1"
	"fmt"

	"filippo.io/mldsa"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The identifiers of signatures, by digest: RFC 8017, RFC 5758 and NIST.
var (
	rsaSignatures = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA1: {1, 2, 840, 113549, 1, 1, 5}, crypto.SHA224: {1, 2, 840, 113549, 1, 1, 14},
		crypto.SHA256: {1, 2, 840, 113549, 1, 1, 11}, crypto.SHA384: {1, 2, 840, 113549, 1, 1, 12}, crypto.SHA512: {1, 2, 840, 113549, 1, 1, 13},
		crypto.SHA3_256: {2, 16, 840, 1, 101, 3, 4, 3, 14}, crypto.SHA3_384: {2, 16, 840, 1, 101, 3, 4, 3, 15}, crypto.SHA3_512: {2, 16, 840, 1, 101, 3, 4, 3, 16},
	}
	ecdsaSignatures = map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA1: {1, 2, 840, 10045, 4, 1}, crypto.SHA224: {1, 2, 840, 10045, 4, 3, 1},
		crypto.SHA256: {1, 2, 840, 10045, 4, 3, 2}, crypto.SHA384: {1, 2, 840, 10045, 4, 3, 3}, crypto.SHA512: {1, 2, 840, 10045, 4, 3, 4},
		crypto.SHA3_256: {2, 16, 840, 1, 101, 3, 4, 3, 10}, crypto.SHA3_384: {2, 16, 840, 1, 101, 3, 4, 3, 11}, crypto.SHA3_512: {2, 16, 840, 1, 101, 3, 4, 3, 12},
	}
	mldsaSignatures = map[string]asn1.ObjectIdentifier{
		"ML-DSA-44": {2, 16, 840, 1, 101, 3, 4, 3, 17}, "ML-DSA-65": {2, 16, 840, 1, 101, 3, 4, 3, 18}, "ML-DSA-87": {2, 16, 840, 1, 101, 3, 4, 3, 19},
	}
)

// signatureAlgorithm returns the DER of the AlgorithmIdentifier, for keys that
// kernels verify with.
func signatureAlgorithm(public crypto.PublicKey, h crypto.Hash) ([]byte, error) {
	var oid asn1.ObjectIdentifier
	null := false
	switch p := public.(type) {
	case *rsa.PublicKey:
		if n := p.N.BitLen(); n != 2048 && n != 3072 && n != 4096 {
			return nil, fmt.Errorf("an RSA key of %d bits: kernels take 2048, 3072 and 4096", n)
		}
		oid, null = rsaSignatures[h], true
	case *ecdsa.PublicKey:
		if p.Curve != elliptic.P256() && p.Curve != elliptic.P384() && p.Curve != elliptic.P521() {
			return nil, fmt.Errorf("a key on curve %s: kernels take P-256, P-384 and P-521", p.Curve.Params().Name)
		}
		oid = ecdsaSignatures[h]
	case *mldsa.PublicKey:
		oid = mldsaSignatures[p.Parameters().String()]
	default:
		return nil, fmt.Errorf("a key of type %T, which kernels do not verify with", public)
	}
	if oid == nil {
		return nil, fmt.Errorf("no certificate can be signed with the digest %v", h)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
	return b.Bytes()
}
