// SPDX-License-Identifier: Apache-2.0

//go:build unix

package kbuild

import (
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
