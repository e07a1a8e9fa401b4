// SPDX-License-Identifier: Apache-2.0

//go:build unix

package keys

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether a file is this user's, who then can mend its mode.
func isOwn(st fs.FileInfo) bool {
	s, ok := st.Sys().(*syscall.Stat_t)
	return ok && int64(s.Uid) == int64(os.Getuid())
}
