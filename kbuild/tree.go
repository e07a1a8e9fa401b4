// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// tree reads a folder and what lies below it; no link leads out of it.
type tree struct {
	path string
	root *os.Root
	top  *os.File // the folder itself; nil: everything goes through root
}

func openTree(path string) (*tree, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	t := &tree{path: path, root: root}
	if canOpenBelow {
		if t.top, err = root.Open("."); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	return t, nil
}

func (t *tree) Close() error {
	if t.top == nil {
		return t.root.Close()
	}
	return errors.Join(t.top.Close(), t.root.Close())
}

// open opens a regular file.
func (t *tree) open(name string) (Content, error) {
	if t.top != nil {
		c, err := openFileBelow(t.top, name)
		if !errors.Is(err, errors.ErrUnsupported) {
			return c, err
		}
	}
	f, err := t.root.OpenFile(name, openFlags, 0)
	if err != nil {
		return nil, cause(err)
	}
	return newFileContent(f)
}

// readDir reads a folder. With info the entries answer to Info without leading
// out of the tree; else their types are all that may be asked.
func (t *tree) readDir(name string, info bool) ([]fs.DirEntry, error) {
	if t.top != nil && !info {
		entries, err := readFolderBelow(t.top, name, filepath.Join(t.path, name))
		if !errors.Is(err, errors.ErrUnsupported) {
			return entries, err
		}
	}
	f, err := t.root.Open(name)
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return entries, err
}
