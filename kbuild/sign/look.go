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
	"strings"
	"sync"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/internal/pool"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig/trailer"
)

// Covered says what becomes of modules that a hashset covers.
type Covered uint8

const (
	Refuse  Covered = iota // they are obstacles
	Skip                   // they are left as they are
	Include                // they are treated like others
)

// manifestName is how a manifest in a modules folder is called.
const manifestName = "modhash.manifest"

// Options of [Sign], [Unsign], [Detach] and [Attach]. The zero value is ready for
// use.
type Options struct {
	Replace   bool                // what else the modules end in
	Covered   Covered             // what to do with modules that a hashset covers
	Manifests []*hashset.Manifest // beside those in the folders of the modules
	Rewrite   rewrite.Options     // but Done
	Progress  func(size int64)    // called for each file that is done, by several goroutines
}

// Report says what was done with each file, in the order of the Files.
type Report struct {
	Results []rewrite.Result // Untried: passed over, because a hashset covers it
	Count   map[rewrite.Outcome]int
	Unused  []string // signatures in a store that belong to none of the files
}

// Failed returns an error for each file that could not be changed, with its name,
// but for those that an end by the context caught.
func (r *Report) Failed() []error {
	var errs []error
	for i := range r.Results {
		if f := &r.Results[i]; f.Outcome == rewrite.Failed && !errors.Is(f.Err, context.Canceled) {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name, f.Err))
		}
	}
	return errs
}

// subject is a module as it is looked at.
type subject struct {
	index  int
	module *kmod.Module
	layers []kmod.Layer
	size   int64 // of the payload beneath all layers
	unfit  bool  // a kernel's own decompressor may not take the file
}

func (s *subject) payload() *io.SectionReader {
	return io.NewSectionReader(s.module.Payload(), 0, s.size)
}

