// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"bytes"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/modhash/modhash/modsig/keys/genkey"
)

// Name returns the DER of a Name.
func Name(subject []genkey.Attribute) ([]byte, error) {
	var sets [][][]byte
	for _, a := range subject {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier(a.OID))
			b.AddASN1(stringTag(a.Kind), func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.Value)) })
		})
		der, err := b.Bytes()
		if err != nil {
			return nil, err
		}
		if a.Joined && len(sets) > 0 {
			sets[len(sets)-1] = append(sets[len(sets)-1], der)
		} else {
			sets = append(sets, [][]byte{der})
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, set := range sets {
			slices.SortFunc(set, bytes.Compare) // the order of DER
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
				for _, der := range set {
					b.AddBytes(der)
				}
			})
		}
	})
	return b.Bytes()
}

func stringTag(k genkey.StringKind) cbasn1.Tag {
	switch k {
	case genkey.Printable:
		return cbasn1.PrintableString
	case genkey.IA5:
		return cbasn1.IA5String
	}
	return cbasn1.UTF8String
}
