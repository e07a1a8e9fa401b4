// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"cmp"
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
	"sync"

	"golang.org/x/sync/errgroup"
)

// dir is a Source that reads a directory.
type dir struct {
	*tree
	buildTree bool
	allFiles  bool
	loose     bool
	members   []Member
}

// openDir lists what belongs to a build in a directory: all files of a folder
// of modules; of a root the folders of modules and boot/; of a build tree the
// modules, the boot images, modules.* and include/config/kernel.release. With
// AllFiles, everything except in a build tree; with Loose, modules wherever they are.
func openDir(ctx context.Context, name string, o *Options) (*dir, error) {
	t, err := openTree(name)
	if err != nil {
		return nil, err
	}
	d := &dir{tree: t, allFiles: o.AllFiles, loose: o.Loose}
	if err := d.list(ctx, o.AllFiles); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	d.sort()
	return d, nil
}

// sort puts the rows, which are large, in order of their names by moving each
// once.
func (d *dir) sort() {
	order := make([]int32, len(d.members))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(d.members[a].Name, d.members[b].Name) })
	sorted := make([]Member, len(order))
	for i, at := range order {
		sorted[i] = d.members[at]
	}
	d.members = sorted
}

func (d *dir) list(ctx context.Context, all bool) error {
	d.buildTree = d.isBuildTree()
	switch {
	case d.buildTree && d.loose:
		return d.walk(ctx, ".", func(name string, isDir bool) bool { return isDir || wantInBuildTree(name, false) })
	case d.buildTree:
		return d.walk(ctx, ".", wantInBuildTree)
	case all || d.exists("modules.order") || d.exists("kernel"):
		return d.walk(ctx, ".", nil)
	}
	found := false
	var seen []fs.FileInfo
	for _, p := range []string{"usr/lib/modules", "lib/modules"} {
		st, err := d.root.Stat(p)
		if err != nil || !st.IsDir() || slices.ContainsFunc(seen, func(o fs.FileInfo) bool { return os.SameFile(o, st) }) {
			continue // lib is often a link to usr/lib
		}
		seen, found = append(seen, st), true
		if err := d.walk(ctx, p, nil); err != nil {
			return err
		}
	}
	if d.exists("boot") {
		found = true
		if err := d.walk(ctx, "boot", func(name string, isDir bool) bool { return !isDir }); err != nil {
			return err
		}
	}
	switch {
	case found && d.loose:
		live := isLiveRoot(d.path)
		return d.walk(ctx, ".", func(name string, isDir bool) bool { return wantElsewhere(name, isDir, live) })
	case found:
		return nil
	}
	return d.walk(ctx, ".", nil)
}

