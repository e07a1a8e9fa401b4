// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestFolders: each file is looked for in its own folder, below the root, and a folder
// that is not there spoils nothing for the next.
func TestFolders(t *testing.T) {
	tr := newTree(t)
	for _, name := range []string{"top.ko", "a/one.ko", "a/two.ko", "a/b/three.ko"} {
		tr.putRaw(name, []byte(name))
	}
	for link, to := range map[string]string{"inside": "a/b", "outside": "/"} {
		if err := os.Symlink(to, tr.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	in := NewFolders(tr.root)
	defer in.Close()
	for _, step := range []struct{ name, want string }{
		{"a/one.ko", "a/one.ko"}, {"a/two.ko", "a/two.ko"}, {"a/b/three.ko", "a/b/three.ko"}, {"none/x.ko", ""}, {"none/x.ko", ""},
		{"top.ko", "top.ko"}, {"inside/three.ko", "a/b/three.ko"}, {"outside/etc/passwd", ""}, {"../x.ko", ""}, {"top.ko/x.ko", ""}, {"a/one.ko", "a/one.ko"},
	} {
		dir, base, err := in.Of(step.name)
		if step.want == "" {
			if err == nil {
				t.Errorf("%s: %s in %s", step.name, base, dir.Name())
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", step.name, err)
			continue
		}
		if got, err := dir.ReadFile(base); err != nil || string(got) != step.want {
			t.Errorf("%s holds %q, %v", step.name, got, err)
		}
	}
	if _, _, err := in.Of("none/x.ko"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
