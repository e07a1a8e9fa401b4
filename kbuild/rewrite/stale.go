// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/modhash/modhash/kbuild/outfile"
)

// IsTemp reports whether base is a name that [TempName] or [outfile.TempName] gives a
// file.
func IsTemp(base string) bool {
	inner, ok := strings.CutSuffix(base, tempSuffix)
	if !ok {
		inner, ok = strings.CutSuffix(base, outfile.TempName("")[1:])
	}
	return ok && len(inner) > 1 && inner[0] == '.'
}

// RemoveStale removes temporary files of killed runs beside the modules, given by
// their names below root, and of those that names lists, whose modules need not be
// there any more. One that a running process holds stays.
func RemoveStale(root *os.Root, modules, names []string) error {
	for _, m := range modules {
		dir, base := path.Split(m)
		names = append(names[:len(names):len(names)], dir+TempName(base), dir+outfile.TempName(base))
	}
	var errs []error
	for _, name := range names {
		if !IsTemp(path.Base(name)) {
			continue
		}
		if err := removeStaleFile(root, name); err != nil {
			errs = append(errs, &fs.PathError{Op: "removing", Path: name, Err: outfile.Bare(err)})
		}
	}
	return errors.Join(errs...)
}

func removeStaleFile(root *os.Root, name string) error {
	if st, err := root.Lstat(name); err != nil || !st.Mode().IsRegular() {
		return nil // as a rule there is none
	}
	// Who writes a module holds it; where the temporary name comes first, it may not
	// be locked yet.
	dir, base := path.Split(name)
	if inner, ok := strings.CutSuffix(base[1:], tempSuffix); ok {
		if st, err := root.Lstat(dir + inner); err == nil && st.Mode().IsRegular() {
			free, err := outfile.Unlocked(root, dir+inner)
			if !free || err != nil {
				return err
			}
		}
	}
	return outfile.RemoveStale(root, name)
}

// StaleIn lists the temporary files in the folders, by their names below root.
func StaleIn(root *os.Root, dirs []string) ([]string, error) {
	var names []string
	for _, dir := range dirs {
		d, err := root.Open(dir)
		if err != nil {
			return nil, err
		}
		list, err := d.ReadDir(-1)
		d.Close() // read only
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if e.Type().IsRegular() && IsTemp(e.Name()) {
				names = append(names, path.Join(dir, e.Name()))
			}
		}
	}
	return names, nil
}
