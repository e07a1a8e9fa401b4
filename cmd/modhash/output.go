// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/modhash/modhash/kbuild/outfile"
)

// output writes a result to standard output, or to a file: beside it and then
// renamed into place, so that a failed run leaves an old file whole and no new
// one behind.
func (a *app) output(ctx context.Context, path string, write func(io.Writer) error) error {
	if path == "" || path == "-" {
		if err := write(a.stdout); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	target, err := outfile.Resolve(path)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	toFile := func(f *os.File) error { return write(f) }
	st, err := os.Stat(target)
	switch {
	case err == nil && st.IsDir():
		return fmt.Errorf("writing %s: it is a folder", path)
	case err == nil && !st.Mode().IsRegular():
		err = writeDirect(target, write) // a device or a pipe cannot be replaced
	case err == nil:
		err = outfile.Replace(target, outfile.Options{Mode: st.Mode().Perm()}, toFile)
	case errors.Is(err, fs.ErrNotExist):
		err = outfile.Replace(target, outfile.Options{}, toFile)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, outfile.Bare(err))
	}
	return nil
}

func writeDirect(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
