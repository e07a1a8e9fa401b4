// SPDX-License-Identifier: Apache-2.0

// Package kbuild reads what a kernel build left: the modules in their order,
// the kernel image, the release; from directories, packages or both.
//
// A source is a member table plus contents. The sources of one build are taken
// together: in which of them a file lies makes no difference, and nothing is
// decided before all are read, because modules.order may lie in another package
// than the modules.
package kbuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Options of [Open]. The zero value is ready for use.
type Options struct {
	Release string // which release, if the sources hold several
	// Order is the content of a modules.order file that stands in for the
	// build's own, and OrderName its name for messages.
	Order     []byte
	OrderName string
	// Image names the kernel image: the path of a member, or else of a file.
	// "": it is looked for.
	Image string
	// ImageBeside: an Image from outside of the sources does not stand for the
	// build's own one, if there is one, and may be another.
	ImageBeside bool
	NoImage     bool // do not look for an image, nor read one
	// AllFiles lists every file of a directory, with all metadata, instead of
	// those of the build, of which only name and type are read otherwise;
	// a build tree is never listed whole.
	AllFiles bool
	// Loose counts modules wherever they are: single module files can be given, and
	// modules outside of the modules folders are modules of the build too, by their
	// path in the source.
	Loose       bool
	NoSigners   bool   // do not find out whom signatures name
	TempDir     string // for what does not fit into memory; "" is the system's
	MaxModule   int64  // decompressed size limit of a module in bytes; 0 is a default
	MaxUnpacked int64  // unpacked size limit of a package in bytes; 0 is a default
	Workers     int    // how many files are read at once; 0 is the number of processors
}

// Ref is one module of a build.
type Ref struct {
	// Pos is the line number in modules.order, counted from 0; -1 for a module
	// that is not listed.
	Pos int
	// Name is "kernel/…/x.ko", or for an out-of-tree module its path in the
	// modules folder, both without the suffix of a compression.
	Name string
	// File is where the module is; nil for a listed one that is not there.
	File *File
}

// File is a member of one of the build's sources.
type File struct {
	Source Source
	Index  int // into Source.Members()
}

// Member returns the metadata.
func (f *File) Member() *Member { return &f.Source.Members()[f.Index] }

// Open opens the content.
func (f *File) Open() (Content, error) { return f.Source.Open(f.Index) }

// Path is the name for messages: the source's path and the member's.
func (f *File) Path() string {
	m := f.Member()
	name := m.Name
	if name == "" {
		name = m.Raw
	}
	if f.Source.Archive() {
		return f.Source.Path() + ": " + name
	}
	return filepath.Join(f.Source.Path(), name)
}

// Build is a kernel build that is open for reading.
type Build struct {
	// Release is the release by the name of the modules folder, by
	// include/config/kernel.release or by Options.Release; "" if none tells.
	// What the modules say is known when they have been read.
	Release string
	// BuildTree: the build was not installed.
	BuildTree bool
	// HasOrder: there is a modules.order, so positions are known.
	HasOrder bool

	opt      Options
	sources  []Source
	folders  []folder
	passed   []folder // of other releases
	modules  []Ref    // listed, by position
	others   []Ref    // in the modules folder, not listed, by name
	problems []Problem
}

