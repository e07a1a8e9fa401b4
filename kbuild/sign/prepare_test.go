// SPDX-License-Identifier: Apache-2.0

//go:build unix

package sign

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig"
)

func trySign(t *testing.T, o *Options, paths ...string) error {
	t.Helper()
	f, err := Open(context.Background(), paths)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = Sign(context.Background(), f, openKey(t, "rsa2048"), modsig.SignOptions{}, o)
	return err
}

// names are those of everything below dir.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, strings.TrimPrefix(p, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestStale: what killed runs left in a folder goes, also where there is no such
// module any more; what a process holds, and what only looks alike, stays.
func TestStale(t *testing.T) {
	dir := tree(t, nil, "x/a.ko", "b.ko.xz")
	long := strings.Repeat("l", 250) + ".ko"
	stale := []string{"x/" + rewrite.TempName("a.ko"), "x/" + rewrite.TempName("gone.ko.gz"), rewrite.TempName(long), outfile.TempName("b.ko.xz")}
	for _, n := range append(stale, "x/"+rewrite.TempName("held.ko"), ".modhash-tmp", "c.modhash-tmp", ".other.tmp") {
		put(t, filepath.Join(dir, n), []byte("half"))
	}
	held, err := os.Open(filepath.Join(dir, "x", rewrite.TempName("held.ko")))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	if err := trySign(t, &Options{}, dir); err != nil {
		t.Fatal(err)
	}
	want := []string{".modhash-tmp", ".other.tmp", "b.ko.xz", "c.modhash-tmp", "x/" + rewrite.TempName("held.ko"), "x/a.ko"}
	got := names(t, dir)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestKnownBefore: what can be known before is told before anything is changed.
func TestKnownBefore(t *testing.T) {
	elsewhere := t.TempDir()
	for name, test := range map[string]struct {
		spoil func(dir string) error
		paths []string
		out   bool
		want  string
	}{
		"hard link":    {func(d string) error { return os.Link(d+"/y/b.ko", elsewhere+"/b.ko") }, []string{"."}, false, "hard-link: "},
		"two names":    {nil, []string{"x/a.ko", "y/../x/a.ko", "y/b.ko"}, false, "the same file"},
		"and a folder": {nil, []string{".", "y/b.ko"}, false, "the same file"},
		"link":         {func(d string) error { return os.Symlink("b.ko", d+"/y/link.ko") }, []string{"x", "y/link.ko"}, false, "symbolic link"},
		"one output":   {func(d string) error { return os.Link(d+"/y/b.ko", d+"/x/b.ko") }, []string{"x", "y"}, true, "both be written"},
		"program":      {func(d string) error { return os.WriteFile(d+"/y/b.ko", program, 0o644) }, []string{"."}, false, "type 3"},
		"no ELF":       {func(d string) error { return os.WriteFile(d+"/y/b.ko", []byte(strings.Repeat("text", 9)), 0o644) }, []string{"."}, false, "neither an ELF"},
		"cut off":      {func(d string) error { return os.Truncate(d+"/y/b.ko", 1000) }, []string{"."}, false, "the file has 1000"},
		"header only":  {func(d string) error { return os.Truncate(d+"/y/b.ko", 64) }, []string{"."}, false, "the file has 64"},
		"cut header":   {func(d string) error { return os.Truncate(d+"/y/b.ko", 30) }, []string{"."}, false, "malformed ELF"},
		"empty":        {func(d string) error { return os.WriteFile(d+"/y/b.ko", nil, 0o644) }, []string{"."}, false, "empty"},
		"suffix":       {func(d string) error { return os.Rename(d+"/y/b.ko", d+"/y/b.ko.xz") }, []string{"."}, false, "ends in .ko.xz"},
		"plain suffix": {func(d string) error { return os.Rename(d+"/c.ko.xz", d+"/c.ko") }, []string{"."}, false, "ends in .ko,"},
	} {
		dir := tree(t, nil, "x/a.ko", "y/b.ko", "c.ko.xz")
		if test.spoil != nil {
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
		}
		before, err := os.ReadFile(filepath.Join(dir, "x/a.ko"))
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, p := range test.paths {
			paths = append(paths, dir+"/"+p)
		}
		o := &Options{}
		if test.out {
			o.Rewrite.Out = outRoot(t)
		}
		if err := trySign(t, o, paths...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if after, err := os.ReadFile(filepath.Join(dir, "x/a.ko")); err != nil || string(after) != string(before) {
			t.Errorf("%s: a module was changed", name)
		}
		if test.out {
			if list, err := os.ReadDir(o.Rewrite.Out.Name()); err != nil || len(list) > 0 {
				t.Errorf("%s: %v was written", name, list)
			}
		}
	}
}

// program is the start of a shared object, as a program is one.
var program = append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00"), make([]byte, 100)...)
