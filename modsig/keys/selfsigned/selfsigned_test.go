// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys/genkey"
)

// request makes one of the lines of its extensions.
func request(t *testing.T, extensions string) *genkey.Request {
	t.Helper()
	c, err := genkey.Parse([]byte("[req]\nprompt=no\ndistinguished_name=d\nx509_extensions=x\n[d]\nCN=a name that is long enough\n[x]\n" + extensions))
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Request()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestExtensionErrors: what OpenSSL refuses too, and what is not known here.
func TestExtensionErrors(t *testing.T) {
	key := readKey(t, "p256")
	for line, want := range map[string]string{
		"basicConstraints=":                     "empty part",
		"basicConstraints=CA:":                  "nothing behind",
		"basicConstraints=CA:maybe":             "want TRUE or FALSE",
		"basicConstraints=pathlen:many":         "want a number",
		"basicConstraints=pathlen:-1":           "want a number",
		"basicConstraints=ca:TRUE":              "want CA or pathlen",
		"keyUsage=nope":                         "no usage is known",
		"keyUsage=":                             "empty part",
		"keyUsage=critical":                     "no usage is known",
		"extendedKeyUsage=nonesuch":             "no purpose is known",
		"extendedKeyUsage=1.99":                 "no purpose is known",
		"subjectKeyIdentifier=":                 "want hash, none or hex",
		"subjectKeyIdentifier=0":                "want hash, none or hex",
		"authorityKeyIdentifier=bogus":          "want keyid or issuer",
		"authorityKeyIdentifier=keyid:sometime": "want keyid or issuer",
		"authorityKeyIdentifier=none,keyid":     "want keyid or issuer",
		"authorityKeyIdentifier=keyid,keyid":    "each once",
		"authorityKeyIdentifier=keyid:always":   "without a subjectKeyIdentifier",
		"subjectAltName=IP:1.2.3.4":             "want DNS:",
		"subjectAltName=email:copy":             "want DNS:",
		"subjectAltName=DNS:\xc3\xa4":           "want ASCII",
		"subjectAltName=RID:x":                  "want an identifier",
		"nsComment=\xc3\xa4":                    "want ASCII",
		"2.5.29.19=CA:FALSE":                    "want DER:",
		"2.5.29.19=DER:3":                       "want hex",
		"0.basicConstraints=CA:FALSE":           "not known here",
		"certificatePolicies=1.2.3":             "not known here",
		"keyUsage=ASN1:BITSTRING:x":             "not supported",
		"subjectAltName=@names":                 "not supported",
	} {
		tpl := fixed(request(t, line), crypto.SHA256, OpenSSL4)
		_, err := tpl.Make(key)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), " on line 8: ") {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// TestRefused: what would be dropped by kernels, or is none of X.509.
func TestRefused(t *testing.T) {
	key := readKey(t, "p256")
	good := request(t, "")
	change := func(f func(*Template)) *Template {
		tpl := fixed(good, crypto.SHA256, OpenSSL4)
		f(tpl)
		return tpl
	}
	for want, tpl := range map[string]*Template{
		"is to be positive":              change(func(t *Template) { t.Serial = new(big.Int) }),
		"and below 2^159":                change(func(t *Template) { t.Serial = new(big.Int).Lsh(big.NewInt(1), 159) }),
		"within the years 1970":          change(func(t *Template) { t.NotBefore = time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC) }),
		"to 9999":                        change(func(t *Template) { t.NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"end before it begins":           change(func(t *Template) { t.NotAfter = t.NotBefore.Add(-time.Second) }),
		"digest MD5":                     change(func(t *Template) { t.Hash = crypto.MD5 }),
		"would not take the certificate": change(func(x *Template) { x.Request = request(t, "basicConstraints=pathlen:1") }),
		"authorityKeyIdentifier names another": change(func(x *Template) {
			x.Request = request(t, "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=DER:30038001aa")
		}),
		"malformed or second subject key identi": change(func(x *Template) { x.Request = request(t, "2.5.29.14=DER:040101\nsubjectKeyIdentifier=hash") }),
	} {
		if _, err := tpl.Make(key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, key := range map[string]crypto.Signer{"RSA key of 1024 bits": small, "on curve P-224": p224, "do not verify with": ed} {
		if _, err := fixed(good, crypto.SHA256, OpenSSL4).Make(key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// liar signs something else, or nothing.
type liar struct {
	crypto.Signer
	err error
}

func (l liar) Sign(r io.Reader, _ []byte, o crypto.SignerOpts) ([]byte, error) {
	if l.err != nil {
		return nil, l.err
	}
	return l.Signer.Sign(r, make([]byte, o.HashFunc().Size()), o)
}

func TestWrongSignature(t *testing.T) {
	for _, name := range []string{"p256", "rsa2048"} {
		key := readKey(t, name)
		tpl := fixed(request(t, "subjectKeyIdentifier=hash"), crypto.SHA256, OpenSSL4)
		if _, err := tpl.Make(liar{Signer: key}); err == nil || !strings.Contains(err.Error(), "a kernel would not take the certificate") {
			t.Errorf("%s: %v", name, err)
		}
		gone := errors.New("gone")
		if _, err := tpl.Make(liar{key, gone}); !errors.Is(err, gone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListable(t *testing.T) {
	for text, want := range map[string]string{
		"": "begin", "\x31\x82\x01\x00": "begin", "\x30\x81\x80" + strings.Repeat("x", 128): "131 bytes",
		"\x30\x83\x01\x00\x00" + strings.Repeat("x", 65536): "65541 bytes", "\x30\x82\x01\x00" + strings.Repeat("x", 257): "says it has 260",
		"\x30\x82\x01\x00" + strings.Repeat("x", 256): "",
	} {
		if got := Listable([]byte(text)); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%.10q: %q, want %q", text, got, want)
		}
	}
}

// TestKeys: what is made is what was asked for, kernels take it, and a key comes
// back from its PEM.
func TestKeys(t *testing.T) {
	for _, kind := range KeyTypes() {
		key, err := Generate(kind, 2048)
		if err != nil {
			t.Fatal(err)
		}
		if got := KeyType(key.Public()); got != kind {
			t.Errorf("%s is %s", kind, got)
		}
		der, err := fixed(request(t, "subjectKeyIdentifier=hash"), crypto.SHA384, OpenSSL3).Make(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := modsig.NewSigningKey(key, der); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		text, err := MarshalKey(key)
		if err != nil || !bytes.HasPrefix(text, []byte("-----BEGIN PRIVATE KEY-----\n")) {
			t.Errorf("%s: %v %.20q", kind, err, text)
		}
	}
	for _, bits := range []int{0, 1024, 2560, 8192} {
		if _, err := Generate("rsa", bits); err == nil {
			t.Errorf("a key of %d bits", bits)
		}
	}
	if _, err := Generate("dsa", 0); err == nil {
		t.Error("a DSA key")
	}
	if KeyType(ed25519.PublicKey(nil)) != "" {
		t.Error("Ed25519 has a name")
	}
}

// TestSerials: a derived one is what another program computes; a random one is another
// one each time.
func TestSerials(t *testing.T) {
	key, r := readKey(t, "rsa2048"), readRequest(t, "kernel")
	made := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	got, err := DerivedSerial(key.Public(), r.Subject, made)
	// By Python's hashlib, of what openssl pkey -pubout -outform DER writes, the name
	// put together by hand, and the time.
	const want = "57e6f09b7de04c6629fb9e954a4abd664a1c04c1"
	if err != nil || fmt.Sprintf("%x", got) != want || got.BitLen() != 159 {
		t.Errorf("%x %v, want %s", got, err, want)
	}
	if other, err := DerivedSerial(key.Public(), r.Subject, made.Add(time.Second)); err != nil || other.Cmp(got) == 0 {
		t.Errorf("%x a second later (%v)", other, err)
	}
	seen := map[string]bool{}
	for range 100 {
		n, err := RandomSerial()
		if err != nil || n.Sign() <= 0 || n.BitLen() > 159 || seen[n.String()] {
			t.Fatalf("%x %v", n, err)
		}
		seen[n.String()] = true
	}
}
