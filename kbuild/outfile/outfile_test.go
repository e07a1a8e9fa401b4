// SPDX-License-Identifier: Apache-2.0

package outfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// alone fails if there is anything else in the folder of path.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) > 1 {
		t.Errorf("%v %v", entries, err)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct {
		o    Options
		mode os.FileMode
	}{
		{Options{Perm: 0o600}, 0o600}, {Options{Mode: 0o755}, 0o755}, {Options{Mode: 0o444, NoSync: true}, 0o444},
	} {
		want := tt.mode.String()
		if err := Bytes(path, tt.o, []byte(want)); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil || st.Mode() != tt.mode || content(t, path) != want {
			t.Errorf("%v %v, %s", st.Mode(), err, content(t, path))
		}
		alone(t, path)
	}
}

// TestFailed: whatever fails, the old file is whole and nothing is left.
func TestFailed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Bytes(path, Options{}, []byte("old")); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := Replace(path, Options{}, func(f *os.File) error {
		if _, err := f.WriteString("half of the new"); err != nil {
			t.Fatal(err)
		}
		return boom
	})
	if !errors.Is(err, boom) || content(t, path) != "old" {
		t.Errorf("%v, %s", err, content(t, path))
	}
	err = Replace(path, Options{}, func(f *os.File) error { return f.Close() })
	if err == nil || strings.Contains(err.Error(), ".tmp") || content(t, path) != "old" {
		t.Errorf("closed early: %v, %s", err, content(t, path))
	}
	alone(t, path)
	if err := Bytes(filepath.Join(path, "below"), Options{}, nil); err == nil {
		t.Error("a file below a file")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Bytes(filepath.Join(dir, "d"), Options{}, nil); err == nil {
		t.Error("a folder was replaced")
	}
	alone(t, filepath.Join(dir, "d"))
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	file, link, loop := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "loop")
	for l, target := range map[string]string{link: "file", loop: "loop"} {
		if err := os.Symlink(target, l); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Resolve(link); err != nil || got != link {
		t.Errorf("a link to nothing: %s %v", got, err)
	}
	if err := Bytes(file, Options{}, nil); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Resolve(link); err != nil || got != want {
		t.Errorf("%s %v", got, err)
	}
	if _, err := Resolve(loop); err == nil {
		t.Error("a loop")
	}
}
