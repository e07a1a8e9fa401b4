// SPDX-License-Identifier: Apache-2.0

//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package store

import "os"

// lock does nothing: there are no locks that go with a process.
func lock(*os.File) error { return nil }
