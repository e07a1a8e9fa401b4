// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestSpool(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, 1<<20)
	defer s.Close()
	if got := list(t, dir); len(got) != 0 {
		t.Fatalf("New made files: %v", got)
	}

	parts := []string{"first", "", "the second one", "x"}
	var offs []int64
	for _, p := range parts {
		offs = append(offs, s.Size())
		if n, err := io.WriteString(s, p); n != len(p) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", p, n, err)
		}
	}
	if got := list(t, dir); len(got) != 0 {
		t.Errorf("spool file is visible in its folder: %v", got)
	}
	// Backwards, because order must not matter.
	for i := len(parts) - 1; i >= 0; i-- {
		got, err := io.ReadAll(s.Section(offs[i], int64(len(parts[i]))))
		if err != nil || string(got) != parts[i] {
			t.Errorf("part %d = %q, %v; want %q", i, got, err, parts[i])
		}
	}
	if s.Dir() != dir {
		t.Errorf("Dir() = %q", s.Dir())
	}
}

func TestReadAtEnd(t *testing.T) {
	s := New(t.TempDir(), 100)
	defer s.Close()
	buf := make([]byte, 4)
	if n, err := s.ReadAt(buf, 0); n != 0 || err != io.EOF {
		t.Errorf("empty: %d, %v", n, err)
	}
	s.Write([]byte("abcdef"))
	for _, tc := range []struct {
		off  int64
		want string
		err  error
	}{
		{0, "abcd", nil}, {2, "cdef", nil}, {3, "def", io.EOF}, {6, "", io.EOF}, {1 << 62, "", io.EOF},
	} {
		n, err := s.ReadAt(buf, tc.off)
		if string(buf[:n]) != tc.want || err != tc.err {
			t.Errorf("ReadAt(%d) = %q, %v; want %q, %v", tc.off, buf[:n], err, tc.want, tc.err)
		}
	}
	if _, err := s.ReadAt(buf, -1); err == nil || err == io.EOF {
		t.Errorf("negative offset: %v", err)
	}
}

func TestLimit(t *testing.T) {
	s := New(t.TempDir(), 10)
	defer s.Close()
	s.Write([]byte("12345678"))
	if n, err := s.Write([]byte("abc")); n != 0 || !errors.Is(err, ErrLimit) {
		t.Errorf("over the limit: %d, %v", n, err)
	}
	if s.Size() != 8 {
		t.Errorf("size changed to %d", s.Size())
	}
	if n, err := s.Write([]byte("90")); n != 2 || err != nil {
		t.Errorf("exactly the limit: %d, %v", n, err)
	}
}

func TestClose(t *testing.T) {
	s := New(t.TempDir(), 100)
	s.Write([]byte("abc"))
	r := s.Section(0, 3)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadAll(r); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := s.Write([]byte("d")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
	if err := New("/nonexistent", 1).Close(); err != nil {
		t.Errorf("closing an unused spool: %v", err)
	}
}

func TestFolderTrouble(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	_, err := New(dir, 100).Write([]byte("x"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--tmpdir") {
		t.Errorf("error does not name the folder and the way out: %v", err)
	}
}

// TestDiskFull uses /dev/full, which fails each write as a full disk does.
func TestDiskFull(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	s := New("/some/folder", 100)
	s.f = f
	defer s.Close()
	n, err := s.Write([]byte("x"))
	if n != 0 || !errors.Is(err, syscall.ENOSPC) || s.Size() != 0 {
		t.Fatalf("Write = %d, %v, size %d", n, err, s.Size())
	}
	const want = "appending to spool file in /some/folder after 0 bytes: no space left on device; choose a folder with more room with --tmpdir"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
}

// TestConcurrent reads finished parts while others are being appended; it is
// there for the race detector.
func TestConcurrent(t *testing.T) {
	s := New(t.TempDir(), 1<<20)
	defer s.Close()
	part := bytes.Repeat([]byte("0123456789abcdef"), 64)
	var wg sync.WaitGroup
	for range 100 {
		off := s.Size()
		if _, err := s.Write(part); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			got := make([]byte, len(part))
			if _, err := s.ReadAt(got, off); err != nil || !bytes.Equal(got, part) {
				t.Errorf("part at %d: %v", off, err)
			}
		})
	}
	wg.Wait()
}

func list(t *testing.T, dir string) []string {
	t.Helper()
	ents, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range ents {
		names = append(names, e.Name())
	}
	return names
}
