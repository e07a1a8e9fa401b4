// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig"
)

// TestRecompress: a module that is signed already, but compressed in a way that a
// kernel's own decompressor does not take, is compressed again, once, with payload and
// signature as they are; what is compressed as the kernel's build does it is not
// touched.
func TestRecompress(t *testing.T) {
	key := openKey(t, "rsa2048")
	dir := tree(t, nil, "m.ko")
	plain := filepath.Join(dir, "m.ko")
	sign := func(path string) *Report {
		t.Helper()
		r, err := Sign(context.Background(), open(t, path), key, modsig.SignOptions{}, &Options{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	sign(plain)
	signed, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		argv []string
		want rewrite.Outcome
	}{
		{"crc64.ko.xz", []string{"xz", "--check=crc64"}, rewrite.Recompressed},
		{"sha256.ko.xz", []string{"xz", "--check=sha256"}, rewrite.Recompressed},
		{"large.ko.xz", []string{"xz", "--check=crc32", "--lzma2=dict=64MiB"}, rewrite.Recompressed},
		{"branch.ko.xz", []string{"xz", "--check=crc32", "--arm64", "--lzma2=dict=1MiB"}, rewrite.Recompressed},
		{"delta.ko.xz", []string{"xz", "--check=crc32", "--delta", "--lzma2=dict=1MiB"}, rewrite.Recompressed},
		{"good.ko.xz", []string{"xz", "--check=crc32", "--lzma2=dict=1MiB"}, rewrite.Unchanged},
		{"old.ko.xz", []string{"xz", "--check=crc32", "--lzma2=dict=2MiB"}, rewrite.Unchanged},
		{"stream.ko.zst", []string{"zstd", "-q"}, rewrite.Recompressed},
		{"good.ko.zst", []string{"zstd", "-q", "-f"}, rewrite.Unchanged},
		{"name.ko.gz", []string{"gzip", "-N", "-f"}, rewrite.Recompressed},
		{"good.ko.gz", []string{"gzip", "-n"}, rewrite.Unchanged},
	} {
		if _, err := exec.LookPath(test.argv[0]); err != nil {
			t.Logf("%s is not there", test.argv[0])
			continue
		}
		in := filepath.Join(t.TempDir(), "in")
		put(t, in, signed)
		cmd := exec.Command(test.argv[0], append(test.argv[1:], "-c")...)
		if test.name == "name.ko.gz" || test.name == "good.ko.zst" {
			cmd.Args = append(cmd.Args, in)
		} else {
			cmd.Stdin = bytes.NewReader(signed)
		}
		stored, err := cmd.Output()
		if err != nil && test.name == "branch.ko.xz" {
			continue // an old xz
		} else if err != nil {
			t.Fatalf("%v: %v", cmd.Args, err)
		}
		path := filepath.Join(t.TempDir(), test.name)
		put(t, path, stored)
		if r := sign(path); r.Results[0].Outcome != test.want {
			t.Errorf("%s: %v, want %v", test.name, r.Results[0].Outcome, test.want)
		}
		if got := decoded(t, path); !bytes.Equal(got, signed) {
			t.Errorf("%s: the content changed", test.name)
		}
		if r := sign(path); r.Results[0].Outcome != rewrite.Unchanged {
			t.Errorf("%s, again: %v", test.name, r.Results[0].Outcome)
		}
	}
}
