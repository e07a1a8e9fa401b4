// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// suffixes are the forms that Kbuild installs modules in.
var suffixes = []string{"", ".gz", ".xz", ".zst"}

func payload(name string) []byte {
	return ko.Module{Name: name, Text: ko.Code(name, 20_000)}.Bytes()
}

// proof and signature are trailers of the two kinds; what they prove does not
// matter here.
func proof(seed byte) []byte {
	return trailer.Append(nil, bytes.Repeat([]byte{seed}, 4+32*3), trailer.Merkle)
}

func signature(seed byte) []byte {
	return trailer.Append(nil, append([]byte{0x30, 0x82}, bytes.Repeat([]byte{seed}, 500)...), trailer.PKCS7)
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// tree is a folder of files.
type tree struct {
	testing.TB
	dir  string
	root *os.Root
}

func newTree(t testing.TB) *tree {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return &tree{t, dir, root}
}

func (t *tree) path(name string) string { return filepath.Join(t.dir, filepath.FromSlash(name)) }

var oldTime = time.Unix(1_000_000_000, 123_456_789)

// put writes a file, compressed as its name says.
func (t *tree) put(name string, content []byte) {
	t.Helper()
	t.putRaw(name, ko.Compress(content, suffixOf(name)))
}

func (t *tree) putRaw(name string, stored []byte) {
	t.Helper()
	p := t.path(name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, stored, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(p, oldTime.Add(time.Hour), oldTime); err != nil {
		t.Fatal(err)
	}
}

func suffixOf(name string) string {
	if ext := filepath.Ext(name); ext != ".ko" {
		return ext
	}
	return ""
}

func (t *tree) raw(name string) []byte {
	t.Helper()
	b, err := os.ReadFile(t.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// get reads a file and decompresses it with the decoder of package kmod.
func (t *tree) get(name string) []byte {
	t.Helper()
	b := t.raw(name)
	op := kmod.NewOpener(nil)
	defer op.Close()
	m, err := op.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if want := suffixOf(name); kmod.Suffix(m.Compression) != want {
		t.Fatalf("%s is compressed with %v", name, m.Compression)
	}
	p, err := io.ReadAll(m.Payload())
	if err != nil {
		t.Fatal(err)
	}
	tail, err := io.ReadAll(m.Tail())
	if err != nil {
		t.Fatal(err)
	}
	return append(p, tail...)
}

// list returns the names of all files.
func (t *tree) list() []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(t.dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(t.dir, p)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// snapshot is all there is in a tree, to see whether anything changed.
func (t *tree) snapshot() string {
	t.Helper()
	var b strings.Builder
	for _, name := range t.list() {
		st, err := os.Lstat(t.path(name))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(name + " " + st.Mode().String() + " " + st.ModTime().String() + "\n")
		if st.Mode().IsRegular() {
			b.Write(t.raw(name))
		}
	}
	return b.String()
}

func files(names ...string) []File {
	list := make([]File, len(names))
	for i, name := range names {
		list[i].Name = name
	}
	return list
}

// always is the Edit that wants the same for every file.
func always(c Change) Edit {
	return func(context.Context, *Target) (Change, error) { return c, nil }
}

// run runs on all of the names and fails the test on any error.
func (t *tree) run(edit Edit, o *Options, names ...string) []Result {
	t.Helper()
	res, err := Run(t.Context(), t.root, files(names...), edit, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
