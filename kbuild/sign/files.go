// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/modhash/modhash/kbuild/rewrite"
)

// Files are module files in one or more folders.
type Files struct {
	dir  string // absolute and without links: what root is
	root *os.Root
	list []file
	// stale are what may be left of killed runs, in the folders that were given.
	stale []string
}

// file is one module file.
type file struct {
	name  string // below Files.root, with slashes
	rel   string // below the folder that was given, or the base name
	shown string // as the user would write it
}

// suffixes are those of module files that Kbuild installs.
var suffixes = []string{".ko", ".ko.gz", ".ko.xz", ".ko.zst"}

// ErrNoModules: there is no module file in the folders given.
var ErrNoModules = errors.New("there is no module in it")

// Open finds the module files that paths name: a file by any name, and in a folder
// everything with the name of a module (.ko, .ko.gz, .ko.xz, .ko.zst), in all
// folders below it. A file that is named twice, in whatever way, is an error. Links in a folder are passed over, because what they lead to
// belongs to something else. A folder without modules is [ErrNoModules].
func Open(ctx context.Context, paths []string) (*Files, error) {
	f := &Files{}
	var dirs []string // what each path is in
	type found struct {
		dir string // index of the file's folder
		file
	}
	var all []found
	var left []string
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			dir, err := realDir(filepath.Dir(p))
			if err != nil {
				return nil, err
			}
			if !st.Mode().IsRegular() { // a pipe would be waited for
				return nil, fmt.Errorf("%s: it is no regular file", p)
			}
			dirs = append(dirs, dir)
			all = append(all, found{dir, file{filepath.Base(p), filepath.Base(p), p}})
			continue
		}
		dir, err := realDir(p)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
		names, temps, err := modulesIn(ctx, dir)
		if err == nil && len(names) == 0 {
			err = ErrNoModules
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		for _, n := range temps {
			left = append(left, filepath.Join(dir, filepath.FromSlash(n)))
		}
		for _, n := range names {
			all = append(all, found{dir, file{n, n, filepath.Join(p, filepath.FromSlash(n))}})
		}
	}
	if len(all) == 0 {
		return nil, ErrNoModules
	}
	f.dir = commonDir(dirs)
	given := map[string]string{}
	for _, x := range all {
		below, err := filepath.Rel(f.dir, x.dir)
		if err != nil {
			return nil, err
		}
		x.name = path.Join(filepath.ToSlash(below), x.name)
		if first, twice := given[x.name]; twice {
			return nil, fmt.Errorf("%s and %s are the same file: name it once", first, x.shown)
		}
		given[x.name] = x.shown
		f.list = append(f.list, x.file)
	}
	for _, full := range left {
		below, err := filepath.Rel(f.dir, full)
		if err != nil {
			return nil, err
		}
		f.stale = append(f.stale, filepath.ToSlash(below))
	}
	var err error
	f.root, err = os.OpenRoot(f.dir)
	return f, err
}

// Close frees the Files.
func (f *Files) Close() error { return f.root.Close() }

// Len is how many modules there are.
func (f *Files) Len() int { return len(f.list) }

// Name is the i-th file's name for people: as it was given, or below the folder
// that was given.
func (f *Files) Name(i int) string { return f.list[i].shown }

func realDir(dir string) (string, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// commonDir is the deepest folder that holds all of the folders.
func commonDir(dirs []string) string {
	common := dirs[0]
	for _, d := range dirs[1:] {
		for !within(d, common) {
			common = filepath.Dir(common)
		}
	}
	return common
}

// within reports whether an absolute path is dir or below it.
func within(p, dir string) bool {
	rel, err := filepath.Rel(dir, p)
	return err == nil && filepath.IsLocal(rel)
}

// modulesIn lists the modules below dir, in the order of their names, and the
// temporary files.
func modulesIn(ctx context.Context, dir string) (names, temps []string, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && isModule(name) {
			names = append(names, name)
		}
		if d.Type().IsRegular() && rewrite.IsTemp(d.Name()) {
			temps = append(temps, name)
		}
		return ctx.Err()
	})
	return names, temps, err
}

func isModule(name string) bool {
	for _, s := range suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// plainName is a name without the suffix of a compression.
func plainName(name string) string {
	for _, s := range []string{".gz", ".xz", ".zst"} {
		if plain, ok := strings.CutSuffix(name, s); ok && strings.HasSuffix(plain, ".ko") {
			return plain
		}
	}
	return name
}

// rewriteFiles is the list as package rewrite takes it. With an output folder the
// names in it are those below the folders that were given.
func (f *Files) rewriteFiles(indexes []int, out bool) []rewrite.File {
	list := make([]rewrite.File, 0, len(indexes))
	for _, i := range indexes {
		r := rewrite.File{Name: f.list[i].name}
		if out {
			r.Out = f.list[i].rel
		}
		list = append(list, r)
	}
	return list
}
