// SPDX-License-Identifier: Apache-2.0

package selfsigned

import (
	"crypto"
	"encoding/asn1"
	"os"
	"path/filepath"
	"testing"

	"github.com/modhash/modhash/modsig/keys/genkey"
)

// FuzzTBS: whatever a file asks for, what comes out is one well-formed sequence, of
// both styles, the same each time.
func FuzzTBS(f *testing.F) {
	files, err := filepath.Glob("testdata/genkey/*.genkey")
	if err != nil || len(files) == 0 {
		f.Fatal(err, len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	public := readKey(f, "p256").Public()
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := genkey.Parse(text)
		if err != nil {
			return
		}
		r, err := c.Request()
		if err != nil {
			return
		}
		for _, style := range []Style{OpenSSL3, OpenSSL4} {
			tbs, err := fixed(r, crypto.SHA256, style).TBS(public)
			if err != nil {
				continue
			}
			again, err := fixed(r, crypto.SHA256, style).TBS(public)
			if err != nil || string(again) != string(tbs) {
				t.Fatalf("another one the second time (%v)", err)
			}
			var parts asn1.RawValue
			if rest, err := asn1.Unmarshal(tbs, &parts); err != nil || len(rest) > 0 || parts.Tag != asn1.TagSequence {
				t.Fatalf("%v, %d bytes are left", err, len(rest))
			}
			for rest := parts.Bytes; len(rest) > 0; {
				if rest, err = asn1.Unmarshal(rest, &parts); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
