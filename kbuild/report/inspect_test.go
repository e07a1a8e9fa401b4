// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/inspect"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// message takes the signature data out of a file that the kernel's tools signed.
func message(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile("../../testdata/vectors/signing/" + file)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trailer.Split(bytes.NewReader(data), int64(len(data)))
	if err != nil || tr.State != trailer.Valid {
		t.Fatalf("%s: %+v, %v", file, tr, err)
	}
	return data[tr.SignatureOffset() : tr.SignatureOffset()+int64(tr.Block.SigLen)]
}

// TestInspectSignatures: what messages hold, of all forms, is told in text and JSON.
func TestInspectSignatures(t *testing.T) {
	serial := regexp.MustCompile(`(serial|key id) [0-9a-f]{8,}`)
	for _, tt := range []struct{ file, want string }{
		{"signed/rsa2048.sha3-512.signed", "signature by Throwaway module signing key, serial N, rsa with sha3-512"},
		{"signed/ecp384.sha512.keyid.signed", "signature by key id N, ecdsa with sha512"},
		{"signed/mldsa65.attrs.signed", "signature by Throwaway module signing key, serial N, mldsa65 with sha512 and signed attributes"},
		{"signed/mldsa87.noattr.signed", "signature by Throwaway module signing key, serial N, mldsa87 with sha512"},
		{"cases/c01-cert-included", "signature by Throwaway module signing key, serial N, rsa with sha256\n" +
			"with the certificate modhash test vectors: Throwaway module signing key; rsa; serial N; key id N"},
		{"cases/c05-content-embedded", "signature by Throwaway module signing key, serial N, rsa with sha256\nthe message holds its content"},
		{"cases/c07-two-signers-known", "signature by Throwaway module signing key, serial N, ecdsa with sha256\n" +
			"and by Throwaway module signing key, serial N, rsa with sha256"},
		{"cases/e08-8-zero-bytes-after-der", "signature by Throwaway module signing key, serial N, rsa with sha256\n8 bytes behind the message, which a kernel ignores"},
		{"cases/c12-digest-md5", "signature by Throwaway module signing key, serial N, 1.2.840.113549.2.5\n" +
			"no kernel takes the message: unknown digest algorithm 1.2.840.113549.2.5 at byte N (ENOPKG)"},
		{"cases/e06-der-garbage", "signature\nmalformed CMS message"},
	} {
		path := filepath.Join(t.TempDir(), "x.ko")
		payload := ko.Module{Name: "x"}.Bytes()
		if err := os.WriteFile(path, trailer.Append(payload, message(t, tt.file), trailer.PKCS7), 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := inspect.Open(t.Context(), path, &inspect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var text, doc bytes.Buffer
		if err := Inspect(&text, f, Style{}); err != nil {
			t.Fatal(err)
		}
		if err := InspectJSON(&doc, f); err != nil {
			t.Fatal(err)
		}
		var got []string
		_, rest, _ := strings.Cut(text.String(), "  trailer ")
		for line := range strings.Lines(rest) {
			line = serial.ReplaceAllString(strings.TrimSpace(line), "$1 N")
			line, _, _ = strings.Cut(line, ": "+plural(int(f.Module.Layers[0].Size), "byte"))
			line, _, _ = strings.Cut(line, ", "+plural(int(f.Module.Layers[0].Size), "byte"))
			got = append(got, regexp.MustCompile(`at byte \d+`).ReplaceAllString(line, "at byte N"))
		}
		if s := strings.Join(got, "\n"); s != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.file, s, tt.want)
		}
		var x struct {
			Module struct {
				Trailers []struct {
					Signer       *struct{ Algorithm, Value string }
					Signers      []struct{ Algorithm, Value string }
					Certificates []struct{ Subject string }
					Content      bool
					Extra        int `json:"extra_bytes"`
				}
			}
		}
		if err := json.Unmarshal(doc.Bytes(), &x); err != nil || len(x.Module.Trailers) != 1 {
			t.Fatalf("%s: %v", doc.Bytes(), err)
		}
		l, tr := f.Module.Layers[0], x.Module.Trailers[0]
		if len(tr.Signers) != len(l.Signers) || len(tr.Certificates) != len(l.Certificates) || tr.Content != l.Content || tr.Extra != l.Extra || (tr.Signer == nil) != (len(l.Signers) == 0) {
			t.Errorf("%s: %s", tt.file, doc.Bytes())
		}
		for i, s := range tr.Signers {
			if s.Value != fmt.Sprintf("%x", l.Signers[i].Value) || s.Algorithm != l.Signers[i].Algorithm {
				t.Errorf("%s: %s", tt.file, doc.Bytes())
			}
		}
	}
}
