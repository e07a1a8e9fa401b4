// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhash/modhash/modsig"
)

const vectors = "../../testdata/vectors/signing/"

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pins hands out a PIN and counts how often it was asked for.
type pins struct {
	pin   string
	asked int
	given []byte
}

func (p *pins) ask(context.Context, string) ([]byte, error) {
	p.asked++
	p.given = []byte(p.pin)
	return p.given, nil
}

// TestForms opens the two keys in every form. That it is the right key is what
// Open checks against the certificate.
func TestForms(t *testing.T) {
	files, err := filepath.Glob("testdata/*.[kdp]e[yrm]")
	if err != nil || len(files) < 18 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	files = append(files, vectors+"rsa2048.key", vectors+"ecp384.key")
	for _, file := range files {
		base := filepath.Base(file)
		if base == "pbes1.key" {
			continue // below
		}
		cert := read(t, vectors+"ecp384.der")
		if strings.Contains(base, "rsa") {
			cert = read(t, vectors+"rsa2048.der")
		}
		p := &pins{pin: "modhash"}
		encrypted := strings.Contains(base, "pbkdf2") || strings.Contains(base, "scrypt") || strings.Contains(base, "legacy") || base == "encrypted.der"
		if _, err := Open(context.Background(), file, cert, &Options{PIN: p.ask}); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		want := 0
		if encrypted {
			want = 1
			if !bytes.Equal(p.given, make([]byte, 7)) {
				t.Errorf("%s: the PIN was not overwritten", base)
			}
		}
		if p.asked != want {
			t.Errorf("%s: asked %d times for the PIN", base, p.asked)
		}
		if !encrypted {
			continue
		}
		wrong := &pins{pin: "mohdash"}
		_, err := Open(context.Background(), file, cert, &Options{PIN: wrong.ask})
		if !errors.Is(err, ErrPIN) || wrong.asked != 1 || strings.Contains(err.Error(), "mohdash") {
			t.Errorf("%s, wrong PIN: %v, asked %d times", base, err, wrong.asked)
		}
		for _, o := range []*Options{nil, {PIN: (&pins{}).ask}} {
			if _, err := Open(context.Background(), file, cert, o); !errors.Is(err, ErrNoPIN) {
				t.Errorf("%s, no PIN: %v", base, err)
			}
		}
	}
}

