// SPDX-License-Identifier: Apache-2.0

//go:build unix

package pkgfile

import (
	"context"
	"errors"
	"io/fs"
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
