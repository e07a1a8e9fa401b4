// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/modhash/modhash/kbuild/pkgfile"
)

// Member is a file of a source with its metadata. For a directory, Raw equals
// Name and Area is "".
type Member = pkgfile.Member

// Source is where the files of a build are: a directory or an archive. Its
// methods may be called concurrently, except that Close ends everything.
type Source interface {
	// Path is how the user called it.
	Path() string
	// Archive tells whether owners, times, order and duplicates of members
	// mean anything.
	Archive() bool
	// Members lists the files. The slice must not be changed.
	Members() []Member
	// Open opens the content of a regular file by its index.
	Open(i int) (Content, error)
	// Problems are findings about the source itself.
	Problems() []Problem
	Close() error
}

// Content is the open content of a file.
type Content interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// ErrNotBuild is what [Open] wraps for a file that is no package.
var ErrNotBuild = errors.New("neither a directory nor a package")

// openSource opens a directory or an archive, by its content.
func openSource(ctx context.Context, path string, o *Options) (Source, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		d, err := openDir(ctx, path, o)
		if err != nil {
			return nil, err // not a Source that holds a nil *dir
		}
		return d, nil
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it is a %s", path, ErrNotBuild, describeMode(st.Mode()))
	}
	if kind, err := sniffFile(path); err != nil {
		return nil, err
	} else if kind == 0 {
		if s, ok := openModuleFile(path, o); ok {
			return s, nil
		}
		return nil, fmt.Errorf("%s: %w (deb, rpm, tar and cpio are read, plain or compressed)", path, ErrNotBuild)
	}
	a, err := pkgfile.Open(ctx, path, &pkgfile.Options{TempDir: o.TempDir, MaxUnpacked: o.MaxUnpacked})
	if err != nil {
		return nil, err
	}
	return archive{a}, nil
}

// sniffFile tells by its content what kind of package a file is, 0 for none.
func sniffFile(path string) (pkgfile.Kind, error) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close() // read only
	return pkgfile.Sniff(f)
}

// archive adapts a package.
type archive struct{ a *pkgfile.Archive }

func (s archive) Path() string      { return s.a.Path() }
func (s archive) Archive() bool     { return true }
func (s archive) Members() []Member { return s.a.Members() }
func (s archive) Close() error      { return s.a.Close() }

func (s archive) Open(i int) (Content, error) {
	r, err := s.a.Content(i)
	if err != nil {
		return nil, err
	}
	return section{r}, nil
}

func (s archive) Problems() []Problem {
	var ps []Problem
	for _, p := range s.a.Problems() {
		name := s.Path()
		if p.Member >= 0 {
			m := s.a.Members()[p.Member]
			if name = m.Name; name == "" {
				name = m.Raw
			}
		}
		ps = append(ps, Problem{Kind: ProblemKind(p.Kind), Name: name, Detail: fmt.Sprintf("%s, in %s", p.Text, s.Path())})
	}
	return ps
}

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

func describeMode(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "regular file"
	case m.IsDir():
		return "folder"
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeCharDevice != 0:
		return "character device"
	case m&fs.ModeDevice != 0:
		return "block device"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "file of an unknown type"
}