// EffectiveWorkers is Workers, or the number of processors.
func (o *Options) EffectiveWorkers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// Open opens the directories and packages that make up one build. The Build
// must be closed. What is wrong with the set of files is told by
// [Build.Problems]; an error is trouble with reading them, an [*OrderError] or a
// [*ReleasesError].
func Open(ctx context.Context, paths []string, o *Options) (*Build, error) {
	if o == nil {
		o = &Options{}
	}
	if len(paths) == 0 {
		return nil, errors.New("no build given")
	}
	b := &Build{opt: *o, sources: make([]Source, len(paths))}
	b.opt.Workers = o.EffectiveWorkers()
	errs := make([]error, len(paths))
	var g errgroup.Group
	g.SetLimit(b.opt.Workers)
	for i, p := range paths {
		g.Go(func() error {
			b.sources[i], errs[i] = openSource(ctx, p, &b.opt)
			return nil
		})
	}
	g.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	if err := b.arrange(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close frees the build.
func (b *Build) Close() error {
	var errs []error
	for _, s := range b.sources {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// Sources returns the sources in the order in which they were given.
func (b *Build) Sources() []Source { return b.sources }

// Modules returns the in-tree modules in the order of modules.order, missing
// ones included, each name once. Without a modules.order there are none.
func (b *Build) Modules() []Ref { return b.modules }

// Others returns the modules of the build that modules.order does not list,
// sorted by name: out-of-tree ones, and unlisted ones below kernel/.
func (b *Build) Others() []Ref { return b.others }

// Problems returns what is wrong with the set of files, sorted by kind and name.
func (b *Build) Problems() []Problem { return b.problems }

// Rel returns the path of a member of the modules folder relative to it.
func (b *Build) Rel(src Source, name string) (string, bool) {
	for _, f := range b.folders {
		if b.sources[f.src] == src {
			if rel, ok := strings.CutPrefix(name, f.prefix); ok {
				return rel, true
			}
		}
	}
	return "", false
}

func (b *Build) problem(k ProblemKind, name, format string, args ...any) *Problem {
	b.problems = append(b.problems, Problem{Kind: k, Name: name, Detail: fmt.Sprintf(format, args...)})
	return &b.problems[len(b.problems)-1]
}

// arrange finds folders, release, order and modules.
func (b *Build) arrange() error {
	for _, s := range b.sources {
		b.problems = append(b.problems, s.Problems()...)
	}
	if err := b.chooseFolders(); err != nil {
		return err
	}
	lines, order, err := b.readOrder()
	if err != nil {
		return err
	}
	b.HasOrder = order != ""
	if !b.HasOrder {
		what := "the positions of the modules are not known"
		if len(b.folders) == 0 {
			what = "there are no modules either"
		}
		b.problem(NoOrder, "", "no modules.order in %s: %s", b.label(), what)
	}
	b.collect(lines)
	return nil
}

// SetOrder gives positions to the modules of a build without a modules.order:
// names are those of a manifest. The problem NoOrder stays, because what the
// build itself says about the order is still not known.
func (b *Build) SetOrder(names []string) {
	b.problems = slices.DeleteFunc(b.problems, func(p Problem) bool {
		return p.Kind != NoOrder && !slices.Contains(PackageKinds(), p.Kind)
	})
	b.others = nil
	b.collect(names)
}

func (b *Build) label() string {
	var s []string
	for _, src := range b.sources {
		s = append(s, src.Path())
	}
	return list(s)
}

// chooseFolders decides which release is looked at.
func (b *Build) chooseFolders() error {
	for i, s := range b.sources {
		if d, ok := s.(*dir); ok && d.buildTree {
			b.BuildTree = true
			b.folders = append(b.folders, folder{src: i, release: b.treeRelease(i)})
			continue
		}
		b.folders = append(b.folders, findFolders(i, s)...)
	}
	for i := range b.folders {
		f := &b.folders[i]
		if f.release == "" && f.prefix == "" {
			f.release = folderRelease(b.sources[f.src])
		}
	}
	var names []string
	for _, f := range b.folders {
		if f.release != "" {
			names = append(names, f.release)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case b.opt.Release != "" && slices.Contains(names, b.opt.Release):
		b.Release = b.opt.Release
	case b.opt.Release != "" && len(names) > 0:
		return &ReleasesError{Wanted: b.opt.Release, Found: names}
	case len(names) > 1:
		return &ReleasesError{Found: names}
	case len(names) == 1:
		b.Release = names[0]
	}
	if b.Release == "" {
		b.Release = b.opt.Release
	}
	all := b.folders
	b.folders = nil
	for _, f := range all {
		if f.release != "" && f.release != b.Release {
			b.passed = append(b.passed, f)
		} else {
			b.folders = append(b.folders, f)
		}
	}
	slices.SortFunc(b.folders, func(a, c folder) int {
		return cmp.Or(cmp.Compare(a.src, c.src), cmp.Compare(a.prefix, c.prefix))
	})
	return nil
}

// releaseFrom says, for messages, by what Release is known; "" if it is not.
func (b *Build) releaseFrom() string {
	switch {
	case b.Release == "":
		return ""
	case !slices.ContainsFunc(b.folders, func(f folder) bool { return f.release != "" }):
		return "where the wanted release is"
	case b.BuildTree:
		return "in the build tree of"
	}
	return "in the modules folder of"
}

// folderRelease is the release that the name of a directory tells when it lies
// where installed modules do.
func folderRelease(s Source) string {
	if s.Archive() {
		return ""
	}
	abs, err := filepath.Abs(s.Path())
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil || filepath.Base(filepath.Dir(abs)) != "modules" {
		return ""
	}
	return filepath.Base(abs)
}

// treeRelease reads include/config/kernel.release of a build tree; "" if there
// is none or it holds something else.
func (b *Build) treeRelease(src int) string {
	f := b.find(src, releaseFile)
	if f == nil {
		return ""
	}
	data, err := f.read(300)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(data), "\n")
}

// find returns the last regular file of that name in a source, which is the one
// that unpacking leaves; nil if there is none.
func (b *Build) find(src int, name string) *File {
	s := b.sources[src]
	for i, m := range slices.Backward(s.Members()) {
		if m.Area == "" && m.Name == name && m.Mode.IsRegular() {
			return &File{s, i}
		}
	}
	return nil
}

// FindInFolder returns a regular file of the modules folder by its path there;
// nil if there is none.
func (b *Build) FindInFolder(name string) *File {
	for _, d := range b.folders {
		if f := b.find(d.src, d.prefix+name); f != nil {
			return f
		}
	}
	return nil
}

// read returns the content of a small file, an error if it is larger than max.
func (f *File) read(max int64) ([]byte, error) {
	c, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.Path(), err)
	}
	defer c.Close() // read only
	if c.Size() > max {
		return nil, fmt.Errorf("reading %s: %d bytes, at most %d are read", f.Path(), c.Size(), max)
	}
	data := make([]byte, c.Size())
	if n, err := c.ReadAt(data, 0); n < len(data) {
		return nil, fmt.Errorf("reading %s: %w", f.Path(), err)
	}
	return data, nil
}
