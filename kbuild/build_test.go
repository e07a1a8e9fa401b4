// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/pe"
	"github.com/modhash/modhash/testdata/keys"
)

// release of the builds that the tests make.
const release = "6.12.0-test"

const modulesDir = "lib/modules/" + release + "/"

// names is a modules.order: in no order that sorting gives.
var names = []string{
	"kernel/fs/ext4/ext4.ko", "kernel/arch/x86/kvm/kvm-intel.ko", "kernel/lib/crc_itu_t.ko", "kernel/drivers/net/dummy.ko",
	"kernel/arch/x86/kvm/kvm.ko",
}

// payload is the module without a signature, by its name in a manifest.
func payload(name string) []byte {
	base := strings.TrimSuffix(path.Base(name), ".ko")
	return ko.Module{Name: base, Release: release, Text: ko.Code(base, 300)}.Bytes()
}

// bootImage is what the builds boot.
var bootImage = pe.Image(ko.Code("vmlinuz", 1001))

func testKey(t testing.TB, which byte) *ko.Key {
	t.Helper()
	key, cert := keys.AKey, keys.ACert
	if which == 'b' {
		key, cert = keys.BKey, keys.BCert
	}
	k, err := ko.ParseKey(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// file is what a test puts into a directory or an archive.
type file struct {
	name string
	data string
	link string // target of a symbolic link
	typ  byte   // another type flag of tar; 0: a regular file, or a link
}

// installed is the build as modules_install leaves it: modules with the suffix,
// signed if there is a key, and modules.order.
func installed(prefix, suffix string, key *ko.Key) []file {
	files := []file{{name: prefix + "modules.order", data: strings.Join(names, "\n") + "\n"}}
	for _, n := range names {
		b := payload(n)
		if key != nil {
			b = key.Sign(b)
		}
		files = append(files, file{name: prefix + n + suffix, data: string(ko.Compress(b, suffix))})
	}
	return files
}

// without leaves out the file that ends so.
func without(files []file, end string) []file {
	var out []file
	for _, f := range files {
		if !strings.HasSuffix(f.name, end) {
			out = append(out, f)
		}
	}
	return out
}

// with replaces the content of the file that ends so.
func with(files []file, end, data string) []file {
	return append(without(files, end), file{name: find(files, end).name, data: data})
}

func find(files []file, end string) file {
	for _, f := range files {
		if strings.HasSuffix(f.name, end) {
			return f
		}
	}
	panic("no file that ends in " + end)
}

// writeDir writes files into a new directory.
func writeDir(t testing.TB, files []file) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		p := filepath.Join(dir, f.name)
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		switch {
		case err != nil:
		case f.link != "":
			err = os.Symlink(f.link, p)
		case f.typ == tar.TypeDir:
			err = os.MkdirAll(p, 0o755)
		default:
			err = os.WriteFile(p, []byte(f.data), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writeTar writes files into a new archive of that name, in their order.
func writeTar(t testing.TB, name string, files []file) string {
	t.Helper()
	return writeFile(t, name, ko.Compress(tarOf(t, files), strings.TrimPrefix(filepath.Ext(name), ".tar")))
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func tarOf(t testing.TB, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if f.typ != 0 {
			h.Typeflag = f.typ
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// writeDeb writes a Debian package: an ar archive of three members.
func writeDeb(t testing.TB, control, data []file) string {
	t.Helper()
	b := []byte("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar.gz", ko.Compress(tarOf(t, control), ".gz")},
		{"data.tar.xz", ko.Compress(tarOf(t, data), ".xz")},
	} {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", m.name, 0, 0, 0, 0o100644, len(m.data))
		if b = append(b, m.data...); len(b)%2 != 0 {
			b = append(b, '\n')
		}
	}
	return writeFile(t, "a.deb", b)
}

// openBuild opens a build that is closed when the test ends.
func openBuild(t testing.TB, o *Options, paths ...string) *Build {
	t.Helper()
	b, err := Open(context.Background(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func summarize(t testing.TB, o *Options, paths ...string) *Summary {
	t.Helper()
	s, err := openBuild(t, o, paths...).Summarize(context.Background(), hashset.Merkle, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(t testing.TB, s *Summary) string {
	t.Helper()
	m, err := s.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// manifest is the text of the manifest of a build without findings.
func manifest(t testing.TB, o *Options, paths ...string) string {
	t.Helper()
	s := summarize(t, o, paths...)
	for _, p := range s.Findings() {
		t.Errorf("%s: %v", strings.Join(paths, " "), p)
	}
	return text(t, s)
}

// told lists problems as "kind name", notes in parentheses.
func told(ps []Problem) string {
	var out []string
	for _, p := range ps {
		s := string(p.Kind)
		if p.Name != "" {
			s += " " + p.Name
		}
		if p.Note {
			s = "(" + s + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

// imageDigest is the value of a manifest's image line for an image.
func imageDigest(t testing.TB, b []byte) string {
	t.Helper()
	dir := writeDir(t, []file{{name: "image", data: string(b)}})
	img, err := digestImage(&Image{Path: filepath.Join(dir, "image")})
	if err != nil {
		t.Fatal(err)
	}
	return "sha256 " + img.Digest.String()
}
