// SPDX-License-Identifier: Apache-2.0

package certlist

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func all(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.der")
	if err != nil || len(names) < 7 {
		t.Fatalf("%d certificates, %v", len(names), err)
	}
	certs := map[string][]byte{}
	for _, n := range names {
		certs[filepath.Base(n)] = read(t, filepath.Base(n))
	}
	return certs
}

// describe writes a certificate in the form of testdata/openssl.txt.
func describe(name string, c *Certificate) string {
	var b strings.Builder
	parts := func(what, text string) {
		fmt.Fprintf(&b, "%s=\n", what)
		o, cn, both := strings.Cut(text, ": ")
		if !both {
			o, cn = "", text
		}
		if o != "" {
			fmt.Fprintf(&b, "organizationName = %s\n", o)
		}
		fmt.Fprintf(&b, "commonName = %s\n", cn)
	}
	fmt.Fprintf(&b, "== %s\nserial=%X\n", name, c.Serial.Bytes())
	parts("subject", c.Subject)
	parts("issuer", c.Issuer)
	const iso = "2006-01-02 15:04:05Z"
	fmt.Fprintf(&b, "notBefore=%s\nnotAfter=%s\n", c.NotBefore.UTC().Format(iso), c.NotAfter.UTC().Format(iso))
	var id []string
	for _, v := range c.KeyID {
		id = append(id, fmt.Sprintf("%02X", v))
	}
	if id != nil {
		b.WriteString(strings.Join(id, ":") + "\n")
	}
	// That openssl does not know these.
	dotted := map[string]string{
		"ML-DSA-44": "2.16.840.1.101.3.4.3.17", "ML-DSA-65": "2.16.840.1.101.3.4.3.18", "ML-DSA-87": "2.16.840.1.101.3.4.3.19",
	}
	sig, key := c.SignatureAlgorithm, c.KeyAlgorithm
	if d := dotted[sig]; d != "" {
		sig = d
	}
	if d := dotted[strings.ToUpper(key)]; d != "" {
		key = d
	}
	switch key {
	case "rsa":
		key = "rsaEncryption"
	case "ecdsa":
		key = "id-ecPublicKey"
	}
	fmt.Fprintf(&b, "Signature Algorithm: %s\nPublic Key Algorithm: %s\n", sig, key)
	if c.KeyBits > 0 {
		fmt.Fprintf(&b, "Public-Key: (%d bit)\n", c.KeyBits)
	}
	if c.Curve != "" {
		fmt.Fprintf(&b, "NIST CURVE: %s\n", c.Curve)
	}
	return b.String()
}

// TestOpenSSL compares with what openssl says.
func TestOpenSSL(t *testing.T) {
	text := string(read(t, "openssl.txt"))
	blocks := map[string]string{}
	for _, block := range strings.Split(text, "== ")[1:] {
		name, _, _ := strings.Cut(block, "\n")
		blocks[name] = "== " + block
	}
	for name, der := range all(t) {
		c := ParseOne(der)
		if c.Err != nil {
			t.Errorf("%s: %v", name, c.Err)
			continue
		}
		if got := describe(name, &c); got != blocks[name] {
			t.Errorf("%s:\n%swant:\n%s", name, got, blocks[name])
		}
	}
}

// TestStandardLibrary compares with crypto/x509, which takes these.
func TestStandardLibrary(t *testing.T) {
	for name, der := range all(t) {
		want, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c := ParseOne(der)
		if c.Err != nil || !bytes.Equal(c.RawSubject, want.RawSubject) || !bytes.Equal(c.RawIssuer, want.RawIssuer) ||
			!bytes.Equal(c.PublicKeyInfo, want.RawSubjectPublicKeyInfo) || !bytes.Equal(c.KeyID, want.SubjectKeyId) ||
			c.Serial.Cmp(want.SerialNumber) != 0 || !c.NotBefore.Equal(want.NotBefore) || !c.NotAfter.Equal(want.NotAfter) {
			t.Errorf("%s: %+v", name, c)
		}
		bits := 0
		switch k := want.PublicKey.(type) {
		case *rsa.PublicKey:
			bits = k.N.BitLen()
		case *ecdsa.PublicKey:
			bits = k.Params().BitSize
		}
		if c.KeyBits != bits {
			t.Errorf("%s: %d bits, want %d", name, c.KeyBits, bits)
		}
	}
}

