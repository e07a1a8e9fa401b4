// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"os"
	"path"

	"github.com/modhash/modhash/kbuild/outfile"
)

// Folders opens the folders of files below a root, and keeps the last one: mostly the
// next file is in it too, and each folder above it need not be opened again. It must not
// be used concurrently.
type Folders struct {
	root *os.Root
	name string
	last *os.Root
	file *os.File // the same, nil until somebody asks for it
}

// NewFolders returns Folders below root, which stays open.
func NewFolders(root *os.Root) *Folders { return &Folders{root: root} }

// Of returns the folder of the file of that name, and what the file is called in it. It
// stays open until another folder is asked for.
func (f *Folders) Of(name string) (dir *os.Root, base string, err error) {
	folder := path.Dir(name)
	if f.last == nil || f.name != folder {
		f.Close()
		if f.last, err = f.root.OpenRoot(folder); err != nil {
			f.last = nil
			return nil, "", outfile.Bare(err)
		}
		f.name = folder
	}
	return f.last, path.Base(name), nil
}

// open is [Folders.Of] for system calls.
func (f *Folders) open(name string) (dir *os.File, base string, err error) {
	at, base, err := f.Of(name)
	if err == nil && f.file == nil {
		f.file, err = at.Open(".")
	}
	return f.file, base, outfile.Bare(err)
}

// Close closes the last folder. The Folders can be used again.
func (f *Folders) Close() {
	if f.file != nil {
		f.file.Close() // a folder: nothing was written
	}
	if f.last != nil {
		f.last.Close()
	}
	f.file, f.last = nil, nil
}
