// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/kbuild/lint"
	"github.com/modhash/modhash/testdata/gen/boot"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// TestLintImage: an image is unpacked, and what it embeds is the configuration
// if no other was given.
func TestLintImage(t *testing.T) {
	k := vmlinux.Kernel{Config: "CONFIG_MODULES=y\nCONFIG_LOCALVERSION=\".buildhost\"\n"}.ELF()
	path := filepath.Join(t.TempDir(), "bzImage")
	if err := os.WriteFile(path, boot.BzImage(boot.Compress(k, "zstd"), "zstd", len(k), "6.12.0 (user@other) #1"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	c := run(context.Background(), []string{"lint", "--no-env", "--ignore", "build-user,build-host,build-version,build-timestamp", "--leak", "host=buildhost", path}, nil, &out, &errs)
	if c != exitFinding || errs.Len() > 0 {
		t.Errorf("exit code %d: %s%s", c, out.String(), errs.String())
	}
	for _, want := range []string{
		"  config  " + path + " (config)\n",
		"warning: no-authentication: CONFIG_MODULE_SIG: ",
		"error: leak-host: " + path + " (config): \"buildhost\" once at offset ",
		"  leaks   looked for 1 string in 1 file\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestLintOwn: what would tell where a build was made is looked for, unless the
// build was told to say it.
func TestLintOwn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vmlinux")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	needles, err := (&lintThings{trees: []string{dir}}).ownNeedles()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	has := map[lint.Needle]bool{}
	for _, n := range needles {
		has[n] = true
	}
	for _, want := range []lint.Needle{{Kind: lint.Host, Text: host}, {Kind: lint.Path, Text: dir}, {Kind: lint.Date, Text: "2026-11-02"}} {
		if !has[want] {
			t.Errorf("%v is not among %v", want, needles)
		}
	}
	env := &lint.Env{User: "u", Host: "h", Timestamp: "Mon Nov  2 12:00:00 UTC 2026"}
	for n, want := range map[lint.Needle]bool{
		{Kind: lint.Host, Text: "h"}: true, {Kind: lint.Host, Text: "hh"}: false, {Kind: lint.User, Text: "u"}: true, {Kind: lint.User, Text: "h"}: false,
		{Kind: lint.Date, Text: "Mon Nov  2"}: true, {Kind: lint.Date, Text: "2026-11-02"}: false, {Kind: lint.Path, Text: "/u"}: false,
	} {
		if said(env, n) != want || said(nil, n) {
			t.Errorf("said(%v) is not %t", n, want)
		}
	}
}

// TestLintSaid: what KBUILD_BUILD_TIMESTAMP says is in the kernel on purpose.
func TestLintSaid(t *testing.T) {
	tree := filepath.Join(samples(t), "tree")
	at := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(tree, "vmlinux"), at, at); err != nil {
		t.Fatal(err)
	}
	for stamp, want := range map[string]bool{"2026-11-02 12:00:00 UTC": false, "@0": true} {
		var out, errs bytes.Buffer
		c := run(context.Background(), []string{"-q", "lint", "--format", "json", "--ignore", "leak", "--env", "KBUILD_BUILD_TIMESTAMP=" + stamp, "--leaks", tree}, nil, &out, &errs)
		if c != exitFinding || errs.Len() > 0 || strings.Contains(out.String(), `"text": "2026-11-02"`) != want {
			t.Errorf("%s: exit code %d, looked for the day: want %t: %s%s", stamp, c, want, out.String(), errs.String())
		}
	}
}

// TestLintEnvironment: make takes some variables from its command line only.
func TestLintEnvironment(t *testing.T) {
	for _, v := range lintVariables() {
		t.Setenv(v.name, "of the process")
	}
	env, err := (&lintFlags{env: []string{"KCFLAGS=-O2 -g"}, seed: "s"}).environment()
	if err != nil {
		t.Fatal(err)
	}
	want := lint.Env{Timestamp: "x", User: "x", Host: "x", Version: "x", InstallModStrip: "x", KCFLAGS: "-O2 -g", KAFLAGS: "x", KRUSTFLAGS: "x", RandstructSeed: "s"}
	for _, v := range lintVariables() {
		if f := v.field(&want); *f == "x" {
			*f = "of the process"
		}
	}
	if *env != want {
		t.Errorf("got %+v, want %+v", *env, want)
	}
	if env, err := (&lintFlags{noEnv: true}).environment(); env != nil || err != nil {
		t.Errorf("%v, %v", env, err)
	}
}
