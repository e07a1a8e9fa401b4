// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/miekg/pkcs11"
)

// ckaPublicKeyInfo is CKA_PUBLIC_KEY_INFO of PKCS #11 2.40: a SubjectPublicKeyInfo.
const ckaPublicKeyInfo = 0x129

// oidECKey is id-ecPublicKey of RFC 5480.
var oidECKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// public puts the public key together from what the token tells of the private
// key, or else of the public one with the same id or name. Some tokens, those of
// key services among them, tell neither.
func (t *cryptoki) public() ([]byte, error) {
	objects := []pkcs11.ObjectHandle{t.key}
	for _, by := range []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_ID, t.id), pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.name)} {
		if len(by.Value) == 0 {
			continue
		}
		found, err := t.search([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY), by})
		switch {
		case err != nil:
			return nil, fmt.Errorf("looking for the public key: %w", err)
		case len(found) > 1:
			return nil, fmt.Errorf("more than one public key is of the key: %s", list(found))
		case len(found) == 1:
			objects = append(objects, found[0].handle)
		}
	}
	for _, h := range objects {
		if der := t.attribute(h, ckaPublicKeyInfo); len(der) > 0 {
			return der, nil
		}
		if der := t.rsaKey(h); der != nil {
			return der, nil
		}
		if der := t.ecKey(h); der != nil {
			return der, nil
		}
	}
	return nil, nil
}

func (t *cryptoki) rsaKey(h pkcs11.ObjectHandle) []byte {
	n, e := t.attribute(h, pkcs11.CKA_MODULUS), new(big.Int).SetBytes(t.attribute(h, pkcs11.CKA_PUBLIC_EXPONENT))
	if len(n) == 0 || e.Sign() == 0 || e.BitLen() > 31 {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(e.Int64())})
	if err != nil {
		return nil
	}
	return der
}

// ecKey reads the point, which is an OCTET STRING, or bare in some tokens.
func (t *cryptoki) ecKey(h pkcs11.ObjectHandle) []byte {
	params, point := t.attribute(h, pkcs11.CKA_EC_PARAMS), t.attribute(h, pkcs11.CKA_EC_POINT)
	if curves[string(params)] == 0 || len(point) == 0 {
		return nil
	}
	var content []byte
	if rest, err := asn1.Unmarshal(point, &content); err == nil && len(rest) == 0 {
		point = content
	}
	der, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: oidECKey, Parameters: asn1.RawValue{FullBytes: params}},
		asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	})
	if err != nil {
		return nil
	}
	return der
}