// isLiveRoot: the running system's, where the kernel shows its own state as files.
func isLiveRoot(name string) bool {
	a, err1 := os.Stat(name)
	b, err2 := os.Stat("/")
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// wantElsewhere picks the modules of a root that are not where they are installed.
func wantElsewhere(name string, isDir, live bool) bool {
	switch name {
	case "usr/lib/modules", "lib/modules":
		return false
	case "proc", "sys", "dev", "run":
		return !live
	}
	_, _, ok := moduleName(name)
	return isDir || ok && path.Dir(name) != "boot" // those were listed
}

func (d *dir) exists(name string) bool {
	_, err := d.root.Stat(name)
	return err == nil
}

// isBuildTree tells a build tree from a folder of installed modules: both can
// hold modules.order and a folder kernel/. Where modules are installed there is none,
// whatever is put there, since of what is left over in a build tree nobody complains.
func (d *dir) isBuildTree() bool {
	if d.exists("lib/modules") || d.exists("usr/lib/modules") || folderRelease(d) != "" {
		return false
	}
	return d.exists("include/config/kernel.release") || d.exists("include/config/auto.conf") ||
		d.exists("Kbuild") && d.exists("scripts/Makefile.modinst")
}

// packagingFolders are where the kernel's own targets for packages leave copies
// of the modules: the folders that "make mrproper" removes.
var packagingFolders = map[string]bool{"debian": true, "pacman": true, "rpmbuild": true, "snap": true, "tar-install": true}

// wantInBuildTree picks the files of a build tree that make up the build.
func wantInBuildTree(name string, isDir bool) bool {
	if isDir {
		return path.Base(name) != ".git" && !packagingFolders[name]
	}
	if isBuildTreeFile(name) || isBootImage(name) {
		return true
	}
	_, _, ok := moduleName(name)
	return ok
}

// isBuildTreeFile: modules.order, modules.builtin and so on, and what names the
// release.
func isBuildTreeFile(name string) bool {
	return strings.HasPrefix(name, "modules.") && !strings.Contains(name, "/") ||
		name == releaseFile || name == autoConf
}

const (
	releaseFile = "include/config/kernel.release"
	autoConf    = "include/config/auto.conf"
)

// walk adds the files below name for which want is true; nil wants all.
func (d *dir) walk(ctx context.Context, name string, want func(string, bool) bool) error {
	w := &walker{dir: d, want: want}
	w.group.SetLimit(walkers)
	w.folder(ctx, name)
	w.group.Wait() // errors are in w
	d.members = slices.Concat(append(w.members, d.members)...)
	return w.err
}

// walkers is how many folders are read at once.
const walkers = 4

// walker reads folders in parallel.
type walker struct {
	*dir
	want  func(string, bool) bool
	group errgroup.Group

	mu      sync.Mutex
	members [][]Member // of the folders, in no order
	err     error      // the one of the first name
	errName string
}

func (w *walker) fail(name string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil || name < w.errName {
		w.err, w.errName = err, name
	}
}

func (w *walker) folder(ctx context.Context, name string) {
	entries, err := w.entries(ctx, name)
	if err != nil {
		w.fail(name, err)
		return
	}
	members := make([]Member, 0, len(entries))
	for _, e := range entries {
		p := path.Join(name, e.Name())
		if w.want != nil && !w.want(p, e.IsDir()) {
			continue
		}
		m, err := w.member(p, e)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since the folder was read
		}
		if err != nil {
			w.fail(p, err)
			continue
		}
		if w.want == nil || !e.IsDir() {
			members = append(members, m)
		}
		if e.IsDir() {
			below := func() error { w.folder(ctx, p); return nil }
			if !w.group.TryGo(below) {
				below()
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.members = append(w.members, members)
}

func (d *dir) entries(ctx context.Context, name string) ([]fs.DirEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := d.readDir(name, d.allFiles)
	if err != nil {
		return nil, fmt.Errorf("reading folder %s: %w", filepath.Join(d.path, name), cause(err))
	}
	return entries, nil
}

// member makes the row of a file. Without allFiles its type is enough, which the
// folder tells; asking each file would take a good part of the time that hashing
// takes.
func (d *dir) member(name string, e fs.DirEntry) (Member, error) {
	if !d.allFiles {
		m := Member{Name: name, Raw: name, Mode: e.Type()}
		err := d.readLink(&m)
		return m, err
	}
	st, err := e.Info()
	if err != nil {
		return Member{}, fmt.Errorf("%s: %w", filepath.Join(d.path, name), cause(err))
	}
	m := Member{Name: name, Raw: name, Mode: st.Mode(), MTime: st.ModTime().UTC()}
	m.UID, m.GID, m.Major, m.Minor = owner(st)
	if st.Mode().IsRegular() {
		m.Size = st.Size()
	}
	err = d.readLink(&m)
	return m, err
}

func (d *dir) readLink(m *Member) (err error) {
	if m.Mode&fs.ModeSymlink != 0 {
		if m.Link, err = d.root.Readlink(m.Name); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(d.path, m.Name), cause(err))
		}
	}
	return nil
}

// cause drops what the message around it says already.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (d *dir) Path() string        { return d.path }
func (d *dir) Archive() bool       { return false }
func (d *dir) Members() []Member   { return d.members }
func (d *dir) Problems() []Problem { return nil }

func (d *dir) Open(i int) (Content, error) { return d.open(d.members[i].Name) }

// openFile opens a regular file outside of the sources.
func openFile(path string) (Content, error) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, cause(err)
	}
	return newFileContent(f)
}

// newFileContent takes over an open file, which must be a regular one.
func newFileContent(f *os.File) (Content, error) {
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("it is a %s", describeMode(st.Mode()))
	}
	if err != nil {
		return nil, errors.Join(cause(err), f.Close())
	}
	return fileContent{f, st.Size()}, nil
}

type fileContent struct {
	*os.File
	size int64
}

func (f fileContent) Size() int64 { return f.size }

var _ io.ReaderAt = fileContent{}
