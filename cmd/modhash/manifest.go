// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
)

// isPipe: a manifest can come from another program, a build cannot.
func isPipe(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&os.ModeNamedPipe != 0
}

// isManifest looks at the first bytes of a file.
func isManifest(path string) bool {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // read only
	head := make([]byte, 32)
	n, _ := io.ReadFull(f, head)
	return hashset.IsManifest(head[:n])
}

func (a *app) readManifest(ctx context.Context, path string) (*hashset.Manifest, error) {
	var in io.Reader = untilDone{ctx, a.stdin}
	if path != "-" {
		f, err := openUntilDone(ctx, path)
		if err != nil {
			return nil, err
		}
		defer f.Close() // read only
		in = untilDone{ctx, f}
	}
	m, err := hashset.Parse(in)
	if err != nil {
		err = fmt.Errorf("reading %s: %w", path, err)
		if errors.Is(err, hashset.ErrNotManifest) {
			return nil, withHint(err, "the manifest comes first, then the build; modhash generate makes one")
		}
		return nil, withHint(err, "a manifest is one exact text: take it as it was published")
	}
	return m, nil
}

// untilDone ends a read that may never end, as of a terminal, with its context.
// The read itself goes on, so the program must not read on afterwards.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buf := make([]byte, len(p))
	go func() {
		n, err := u.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buf[:r.n]), r.err
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	}
}

// openUntilDone opens a file; a named pipe, which waits for a writer, no longer
// than the context lasts.
func openUntilDone(ctx context.Context, path string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(path)
		done <- result{f, err}
	}()
	select {
	case r := <-done:
		return r.f, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// liesIn reports whether a file is below one of the directories.
func liesIn(file string, dirs []string) bool {
	for _, d := range dirs {
		if st, err := os.Stat(d); err == nil && st.IsDir() && file != "-" && within(file, d) {
			return true
		}
	}
	return false
}

// manifestName is how a manifest beside the modules is called.
const manifestName = "modhash.manifest"

// ownManifest finds the manifest that the build itself holds, if it does.
func ownManifest(b *kbuild.Build) (*hashset.Manifest, string, error) {
	f := b.FindInFolder(manifestName)
	if f == nil {
		return nil, "", nil
	}
	c, err := f.Open()
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", f.Path(), err)
	}
	defer c.Close() // read only
	m, err := hashset.Parse(io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", f.Path(), err)
	}
	return m, f.Path(), nil
}
