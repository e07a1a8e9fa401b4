// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a token that records what is done with it.
type fake struct {
	pin    string // "": no login
	cert   []byte
	logins int
	closed int
	signed []string
	lost   error
}

func (f *fake) label() string    { return "my token" }
func (f *fake) needsLogin() bool { return f.pin != "" }
func (f *fake) find() error      { return f.lost }
func (f *fake) close()           { f.closed++ }

func (f *fake) certificate() ([]byte, error) { return f.cert, nil }
func (f *fake) public() ([]byte, error)      { return f.cert, nil }

func (f *fake) login(pin []byte) error {
	if f.logins++; string(pin) != f.pin {
		return errors.New("CKR_PIN_INCORRECT")
	}
	return nil
}

func (f *fake) sign(algorithm, hash string, data []byte) ([]byte, error) {
	f.signed = append(f.signed, algorithm+" "+hash+" "+string(data))
	return []byte("value"), nil
}

func TestServer(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	pinFile := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(pinFile, []byte("1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sign := "sign rsa sha256 " + b64("digest")
	for name, c := range map[string]struct {
		token    fake
		requests []string
		want     []string // beginnings of answers
		logins   int
	}{
		"no login":    {fake{}, []string{"open pkcs11:", sign, sign}, []string{"ok", "signature " + b64("value"), "signature"}, 0},
		"asked":       {fake{pin: "1234"}, []string{"open pkcs11:", "pin " + b64("1234"), sign}, []string{"pin my token", "ok", "signature"}, 1},
		"wrong":       {fake{pin: "1234"}, []string{"open pkcs11:", "pin " + b64("4321"), "pin " + b64("1234"), sign}, []string{"pin my token", "error CKR_PIN", "error CKR_PIN", "error CKR_PIN"}, 1},
		"pin-value":   {fake{pin: "12 4"}, []string{"open pkcs11:?pin-value=12%204", sign}, []string{"ok", "signature"}, 1},
		"wrong value": {fake{pin: "1234"}, []string{"open pkcs11:?pin-value=9", "pin " + b64("1234")}, []string{"error CKR_PIN", "error CKR_PIN"}, 1},
		"pin-source":  {fake{pin: "1234"}, []string{"open pkcs11:?pin-source=" + pinFile, sign}, []string{"ok", "signature"}, 1},
		"file:":       {fake{pin: "1234"}, []string{"open pkcs11:?pin-source=file:" + pinFile}, []string{"ok"}, 1},
		"file://":     {fake{pin: "1234"}, []string{"open pkcs11:?pin-source=file://" + pinFile}, []string{"ok"}, 1},
		"no source":   {fake{pin: "1234"}, []string{"open pkcs11:?pin-source=" + pinFile + "x"}, []string{"error pin-source: "}, 0},
		"command":     {fake{pin: "1234"}, []string{"open pkcs11:?pin-source=|id"}, []string{"error pin-source names a command"}, 0},
		"certificate": {fake{cert: []byte("der")}, []string{"open pkcs11:", "certificate"}, []string{"ok", "certificate " + b64("der")}, 0},
		"public":      {fake{cert: []byte("der")}, []string{"open pkcs11:", "public"}, []string{"ok", "public " + b64("der")}, 0},
		"no public":   {fake{}, []string{"open pkcs11:", "public"}, []string{"ok", "none"}, 0},
		"none":        {fake{}, []string{"open pkcs11:", "certificate"}, []string{"ok", "none"}, 0},
		"lost":        {fake{lost: errors.New("no key\nhere")}, []string{"open pkcs11:", sign}, []string{"error no key?here", "error no key"}, 0},
		"too early":   {fake{pin: "1234"}, []string{"open pkcs11:", sign}, []string{"pin", "error a request"}, 0},
		"twice":       {fake{}, []string{"open pkcs11:", "open pkcs11:"}, []string{"ok", "error a request"}, 0},
		"not open":    {fake{}, []string{sign}, []string{"error a request"}, 0},
		"not base64":  {fake{}, []string{"open pkcs11:", "sign rsa sha256 ?"}, []string{"ok", "error data"}, 0},
		"bad URI":     {fake{}, []string{"open pkcs11:x=secret"}, []string{"error the URI has an attribute"}, 0},
	} {
		tok := c.token
		s := &server{module: "m", getenv: os.Getenv, open: func(string, *uri) (token, error) { return &tok, nil }}
		var out bytes.Buffer
		if err := s.serve(strings.NewReader(strings.Join(c.requests, "\n")+"\n"), &out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.close()
		answers := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(answers) != len(c.want) || tok.logins != c.logins {
			t.Errorf("%s: answers %q, %d logins", name, answers, tok.logins)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(answers[i], want) {
				t.Errorf("%s: %q, want %q", name, answers[i], want)
			}
		}
		if strings.Contains(out.String(), "1234") || strings.Contains(out.String(), "secret") {
			t.Errorf("%s: a PIN in %q", name, out.String())
		}
	}
}

func TestURI(t *testing.T) {
	u, err := parseURI("pkcs11:token=My%20token;object=a%3bb;id=%01%ff;x-vendor=1;slot-id=3?pin-value=p%26&module-path=/m.so&x-y=2")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"token": "My token", "object": "a;b", "id": "\x01\xff", "slot-id": "3"} {
		if u.path[name] != want {
			t.Errorf("%s: %q", name, u.path[name])
		}
	}
	if u.query["pin-value"] != "p&" || u.query["module-path"] != "/m.so" || len(u.path) != 4 || !u.names() {
		t.Errorf("%+v", u)
	}
	for _, bad := range []string{
		"", "token=x", "PKCS11:", "pkcs11:token", "pkcs11:token=a;token=b", "pkcs11:tokens=a", "pkcs11:token=%4", "pkcs11:token=%zz",
		"pkcs11:pin-value=1", "pkcs11:?token=1", "pkcs11:?pin-value=secret%", "pkcs11:type=data", "pkcs11:;", "pkcs11:token=a;",
	} {
		if u, err := parseURI(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %+v, %v", bad, u, err)
		}
	}
}

func TestModule(t *testing.T) {
	env := map[string]string{}
	getenv := func(n string) string { return env[n] }
	of := func(option, text string) string {
		u, err := parseURI(text)
		if err != nil {
			t.Fatal(err)
		}
		m, err := u.module(option, getenv)
		if err != nil {
			return "error"
		}
		return m
	}
	for _, c := range []struct{ set, option, uri, want string }{
		{"", "", "pkcs11:", "p11-kit-proxy.so"},
		{"PKCS11_PROVIDER_MODULE", "", "pkcs11:", "PKCS11_PROVIDER_MODULE"},
		{"PKCS11_MODULE_PATH", "", "pkcs11:", "PKCS11_MODULE_PATH"},
		{"", "", "pkcs11:?module-path=/u", "/u"},
		{"", "/o", "pkcs11:?module-path=/u", "/o"},
		{"", "", "pkcs11:?module-name=no-such-module", "error"},
		{"", "", "pkcs11:?module-name=../x", "error"},
	} {
		if c.set != "" {
			env[c.set] = c.set
		}
		if got := of(c.option, c.uri); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestDigestInfo parses what RSA is to sign.
func TestDigestInfo(t *testing.T) {
	for hash, p := range prefixes {
		n := int(p[len(p)-1])
		b, err := digestInfo(hash, bytes.Repeat([]byte{0x5a}, n))
		var info struct {
			Algorithm struct {
				OID  asn1.ObjectIdentifier
				Null asn1.RawValue
			}
			Digest []byte
		}
		rest, uerr := asn1.Unmarshal(b, &info)
		if err != nil || uerr != nil || len(rest) != 0 || len(info.Digest) != n || info.Algorithm.Null.Tag != asn1.TagNull {
			t.Errorf("%s: %v, %v", hash, err, uerr)
		}
		if _, err := digestInfo(hash, make([]byte, n-1)); err == nil {
			t.Errorf("%s: a short digest was taken", hash)
		}
	}
	if _, err := digestInfo("md5", make([]byte, 16)); err == nil {
		t.Error("md5 was taken")
	}
}

func TestUsage(t *testing.T) {
	var out, errs bytes.Buffer
	if c := run([]string{"pkcs11:pin-value=1"}, strings.NewReader(""), &out, &errs); c != 2 || !strings.HasPrefix(errs.String(), "usage:") {
		t.Errorf("%d, %s", c, errs.String())
	}
}

func FuzzParseURI(f *testing.F) {
	f.Add("pkcs11:token=My%20token;object=a%3bb;id=%01%ff;x-vendor=1?pin-value=p%26&module-path=/m.so")
	f.Add("pkcs11:")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseURI(s)
		if (err == nil) != (u != nil) {
			t.Errorf("%+v, %v", u, err)
		}
		if err != nil {
			return
		}
		for name := range u.path {
			if !strings.Contains(s, name+"=") {
				t.Errorf("%q is not in %q", name, s)
			}
		}
	})
}
