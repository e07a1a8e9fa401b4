// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	stdx509 "crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/modhash/modhash/modsig/trailer"
)

func signingKey(t testing.TB, name string) *SigningKey {
	t.Helper()
	s, err := NewSigningKey(privateKey(t, name), vector(t, name+".der"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// privateKey reads a PKCS #8 key. OpenSSL writes the seed and the expanded key
// of ML-DSA, the seed being an OCTET STRING at a fixed place.
func privateKey(t testing.TB, name string) crypto.Signer {
	t.Helper()
	block, _ := pem.Decode(vector(t, name+".key"))
	if block == nil {
		t.Fatalf("%s.key is not PEM", name)
	}
	if strings.HasPrefix(name, "mldsa") {
		i := bytes.Index(block.Bytes, []byte{0x04, 0x20})
		key, err := mldsa.NewPrivateKey(mldsaParameters(name), block.Bytes[i+2:][:32])
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, err := mldsax509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

func payloadOf(b []byte) *Payload { return NewPayload(bytes.NewReader(b), int64(len(b))) }

// TestSignedFiles makes every file of signed/ again. RSA, and the ECDSA file with
// a nonce of RFC 6979, come out byte for byte. Others that sign-file made hold a
// random nonce: there, what is before the signature value must be equal, and
// both signatures must verify.
func TestSignedFiles(t *testing.T) {
	payload := vector(t, "payload.bin")
	exact := 0
	for _, test := range []struct {
		file, key string
		hash      crypto.Hash
		keyID     bool
		attrs     bool
		exact     bool
	}{
		{"rsa2048.sha1", "rsa2048", crypto.SHA1, false, false, true},
		{"rsa2048.sha224", "rsa2048", crypto.SHA224, false, false, true},
		{"rsa2048.sha256", "rsa2048", crypto.SHA256, false, false, true},
		{"rsa2048.sha384", "rsa2048", crypto.SHA384, false, false, true},
		{"rsa2048.sha512", "rsa2048", 0, false, false, true},
		{"rsa2048.sha3-256", "rsa2048", crypto.SHA3_256, false, false, true},
		{"rsa2048.sha3-384", "rsa2048", crypto.SHA3_384, false, false, true},
		{"rsa2048.sha3-512", "rsa2048", crypto.SHA3_512, false, false, true},
		{"rsa2048.sha256.keyid", "rsa2048", crypto.SHA256, true, false, true},
		{"ecp384.sha512.rfc6979", "ecp384", crypto.SHA512, false, false, true},
		{"ecp384.sha256", "ecp384", crypto.SHA256, false, false, false},
		{"ecp384.sha384", "ecp384", crypto.SHA384, false, false, false},
		{"ecp384.sha512", "ecp384", crypto.SHA512, false, false, false},
		{"ecp384.sha3-256", "ecp384", crypto.SHA3_256, false, false, false},
		{"ecp384.sha3-512", "ecp384", crypto.SHA3_512, false, false, false},
		{"ecp384.sha512.keyid", "ecp384", crypto.SHA512, true, false, false},
		{"mldsa44.noattr", "mldsa44", 0, false, false, false},
		{"mldsa65.noattr", "mldsa65", 0, false, false, false},
		{"mldsa87.noattr", "mldsa87", 0, false, false, false},
		{"mldsa44.attrs", "mldsa44", 0, false, true, false},
		{"mldsa65.attrs", "mldsa65", 0, false, true, false},
		{"mldsa87.attrs", "mldsa87", 0, false, true, false},
	} {
		want := vector(t, "signed/"+test.file+".signed")
		s := signingKey(t, test.key)
		if !s.Deterministic() {
			t.Errorf("%s: not deterministic", test.key)
		}
		o := SignOptions{Hash: test.hash, KeyID: test.keyID, Attributes: test.attrs}
		der, err := s.Sign(payloadOf(payload), o)
		if err != nil {
			t.Errorf("%s: %v", test.file, err)
			continue
		}
		again, err := s.Sign(payloadOf(payload), o)
		if err != nil || !bytes.Equal(der, again) {
			t.Errorf("%s: two signatures differ, %v", test.file, err)
		}
		got := trailer.Append(bytes.Clone(payload), der, trailer.PKCS7)
		if test.exact {
			exact++
			if !bytes.Equal(got, want) {
				t.Errorf("%s: differs from sign-file's", test.file)
			}
			continue
		}
		ring := NewKeyring(Kernel{WaivesAttributes: true})
		if _, err := ring.Add(vector(t, test.key+".der")); err != nil {
			t.Fatal(err)
		}
		theirs := want[len(payload) : len(want)-40]
		for _, b := range [][]byte{der, theirs} {
			if _, err := ring.Check(b, payloadOf(payload)); err != nil {
				t.Errorf("%s: %v", test.file, err)
			}
		}
		if a, b := withoutSignature(t, der), withoutSignature(t, theirs); a != b {
			t.Errorf("%s: form differs from sign-file's:\n%x\n%x", test.file, a, b)
		}
	}
	if exact < 10 {
		t.Errorf("%d files compared byte for byte", exact)
	}
}

// withoutSignature is the message with lengths and signature value left out: what
// of two messages with signatures of different lengths must be equal.
func withoutSignature(t *testing.T, der []byte) string {
	t.Helper()
	m, err := (&Kernel{}).ParseMessage(der)
	if err != nil {
		t.Fatal(err)
	}
	sig := m.Signers[0].Value
	at := bytes.Index(der, sig)
	if at < 0 || at+len(sig) != len(der) {
		t.Fatalf("signature value at byte %d of %d", at, len(der))
	}
	b := bytes.Clone(der[:at])
	// Lengths that cover the signature value: one or two bytes behind 30 8x,
	// a0 8x, 31 8x and 04 8x; the value's own length and its header's.
	for i := 0; i+1 < len(b); i++ {
		if n := b[i+1]; (b[i] == 0x30 || b[i] == 0xa0 || b[i] == 0x31 || b[i] == 0x04) && (n == 0x81 || n == 0x82) {
			clear(b[i+2 : i+2+int(n-0x80)])
		}
	}
	if len(sig) < 0x80 {
		clear(b[len(b)-1:])
	}
	return string(b)
}

// newCertificate makes a self-signed certificate with the standard library.
func newCertificate(t testing.TB, key crypto.Signer, skid []byte) []byte {
	t.Helper()
	template := &stdx509.Certificate{
		SerialNumber: big.NewInt(0x1234567890),
		Subject:      pkix.Name{CommonName: "modhash test"},
		NotBefore:    time.Unix(1767225600, 0),
		NotAfter:     time.Unix(4922899200, 0),
		KeyUsage:     stdx509.KeyUsageDigitalSignature,
		SubjectKeyId: skid,
	}
	der, err := stdx509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestSignKeys: every size and curve with every digest, signed and verified,
// and the same bytes twice.
func TestSignKeys(t *testing.T) {
	keys := map[string]crypto.Signer{}
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[c.Params().Name] = key
	}
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	keys["RSA-3072"] = key
	for name, key := range keys {
		cert := newCertificate(t, key, []byte{1, 2, 3})
		s, err := NewSigningKey(key, cert)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ring := NewKeyring(Kernel{})
		if _, err := ring.Add(cert); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for hash, h := range hashes {
			if hash == "md5" {
				continue
			}
			for _, byID := range []bool{false, true} {
				payload := []byte("payload " + hash)
				o := SignOptions{Hash: h, KeyID: byID}
				der, err := s.Sign(payloadOf(payload), o)
				if err != nil {
					t.Errorf("%s with %s: %v", name, hash, err)
					continue
				}
				if again, err := s.Sign(payloadOf(payload), o); err != nil || !bytes.Equal(der, again) {
					t.Errorf("%s with %s: two signatures differ, %v", name, hash, err)
				}
				if got, err := ring.Check(der, payloadOf(payload)); err != nil || got.Subject != "modhash test" {
					t.Errorf("%s with %s: %v, %v", name, hash, got, err)
				}
				payload[0] ^= 1
				if _, err := ring.Check(der, payloadOf(payload)); errnoOf(err) != EKEYREJECTED {
					t.Errorf("%s with %s, other payload: %v", name, hash, err)
				}
			}
		}
	}
}

// badSigner is a device that returns something else than a signature.
type badSigner struct {
	crypto.Signer
	sig []byte
	err error
}

func (b badSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.sig, b.err }

func TestSignRefuses(t *testing.T) {
	rsaKey, ecKey := privateKey(t, "rsa2048"), privateKey(t, "ecp384")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := rsa.GenerateKey(rand.Reader, 2560)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := NewSigningKey(small, newCertificate(t, small, nil)); err != nil || !s.Short() {
		t.Errorf("1024 bits: %v", err)
	}
	for name, test := range map[string]struct {
		key  crypto.Signer
		cert []byte
		want string
	}{
		"other key":       {ecKey, vector(t, "rsa2048.der"), ErrMismatch.Error()},
		"other RSA key":   {privateKey(t, "unknown"), vector(t, "rsa2048.der"), ErrMismatch.Error()},
		"2560 bits":       {odd, newCertificate(t, odd, nil), "EINVAL"},
		"P-224":           {p224, newCertificate(t, p224, nil), "ENOPKG"},
		"no certificate":  {rsaKey, nil, "EBADMSG"},
		"PEM":             {rsaKey, vector(t, "rsa2048.crt"), "EBADMSG"},
		"cut certificate": {rsaKey, vector(t, "rsa2048.der")[:900], "EBADMSG"},
		"two":             {rsaKey, append(vector(t, "rsa2048.der"), 0), "1 bytes behind"},
	} {
		if s, err := NewSigningKey(test.key, test.cert); err == nil || s != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}

	sign := func(key crypto.Signer, cert string, o SignOptions) error {
		s, err := NewSigningKey(key, vector(t, cert+".der"))
		if err != nil {
			t.Fatal(err)
		}
		der, err := s.Sign(payloadOf([]byte("payload")), o)
		if (der == nil) != (err != nil) {
			t.Errorf("%d bytes with error %v", len(der), err)
		}
		return err
	}
	mixed := *privateKey(t, "unknown").(*rsa.PrivateKey)
	mixed.PublicKey = rsaKey.(*rsa.PrivateKey).PublicKey
	broken := errors.New("token removed")
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"SHA-512/256":    {sign(rsaKey, "rsa2048", SignOptions{Hash: crypto.SHA512_256}), "do not verify"},
		"MD5":            {sign(rsaKey, "rsa2048", SignOptions{Hash: crypto.MD5}), "do not verify"},
		"attributes":     {sign(rsaKey, "rsa2048", SignOptions{Attributes: true}), "refuse signed attributes"},
		"ML-DSA SHA-256": {sign(privateKey(t, "mldsa44"), "mldsa44", SignOptions{Hash: crypto.SHA256, Attributes: true}), "SHA-512 only"},
		"empty":          {sign(badSigner{Signer: rsaKey}, "rsa2048", SignOptions{}), "does not verify"},
		"mixed":          {sign(&mixed, "rsa2048", SignOptions{}), "does not verify"},
		"wrong":          {sign(badSigner{Signer: rsaKey, sig: make([]byte, 256)}, "rsa2048", SignOptions{}), "does not verify"},
		"device":         {sign(badSigner{Signer: ecKey, err: broken}, "ecp384", SignOptions{}), broken.Error()},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, test.err, test.want)
		}
	}

	s, err := NewSigningKey(ecKey, newCertificate(t, ecKey, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(payloadOf(nil), SignOptions{KeyID: true}); !errors.Is(err, ErrNoKeyID) {
		t.Errorf("key id of a certificate without one: %v", err)
	}
	short := NewPayload(bytes.NewReader(nil), 1)
	if _, err := s.Sign(short, SignOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("payload that is shorter than told: %v", err)
	}
	if s, err := NewSigningKey(badSigner{Signer: ecKey}, vector(t, "ecp384.der")); err != nil || s.Deterministic() {
		t.Errorf("a device's ECDSA is called deterministic, %v", err)
	}
}
