// SPDX-License-Identifier: Apache-2.0

package ko

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/modhash/modhash/modsig/trailer"
)

// Compress wraps a module as Kbuild does: suffix is "", ".gz", ".xz" or ".zst".
func Compress(b []byte, suffix string) []byte {
	var out bytes.Buffer
	switch suffix {
	case "":
		return b
	case ".gz":
		w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
		must(w.Write(b))
		check(w.Close())
	case ".xz":
		w, err := xz.WriterConfig{CheckSum: xz.CRC32, DictCap: 1 << 20, Matcher: lzma.HashTable4}.NewWriter(&out)
		check(err)
		must(w.Write(b))
		check(w.Close())
	case ".zst":
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		check(err)
		return w.EncodeAll(b, nil)
	default:
		panic("unknown suffix " + suffix)
	}
	return out.Bytes()
}

func must(_ int, err error) { check(err) }

func check(err error) {
	if err != nil {
		panic(err) // cannot happen: everything is in memory
	}
}

// Key is a throw-away RSA key with its certificate.
type Key struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// ParseKey reads a PKCS#8 key and a certificate, both PEM.
func ParseKey(key, cert []byte) (*Key, error) {
	kb, _ := pem.Decode(key)
	cb, _ := pem.Decode(cert)
	if kb == nil || cb == nil {
		return nil, fmt.Errorf("no PEM block")
	}
	k, err := x509.ParsePKCS8PrivateKey(kb.Bytes)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(cb.Bytes)
	if err != nil {
		return nil, err
	}
	r, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("not an RSA key")
	}
	return &Key{r, c}, nil
}

type algorithm struct {
	OID  asn1.ObjectIdentifier
	Null asn1.RawValue `asn1:"optional"`
}

type signerInfo struct {
	Version int
	SID     struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}
	Digest    algorithm
	Algorithm algorithm
	Signature []byte
}

type signedData struct {
	Version int
	Digests []algorithm `asn1:"set"`
	Content struct{ OID asn1.ObjectIdentifier }
	Signers []signerInfo `asn1:"set"`
}

type contentInfo struct {
	OID  asn1.ObjectIdentifier
	Data signedData `asn1:"explicit,tag:0"`
}

// Sign appends a PKCS#7 trailer over b, with SHA-256, as scripts/sign-file of
// the kernel does.
func (k *Key) Sign(b []byte) []byte {
	sum := sha256.Sum256(b)
	sig, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	check(err)
	sha := algorithm{OID: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}}
	si := signerInfo{Version: 1, Digest: sha, Signature: sig,
		Algorithm: algorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.NullRawValue}}
	si.SID.Issuer.FullBytes = k.cert.RawIssuer
	si.SID.Serial = k.cert.SerialNumber
	sd := signedData{Version: 1, Digests: []algorithm{sha}, Signers: []signerInfo{si}}
	sd.Content.OID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	der, err := asn1.Marshal(contentInfo{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, sd})
	check(err)
	return trailer.Append(bytes.Clone(b), der, trailer.PKCS7)
}
