// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// buildTree writes files below a new folder.
func buildTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// listing returns the files of a folder with the SHA-256 of their content.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, p))
		out[p] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func run(t *testing.T, dir, suffix string) error {
	t.Helper()
	p := Program{Dir: dir, CFile: filepath.Join(dir, "out.c"), Suffix: suffix, Workers: 3}
	_, _, err := p.Run(t.Context())
	return err
}

// The answers for the modules "a", "b", "c", by the kernel's own program.
const (
	abcText  = "891f0895ea28b733612f8b5cac72a5432e630698c9b894ebf16fd793181d6b3f"
	sidecar0 = "a556c4b5a2a85f97f10a8dffb3373c4f62a17874fca4f1bce21ae2aa241ad6b7"
	sidecar1 = "b99969a3b5217cfcad0f1daadda5f617169dd8342602b40c59f1710d8fd9e293"
	sidecar2 = "ff7e77fe2ff7a091326b69b84753305c2401528ba0439f92e2296e411da85ad5"
)

// TestProgram: the bytes of the kernel's program, for both suffixes, with and
// without a final line feed, and again over its own output.
func TestProgram(t *testing.T) {
	for _, suffix := range []string{".ko", ".ko.stripped"} {
		for _, end := range []string{"", "\n"} {
			dir := buildTree(t, map[string]string{
				"modules.order":      "drivers/a.o\nfs/v1.2/b.o\nc.o" + end,
				"drivers/a" + suffix: "a", "fs/v1.2/b" + suffix: "b", "c" + suffix: "c",
				"drivers/a.merkle": "an old one, longer than the new one" + strings.Repeat(".", 200),
			})
			for range 2 {
				if err := run(t, dir, suffix); err != nil {
					t.Fatal(err)
				}
				got := listing(t, dir)
				for name, want := range map[string]string{
					"out.c": abcText, "drivers/a.merkle": sidecar0, "fs/v1.2/b.merkle": sidecar1, "c.merkle": sidecar2,
				} {
					if got[name] != want {
						t.Errorf("%s, suffix %s: %s, want %s", name, suffix, got[name], want)
					}
				}
				if len(got) != 8 {
					t.Errorf("%d files: %v", len(got), got)
				}
			}
		}
	}
}

// TestNoModules: levels 0, a root of zeros and no sidecar.
func TestNoModules(t *testing.T) {
	dir := buildTree(t, map[string]string{"modules.order": ""})
	if err := run(t, dir, ".ko"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "out.c"))
	if err != nil || !strings.Contains(string(b), ".levels = 0,") || strings.Count(string(b), "0x00,") != 32 {
		t.Errorf("%v\n%s", err, b)
	}
	if n := len(listing(t, dir)); n != 2 {
		t.Errorf("%d files", n)
	}
}

// TestListedTwice: both lines are leaves, and the later sidecar stays.
func TestListedTwice(t *testing.T) {
	dir := buildTree(t, map[string]string{"modules.order": "a.o\nb.o\na.o\n", "a.ko": "a", "b.ko": "b"})
	if err := run(t, dir, ".ko"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "a.merkle"))
	if err != nil || len(b) != 44+2*32 || b[3] != 2 {
		t.Errorf("%v, %x", err, b)
	}
}

// TestRefused: an error that names the line, and not one file written.
func TestRefused(t *testing.T) {
	long := strings.Repeat("x/", 2047)
	for _, tc := range []struct {
		name, order, want string
		line              int
	}{
		{"installed order", "kernel/a.ko\n", `"kernel/a.ko" does not end in ".o"`, 1},
		{"CR", "a.o\r\n", `does not end in ".o"`, 1},
		{"empty line", "a.o\n\nb.o\n", `"" does not end in ".o"`, 2},
		{"blank at the end", "a.o \n", `does not end in ".o"`, 1},
		{"only the end", ".o\n", "not the name of an object file", 1},
		{"a folder", "fs/.o\n", "not the name of an object file", 1},
		{"NUL", "a\x00.o\n", "not the name of an object file", 1},
		{"too long", "a.o\n" + long + "a.o\n", "is too long", 2},
		{"missing", "a.o\nnone.o\nb.o\n", "none.ko: no such file", 2},
		{"empty module", "a.o\nb.o\nempty.o\n", "empty.ko: the file is empty", 3},
		{"folder as a module", "a.o\nfolder.o\n", "folder.ko: it is not a regular file", 2},
	} {
		dir := buildTree(t, map[string]string{
			"modules.order": tc.order, "a.ko": "a", "b.ko": "b", "empty.ko": "", "out.c": "old", "a.merkle": "old",
			"folder.ko/x": "",
		})
		before := fmt.Sprint(listing(t, dir))
		err := run(t, dir, ".ko")
		var le *LineError
		if !errors.As(err, &le) || le.Line != tc.line || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if after := fmt.Sprint(listing(t, dir)); after != before {
			t.Errorf("%s: files changed", tc.name)
		}
	}
	if err := run(t, t.TempDir(), ".ko"); err == nil || !strings.Contains(err.Error(), "modules.order: no such file") {
		t.Errorf("no modules.order: %v", err)
	}
}

// TestCancelled leaves everything as it was.
func TestCancelled(t *testing.T) {
	dir := buildTree(t, map[string]string{"modules.order": "a.o\n", "a.ko": "a", "out.c": "old"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := Program{Dir: dir, CFile: filepath.Join(dir, "out.c"), Suffix: ".ko", Workers: 2}
	if _, _, err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := len(listing(t, dir)); n != 3 {
		t.Errorf("%d files", n)
	}
}

// TestKept: a sidecar keeps its mode; a folder in its place is an error.
func TestKept(t *testing.T) {
	dir := buildTree(t, map[string]string{"modules.order": "a.o\nb.o\n", "a.ko": "a", "b.ko": "b", "a.merkle": "old"})
	if err := os.Chmod(filepath.Join(dir, "a.merkle"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t, dir, ".ko"); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(filepath.Join(dir, "a.merkle"))
	if err != nil || st.Mode() != 0o600 || st.Size() != 44+32 {
		t.Errorf("%v %v", st, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "b.merkle/x"), 0o755); err == nil {
		t.Fatal("a file became a folder")
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "b.merkle")), os.Mkdir(filepath.Join(dir, "b.merkle"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := run(t, dir, ".ko"); err == nil || !strings.Contains(err.Error(), "b.merkle: it is a folder") {
		t.Errorf("%v", err)
	}
}
