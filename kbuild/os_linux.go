// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const canOpenBelow = true

// openBelow opens name, which may lead through links but not out of the folder
// top, in one system call: an [os.Root] opens every folder on the way, which
// takes a good part of the time that hashing takes. errors.ErrUnsupported leaves
// it to the [os.Root]: kernels before 5.6, sandboxes and emulators do not have
// the call.
func openBelow(top *os.File, name string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_RDONLY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
	}
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat2(int(top.Fd()), name, &how)
		return err
	})
	switch {
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EAGAIN):
		// EAGAIN: something was renamed meanwhile.
		return -1, errors.ErrUnsupported
	case err != nil:
		return -1, err
	}
	return fd, nil
}

// openFileBelow opens a regular file, and no link in its place. A plain descriptor does with half of the
// system calls of an [os.File].
func openFileBelow(top *os.File, name string) (Content, error) {
	fd, err := openBelow(top, name, unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if errors.Is(err, unix.ELOOP) {
		err = errors.New("it is a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.Join(errors.New("it is a "+describeMode(fileType(st.Mode))), unix.Close(fd))
	}
	return &descriptor{fd, st.Size}, nil
}

// readFolderBelow reads a folder without asking about each of its entries; path
// is that of the folder, for messages.
func readFolderBelow(top *os.File, name, path string) ([]fs.DirEntry, error) {
	fd, err := openBelow(top, name, unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	entries, err := f.ReadDir(-1)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return entries, err
}

// fileType is the type of a file in the form of the standard library.
func fileType(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return fs.ModeDevice
	case unix.S_IFSOCK:
		return fs.ModeSocket
	}
	return fs.ModeIrregular
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// descriptor is the content of an open file.
type descriptor struct {
	fd   int
	size int64
}

func (d *descriptor) Size() int64 { return d.size }

func (d *descriptor) Close() error {
	fd := d.fd
	d.fd = -1
	return unix.Close(fd)
}

func (d *descriptor) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("negative offset %d", off)
	}
	done := 0
	for done < len(p) {
		var n int
		err := retry(func() (err error) {
			n, err = unix.Pread(d.fd, p[done:], off+int64(done))
			return err
		})
		if err != nil {
			return done, err
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}
