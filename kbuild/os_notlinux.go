// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package kbuild

import (
	"errors"
	"io/fs"
	"os"
)

const canOpenBelow = false

func openFileBelow(top *os.File, name string) (Content, error) {
	return nil, errors.ErrUnsupported
}

func readFolderBelow(top *os.File, name, path string) ([]fs.DirEntry, error) {
	return nil, errors.ErrUnsupported
}
