// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package rewrite

import (
	"errors"
	"io/fs"
	"os"

	"github.com/modhash/modhash/kbuild/outfile"
)

// Elsewhere than on Linux the new file always has its temporary name; mode and
// times are kept, owner, attributes and links are not.

func identify(fs.FileInfo) identity { return identity{} }

// source is the old file.
type source struct {
	*os.File
	root *os.Root // the folder
	name string
	st   fs.FileInfo
}

func openSource(in *Folders, name string, _ bool) (*source, error) {
	root, name, err := in.Of(name)
	if err != nil {
		return nil, err
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, outfile.Bare(err)
	}
	s := &source{File: f, root: root, name: name}
	if s.st, err = f.Stat(); err == nil {
		err = s.same()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *source) close() { s.File.Close() } // read only

func (s *source) size() int64 { return s.st.Size() }

func (s *source) identity() identity { return identity{} }

func (s *source) restat() error { return nil }

func (s *source) links() uint64 { return 1 }

// same reports with ErrChanged that the name is another file now, or that the
// file was written to.
func (s *source) same() error {
	now, err := s.root.Lstat(s.name)
	if err != nil {
		return outfile.Bare(err)
	}
	if !now.Mode().IsRegular() || !os.SameFile(now, s.st) || now.Size() != s.st.Size() || !now.ModTime().Equal(s.st.ModTime()) {
		return ErrChanged
	}
	return nil
}

func (s *source) alsoNamed(*os.Root, string) error { return nil }

// product is the new file.
type product struct {
	*os.File
	root       *os.Root // the folder
	name, temp string
	done       bool
}

func createProduct(in *Folders, name string, _ bool) (*product, error) {
	root, name, err := in.Of(name)
	if err != nil {
		return nil, err
	}
	p := &product{root: root, name: name, temp: TempName(name)}
	_ = root.Remove(p.temp) // of a run that was killed; not there, as a rule
	f, err := root.OpenFile(p.temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, outfile.Bare(err)
	}
	p.File = f
	return p, nil
}

// Write appends b. The error does not repeat the name.
func (p *product) Write(b []byte) (int, error) {
	n, err := p.File.Write(b)
	return n, outfile.Bare(err)
}

func (p *product) discard() {
	p.File.Close() // what matters was synced
	if !p.done {
		_ = p.root.Remove(p.temp)
	}
}

func (p *product) size() (int64, error) {
	st, err := p.File.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (p *product) adopt(s *source, _ bool) ([]string, error) {
	return nil, outfile.Bare(p.File.Chmod(s.st.Mode().Perm()))
}

func (p *product) sync() error { return outfile.Bare(p.File.Sync()) }

func (p *product) commit(s *source) error {
	if err := p.root.Chtimes(p.temp, s.st.ModTime(), s.st.ModTime()); err != nil {
		return outfile.Bare(err)
	}
	if err := p.root.Rename(p.temp, p.name); err != nil {
		return outfile.Bare(err)
	}
	p.done = true
	return nil
}

func (p *product) link(root *os.Root, name string) error {
	return errors.New("links are not kept on this system")
}

func syncDir(*os.File) error { return nil }
