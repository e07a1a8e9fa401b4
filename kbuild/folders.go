// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"os"
	"path"
	"sync"
)

// folders keeps some folders below a root open, because opening a file through
// an [os.Root] opens every folder on the way, and files are read folder by
// folder. Each folder is itself opened through the root.
type folders struct {
	root *os.Root

	mu   sync.Mutex
	open map[string]*folderRef
	age  []string // names in open, oldest first
}

// folderRef is an open folder and how many openings are under way in it.
type folderRef struct {
	file *os.File
	uses int
	gone bool // to be closed by its last user
}

// mostFolders bounds the descriptors.
const mostFolders = 64

func (c *folders) openFile(name string) (Content, error) {
	dir, base := path.Split(name)
	if dir == "" || !canOpenIn {
		f, err := c.root.OpenFile(name, openFlags, 0)
		if err != nil {
			return nil, cause(err)
		}
		return newFileContent(f)
	}
	r, err := c.use(path.Clean(dir))
	if err != nil {
		return nil, cause(err)
	}
	defer c.release(r)
	return openIn(r.file, base)
}

func (c *folders) use(dir string) (*folderRef, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.open[dir]
	if r == nil {
		f, err := c.root.Open(dir)
		if err != nil {
			return nil, err
		}
		if len(c.age) == mostFolders {
			c.drop(c.age[0])
			c.age = c.age[1:]
		}
		if c.open == nil {
			c.open = make(map[string]*folderRef)
		}
		r = &folderRef{file: f}
		c.open[dir] = r
		c.age = append(c.age, dir)
	}
	r.uses++
	return r, nil
}

func (c *folders) release(r *folderRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.uses--; r.uses == 0 && r.gone {
		r.file.Close() // read only
	}
}

// drop closes a folder, or has its last user close it.
func (c *folders) drop(dir string) {
	r := c.open[dir]
	delete(c.open, dir)
	if r.gone = true; r.uses == 0 {
		r.file.Close() // read only
	}
}

func (c *folders) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, dir := range c.age {
		c.drop(dir)
	}
	c.age = nil
	return c.root.Close()
}
