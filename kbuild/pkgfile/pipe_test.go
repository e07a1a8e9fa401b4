// SPDX-License-Identifier: Apache-2.0

//go:build unix

package pkgfile

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipe must not wait for somebody to write into the pipe.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	_, err := Open(context.Background(), path, nil)
	if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "save it to a file first") {
		t.Errorf("pipe: %v", err)
	}
}

// TestFailureFrees opens broken archives and sees that nothing stays open.
func TestFailureFrees(t *testing.T) {
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(fds)
	}
	whole := gz(t, tarball(t, reg("a", "x"), reg("b", string(make([]byte, 1<<20)))))
	before := count()
	for range 20 {
		closed := 0
		f := &closeFile{bytesFile{bytes.NewReader(whole)}, &closed}
		if _, err := openFile(context.Background(), "test", f, int64(len(whole)-9), nil); err == nil || closed != 1 {
			t.Fatalf("error %v, closed %d times", err, closed)
		}
	}
	if after := count(); after > before {
		t.Errorf("%d files open, %d before", after, before)
	}
}

type closeFile struct {
	bytesFile
	closed *int
}

func (c *closeFile) Close() error {
	*c.closed++
	return nil
}
