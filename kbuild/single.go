// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"fmt"
	"os"
	"path/filepath"
)

// ModuleFile is a module outside of a build, as a Ref without a position.
func ModuleFile(path string) (*Ref, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is a %s", path, describeMode(st.Mode()))
	}
	m := Member{Name: filepath.Base(path), Raw: path, Mode: st.Mode(), MTime: st.ModTime().UTC(), Size: st.Size()}
	return &Ref{Pos: -1, Name: ModuleName(path), File: &File{Source: single{path, []Member{m}}}}, nil
}

// openModuleFile makes a Source of a file with the name of a module, if these may be
// given.
func openModuleFile(path string, o *Options) (Source, bool) {
	if _, _, ok := moduleName(path); !ok || !o.Loose {
		return nil, false
	}
	r, err := ModuleFile(path)
	if err != nil {
		return nil, false
	}
	return r.File.Source, true
}

// ModuleName is the name of a module file without its folder and the suffix of
// a compression.
func ModuleName(path string) string {
	name := filepath.Base(path)
	if base, _, ok := moduleName(name); ok {
		return base
	}
	return name
}

// single is a Source of one file.
type single struct {
	path    string
	members []Member
}

func (s single) Path() string        { return filepath.Dir(s.path) }
func (s single) Archive() bool       { return false }
func (s single) Members() []Member   { return s.members }
func (s single) Problems() []Problem { return nil }
func (s single) Close() error        { return nil }

func (s single) Open(int) (Content, error) {
	return openFile(s.path)
}
