// SPDX-License-Identifier: Apache-2.0

//go:build unix

package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openStale opens a temporary file and nothing that could stand in its place.
const openStale = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK

// lock fails if another process has locked the file; a file system without locks
// is no failure.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	return nil
}

// keepOwner gives a new file the owner and the group of another one.
func keepOwner(f *os.File, old fs.FileInfo) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	want, ok1 := old.Sys().(*syscall.Stat_t)
	have, ok2 := st.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || want.Uid == have.Uid && want.Gid == have.Gid {
		return nil
	}
	if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
		return fmt.Errorf("keeping the owner %d:%d: %w", want.Uid, want.Gid, err)
	}
	return nil
}

// Links returns how many names a file has.
func Links(st fs.FileInfo) uint64 {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}
