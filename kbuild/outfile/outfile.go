// SPDX-License-Identifier: Apache-2.0

// Package outfile writes files so that a reader sees the old content or the new
// one, whole: beside the file and then renamed into its place. A run that fails
// leaves an old file as it was, and nothing new behind. What a killed run leaves,
// one file with a name that [TempName] tells, the next one removes.
package outfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Options of [Replace]. The zero value is ready for use.
type Options struct {
	// Like is a file, mostly the old one, whose mode and owner the new one gets;
	// nil: those of a new file.
	Like fs.FileInfo
	// Perm is the mode of a new file before the umask; 0 is 0666.
	Perm fs.FileMode
	// NoSync leaves out waiting for the disk: for files that are made again by
	// whoever finds them missing or empty after a power failure.
	NoSync bool
}

// Write does what opening path for writing does, but for the old content, which
// stays until the new one is whole: links are followed, a device or a pipe is
// written to, and a file that may not be written to is refused. Mode and owner of
// a file stay.
func Write(path string, o Options, write func(io.Writer) error) error {
	target, err := resolve(path)
	if err != nil {
		return Bare(err)
	}
	st, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Replace(target, o, func(f *os.File) error { return write(f) })
	case err != nil:
		return Bare(err)
	case st.IsDir():
		return errors.New("it is a folder")
	}
	f, err := os.OpenFile(target, os.O_WRONLY, 0)
	if err != nil {
		return Bare(err)
	}
	if !st.Mode().IsRegular() {
		return Bare(errors.Join(write(f), f.Close()))
	}
	if err := f.Close(); err != nil {
		return Bare(err)
	}
	o.Like = st
	return Replace(target, o, func(f *os.File) error { return write(f) })
}

// Replace makes write fill a new file and puts it in the place of path, whatever
// that is, a link too. Errors name no temporary file.
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
	if err == nil && o.Like != nil {
		err = imitate(f, o.Like)
	}
	if err == nil && !o.NoSync {
		err = f.Sync()
	}
	if err == nil {
		// While it is open it is locked, so nobody takes it for a killed run's.
		err = os.Rename(f.Name(), path)
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		return Bare(cerr) // it is in place, but perhaps not on the disk
	}
	if err == nil && !o.NoSync {
		return syncDir(dir)
	}
	return err
}

// Bytes is [Replace] with content that is at hand.
func Bytes(path string, o Options, content []byte) error {
	return Replace(path, o, func(f *os.File) error {
		_, err := f.Write(content)
		return err
	})
}

// imitate gives a file the owner and then the mode of another one: a change of
// owner can take mode bits away.
func imitate(f *os.File, like fs.FileInfo) error {
	if err := keepOwner(f, like); err != nil {
		return err
	}
	return f.Chmod(like.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky))
}

// maxLinks is how many links the kernel follows.
const maxLinks = 40

// resolve follows the links of path to the file that is meant, which need not
// exist.
func resolve(path string) (string, error) {
	for range maxLinks {
		st, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && st.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
			return path, nil // those below /proc are not what they read as
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return "", errors.New("too many links")
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

// maxBase is how many bytes of a name the temporary one keeps: both have at most
// 255.
const maxBase = 200

// TempName is the name of the file that is written before it is renamed to base.
func TempName(base string) string {
	return "." + base[:min(len(base), maxBase)] + ".modhash-out"
}

// errBusy says that the temporary file belongs to another process.
var errBusy = errors.New("it is being written by another process")

// createBeside makes a new file with the mode that the umask gives. One that a
// killed run left is removed; one that is locked belongs to a run.
func createBeside(dir, base string, perm fs.FileMode) (*os.File, error) {
	name := filepath.Join(dir, TempName(base))
	for range 10 {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if errors.Is(err, fs.ErrExist) {
			if err := removeStale(name); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if lock(f) == nil && isAt(f, name) {
			return f, nil
		}
		f.Close() // nothing was written; somebody has removed it
	}
	return nil, errBusy
}

// removeStale removes a temporary file that nobody has locked.
func removeStale(name string) error {
	f, err := os.OpenFile(name, openStale, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() // it goes
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("there is a %s called %s", st.Mode().Type(), filepath.Base(name))
	}
	if lock(f) != nil {
		return errBusy
	}
	if !isAt(f, name) {
		return nil // renamed meanwhile
	}
	return remove(name)
}

// RemoveStale removes a temporary file below root that nobody has locked, and leaves
// one that somebody has. It is no error if there is none.
func RemoveStale(root *os.Root, name string) error {
	f, err := root.OpenFile(name, openStale, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() // it goes
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || lock(f) != nil {
		return err
	}
	if now, err := root.Lstat(name); err != nil || !os.SameFile(st, now) {
		return nil // renamed meanwhile
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Unlocked reports whether no process has locked a file below root.
func Unlocked(root *os.Root, name string) (bool, error) {
	f, err := root.OpenFile(name, openStale, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // read only; lets the lock go
	return lock(f) == nil, nil
}

// isAt reports whether the open file has that name.
func isAt(f *os.File, name string) bool {
	a, err1 := f.Stat()
	b, err2 := os.Lstat(name)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
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