// look opens every file, asks judge, and returns the indexes of those to be
// changed. judge returns false for one to be passed over.
func (f *Files) look(ctx context.Context, o *Options, judge func(*subject) (bool, *Obstacle, error)) ([]int, error) {
	open := o.Rewrite.Open
	if open.Budget == nil {
		open.Budget = spool.NewBudget(spool.DefaultBudget)
	}
	open.Piecewise = true
	type looker struct {
		*kmod.Opener
		in *rewrite.Folders
	}
	obstacles := make([]*Obstacle, len(f.list))
	take := make([]bool, len(f.list))
	err := pool.Each(ctx, max(1, o.Rewrite.Workers), len(f.list),
		func() looker { return looker{kmod.NewOpener(&open), rewrite.NewFolders(f.root)} },
		func(l looker) {
			l.Close() // frees memory
			l.in.Close()
		},
		func(l looker, i int) error {
			var err error
			take[i], obstacles[i], err = f.lookAt(l.Opener, l.in, i, o, judge)
			if err != nil {
				return fmt.Errorf("%s: %w", f.list[i].shown, err)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	var bad []Obstacle
	var indexes []int
	for i, x := range obstacles {
		if x != nil {
			x.Name = f.list[i].shown
			bad = append(bad, *x)
		}
		if take[i] {
			indexes = append(indexes, i)
		}
	}
	if len(bad) > 0 {
		return nil, &ObstaclesError{Obstacles: bad}
	}
	return indexes, nil
}

func (f *Files) lookAt(k *kmod.Opener, in *rewrite.Folders, i int, o *Options, judge func(*subject) (bool, *Obstacle, error)) (take bool, why *Obstacle, err error) {
	file, err := f.open(in, f.list[i].name)
	if err != nil {
		if st, lerr := f.root.Lstat(f.list[i].name); lerr == nil && st.Mode()&fs.ModeSymlink != 0 {
			return false, nil, errors.New("it is a symbolic link out of the folder: name the file that it leads to")
		}
		return false, nil, bare(err)
	}
	defer file.Close() // read only
	st, err := file.Stat()
	if err != nil {
		return false, nil, bare(err)
	}
	if !st.Mode().IsRegular() {
		return false, nil, errors.New("it is no regular file")
	}
	if o.Progress != nil {
		defer func() {
			if !take { // else when it was written
				o.Progress(st.Size())
			}
		}()
	}
	s := &subject{index: i}
	var fe *kmod.FormatError
	if s.module, err = k.Open(file, st.Size()); errors.As(err, &fe) {
		return false, &Obstacle{Kind: corrupt, Detail: fe.Error()}, nil
	} else if err != nil {
		return false, nil, err
	}
	unfit, err := rewrite.Unfit(file, s.module.Compression)
	if err != nil {
		return false, nil, err
	}
	s.unfit = unfit != ""
	if s.layers, err = s.module.Layers(); err != nil {
		return false, nil, err
	}
	s.size = s.module.Trailer.Payload
	if n := len(s.layers); n > 0 {
		last := &s.layers[n-1]
		s.size = last.Payload
		if last.State != trailer.Valid {
			return false, &Obstacle{Kind: malformed, Detail: last.Reason}, nil
		}
	}
	return judge(s)
}

// open opens a file. One that was given may be a link within the root.
func (f *Files) open(in *rewrite.Folders, name string) (*os.File, error) {
	dir, base, err := in.Of(name)
	if err == nil {
		var file *os.File
		if file, err = dir.Open(base); err == nil {
			return file, nil
		}
	}
	return f.root.Open(name)
}

// covered reports why a hashset covers a module, nil if none does.
func (c *covering) covered(f *Files, s *subject) (*Obstacle, error) {
	for i := range s.layers {
		if s.layers[i].Block.Type == trailer.Merkle {
			return &Obstacle{Kind: carriesProof, Detail: "it carries a proof, so a hashset covers it"}, nil
		}
	}
	if c.proofs {
		return nil, nil
	}
	full := filepath.Join(f.dir, filepath.FromSlash(f.list[s.index].name))
	m, err := c.of(filepath.Dir(full))
	if err != nil {
		return nil, err
	}
	lists := c.given
	if m != nil {
		lists = append(lists[:len(lists):len(lists)], m)
	}
	if len(lists) == 0 {
		return nil, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, s.payload()); err != nil {
		return nil, err
	}
	digest := hashset.Digest(h.Sum(nil))
	for _, m := range lists {
		if why := m.lists(full, digest); why != "" {
			return &Obstacle{Kind: inManifest, Detail: why}, nil
		}
	}
	return nil, nil
}

// admit reports whether a module is to be changed as far as hashsets are
// concerned, or why that is an obstacle.
func (c *covering) admit(f *Files, s *subject, o *Options) (bool, *Obstacle, error) {
	if o.Covered == Include {
		return true, nil, nil
	}
	why, err := c.covered(f, s)
	switch {
	case err != nil:
		return false, nil, err
	case why != nil && o.Covered == Skip:
		return false, nil, nil
	}
	return why == nil, why, nil
}

// covering knows the manifests, those in folders as they are found.
type covering struct {
	proofs bool // only these count
	given  []*listed

	mu    sync.Mutex
	byDir map[string]*listed // nil for a folder that is in none with a manifest
}

// listed is a manifest that can be asked.
type listed struct {
	name    string // for people
	dir     string // the modules folder; "" if it is not known
	names   map[string]bool
	digests map[hashset.Digest]bool
}

func newCovering(given []*hashset.Manifest) *covering {
	c := &covering{byDir: map[string]*listed{}}
	for _, m := range given {
		c.given = append(c.given, newListed(m, "the manifest", ""))
	}
	return c
}

func newListed(m *hashset.Manifest, name, dir string) *listed {
	l := &listed{name: name, dir: dir, names: map[string]bool{}, digests: map[hashset.Digest]bool{}}
	for _, e := range m.Entries {
		l.names[e.Name] = true
		l.digests[e.Digest] = true
	}
	return l
}

// of finds the manifest of the modules folder that dir is in.
func (c *covering) of(dir string) (*listed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var passed []string
	var found *listed
	for d := dir; ; d = filepath.Dir(d) {
		if l, known := c.byDir[d]; known {
			found = l
			break
		}
		passed = append(passed, d)
		l, err := readListed(d)
		if err != nil {
			return nil, err
		}
		if l != nil || d == filepath.Dir(d) {
			found = l
			break
		}
	}
	for _, d := range passed {
		c.byDir[d] = found
	}
	return found, nil
}

func readListed(dir string) (*listed, error) {
	name := filepath.Join(dir, manifestName)
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, lerr := os.Lstat(name); lerr == nil {
			return nil, fmt.Errorf("%s: a symbolic link that leads nowhere", name)
		}
		return nil, nil
	}
	if err == nil && !st.Mode().IsRegular() { // a pipe would be waited for
		err = fmt.Errorf("%s: it is no regular file", name)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	m, err := hashset.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return newListed(m, name, dir), nil
}

// lists tells why the module of that path and digest is one of the manifest's, ""
// if it is not.
func (l *listed) lists(full string, digest hashset.Digest) string {
	if l.digests[digest] {
		return fmt.Sprintf("%s lists its payload", l.name)
	}
	name := filepath.ToSlash(plainName(full))
	if l.dir != "" {
		rel, err := filepath.Rel(l.dir, filepath.FromSlash(name))
		if err == nil && l.names[filepath.ToSlash(rel)] {
			return fmt.Sprintf("%s lists it by its name, with another payload", l.name)
		}
		return ""
	}
	for i := strings.Index(name, "/kernel/"); i >= 0; {
		if l.names[name[i+1:]] {
			return fmt.Sprintf("%s lists it by its name, with another payload", l.name)
		}
		next := strings.Index(name[i+1:], "/kernel/")
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return ""
}

// bare drops the operation and the path, which the caller tells.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
