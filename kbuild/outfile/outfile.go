// SPDX-License-Identifier: Apache-2.0

// Package outfile writes files so that a reader sees the old content or the new
// one, whole: beside the file and then renamed into its place. A run that fails
// leaves an old file as it was, and nothing new behind.
package outfile

import (
	"cmp"
	"errors"
	"fmt"

	"io/fs"
	"os"
	"path/filepath"
)

// Options of [Replace]. The zero value is ready for use.
type Options struct {
	// Mode is the mode of the file; 0 is Perm, which is changed by the umask.
	Mode fs.FileMode
	// Perm is what the umask is applied to; 0 is 0666.
	Perm fs.FileMode
	// NoSync leaves out waiting for the disk: for files that are made again by
	// whoever finds them missing or empty after a power failure.
	NoSync bool
}

// Replace makes write fill a new file and puts it in the place of path, which
// must not be a link to the file that is meant. Errors name no temporary file.
func Replace(path string, o Options, write func(*os.File) error) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := createBeside(dir, base, cmp.Or(o.Perm, 0o666))
	if err != nil {
		return Bare(err)
	}
	defer func() {
		if err != nil {
			err = Bare(errors.Join(err, remove(f.Name())))
		}
	}()
	err = write(f)
	if err == nil && o.Mode != 0 {
		err = f.Chmod(o.Mode)
	}
	if err == nil && !o.NoSync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if !o.NoSync {
		return syncDir(dir)
	}
	return nil
}

// Bytes is [Replace] with content that is at hand.
func Bytes(path string, o Options, content []byte) error {
	return Replace(path, o, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	})
}

// Resolve follows the links of path, which need not exist, to the file to be
// replaced.
func Resolve(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return target, Bare(err)
}

// Bare drops the operation and the name of a temporary file from an error.
func Bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

// createBeside makes a new file with the mode that the umask gives.
func createBeside(dir, base string, perm fs.FileMode) (*os.File, error) {
	for i := range 100 {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf(".%.200s.%d-%d.tmp", base, os.Getpid(), i)), os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("too many temporary files in %s", dir)
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes a rename durable. That a file system cannot do it is no
// failure: the file is there.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	d.Sync()
	return d.Close()
}
