// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttestChanged: a package that becomes another one between its measurement as a
// material and the end of the computation is not stated.
func TestAttestChanged(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	input, pack := filepath.Join(dir, "linux.buildinfo"), filepath.Join(dir, "linux.tar")
	for _, p := range []string{input, pack} {
		if err := os.WriteFile(p, []byte("one"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &attestation{f: &attestFlags{inputs: []string{input}}, original: []string{pack}}
	if err := a.materials(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.unchanged(ctx); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pack, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.unchanged(ctx); err == nil || !strings.Contains(err.Error(), "linux.tar was changed while it was read") {
		t.Errorf("unchanged: %v", err)
	}
}