// TestList: the list in the imitation of a kernel's data.
func TestList(t *testing.T) {
	region := read(t, "certlist-region-le64.bin")
	rsa, ec := read(t, "rsa2048.der"), read(t, "ecp384.der")
	list := region[64 : 64+len(rsa)+len(ec)]
	certs, err := Parse(list)
	if err != nil || len(certs) != 2 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	if !bytes.Equal(certs[0].Raw, rsa) || certs[0].Offset != 0 || !bytes.Equal(certs[1].Raw, ec) || certs[1].Offset != int64(len(rsa)) {
		t.Errorf("%v", certs)
	}
	for _, empty := range [][]byte{nil, {}} {
		if certs, err := Parse(empty); err != nil || len(certs) != 0 {
			t.Errorf("empty list: %v, %v", certs, err)
		}
	}
}

// TestCut cuts a list at every byte: what is whole is returned, and the error
// says where the rest begins.
func TestCut(t *testing.T) {
	rsa, ec := read(t, "rsa2048.der"), read(t, "ecp384.der")
	list := append(bytes.Clone(rsa), ec...)
	for n := range list {
		certs, err := Parse(list[:n])
		var le *Error
		switch {
		case n == 0 || n == len(rsa):
			if err != nil || len(certs) != n/max(len(rsa), 1) {
				t.Errorf("cut at %d: %d certificates, %v", n, len(certs), err)
			}
		case !errors.As(err, &le), n < len(rsa) && (len(certs) != 0 || le.Offset != 0),
			n > len(rsa) && (len(certs) != 1 || le.Offset != int64(len(rsa))):
			t.Errorf("cut at %d: %d certificates, %v", n, len(certs), err)
		}
	}
}

func TestRefused(t *testing.T) {
	rsa := read(t, "rsa2048.der")
	for name, tt := range map[string]struct {
		list   []byte
		certs  int
		offset int64
		reason string
	}{
		"padding":        {append(bytes.Clone(rsa), 0, 0, 0, 0), 1, int64(len(rsa)), "bytes 00 00"},
		"a byte behind":  {append(bytes.Clone(rsa), 0), 1, int64(len(rsa)), "1 bytes are left"},
		"short length":   {[]byte{0x30, 0x03, 0x02, 0x01, 0x00}, 0, 0, "bytes 30 03"},
		"longer":         {append([]byte{0x30, 0x83, 0, 1, 0}, make([]byte, 256)...), 0, 0, "bytes 30 83"},
		"text":           {[]byte("-----BEGIN CERTIFICATE-----"), 0, 0, "bytes 2d 2d"},
		"too long":       {make([]byte, MaxSize+1), 0, 0, "at most"},
		"leaves by one":  {rsa[:len(rsa)-1], 0, 0, fmt.Sprintf("certificate of %d bytes, %d are left", len(rsa), len(rsa)-1)},
		"largest length": {[]byte{0x30, 0x82, 0xff, 0xff}, 0, 0, "certificate of 65539 bytes, 4 are left"},
	} {
		certs, err := Parse(tt.list)
		var le *Error
		if !errors.As(err, &le) || le.Offset != tt.offset || len(certs) != tt.certs || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %d certificates, %v; want %d, %q at %d", name, len(certs), err, tt.certs, tt.reason, tt.offset)
		}
	}
	// What a kernel would look at is listed, however broken it is.
	broken := append([]byte{0x30, 0x82, 0x01, 0x00}, make([]byte, 256)...)
	certs, err := Parse(append(broken, rsa...))
	if err != nil || len(certs) != 2 || certs[0].Err == nil || certs[1].Err != nil || certs[1].Offset != 260 {
		t.Errorf("%v, %v", certs, err)
	}
}

