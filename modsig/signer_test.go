// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"testing"

	"github.com/modhash/modhash/modsig/trailer"
)

func message(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../testdata/vectors/signing/" + name)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trailer.Split(bytes.NewReader(b), int64(len(b)))
	if err != nil || tr.State != trailer.Valid {
		t.Fatalf("%s: %v, %v", name, tr.State, err)
	}
	return b[tr.SignatureOffset():][:tr.Block.SigLen]
}

// The expectations are what "openssl x509" shows of the certificate.
func TestParseSigner(t *testing.T) {
	for name, want := range map[string]string{
		"rsa2048.sha256.signed":       "Throwaway module signing key, serial 7c8e49e3f17a4f168c6bb3f03271ca7a531854a4",
		"rsa2048.sha256.keyid.signed": "key id 5211a5dae3c98a99dfaa5932eb2daac9be45899e",
	} {
		s, err := ParseSigner(message(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.String() != want || s.Digest != "sha256" {
			t.Errorf("%s: %v, %s; want %s", name, s, s.Digest, want)
		}
	}
}

// TestCommonName: the quick way gives what crypto/x509 reads, or nothing.
func TestCommonName(t *testing.T) {
	for _, name := range []string{"rsa2048.crt", "../../keys/throwaway-a.crt"} {
		data, err := os.ReadFile("../testdata/vectors/signing/" + name)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(data)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := commonName(cert.RawIssuer); got != cert.Issuer.CommonName || got == "" {
			t.Errorf("%s: %q, want %q", name, got, cert.Issuer.CommonName)
		}
		if got, err := issuerName(cert.RawIssuer); got != cert.Issuer.CommonName || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestParseSignerTruncated(t *testing.T) {
	der := message(t, "rsa2048.sha256.signed")
	for i := range der {
		if s, err := ParseSigner(der[:i]); err == nil || s != nil {
			t.Fatalf("cut at %d of %d: %v, %v", i, len(der), s, err)
		}
	}
}

func FuzzParseSigner(f *testing.F) {
	f.Add(message(f, "rsa2048.sha256.signed"))
	f.Add(message(f, "rsa2048.sha256.keyid.signed"))
	f.Fuzz(func(t *testing.T, der []byte) {
		s, err := ParseSigner(der)
		if (s == nil) != (err != nil) {
			t.Fatalf("%v with error %v", s, err)
		}
		if s != nil && s.String() == "" {
			t.Fatal("a signer without a name")
		}
	})
}

// TestSerialHex: as OpenSSL shows it, which writes whole bytes.
func TestSerialHex(t *testing.T) {
	for n, want := range map[int64]string{0: "00", 1: "01", 0x7f: "7f", 0xabc: "0abc", 0x10203: "010203", -5: "05"} {
		if got := SerialHex(big.NewInt(n)); got != want {
			t.Errorf("%d: %s", n, got)
		}
		if got := (&Signer{Serial: big.NewInt(n)}).Hex(); got != want {
			t.Errorf("signer %d: %s", n, got)
		}
	}
	if got := SerialHex(nil); got != "" {
		t.Errorf("nil: %q", got)
	}
}
