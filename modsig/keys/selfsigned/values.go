// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/modhash/modhash/modsig/keys/genkey"
)

// item is a part of a value, NAME or NAME:VALUE.
type item struct {
	name, value string
	has         bool // there is a colon
}

// list cuts a value at its commas, and each part at its first colon.
func list(s string) ([]item, error) {
	var out []item
	for _, part := range strings.Split(s, ",") {
		name, value, has := strings.Cut(part, ":")
		it := item{strings.TrimSpace(name), strings.TrimSpace(value), has}
		switch {
		case it.name == "":
			return nil, errors.New("there is an empty part in it")
		case has && it.value == "":
			return nil, fmt.Errorf("there is nothing behind %.20q and its colon", it.name)
		}
		out = append(out, it)
	}
	return out, nil
}

// hexBytes reads hex digits in pairs, with colons between them or not.
func hexBytes(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) == 0 {
		return nil, errors.New("want hex digits")
	}
	return b, nil
}

func basicConstraints(s string) ([]byte, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	ca := false
	var length *big.Int
	for _, it := range items {
		switch it.name {
		case "CA":
			if ca, err = boolean(it.value); err != nil {
				return nil, err
			}
		case "pathlen":
			var ok bool
			if length, ok = new(big.Int).SetString(it.value, 0); !ok || length.Sign() < 0 || length.BitLen() > 31 {
				return nil, fmt.Errorf("pathlen:%.20s, want a number", it.value)
			}
		default:
			return nil, fmt.Errorf("want CA or pathlen, not %.20q", it.name)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if ca {
			b.AddASN1Boolean(true)
		}
		if length != nil {
			b.AddASN1BigInt(length)
		}
	})
	return b.Bytes()
}

func boolean(s string) (bool, error) {
	switch s {
	case "TRUE", "true", "Y", "y", "YES", "yes":
		return true, nil
	case "FALSE", "false", "N", "n", "NO", "no":
		return false, nil
	}
	return false, fmt.Errorf("%.20q, want TRUE or FALSE", s)
}

// usages are the bits of keyUsage, by OpenSSL's short and long names.
var usages = [][2]string{
	{"digitalSignature", "Digital Signature"}, {"nonRepudiation", "Non Repudiation"}, {"keyEncipherment", "Key Encipherment"},
	{"dataEncipherment", "Data Encipherment"}, {"keyAgreement", "Key Agreement"}, {"keyCertSign", "Certificate Sign"},
	{"cRLSign", "CRL Sign"}, {"encipherOnly", "Encipher Only"}, {"decipherOnly", "Decipher Only"},
}

func keyUsage(s string) ([]byte, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	bits := make([]byte, 2)
	highest := 0
	for _, it := range items {
		i := slices.IndexFunc(usages, func(u [2]string) bool { return u[0] == it.name || u[1] == it.name })
		if i < 0 {
			return nil, fmt.Errorf("no usage is known as %.30q", it.name)
		}
		bits[i/8] |= 0x80 >> (i % 8)
		highest = max(highest, i)
	}
	return asn1.Marshal(asn1.BitString{Bytes: bits[:highest/8+1], BitLength: highest + 1})
}

// purposes are those of extendedKeyUsage, by OpenSSL's short and long names.
var purposes = map[string]string{
	"serverAuth": "1.3.6.1.5.5.7.3.1", "TLS Web Server Authentication": "1.3.6.1.5.5.7.3.1",
	"clientAuth": "1.3.6.1.5.5.7.3.2", "TLS Web Client Authentication": "1.3.6.1.5.5.7.3.2",
	"codeSigning": "1.3.6.1.5.5.7.3.3", "Code Signing": "1.3.6.1.5.5.7.3.3",
	"emailProtection": "1.3.6.1.5.5.7.3.4", "E-mail Protection": "1.3.6.1.5.5.7.3.4",
	"timeStamping": "1.3.6.1.5.5.7.3.8", "Time Stamping": "1.3.6.1.5.5.7.3.8",
	"OCSPSigning": "1.3.6.1.5.5.7.3.9", "OCSP Signing": "1.3.6.1.5.5.7.3.9",
	"msCodeInd": "1.3.6.1.4.1.311.2.1.21", "msCodeCom": "1.3.6.1.4.1.311.2.1.22",
	"anyExtendedKeyUsage": "2.5.29.37.0", "Any Extended Key Usage": "2.5.29.37.0",
}

func extendedKeyUsage(s string) ([]byte, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	var oids []asn1.ObjectIdentifier
	for _, it := range items {
		name := it.name
		if it.has {
			name = it.value
		}
		if known, ok := purposes[name]; ok {
			name = known
		}
		oid, ok := genkey.ParseOID(name)
		if !ok {
			return nil, fmt.Errorf("no purpose is known as %.30q; its identifier in numbers is taken", name)
		}
		oids = append(oids, oid)
	}
	return asn1.Marshal(oids)
}

func subjectAltName(s string) ([]byte, error) {
	items, err := list(s)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, it := range items {
			tag, ok := map[string]uint8{"email": 1, "DNS": 2, "URI": 6, "RID": 8}[it.name]
			value := []byte(it.value)
			switch {
			case !ok || !it.has || it.value == "copy" || it.value == "move":
				b.SetError(fmt.Errorf("want DNS:, email:, URI: or RID:, not %.20q", it.name))
				return
			case tag == 8:
				oid, isOID := genkey.ParseOID(it.value)
				der, err := asn1.Marshal(asn1.ObjectIdentifier(oid))
				if !isOID || err != nil {
					b.SetError(fmt.Errorf("RID:%.30s, want an identifier in numbers", it.value))
					return
				}
				value = der[2:] // of less than 128 bytes, or else OpenSSL has another limit
				if len(der) > 127 {
					b.SetError(errors.New("RID: too long"))
					return
				}
			default:
				if _, err := ia5(it.value); err != nil {
					b.SetError(err)
					return
				}
			}
			b.AddASN1(cbasn1.Tag(tag).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(value) })
		}
	})
	return b.Bytes()
}

func ia5(s string) ([]byte, error) {
	for _, c := range []byte(s) {
		if c > 127 {
			return nil, errors.New("want ASCII")
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
	return b.Bytes()
}
