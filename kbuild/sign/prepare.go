// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/rewrite"
)

// prepare removes what killed runs left beside the modules that are to be changed in
// place, and refuses files that cannot all be written.
func (f *Files) prepare(o *Options) error {
	if o.Rewrite.Out == nil {
		modules := make([]string, len(f.list))
		for i := range f.list {
			modules[i] = f.list[i].name
		}
		return rewrite.RemoveStale(f.root, modules, f.stale)
	}
	first := map[string]string{}
	for i := range f.list {
		x := &f.list[i]
		if other, twice := first[x.rel]; twice {
			return fmt.Errorf("%s and %s would both be written to %s", other, x.shown, x.rel)
		}
		first[x.rel] = x.shown
	}
	return nil
}

// linked refuses files that cannot be changed because of other names that they have,
// before anything is changed.
func (f *Files) linked(indexes []int, o *Options) error {
	type name struct {
		index int
		st    fs.FileInfo
	}
	var bad []Obstacle
	several := map[int64][]name{} // by the size of the file
	in := rewrite.NewFolders(f.root)
	defer in.Close()
	for _, i := range indexes {
		st, err := lstat(in, f.list[i].name)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", f.list[i].shown, bare(err))
		case st.Mode()&fs.ModeSymlink != 0:
			return fmt.Errorf("%s: it is a symbolic link", f.list[i].shown)
		case outfile.Links(st) > 1:
			several[st.Size()] = append(several[st.Size()], name{i, st})
		}
	}
	if o.Rewrite.Out != nil || o.Rewrite.BreakLinks {
		return nil
	}
	for _, names := range several {
		for _, x := range names {
			given := uint64(0)
			for _, y := range names {
				if os.SameFile(x.st, y.st) {
					given++
				}
			}
			if n := outfile.Links(x.st); n > given {
				bad = append(bad, Obstacle{f.list[x.index].shown, hardLink, fmt.Sprintf("%v: %d of its %d names were given", rewrite.ErrLinks, given, n)})
			}
		}
	}
	if len(bad) > 0 {
		slices.SortFunc(bad, func(a, b Obstacle) int { return strings.Compare(a.Name, b.Name) })
		return &ObstaclesError{Obstacles: bad}
	}
	return nil
}

func lstat(in *rewrite.Folders, name string) (fs.FileInfo, error) {
	dir, base, err := in.Of(name)
	if err != nil {
		return nil, err
	}
	return dir.Lstat(base)
}

// noModule says why a file is none that a kernel could load, by what it is called and
// its ELF header: the table of sections has to be in the file, or it was cut off.
func (f *Files) noModule(m *subject) (*Obstacle, error) {
	is := m.module.Compression
	for suffix, want := range map[string]kmod.Compression{".ko": kmod.None, ".ko.gz": kmod.Gzip, ".ko.xz": kmod.XZ, ".ko.zst": kmod.Zstd} {
		if strings.HasSuffix(f.list[m.index].name, suffix) && is != want {
			return &Obstacle{Kind: corrupt, Detail: fmt.Sprintf("its name ends in %s, and its compression is %v", suffix, is)}, nil
		}
	}
	file, err := elfview.Parse(m.payload(), m.size)
	if fe := (*elfview.FormatError)(nil); errors.As(err, &fe) || errors.Is(err, elfview.ErrNotELF) {
		return &Obstacle{Kind: corrupt, Detail: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	const relocatable = 1
	switch {
	case file.Type != relocatable:
		return &Obstacle{Kind: corrupt, Detail: fmt.Sprintf("it is an ELF file of type %d, and modules are relocatable ones, of type %d", file.Type, relocatable)}, nil
	case len(file.Sections) == 0:
		return &Obstacle{Kind: corrupt, Detail: "it is an ELF file without sections"}, nil
	}
	return nil, nil
}