// TestMLDSA opens what OpenSSL 3.5 wrote: seed and key.
func TestMLDSA(t *testing.T) {
	for _, name := range []string{"mldsa44", "mldsa65", "mldsa87"} {
		k, err := Open(context.Background(), vectors+name+".key", read(t, vectors+name+".der"), nil)
		if err != nil || k.Key().Algorithm != name || !k.Deterministic() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	ec := read(t, vectors+"ecp384.der")
	dir := t.TempDir()
	write := func(name string, data ...[]byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Join(data, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := read(t, vectors+"ecp384.key")
	for _, c := range []struct {
		name string
		cert []byte
		want string
	}{
		{vectors + "unknown.key", ec, "does not belong"},
		{vectors + "ecp384.key", nil, "no certificate was given"},
		{vectors + "ecp384.key", []byte{0x30, 0}, "certificate"},
		{vectors + "ecp384.crt", ec, "no private key"},
		{vectors + "ecp384.der", ec, "no private key"},
		{"testdata/pbes1.key", ec, "PBES2"},
		{write("two", key, key), ec, "more than one"},
		{write("empty"), ec, "no private key"},
		{write("large", make([]byte, MaxFile+1)), ec, "more than 1048576 bytes"},
		{write("ssh", []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")), ec, "PKCS #8"},
		{write("cut", key[:len(key)/2]), ec, "no private key"},
		{dir, ec, "is a directory"},
		{dir + "/none", ec, "no such file"},
		{"", ec, "empty"},
		{"kms:17", ec, "no keys are known"},
		{"file://host/x", ec, "of this machine"},
		{"exec:x", ec, "cannot be run"},
		{"exec:", ec, "single blanks"},
		{"exec:a  b", ec, "single blanks"},
		{"exec:a%0", ec, "percent sign"},
		{"exec:a%00", ec, "percent sign"},
	} {
		_, err := Open(context.Background(), c.name, c.cert, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	abs, err := filepath.Abs(vectors + "ecp384.key")
	if err != nil {
		t.Fatal(err)
	}
	cert := read(t, vectors+"ecp384.der")
	for _, name := range []string{abs, "file:" + abs, "file://" + abs, "file://localhost" + abs, "file:" + vectors + "ecp384.key", "file://" + strings.ReplaceAll(abs, "ecp", "%65cp")} {
		if _, err := Open(context.Background(), name, cert, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExposed: a key that others may read is refused where that is asked for, before
// anybody is asked for its PIN.
func TestExposed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, read(t, "testdata/both.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o700, 0o640, 0o604, 0o660, 0o602, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(context.Background(), path, nil, &Options{Private: true})
		var ee *ExposedError
		if errors.As(err, &ee) != (mode&0o077 != 0) || ee != nil && (ee.Path != path || ee.Mode != mode) {
			t.Errorf("%o: %v", mode, err)
		}
		if _, err := Open(context.Background(), path, nil, nil); err != nil {
			t.Errorf("%o, where it does not matter: %v", mode, err)
		}
	}
	if err := os.WriteFile(path, read(t, "testdata/scrypt.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	var ee *ExposedError
	_, err := Open(context.Background(), path, nil, &Options{Private: true, PIN: func(context.Context, string) ([]byte, error) {
		t.Error("asked for a PIN")
		return nil, nil
	}})
	if !errors.As(err, &ee) {
		t.Error(err)
	}
}

func TestCertificates(t *testing.T) {
	der := read(t, vectors+"ecp384.der")
	for _, path := range []string{vectors + "ecp384.der", vectors + "ecp384.crt", "testdata/both.pem"} {
		got, err := ReadCertificate(t.Context(), path)
		if err != nil || !bytes.Equal(got, der) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, data := range []string{"", "0", "0\x80", "0\x05", "-----BEGIN CERTIFICATE-----\n"} {
		if _, err := ParseCertificate([]byte(data)); err == nil {
			t.Errorf("%q was taken", data)
		}
	}
	if _, err := ReadCertificate(t.Context(), "testdata/none"); err == nil || !strings.Contains(err.Error(), "testdata/none: no such file") {
		t.Error(err)
	}
}

func TestHashes(t *testing.T) {
	for name, want := range map[string]crypto.Hash{
		"sha256": crypto.SHA256, "SHA256": crypto.SHA256, "RSA-SHA512": crypto.SHA512, "SHA2-384": crypto.SHA384, "sha-1": crypto.SHA1,
		"sha256WithRSAEncryption": crypto.SHA256, "2.16.840.1.101.3.4.2.1": crypto.SHA256, "2.16.840.1.101.3.4.2.10": crypto.SHA3_512, "ssl3-sha1": crypto.SHA1,
		"sha3-256": crypto.SHA3_256, "RSA-SHA3-512": crypto.SHA3_512, "sha224": crypto.SHA224,
		"md5": 0, "": 0, "sha": 0, "sm3": 0, "sha3-224": 0, "sha512-256": 0, "sha2-256x": 0, "1.3.14.3.2": 0, "WithRSAEncryption": 0,
	} {
		if got, ok := ParseHash(name); got != want || ok != (want != 0) {
			t.Errorf("%q: %v", name, got)
		}
	}
	for _, name := range HashNames() {
		if h, ok := ParseHash(name); !ok || HashName(h) != name || !h.Available() {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// TestFromValue makes the message around a bare signature value, as the kernel's
// tools did with the key at hand.
func TestFromValue(t *testing.T) {
	payload := read(t, vectors+"payload.bin")
	for name, h := range map[string]crypto.Hash{"rsa2048.sha256": crypto.SHA256, "rsa2048.sha3-512": crypto.SHA3_512, "ecp384.sha512": crypto.SHA512, "mldsa65.noattr": crypto.SHA512} {
		key, _, _ := strings.Cut(name, ".")
		cert := read(t, vectors+key+".der")
		file := read(t, vectors+"signed/"+name+".signed")
		der := file[len(payload) : len(file)-40]
		m, err := (&modsig.Kernel{}).ParseMessage(der)
		if err != nil {
			t.Fatal(err)
		}
		sk, err := FromValue(cert, m.Signers[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := sk.Sign(modsig.NewPayload(bytes.NewReader(payload), int64(len(payload))), modsig.SignOptions{Hash: h})
		if err != nil || !bytes.Equal(got, der) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := sk.Sign(modsig.NewPayload(bytes.NewReader(payload), int64(len(payload)-1)), modsig.SignOptions{Hash: h}); err == nil {
			t.Errorf("%s: of another payload: %x", name, got)
		}
	}
	if _, err := FromValue(read(t, vectors+"rsa2048.der"), nil); err == nil {
		t.Error("an empty value was taken")
	}
}

// FuzzParseKey: whatever the file is, there is a key or an error, and the PIN is
// asked for once at most.
func FuzzParseKey(f *testing.F) {
	files, err := filepath.Glob("testdata/*.[kdp]e[yrm]")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds")
	}
	for _, file := range files {
		if !strings.Contains(file, "scrypt") { // too slow to be mutated
			f.Add(read(f, file))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 8<<10 {
			return
		}
		if e, err := parseEncrypted(data); err == nil && e != nil {
			return // deriving may take long; its parameters are checked
		}
		asked := 0
		signer, _, err := parseKey(data, func() ([]byte, error) { asked++; return nil, ErrNoPIN })
		if (err == nil) == (signer == nil) || asked > 1 {
			t.Errorf("%v, %v, asked %d times", signer, err, asked)
		}
	})
}
