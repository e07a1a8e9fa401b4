// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"bytes"
	"context"
	"crypto"
	"encoding/asn1"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/keys/genkey"
)

const vectors = "../../../testdata/vectors/signing/"

// readKey reads a test key, of this package or of the vectors.
func readKey(t testing.TB, name string) crypto.Signer {
	t.Helper()
	path := filepath.Join("testdata/keys", name+".key")
	if _, err := os.Stat(path); err != nil {
		path = vectors + name + ".key"
	}
	k, err := keys.OpenBare(context.Background(), path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k.Signer
}

func readRequest(t testing.TB, name string) *genkey.Request {
	t.Helper()
	text, err := os.ReadFile("testdata/genkey/" + name + ".genkey")
	if err != nil {
		t.Fatal(err)
	}
	c, err := genkey.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Request()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fixed is a template of what gen.sh gave to openssl.
func fixed(r *genkey.Request, hash crypto.Hash, style Style) *Template {
	serial, _ := new(big.Int).SetString("0102030405060708090a0b0c0d0e0f1011121314", 16)
	return &Template{
		Request: r, Serial: serial, Hash: hash, Style: style,
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// TestGolden makes the certificates that openssl made, byte for byte.
func TestGolden(t *testing.T) {
	table, err := os.ReadFile("testdata/cases.tsv")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(table)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		hash, ok := keys.ParseHash(f[3])
		if !ok {
			t.Fatal(f[3])
		}
		for v, style := range map[string]Style{"3": OpenSSL3, "4": OpenSSL4} {
			n++
			want, err := os.ReadFile("testdata/golden/" + f[0] + "." + v + ".der")
			if err != nil {
				t.Fatal(err)
			}
			tpl := fixed(readRequest(t, f[1]), hash, style)
			key := readKey(t, f[2])
			tbs, err := tpl.TBS(key.Public())
			if err != nil {
				t.Errorf("%s.%s: %v", f[0], v, err)
				continue
			}
			var parts struct{ TBS, Algorithm, Value asn1.RawValue }
			if _, err := asn1.Unmarshal(want, &parts); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(tbs, parts.TBS.FullBytes) {
				t.Errorf("%s.%s: other TBSCertificate\n%x\nopenssl:\n%x", f[0], v, tbs, parts.TBS.FullBytes)
				continue
			}
			if got, err := tpl.Make(key); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s.%s: other certificate (%v)", f[0], v, err)
			}
		}
	}
	if n != 54 {
		t.Errorf("%d certificates", n)
	}
}
