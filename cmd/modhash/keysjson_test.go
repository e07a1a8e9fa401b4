// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/modsig/keys/store"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// document parses what was written, in which what is given is replaced.
func (c *caller) document(replace ...string) map[string]any {
	c.Helper()
	return parseDocument(c.T, strings.NewReplacer(replace...).Replace(c.stdout.String()))
}

func parseDocument(t *testing.T, text string) (doc map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return doc
}

func (c *caller) writes(want string, replace ...string) {
	c.Helper()
	if diff := cmp.Diff(parseDocument(c.T, want), c.document(replace...)); diff != "" {
		c.Errorf("-want +got:\n%s", diff)
	}
}

func TestKeysCheckJSON(t *testing.T) {
	c := &caller{T: t}
	rsa := signingVectors + "rsa2048.der"
	image := writeKernel(t, vmlinux.Kernel{Release: "6.12.1", Config: trustConfig, Certs: [][]byte{readVector(t, "rsa2048.der")}})
	c.do(0, "{", "keys", "check", "--format", "json", image, rsa)
	certificate := c.document()["certificate"]
	want := map[string]any{
		"schema": "modhash.keys/1", "verb": "check", "verdict": "trusted", "target": image, "path": rsa, "certificate": certificate,
		"in":       map[string]any{"answer": "yes", "detail": "built in, as that of the build's own key"},
		"read":     map[string]any{"answer": "yes"},
		"accepted": map[string]any{"answer": "yes", "detail": "rsa"},
	}
	if diff := cmp.Diff(want, c.document()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// The same certificate is the same in each report.
	c.do(0, "{", "keys", "extract", "--format", "json", image)
	if diff := cmp.Diff(certificate, c.document()["certificates"].([]any)[0].(map[string]any)["certificate"]); diff != "" {
		t.Errorf("extract says otherwise:\n%s", diff)
	}

	for _, tt := range []struct {
		code       int
		verdict    string
		sig, cert  string
		in, accept string
	}{
		{1, "not-enforced", "N\n", rsa, "yes", "yes"},
		{0, "trusted", "Y\n", rsa, "yes", "yes"},
		{1, "not-trusted", "Y\n", signingVectors + "unknown.der", "no", "yes"},
		{2, "unknown", "gone", rsa, "yes", "yes"},
	} {
		file, lock := filepath.Join(t.TempDir(), "sig"), filepath.Join(t.TempDir(), "lockdown")
		if tt.sig != "gone" {
			writeText(t, file, tt.sig)
			writeText(t, lock, "[none] integrity confidentiality\n")
		}
		c.do(tt.code, "{", "keys", "check", "--format", "json", "--enforcing", "--sig-enforce", file, "--lockdown", lock, image, tt.cert)
		d := c.document()
		if d["verdict"] != tt.verdict || d["in"].(map[string]any)["answer"] != tt.in || d["accepted"].(map[string]any)["answer"] != tt.accept || d["enforces"] == nil {
			t.Errorf("%s, %q: %v", tt.cert, tt.sig, d)
		}
	}
	c.do(2, "want text or json", "keys", "check", "--format", "xml", image, rsa)
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestKeysExtractJSON(t *testing.T) {
	c := &caller{T: t}
	rsa, revoked := readVector(t, "rsa2048.der"), readVector(t, "unknown.der")
	image := writeKernel(t, vmlinux.Kernel{Certs: [][]byte{rsa}, Revoked: [][]byte{revoked}})
	c.do(0, "{", "keys", "extract", "--format", "json", image)
	var classes []string
	for _, x := range c.document()["certificates"].([]any) {
		classes = append(classes, x.(map[string]any)["class"].(string))
	}
	if diff := cmp.Diff([]string{"build", "revoked"}, classes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	none := `{"schema": "modhash.keys/1", "verb": "extract", "image": "IMAGE", "certificates": []}`
	c.do(1, "{", "keys", "extract", "--format", "json", "--select", "elsewhere", image)
	c.writes(none, image, "IMAGE")
	c.do(2, "--format is of the list", "keys", "extract", "--format", "json", "-o", "x", image)
	c.do(2, "want text or json", "keys", "extract", "--format", "xml", image)
}

func TestKeysShowJSON(t *testing.T) {
	c := &caller{T: t}
	t.Setenv("SOURCE_DATE_EPOCH", "1767225600")
	dir := filepath.Join(t.TempDir(), "keys")
	c.do(0, "rotated: ", "keys", "rotate", "--type", "p256", dir)
	entry, err := store.CurrentKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	image := writeKernel(t, vmlinux.Kernel{Config: trustConfig, Certs: [][]byte{readVector(t, "rsa2048.der"), entry.Certificate.Raw}})
	c.do(0, "{", "keys", "show", "--format", "json", dir, image)
	c.writes(`{"schema": "modhash.keys/1", "verb": "show", "folder": "DIR", "current": "20260101-000000", "keys": [
		{"name": "20260101-000000", "current": true, "hash": "sha512", "private": true, "trusted_by": [{"image": "IMAGE", "where": "built in"}],
		 "certificate": {"offset": 0, "size": 1, "subject": "Local module signing key", "issuer": "Local module signing key", "serial": "SERIAL",
			"key_id": "KEYID", "not_before": "2026-01-01T00:00:00Z", "not_after": "2125-12-08T00:00:00Z", "signature_algorithm": "ecdsa-with-SHA512", "key": "ecdsa P-256"}}]}`,
		fmt.Sprintf("size\": %d,", len(entry.Certificate.Raw)), `size": 1,`, dir, "DIR", image, "IMAGE", entry.Certificate.Serial.Text(16), "SERIAL", hexOf(entry.Certificate.KeyID), "KEYID")

	// A key that is damaged, and one that others may read.
	writeText(t, filepath.Join(dir, entry.Name, store.CertificateDER), "x")
	c.do(1, "{", "keys", "show", "--format", "json", dir)
	key := c.document()["keys"].([]any)[0].(map[string]any)
	if key["problem"] == nil || key["certificate"] != nil {
		t.Errorf("damaged: %v", key)
	}
	if err := os.RemoveAll(filepath.Join(dir, entry.Name)); err != nil {
		t.Fatal(err)
	}
	c.do(1, "{", "keys", "show", "--format", "json", dir)
	if d := c.document(); d["current"] != nil || d["problem"] == nil {
		t.Errorf("dangling: %v", d)
	}
	c.do(2, "want text or json", "keys", "show", "--format", "xml", dir)
}
