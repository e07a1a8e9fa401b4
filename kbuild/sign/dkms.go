// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
)

// DKMS says where dkms keeps what it built for a kernel. Its tree, of dkms 3.0 to
// 3.2, has the modules in
//
//	TREE/NAME/VERSION/RELEASE/ARCH/module/*.ko*
//
// and what is installed are copies of them, or links to them, by the same names in
// any folder below INSTALL/RELEASE.
type DKMS struct {
	Tree    string // dkms_tree, /var/lib/dkms
	Install string // install_tree, /lib/modules
	Release string // of the kernel
}

// OpenDKMS finds the module files that dkms built for a kernel: in its tree, of all
// versions and architectures, and the installed copies, which are those with the
// same name and the same payload. A module of the kernel itself that has the name
// of one is left out; any other with the name but not the payload is an obstacle,
// because what it is cannot be told. If dkms built nothing
// for the kernel, the error is [ErrNoModules].
func OpenDKMS(ctx context.Context, d DKMS, o *Options) (*Files, error) {
	if d.Release == "" || d.Release == "." || d.Release == ".." || strings.ContainsRune(d.Release, '/') {
		return nil, fmt.Errorf("%q is no kernel release", d.Release)
	}
	built, err := d.built(ctx)
	if err == nil && len(built) == 0 {
		err = fmt.Errorf("%s has nothing for %s: %w", d.Tree, d.Release, ErrNoModules)
	}
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, p := range built {
		names[filepath.Base(plainName(p))] = true
	}
	installed, err := d.installed(ctx, names)
	if err != nil {
		return nil, err
	}
	f, err := Open(ctx, append(slices.Clone(built), installed...))
	if err != nil {
		return nil, err
	}
	if err := f.keepCopies(ctx, len(built), filepath.Join(d.Install, d.Release, "kernel"), o); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// built lists the modules in dkms's tree.
func (d DKMS) built(ctx context.Context) ([]string, error) {
	dirs := []string{d.Tree}
	for _, level := range []string{"", "", d.Release, "", "module"} {
		var below []string
		for _, dir := range dirs {
			names, err := foldersIn(dir, level)
			if err != nil {
				return nil, err
			}
			below = append(below, names...)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		dirs = below
	}
	var out []string
	for _, dir := range dirs {
		list, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if e.Type().IsRegular() && isModule(e.Name()) {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	return out, nil
}

// foldersIn lists the folders in dir, in the order of their names, or those of one
// name. Links count for none: dkms marks with them what is installed.
func foldersIn(dir, name string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range list {
		if e.IsDir() && (name == "" || e.Name() == name) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

// installed lists the modules of the kernel by these names, without suffixes of
// compression.
func (d DKMS) installed(ctx context.Context, names map[string]bool) ([]string, error) {
	top := filepath.Join(d.Install, d.Release)
	var out []string
	err := fs.WalkDir(os.DirFS(top), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (name == "build" || name == "source"): // headers, in some distributions
			return fs.SkipDir
		case e.Type().IsRegular() && isModule(name) && names[filepath.Base(plainName(name))]:
			out = append(out, filepath.Join(top, filepath.FromSlash(name)))
		}
		return ctx.Err()
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: no modules of that kernel: %w", top, fs.ErrNotExist)
	}
	return out, err
}

// keepCopies drops those behind the first n files that are no copies of these.
func (f *Files) keepCopies(ctx context.Context, n int, inTree string, o *Options) error {
	sums := make([]hashset.Digest, len(f.list))
	quiet := *o
	quiet.Progress = nil
	_, err := f.look(ctx, &quiet, func(s *subject) (bool, *Obstacle, error) {
		h := sha256.New()
		_, err := io.Copy(h, s.payload())
		sums[s.index] = hashset.Digest(h.Sum(nil))
		return false, nil, err
	})
	if err != nil {
		return err
	}
	key := func(i int) string { return filepath.Base(plainName(f.list[i].name)) + string(sums[i][:]) }
	built := map[string]bool{}
	for i := range n {
		built[key(i)] = true
	}
	kept := f.list[:n:n]
	var foreign []Obstacle
	for i := n; i < len(f.list); i++ {
		switch x := f.list[i]; {
		case built[key(i)]:
			kept = append(kept, x)
		case !within(x.shown, inTree):
			foreign = append(foreign, Obstacle{x.shown, notByDKMS, "it has the name of a module that dkms built, and other contents"})
		}
	}
	if len(foreign) > 0 {
		return &ObstaclesError{Obstacles: foreign}
	}
	f.list = kept
	return nil
}
