// SPDX-License-Identifier: Apache-2.0

//go:build cgo && softhsm

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"github.com/modhash/modhash/modsig"
)

const vectors = "../../testdata/vectors/signing/"

// softHSM makes a token "mine" with two keys of the vectors and the certificate of
// one, and a token "other" without any, in a folder of the test.
func softHSM(t *testing.T) (module string) {
	t.Helper()
	for _, m := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"} {
		if _, err := os.Stat(m); err == nil {
			module = m
			break
		}
	}
	util, err := exec.LookPath("softhsm2-util")
	if err != nil || module == "" {
		t.Fatal("SoftHSM2 is not installed")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	for _, args := range [][]string{
		{"--init-token", "--free", "--label", "mine", "--pin", "123456", "--so-pin", "654321"},
		{"--init-token", "--free", "--label", "other", "--pin", "123456", "--so-pin", "654321"},
		{"--import", vectors + "rsa2048.key", "--token", "mine", "--label", "rsa", "--id", "01", "--pin", "123456"},
		{"--import", vectors + "ecp384.key", "--token", "mine", "--label", "ec", "--id", "02ff", "--pin", "123456"},
	} {
		if out, err := exec.Command(util, args...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	writeCertificate(t, module)
	return module
}

// writeCertificate puts the RSA key's certificate into the token.
func writeCertificate(t *testing.T, module string) {
	t.Helper()
	u, err := parseURI("pkcs11:token=mine;object=rsa")
	if err != nil {
		t.Fatal(err)
	}
	tok, err := openToken(module, u)
	if err != nil {
		t.Fatal(err)
	}
	defer tok.close()
	c := tok.(*cryptoki)
	rw, err := c.ctx.OpenSession(c.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ctx.Login(rw, pkcs11.CKU_USER, "123456"); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(read(t, "rsa2048.der"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ctx.CreateObject(rw, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE), pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{1}), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "another label"),
		pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, cert.RawSubject), pkcs11.NewAttribute(pkcs11.CKA_VALUE, cert.Raw),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(vectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSoftHSM: what a real token answers. The RSA value is the one in the kernel's
// own signature of the same payload.
func TestSoftHSM(t *testing.T) {
	module := softHSM(t)
	ask := func(requests ...string) []string {
		var out bytes.Buffer
		s := &server{module: module, getenv: os.Getenv, open: openToken}
		if err := s.serve(strings.NewReader(strings.Join(requests, "\n")+"\n"), &out); err != nil {
			t.Error(err)
		}
		s.close()
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	b64 := base64.StdEncoding.EncodeToString
	digest := sha256.Sum256(read(t, "payload.bin"))
	m, err := (&modsig.Kernel{}).ParseMessage(read(t, "signed/rsa2048.sha256.p7s"))
	if err != nil {
		t.Fatal(err)
	}
	got := ask("open pkcs11:token=mine;object=rsa", "pin "+b64([]byte("123456")), "certificate", "sign rsa sha256 "+b64(digest[:]), "sign rsa md5 AAAA")
	want := []string{"pin mine", "ok", "certificate " + b64(read(t, "rsa2048.der")), "signature " + b64(m.Signers[0].Value), `error a digest "md5" of 3 bytes`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("RSA: %q", got)
	}
	for uri, name := range map[string]string{"object=rsa": "rsa2048.der", "object=ec": "ecp384.der"} {
		cert, err := x509.ParseCertificate(read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		got := ask("open pkcs11:token=mine;"+uri+"?pin-value=123456", "public")
		if len(got) != 2 || got[1] != "public "+b64(cert.RawSubjectPublicKeyInfo) {
			t.Errorf("public key of %s: %q", uri, got)
		}
	}
	got = ask("open pkcs11:token=mine;id=%02%ff?pin-value=123456", "certificate", "sign ecdsa sha256 "+b64(digest[:]), "sign ecdsa sha512 "+b64(make([]byte, 64)))
	if len(got) != 4 || got[0] != "ok" || got[1] != "none" {
		t.Fatalf("ECDSA: %q", got)
	}
	cert, err := x509.ParseCertificate(read(t, "ecp384.der"))
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range [][]byte{digest[:], make([]byte, 48)} { // the second was cut
		value, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(got[2+i], "signature "))
		if err != nil || len(value) != 96 {
			t.Fatalf("ECDSA: %q", got[2+i])
		}
		r, s := new(big.Int).SetBytes(value[:48]), new(big.Int).SetBytes(value[48:])
		if !ecdsa.Verify(cert.PublicKey.(*ecdsa.PublicKey), d, r, s) {
			t.Error("ECDSA: the signature is wrong")
		}
	}
	for request, want := range map[string]string{
		"open pkcs11:token=mine?pin-value=123456":           "error the URI names more than one private key: object=",
		"open pkcs11:token=mine;object=no?pin-value=123456": "error no private key in the token mine is as the URI names it; there are object=",
		"open pkcs11:token=other?pin-value=123456":          "error there is no private key in the token other",
		"open pkcs11:token=third":                           "error no token is as the URI names it; there are token=",
		"open pkcs11:manufacturer=SoftHSM%20project":        "error the URI names more than one token: token=",
		"open pkcs11:token=mine?pin-value=1234567":          "error token mine: pkcs11: 0xA0: CKR_PIN_INCORRECT",
	} {
		if got := ask(request); !strings.HasPrefix(got[0], want) || strings.Contains(got[0], "12345") {
			t.Errorf("%s: %q", request, got[0])
		}
	}
	if _, err := openToken(filepath.Join(t.TempDir(), "none.so"), &uri{}); err == nil {
		t.Error("a module that is not there was loaded")
	}
}
