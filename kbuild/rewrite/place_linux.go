// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"

	"github.com/modhash/modhash/kbuild/outfile"
	"golang.org/x/sys/unix"
)

func identify(st fs.FileInfo) identity {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{uint64(s.Dev), s.Ino}
}

// source is the old file, open and locked.
type source struct {
	*os.File
	dir  *os.File // not its own
	base string
	st   unix.Stat_t
}

// openSource opens a regular file in its folder; a link in its place is refused. One
// that stays as it is, because the new one goes elsewhere, is locked against runs
// that rewrite it, not against others that read it; nothing beside it is changed.
func openSource(in *Folders, name string, stays bool) (*source, error) {
	dir, base, err := in.open(name)
	if err != nil {
		return nil, err
	}
	s := &source{dir: dir, base: base}
	// Who held the lock may have replaced the file in the meantime.
	for range 10 {
		if err = s.open(stays); !errors.Is(err, ErrChanged) {
			break
		}
		s.File.Close()
		s.File = nil
	}
	if err != nil {
		s.close()
		return nil, err
	}
	if !stays {
		// Left by a run that was killed; under the lock nobody else has one.
		removeTemp(dir, s.base)
	}
	return s, nil
}

func (s *source) open(stays bool) error {
	fd, err := openat(s.dir, s.base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ELOOP) {
		return errors.New("it is a symbolic link")
	}
	if err != nil {
		return err
	}
	s.File = os.NewFile(uintptr(fd), s.base)
	if err := retry(func() error { return unix.Fstat(fd, &s.st) }); err != nil {
		return err
	}
	if s.st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("it is no regular file")
	}
	lock := unix.LOCK_EX
	if stays {
		lock = unix.LOCK_SH
	}
	err = retry(func() error { return unix.Flock(fd, lock|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	// Any other error: a file system without locks.
	return s.same()
}

func (s *source) close() {
	// Read only: nothing can be lost.
	if s.File != nil {
		s.File.Close()
	}
}

func (s *source) size() int64 { return s.st.Size }

func (s *source) identity() identity { return identity{uint64(s.st.Dev), s.st.Ino} }

// restat looks at the file again, after its links were changed.
func (s *source) restat() error {
	return retry(func() error { return unix.Fstat(int(s.File.Fd()), &s.st) })
}

func (s *source) links() uint64 { return uint64(s.st.Nlink) }

// same reports with ErrChanged that the name is another file now, or that the
// file was written to.
func (s *source) same() error {
	now, err := lstatat(s.dir, s.base)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if now.Dev != s.st.Dev || now.Ino != s.st.Ino || now.Size != s.st.Size || now.Mtim != s.st.Mtim || now.Ctim != s.st.Ctim {
		return ErrChanged
	}
	return nil
}

// alsoNamed holds that name is this file as well.
func (s *source) alsoNamed(root *os.Root, name string) error {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	st, err := lstatat(dir, path.Base(name))
	if err != nil {
		return err
	}
	if st.Dev != s.st.Dev || st.Ino != s.st.Ino {
		return ErrChanged
	}
	removeTemp(dir, path.Base(name))
	return nil
}

// product is the new file. It has no name until commit, or a temporary one where
// the file system cannot do that.
type product struct {
	*os.File
	dir   *os.File // not its own
	base  string
	named bool // has its temporary name
}

func createProduct(in *Folders, name string, noTemp bool) (*product, error) {
	dir, base, err := in.open(name)
	if err != nil {
		return nil, err
	}
	p := &product{dir: dir, base: base}
	if err := p.create(noTemp); err != nil {
		return nil, err
	}
	return p, nil
}

// Write appends b. The error does not repeat the name.
func (p *product) Write(b []byte) (int, error) {
	n, err := p.File.Write(b)
	return n, outfile.Bare(err)
}

func (p *product) create(noTemp bool) error {
	const mode = 0o600 // until it is complete
	fd, err := -1, error(unix.EOPNOTSUPP)
	if !noTemp {
		fd, err = openat(p.dir, ".", unix.O_RDWR|unix.O_TMPFILE, mode)
		if err == nil && !canLink(fd) {
			unix.Close(fd)
			err = unix.EOPNOTSUPP
		}
	}
	// EISDIR and ENOENT come from kernels that do not know the flag.
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOENT) {
		removeTemp(p.dir, p.base)
		fd, err = openat(p.dir, TempName(p.base), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, mode)
		p.named = err == nil
	}
	if err != nil {
		return err
	}
	p.File = os.NewFile(uintptr(fd), p.base)
	// So that the next run waits until all links are made. Nobody else has it
	// open; an error is that of a file system without locks.
	_ = retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	return nil
}

// canLink: a file without a name is given one through /proc.
func canLink(fd int) bool {
	var st unix.Stat_t
	return unix.Stat(procName(fd), &st) == nil
}

func procName(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// discard frees the file, which is gone unless commit was called.
func (p *product) discard() {
	if p.named {
		removeTemp(p.dir, p.base)
	}
	p.File.Close() // what matters was synced
}

func (p *product) size() (int64, error) {
	st, err := p.File.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (p *product) sync() error { return outfile.Bare(p.File.Sync()) }

// commit gives the file the times of the old one and its name.
func (p *product) commit(s *source) error {
	temp := TempName(p.base)
	dir := int(p.dir.Fd())
	if !p.named {
		link := func() error {
			return unix.Linkat(unix.AT_FDCWD, procName(int(p.File.Fd())), dir, temp, unix.AT_SYMLINK_FOLLOW)
		}
		err := link()
		if errors.Is(err, unix.EEXIST) {
			removeTemp(p.dir, p.base)
			err = link()
		}
		if err != nil {
			return err
		}
		p.named = true
	}
	times := []unix.Timespec{s.st.Atim, s.st.Mtim}
	if err := unix.UtimesNanoAt(dir, temp, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("keeping the times: %w", err)
	}
	if err := unix.Renameat(dir, temp, dir, p.base); err != nil {
		return err
	}
	p.named = false
	return nil
}

// link makes name below root another link to the file, in place of what is there.
func (p *product) link(root *os.Root, name string) error {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	base := path.Base(name)
	temp := TempName(base)
	removeTemp(dir, base)
	if err := unix.Linkat(int(p.dir.Fd()), p.base, int(dir.Fd()), temp, 0); err != nil {
		return err
	}
	if err := unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), base); err != nil {
		removeTemp(dir, base)
		return err
	}
	return nil
}

func removeTemp(dir *os.File, base string) {
	// Not there, as a rule.
	_ = unix.Unlinkat(int(dir.Fd()), TempName(base), 0)
}

func openat(dir *os.File, name string, flags int, mode uint32) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Openat(int(dir.Fd()), name, flags|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

func lstatat(dir *os.File, base string) (st unix.Stat_t, err error) {
	err = retry(func() error { return unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// syncDir makes renames durable. That a file system cannot do it is no failure.
func syncDir(d *os.File) error {
	err := outfile.Bare(d.Sync())
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	return err
}
