// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package main

import (
	"io/fs"
	"os"
)

// keepOwner has nothing to keep here.
func keepOwner(*os.File, fs.FileInfo) error { return nil }
