// SPDX-License-Identifier: Apache-2.0

package outfile

import (
	"errors"
	"io"
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
	for _, mode := range []os.FileMode{0o600, 0o755, 0o444} {
		like := filepath.Join(t.TempDir(), "like")
		if err := errors.Join(os.WriteFile(like, nil, mode), os.Chmod(like, mode)); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(like)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{{Perm: mode & 0o755}, {Like: st}, {Like: st, NoSync: true}} {
			if err := Bytes(path, o, []byte(mode.String())); err != nil {
				t.Fatal(err)
			}
			st, err := os.Stat(path)
			if err != nil || st.Mode() != mode || content(t, path) != mode.String() {
				t.Errorf("%v %v, %s", st.Mode(), err, content(t, path))
			}
			alone(t, path)
		}
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// TestWrite: what opening the path for writing would reach is written.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		os.WriteFile(at("file"), []byte("old"), 0o640), os.Chmod(at("file"), 0o640),
		os.Symlink("file", at("link")), os.Symlink("new", at("dangling")), os.Symlink("loop", at("loop")),
		os.Mkdir(at("folder"), 0o755), os.Symlink(os.DevNull, at("null")),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "file", "link": "file", "dangling": "new", "plain": "plain"} {
		if err := Write(at(name), Options{}, text(name)); err != nil || content(t, at(want)) != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Write(at("null"), Options{}, text("gone")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"link", "dangling", "null"} {
		if st, err := os.Lstat(at(name)); err != nil || st.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v", name, err)
		}
	}
	if st, err := os.Stat(at("file")); err != nil || st.Mode() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		t.Fatalf("%s is %v, %v", os.DevNull, st.Mode(), err)
	}
	for _, name := range []string{"folder", "loop", "none/file"} {
		if err := Write(at(name), Options{}, text("x")); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// TestStale: what a killed run left is removed, what another run has is not.
func TestStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("long€", 30)+".name")
	temp := filepath.Join(filepath.Dir(path), TempName(filepath.Base(path)))
	if err := os.WriteFile(temp, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Bytes(path, Options{}, []byte("new")); err != nil || content(t, path) != "new" {
		t.Fatal(err)
	}
	alone(t, path)
	err := Replace(path, Options{}, func(*os.File) error {
		if err := Bytes(path, Options{}, []byte("other")); !errors.Is(err, errBusy) {
			t.Errorf("two at once: %v", err)
		}
		return nil
	})
	if err != nil || content(t, path) != "" {
		t.Errorf("%v", err)
	}
	if err := os.Symlink("elsewhere", temp); err != nil {
		t.Fatal(err)
	}
	if err := Bytes(path, Options{}, []byte("x")); err == nil {
		t.Error("a link in the temporary file's place was followed")
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
	if err == nil || strings.Contains(err.Error(), "modhash-out") || content(t, path) != "old" {
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
