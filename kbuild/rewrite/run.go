// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/pool"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/outfile"
)

// Run rewrites files below root and returns one Result for each, in the order
// given. The error is that of the first file, by position, that failed, with its
// name, or that of ctx; files after a failed one are worked on nevertheless,
// unless Options.Stop is set.
func Run(ctx context.Context, root *os.Root, files []File, edit Edit, o *Options) ([]Result, error) {
	if o == nil {
		o = &Options{}
	}
	r := &run{Options: *o, root: root, to: root, files: files, edit: edit, dirs: map[string]bool{}}
	if r.Out != nil {
		r.to = r.Out
	}
	if r.Open.Budget == nil {
		r.Open.Budget = spool.NewBudget(spool.DefaultBudget)
	}
	r.results = make([]Result, len(files))
	r.encoders = make(chan *codec.Encoder, min(max(r.Workers, 1), runtime.GOMAXPROCS(0)))
	for range cap(r.encoders) {
		r.encoders <- codec.NewEncoder()
	}
	groups := r.group()
	err := pool.Each(ctx, max(r.Workers, 1), len(groups), r.newWorker, (*worker).close, func(w *worker, i int) error {
		if err := w.group(ctx, groups[i]); err != nil && r.Stop {
			return err
		}
		return nil
	})
	if serr := r.syncDirs(); err == nil {
		err = serr
	}
	for i := range r.results {
		if f := &r.results[i]; f.Outcome == Failed {
			return r.results, fmt.Errorf("%s: %w", f.Name, f.Err)
		}
	}
	return r.results, err
}

// run is the state of one call of Run.
type run struct {
	Options
	root, to *os.Root
	files    []File
	edit     Edit
	results  []Result

	// encoders are taken by who compresses: not more at once than there are
	// processors, since that waits for nothing else.
	encoders chan *codec.Encoder

	mu   sync.Mutex
	dirs map[string]bool // below to, that names changed in

	staleOnce sync.Once
	stale     map[identity][]string // temporary names of files with several
}

// group returns the numbers of the files, those that are one file together. A
// name that cannot be looked up, or was given before, fails here.
func (r *run) group() [][]int {
	var groups [][]int
	byFile := map[identity]int{}
	seen := map[string]bool{}
	in := NewFolders(r.root)
	defer in.Close()
	for i, f := range r.files {
		r.results[i].Name = f.Name
		id, err := r.lookUp(in, f)
		to := f.Out
		if to == "" {
			to = f.Name
		}
		to = path.Clean(to)
		if err == nil && seen[to] {
			err = errors.New("named twice")
		}
		if err != nil {
			// In its place among the others, so that Stop holds.
			groups = append(groups, []int{i})
			r.results[i].Err = err
			continue
		}
		seen[to] = true
		at, linked := byFile[id]
		if !linked || id == (identity{}) {
			at = len(groups)
			groups = append(groups, nil)
			byFile[id] = at
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

func (r *run) lookUp(in *Folders, f File) (identity, error) {
	if f.Out != "" && r.Out == nil {
		return identity{}, errors.New("an output name without an output folder")
	}
	dir, base, err := in.Of(f.Name)
	if err != nil {
		return identity{}, err
	}
	st, err := dir.Lstat(base)
	if err != nil {
		return identity{}, outfile.Bare(err)
	}
	if !st.Mode().IsRegular() {
		return identity{}, fmt.Errorf("it is no regular file (%v)", st.Mode().Type())
	}
	return identify(st), nil
}

// identity is what two names of one file have in common. The zero value is that
// of a file whose links are not known.
type identity struct{ dev, ino uint64 }

// removeStale removes temporary names of src that belong to other given names.
// src is locked, and so is every new file until all of its names are made.
func (r *run) removeStale(src *source) error {
	r.staleOnce.Do(func() {
		r.stale = map[identity][]string{}
		for _, f := range r.files {
			temp := path.Join(path.Dir(f.Name), TempName(path.Base(f.Name)))
			if st, err := r.root.Lstat(temp); err == nil && st.Mode().IsRegular() {
				r.stale[identify(st)] = append(r.stale[identify(st)], temp)
			}
		}
	})
	for _, temp := range r.stale[src.identity()] {
		st, err := r.root.Lstat(temp)
		if err != nil || identify(st) != src.identity() {
			continue
		}
		if err := r.root.Remove(temp); err != nil {
			return outfile.Bare(err)
		}
	}
	return src.restat()
}

// changed notes the folder of a name that now is another file.
func (r *run) changed(name string) {
	if r.Unsynced {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirs[path.Dir(name)] = true
}

// syncDirs makes all renames durable.
func (r *run) syncDirs() error {
	names := make([]string, 0, len(r.dirs))
	for name := range r.dirs {
		names = append(names, name)
	}
	slices.Sort(names)
	var first error
	for _, name := range names {
		d, err := r.to.Open(name)
		if err == nil {
			err = errors.Join(syncDir(d), d.Close())
		}
		if err != nil && first == nil {
			first = fmt.Errorf("folder %s: %w", name, outfile.Bare(err))
		}
	}
	return first
}

// done publishes the results of a group.
func (r *run) done(group []int) {
	if r.Done == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range group {
		r.Done(i, &r.results[i])
	}
}

// worker has what one goroutine reuses from file to file.
type worker struct {
	*run
	old   *kmod.Opener
	dec   *codec.Decoder // of new files
	chunk [2][64 << 10]byte
	buf   *bufio.Writer // of new files
	made  string        // the folder in Out that was made last, or was there
	// Of old and of new files.
	from, into *Folders
}

func (r *run) newWorker() *worker {
	return &worker{run: r, from: NewFolders(r.root), into: NewFolders(r.to), old: kmod.NewOpener(&r.Open), dec: codec.NewDecoder(), buf: bufio.NewWriterSize(nil, 256<<10)}
}

func (w *worker) close() {
	w.old.Close() // frees memory and an unlinked file
	w.from.Close()
	w.into.Close()
}
