// SPDX-License-Identifier: Apache-2.0

//go:build unix

package kbuild

import (
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep the opening of a named pipe, in the place of a regular file,
// from waiting for a writer.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

func owner(st fs.FileInfo) (uid, gid int) {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}
