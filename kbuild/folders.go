// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
)

// folders keeps some folders below a root open, because opening a file through
// an [os.Root] opens every folder on the way, and files are read folder by
// folder. Links are bound by the innermost folder then; only regular files are
// opened.
type folders struct {
	root *os.Root

	mu   sync.Mutex
	open map[string]*os.Root
	age  []string // names in open, oldest first
}

// mostFolders bounds the descriptors.
const mostFolders = 32

func (c *folders) openFile(name string) (*os.File, error) {
	dir, base := path.Split(name)
	if dir == "" {
		return c.root.OpenFile(name, openFlags, 0)
	}
	r, err := c.folder(path.Clean(dir))
	if err != nil {
		return nil, err
	}
	f, err := r.OpenFile(base, openFlags, 0)
	if errors.Is(err, fs.ErrClosed) {
		return c.root.OpenFile(name, openFlags, 0) // closed meanwhile to make room
	}
	return f, err
}

func (c *folders) folder(dir string) (*os.Root, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.open[dir]; r != nil {
		return r, nil
	}
	r, err := c.root.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if len(c.age) == mostFolders {
		c.open[c.age[0]].Close() // read only
		delete(c.open, c.age[0])
		c.age = c.age[1:]
	}
	if c.open == nil {
		c.open = make(map[string]*os.Root)
	}
	c.open[dir] = r
	c.age = append(c.age, dir)
	return r, nil
}

func (c *folders) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, r := range c.open {
		errs = append(errs, r.Close())
	}
	c.open, c.age = nil, nil
	return errors.Join(append(errs, c.root.Close())...)
}
