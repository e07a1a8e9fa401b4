// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/pool"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/modsig/trailer"
)

const (
	sidecarEnd  = ".merkle"
	sidecarPerm = 0o644 // before the umask
)

// TrailerError names a module of a build tree that carries a trailer: the proof
// would be appended behind it, and the kernel would count it as module bytes.
type TrailerError struct{ Name, Trailer string }

func (e *TrailerError) Error() string {
	return fmt.Sprintf("%s ends in a trailer (%s), which a module of a build tree must not have", e.Name, e.Trailer)
}

// StrippedError says that a build tree has stripped copies of its modules: these
// are hashed and installed, not the modules.
type StrippedError struct{ Path string }

func (e *StrippedError) Error() string {
	return fmt.Sprintf("there is %s: this build strips its modules when it installs them, and hashes the stripped ones", e.Path)
}

// CheckUnstripped returns a [*StrippedError] for the summary of such a build tree.
func CheckUnstripped(s *kbuild.Summary) error {
	if !s.BuildTree {
		return nil
	}
	for i := range s.Sums[:s.Listed] {
		path := s.Sums[i].File.Path() + ".stripped"
		if _, err := os.Lstat(path); err == nil {
			return &StrippedError{path}
		}
	}
	return nil
}

// Sidecars writes the proof of every module of a build tree beside it and
// returns how many were not there already. The summary is that of a Merkle
// hashset whose root is known.
func Sidecars(ctx context.Context, s *kbuild.Summary, workers int) (written int, err error) {
	if err := CheckUnstripped(s); err != nil {
		return 0, err
	}
	w := sidecars{tree: s.Tree()}
	for i := range s.Sums[:s.Listed] {
		m := &s.Sums[i]
		if m.Trailer.State != trailer.None {
			return 0, &TrailerError{m.Name, m.TrailerName}
		}
		w.paths = append(w.paths, strings.TrimSuffix(m.File.Path(), ".ko")+sidecarEnd)
	}
	return w.write(ctx, workers)
}

// sidecars are the files to be written: one for each leaf, "" for none. A build
// that was cut short makes them again, so the disk is not waited for.
type sidecars struct {
	tree  *hashset.Tree
	paths []string
}

func (w *sidecars) write(ctx context.Context, workers int) (written int, err error) {
	made := make([]bool, len(w.paths))
	start := func() *[]byte { return new([]byte) }
	err = pool.Each(ctx, workers, len(w.paths), start, func(*[]byte) {}, func(buf *[]byte, i int) (err error) {
		if w.paths[i] == "" {
			return nil
		}
		*buf = w.tree.Proof(i).AppendSidecar((*buf)[:0])
		made[i], err = writeSidecar(w.paths[i], *buf)
		return err
	})
	for _, m := range made {
		if m {
			written++
		}
	}
	return written, err
}

// writeSidecar leaves a file alone that is there already: making thousands of
// files again takes longer than hashing the modules.
func writeSidecar(path string, content []byte) (written bool, err error) {
	o := outfile.Options{Perm: sidecarPerm, NoSync: true}
	st, err := os.Lstat(path)
	same := false
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err != nil:
	case st.IsDir():
		err = errors.New("it is a folder")
	case st.Mode().IsRegular():
		o.Like = st
		same, err = holds(path, st.Size(), content)
	case st.Mode()&fs.ModeSymlink == 0:
		err = errors.New("it is not a regular file")
	}
	if err == nil && !same {
		err = outfile.Bytes(path, o, content)
	}
	if err != nil {
		return false, fmt.Errorf("writing %s: %w", path, outfile.Bare(err))
	}
	return !same, nil
}

// holds reports whether that is the content of a file.
func holds(path string, size int64, content []byte) (bool, error) {
	if size != int64(len(content)) {
		return false, nil
	}
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return false, nil
	}
	return bytes.Equal(old, content), err
}
