// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTree: a file is opened, or refused, alike by the system call that looks at
// the whole path and by an [os.Root], which stands in where it is missing.
func TestTree(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(top, "usr/lib"), 0o755))
	must(os.WriteFile(filepath.Join(top, "usr/lib/a.ko"), []byte("module"), 0o644))
	must(os.WriteFile(filepath.Join(top, "../secret"), []byte("secret"), 0o644))
	for link, target := range map[string]string{
		"lib": "usr/lib", "out": "..", "abs": filepath.Dir(top), "usr/lib/file": "a.ko",
		"usr/lib/back": "../../lib", "loop": "loop", "usr/lib/escape": "../../../secret",
	} {
		must(os.Symlink(target, filepath.Join(top, link)))
	}
	fast, err := openTree(top)
	must(err)
	slow, err := openTree(top)
	must(err)
	if slow.top != nil {
		must(slow.top.Close())
		slow.top = nil
	}
	for _, tr := range []*tree{fast, slow} {
		defer func() { must(tr.Close()) }()
		for name, ok := range map[string]bool{
			"usr/lib/a.ko": true, "lib/a.ko": true, "lib/back/a.ko": true, "./usr/./lib/a.ko": true,
			"out/secret": false, "abs/secret": false, "../secret": false, "usr/lib/escape": false,
			"loop": false, "loop/a": false, "lib/none": false, "usr/lib": false, "usr/lib/a.ko/b": false,
		} {
			c, err := tr.open(name)
			if (err == nil) != ok {
				t.Errorf("%s, fast %v: %v", name, tr.top != nil, err)
			}
			if err == nil {
				b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
				must(err)
				must(c.Close())
				if string(b) != "module" {
					t.Errorf("%s: %q", name, b)
				}
			}
		}
		for _, name := range []string{"out", "abs", "..", "loop", "usr/lib/a.ko", "none"} {
			if e, err := tr.readDir(name, false); err == nil {
				t.Errorf("folder %s, fast %v: %v", name, tr.top != nil, e)
			}
		}
		for _, name := range []string{"usr/lib", "lib/back"} {
			entries, err := tr.readDir(name, false)
			must(err)
			var names []string
			for _, e := range entries {
				names = append(names, e.Type().String()[:1]+e.Name())
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != "-a.ko Lback Lescape Lfile" {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
	if _, err := fast.open("usr/lib/file"); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link in the last place: %v", err)
	}
}
