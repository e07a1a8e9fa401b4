// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/pkgfile"
	"github.com/modhash/modhash/modsig/trailer"
)

// Layout says where signatures lie that are apart from their modules, and in what
// form. See the package comment.
type Layout string

// The layouts.
const (
	P7S    Layout = "p7s"
	Debian Layout = "debian"
	OBS    Layout = "obs"
)

// Layouts are the names of all layouts.
func Layouts() []Layout { return []Layout{P7S, Debian, OBS} }

// maxDetached is the size in bytes above which a detached signature is not read.
const maxDetached = 64 << 10

// Store is where detached signatures are, or go to.
type Store struct {
	Layout Layout
	// Package is the name of the Debian package, without which the layout Debian
	// has no place for a signature.
	Package string
	// Path is a folder, or for reading an archive, such as the
	// NAME.cpio.rsasign.sig of the openSUSE build service.
	Path string
}

// check refuses what would lead elsewhere.
func (s *Store) check() error {
	switch {
	case !slices.Contains(Layouts(), s.Layout):
		return fmt.Errorf("layout %q is not known", s.Layout)
	case (s.Layout == Debian) != (s.Package != ""):
		return errors.New("the layout debian, and no other, needs the name of a package")
	case strings.ContainsAny(s.Package, "/\x00") || s.Package == "." || s.Package == "..":
		return fmt.Errorf("%q is no name of a package", s.Package)
	}
	return nil
}

// name is where a module's signature lies.
func (s *Store) name(f *file) string {
	plain := plainName(f.rel)
	switch s.Layout {
	case Debian:
		return path.Join(s.Package, plain+".sig")
	case OBS:
		return plain + ".sig"
	}
	return plain + ".p7s"
}

// names are those of all files, which must differ.
func (s *Store) names(f *Files) ([]string, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	names := make([]string, len(f.list))
	first := map[string]int{}
	for i := range f.list {
		n := s.name(&f.list[i])
		if j, twice := first[n]; twice {
			return nil, fmt.Errorf("%s and %s would have the same signature %s", f.list[j].shown, f.list[i].shown, n)
		}
		if strings.ContainsFunc(n, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
			return nil, fmt.Errorf("the name %q cannot stand in a list", f.list[i].rel)
		}
		first[n] = i
		names[i] = n
	}
	return names, nil
}

// write puts a signature into the folder. Those are made again by whoever finds
// them missing after a loss of power.
func (s *Store) write(name string, content []byte) error {
	full := filepath.Join(s.Path, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
		return err
	}
	if err := outfile.Bytes(full, outfile.Options{NoSync: true}, content); err != nil {
		return fmt.Errorf("writing %s: %w", full, outfile.Bare(err))
	}
	return nil
}

// reader finds signatures by their names; fs.ErrNotExist if there is none.
type reader func(name string) ([]byte, error)

// suffix is what the names of signatures end in.
func (s *Store) suffix() string {
	if s.Layout == P7S {
		return ".ko.p7s"
	}
	return ".ko.sig"
}

// unused are the signatures of those stored that names does not have, but for those
// of other Debian packages.
func (s *Store) unused(stored, names []string) (list []string) {
	used := map[string]bool{}
	for _, n := range names {
		used[n] = true
	}
	for _, n := range stored {
		if strings.HasSuffix(n, s.suffix()) && !used[n] && (s.Layout != Debian || strings.HasPrefix(n, s.Package+"/")) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// filesIn are the names of all files of a folder.
func filesIn(ctx context.Context, root *os.Root) (names []string, err error) {
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, name)
		}
		if err != nil && d != nil && d.IsDir() {
			return fs.SkipDir // a signature that is wanted from there is an error then
		}
		return errors.Join(err, ctx.Err())
	})
	return names, err
}

// open opens the folder or the archive for reading, and lists what is stored there.
func (s *Store) open(ctx context.Context) (read reader, stored []string, done func(), err error) {
	st, err := os.Stat(s.Path)
	if err != nil {
		return nil, nil, nil, err
	}
	if st.IsDir() {
		root, err := os.OpenRoot(s.Path)
		if err != nil {
			return nil, nil, nil, err
		}
		if stored, err = filesIn(ctx, root); err != nil {
			root.Close()
			return nil, nil, nil, err
		}
		return func(name string) ([]byte, error) { return readIn(root, name) }, stored, func() { root.Close() }, nil
	}
	a, err := pkgfile.Open(ctx, s.Path, nil)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	at := map[string]int{}
	for i, m := range a.Members() {
		if m.Area != "" || !m.Mode.IsRegular() {
			continue
		}
		if _, twice := at[m.Name]; twice {
			a.Close()
			return nil, nil, nil, fmt.Errorf("%s: %s is in it twice", s.Path, m.Name)
		}
		at[m.Name] = i
		stored = append(stored, m.Name)
	}
	read = func(name string) ([]byte, error) {
		i, ok := at[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		c, err := a.Content(i)
		if err != nil {
			return nil, err
		}
		return limited(c)
	}
	return read, stored, func() { a.Close() }, nil
}

func readIn(root *os.Root, name string) ([]byte, error) {
	st, err := root.Stat(name)
	if err == nil && !st.Mode().IsRegular() { // a pipe would be waited for
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return nil, bare(err)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close() // read only
	return limited(f)
}

func limited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDetached+1))
	if err == nil && len(data) > maxDetached {
		err = fmt.Errorf("more than %d bytes, which is no signature", maxDetached)
	}
	return data, bare(err)
}

// unwrap takes the message out of a whole trailer, which Ubuntu's kmodsign -D
// writes. What is none stays as it is.
func unwrap(data []byte) []byte {
	body, ok := bytes.CutSuffix(data, []byte(trailer.Marker))
	if !ok || len(body) < trailer.BlockSize {
		return data
	}
	n := len(body) - trailer.BlockSize
	if !bytes.Equal(body[n:], trailer.Block{Type: trailer.PKCS7, SigLen: uint32(n)}.AppendTo(nil)) {
		return data
	}
	return body[:n]
}
