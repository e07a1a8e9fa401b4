// SPDX-License-Identifier: Apache-2.0

//go:build unix

package kbuild

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags keep the opening of a named pipe, in the place of a regular file,
// from waiting for a writer.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// owner returns the owner and, for a device, its numbers.
func owner(st fs.FileInfo) (uid, gid int, major, minor uint32) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, 0, 0
	}
	if st.Mode()&fs.ModeDevice != 0 {
		major, minor = unix.Major(uint64(s.Rdev)), unix.Minor(uint64(s.Rdev))
	}
	return int(s.Uid), int(s.Gid), major, minor
}

// canOpenIn: openIn can be used.
const canOpenIn = true

// openIn opens a regular file that lies directly in an open folder; base has no
// slash, and a link in its place is refused, so it cannot lead out. A plain
// descriptor does with half of the system calls of an [os.File].
func openIn(dir *os.File, base string) (Content, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat(int(dir.Fd()), base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
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
		return nil, errors.Join(errors.New("it is a "+describeMode(fileType(uint32(st.Mode)))), unix.Close(fd))
	}
	return &descriptor{fd, st.Size}, nil
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

// readTypes reads a folder without asking about each of its entries, which a
// File of an [os.Root] does.
func readTypes(f *os.File) ([]fs.DirEntry, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	plain := os.NewFile(uintptr(fd), f.Name())
	defer plain.Close() // read only
	return plain.ReadDir(-1)
}