// TestEveryByte changes each byte of a certificate: that of a field that is
// shown is noticed.
func TestEveryByte(t *testing.T) {
	for _, name := range []string{"rsa2048.der", "ecp384.der"} {
		der := read(t, name)
		c := ParseOne(der)
		want := describe(name, &c)
		shown := func(field []byte, i int) bool {
			at := bytes.Index(der, field)
			return i >= at && i < at+len(field)
		}
		for i := range der {
			b := bytes.Clone(der)
			b[i] ^= 0x01
			got := ParseOne(b)
			if got.Err != nil || describe(name, &got) != want || !bytes.Equal(got.RawSubject, c.RawSubject) || !bytes.Equal(got.RawIssuer, c.RawIssuer) {
				continue
			}
			if shown(c.RawIssuer, i) || shown(c.KeyID, i) || shown(c.Serial.Bytes(), i) {
				t.Errorf("%s: byte %d makes no difference", name, i)
			}
		}
	}
}

func name(parts ...string) []byte {
	var rdns []byte
	for _, p := range parts {
		key, text, _ := strings.Cut(p, "=")
		oid := map[string]string{"CN": "\x55\x04\x03", "O": "\x55\x04\x0a", "C": "\x55\x04\x06", "E": "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"}[key]
		tag := byte(0x0c)
		if strings.HasPrefix(text, "bmp:") {
			tag, text = 30, text[4:]
		}
		pair := append(append([]byte{6, byte(len(oid))}, oid...), append([]byte{tag, byte(len(text))}, text...)...)
		rdns = append(rdns, append([]byte{0x31, byte(len(pair) + 2), 0x30, byte(len(pair))}, pair...)...)
	}
	return append([]byte{0x30, byte(len(rdns))}, rdns...)
}

// TestDisplayName: the kernel's rule.
func TestDisplayName(t *testing.T) {
	for _, tt := range []struct {
		parts []string
		want  string
	}{
		{[]string{"CN=key"}, "key"},
		{[]string{"O=Org"}, "Org"},
		{[]string{"E=a@b"}, "a@b"},
		{[]string{"O=Org", "CN=key", "E=a@b"}, "Org: key"},
		{[]string{"CN=key", "O=Org"}, "Org: key"},
		{[]string{"O=Org", "CN=Org key"}, "Org key"},
		{[]string{"O=Example Ltd", "CN=Example signing"}, "Example signing"},
		{[]string{"O=Examples", "CN=Example"}, "Example"},
		{[]string{"O=Exampl", "CN=Exampx"}, "Exampl: Exampx"},
		{[]string{"C=XY"}, ""},
		{nil, ""},
		{[]string{"CN=bmp:\x00k\x00e\x20\xac"}, "ke€"},
		{[]string{"CN=a\xffb"}, "a�b"},
	} {
		if got := displayName(name(tt.parts...)); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.parts, got, tt.want)
		}
	}
	for _, bad := range []string{"", "\x30", "\x30\x05\x31", "\x31\x00"} {
		if got := displayName([]byte(bad)); got != "" {
			t.Errorf("%x: %q", bad, got)
		}
	}
}

// FuzzParse: the list is covered without gaps up to its end or the error.
func FuzzParse(f *testing.F) {
	for _, der := range all(f) {
		f.Add(der)
	}
	f.Add(read(f, "certlist-region-le64.bin")[64:])
	f.Fuzz(func(t *testing.T, list []byte) {
		certs, err := Parse(list)
		at := int64(0)
		for _, c := range certs {
			if c.Offset != at || !bytes.Equal(c.Raw, list[at:at+int64(len(c.Raw))]) {
				t.Fatalf("certificate of %d bytes at %d, want it at %d", len(c.Raw), c.Offset, at)
			}
			at += int64(len(c.Raw))
			if c.Err == nil && (c.Serial == nil || c.SignatureAlgorithm == "" || c.KeyAlgorithm == "" || c.PublicKeyInfo == nil) {
				t.Fatalf("no error, but %+v", c)
			}
			// Where the standard library takes a certificate too, both see the
			// same key id. What either calls malformed differs, and it reads no
			// extensions of versions that have none.
			std, err := x509.ParseCertificate(c.Raw)
			if err == nil && c.Err == nil && std.Version == 3 && !bytes.Equal(c.KeyID, std.SubjectKeyId) {
				t.Fatalf("%.40x…: key id %s", c.Raw, hex.EncodeToString(c.KeyID))
			}
		}
		var le *Error
		if err == nil && at != int64(len(list)) || err != nil && (!errors.As(err, &le) || le.Offset != at) {
			t.Fatalf("%d certificates end at %d of %d, %v", len(certs), at, len(list), err)
		}
	})
}
