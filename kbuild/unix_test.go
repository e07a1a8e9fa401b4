// SPDX-License-Identifier: Apache-2.0

//go:build unix

package kbuild

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modhash/modhash/hashset"
)

// TestUmask: neither the modes of the files nor the umask makes a difference,
// also where temporary files are needed.
func TestUmask(t *testing.T) {
	files := installed(modulesDir, ".xz", nil)
	want := wantManifest("none")
	for _, mask := range []int{0, 0o027, 0o077} {
		old := syscall.Umask(mask)
		dir, archive := writeDir(t, files), writeTar(t, "a.tar.gz", files)
		a, b := manifest(t, nil, dir), manifest(t, nil, archive)
		syscall.Umask(old)
		if a != want || b != want {
			t.Errorf("umask %03o: another manifest", mask)
		}
	}
}

// TestPipe: a pipe in a module's place, or that of a source, is told and never
// opened, which would wait for a writer.
func TestPipe(t *testing.T) {
	dir := writeDir(t, without(installed("", "", nil), "ext4.ko"))
	for _, name := range []string{names[0], "vmlinuz", "modules.dep"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(p, 0o644); err != nil {
			t.Skip(err)
		}
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		if got := told(summarize(t, nil, dir).Problems); got != "bad-image\nmissing "+names[0]+"\nnot-regular "+names[0] {
			t.Errorf("%s", got)
		}
		if _, err := Open(t.Context(), []string{filepath.Join(dir, names[0])}, nil); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("a pipe as a source: %v", err)
		}
		if _, err := ModuleFile(filepath.Join(dir, names[0])); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("a pipe as a module: %v", err)
		}
		if _, err := openBuild(t, &Options{Image: filepath.Join(dir, "modules.dep")}, dir).Image(); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("a pipe as an image: %v", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("waits for a writer")
	}
}

// TestReplacedByPipe: the same for a module that becomes a pipe after it was
// listed.
func TestReplacedByPipe(t *testing.T) {
	dir := writeDir(t, installed("", "", nil))
	b := openBuild(t, nil, dir)
	p := filepath.Join(dir, names[0])
	if err := os.Remove(p); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(p, 0o644); err != nil {
		t.Skip(err)
	}
	done := make(chan error)
	go func() {
		_, err := b.Sums(t.Context(), hashset.Flat, nil)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("waits for a writer")
	}
}

// TestOwner: the member table of a directory has owner, mode and time.
func TestOwner(t *testing.T) {
	dir := writeDir(t, []file{{name: "modules.order"}})
	p := filepath.Join(dir, "modules.order")
	when := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chmod(p, 0o751); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(p, when, when); err != nil {
		t.Fatal(err)
	}
	m := openBuild(t, &Options{AllFiles: true}, dir).Sources()[0].Members()[0]
	if m.Name != "modules.order" || m.Raw != m.Name || m.Mode != 0o751 || !m.MTime.Equal(when) || m.UID != os.Getuid() || m.Size != 0 {
		t.Errorf("%+v", m)
	}
}
