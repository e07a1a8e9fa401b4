// SPDX-License-Identifier: Apache-2.0

package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig/trailer"
)

// AppendOptions are options of [Append]. The zero value is ready for use.
type AppendOptions struct {
	Replace  bool // other proofs and signatures that the modules carry
	Rewrite  rewrite.Options
	Progress kbuild.Progress
}

// Appended says what [Append] did.
type Appended struct {
	Added, Replaced, Unchanged int
	// Absent modules of the build are not in the tree.
	Absent int
}

// Obstacle is why the proof of a module cannot be appended.
type Obstacle struct {
	Name   string
	Detail string
	// Replaceable: a trailer is in the way that [AppendOptions.Replace] allows to
	// take away.
	Replaceable bool
}

func (o Obstacle) String() string { return o.Name + ": " + o.Detail }

// ObstaclesError lists everything that keeps proofs from being appended. No file
// was changed.
type ObstaclesError struct{ Obstacles []Obstacle }

func (e *ObstaclesError) Error() string {
	return fmt.Sprintf("%d modules cannot take their proof, the first: %v", len(e.Obstacles), e.Obstacles[0])
}

// ErrArchive says that the tree is a package, whose modules cannot be changed.
var ErrArchive = errors.New("proofs are appended to modules in a folder, not in a package")

// Append puts the proof of each module of a build on the installed module of that
// name, and leaves alone those that have it. The summary is that of a Merkle
// hashset whose root is known; tree is the summary of the modules to be changed,
// made with the same scheme, and source where they lie. They can be the same.
//
// First all modules are looked at: one with another payload than in the build, one
// that the build does not have, and one that ends in something else than its proof
// is an obstacle, and then no file is changed: [*ObstaclesError]. After that a file
// that cannot be written does not keep the others from being written.
func Append(ctx context.Context, built, tree *kbuild.Summary, source kbuild.Source, o *AppendOptions) (*Appended, error) {
	if source.Archive() {
		return nil, ErrArchive
	}
	a := &appender{proofs: built.Tree(), leaves: map[string]int{}, built: built, o: o}
	for i := range built.Sums[:built.Listed] {
		a.leaves[built.Sums[i].Name] = i
	}
	for i := range tree.Sums {
		if s := &tree.Sums[i]; strings.HasPrefix(s.Name, "kernel/") && s.File != nil {
			a.look(s)
		}
	}
	if len(a.obstacles) > 0 {
		return nil, &ObstaclesError{a.obstacles}
	}
	root, err := os.OpenRoot(source.Path())
	if err != nil {
		return nil, err
	}
	defer root.Close() // read only
	ro := o.Rewrite
	if ro.Out == nil {
		if err := removeStale(root, a.files); err != nil {
			return nil, err
		}
	}
	ro.Done = a.done
	if _, err := rewrite.Run(ctx, root, a.files, a.edit, &ro); err != nil {
		r := &a.result
		return nil, fmt.Errorf("%s: %w; %d of %d modules have their proof", source.Path(), err, r.Added+r.Replaced+r.Unchanged, len(a.files))
	}
	a.result.Absent = built.Listed - len(a.files)
	return &a.result, nil
}

// removeStale removes what killed runs left in the folders of the modules.
func removeStale(root *os.Root, files []rewrite.File) error {
	var dirs []string
	for _, f := range files {
		dirs = append(dirs, path.Dir(f.Name))
	}
	slices.Sort(dirs)
	names, err := rewrite.StaleIn(root, slices.Compact(dirs))
	if err != nil {
		return err
	}
	return rewrite.RemoveStale(root, nil, names)
}

type appender struct {
	built     *kbuild.Summary
	o         *AppendOptions
	proofs    *hashset.Tree
	leaves    map[string]int // positions by name
	files     []rewrite.File
	pos       []int // of the files
	obstacles []Obstacle
	result    Appended
}

// look decides whether a module can take its proof.
func (a *appender) look(s *kbuild.Sum) {
	refuse := func(replaceable bool, format string, args ...any) {
		a.obstacles = append(a.obstacles, Obstacle{s.Name, fmt.Sprintf(format, args...), replaceable})
	}
	pos, known := a.leaves[s.Name]
	switch {
	case !known:
		refuse(false, "the build does not have this module")
		return
	case s.Problem != nil:
		refuse(false, "%s", s.Problem.Detail)
		return
	case s.Stacked || s.Trailer.State == trailer.Malformed || s.Trailer.State == trailer.Junk:
		refuse(false, "it ends in something that is not one trailer (%s)", s.TrailerName)
		return
	case s.Payload != a.built.Sums[pos].Payload:
		refuse(false, "its payload has sha256 %s, in the build %s: it was changed, for example stripped, after it was hashed", s.Payload, a.built.Sums[pos].Payload)
		return
	case s.Trailer.State == trailer.Valid && !a.o.Replace && !a.hasProof(s, pos):
		refuse(true, "it ends in another trailer (%s)", s.TrailerName)
		return
	}
	a.files = append(a.files, rewrite.File{Name: s.File.Member().Name})
	a.pos = append(a.pos, pos)
}

// hasProof reports whether the module ends in its proof.
func (a *appender) hasProof(s *kbuild.Sum, pos int) bool {
	p := a.proofs.Proof(pos)
	return s.Proof != nil && s.Proof.Pos == p.Pos && slices.Equal(s.Proof.Path, p.Path)
}

// edit says what a module shall end in, if it still is the one that was hashed.
func (a *appender) edit(ctx context.Context, t *rewrite.Target) (rewrite.Change, error) {
	pos := a.pos[t.Index]
	h := hashset.NewLeafHasher(uint32(pos))
	if err := t.WritePayload(h); err != nil {
		return rewrite.Change{}, err
	}
	if _, leaf := h.Sum(); leaf != a.built.Sums[pos].Leaf {
		return rewrite.Change{}, errors.New("the module was changed after it was hashed")
	}
	return rewrite.Change{Trailer: a.proofs.Proof(pos).AppendSidecar(nil), Replace: a.o.Replace}, nil
}

func (a *appender) done(_ int, r *rewrite.Result) {
	switch r.Outcome {
	case rewrite.Added:
		a.result.Added++
	case rewrite.Replaced:
		a.result.Replaced++
	case rewrite.Unchanged:
		a.result.Unchanged++
	}
	if a.o.Progress != nil {
		a.o.Progress(r.Before)
	}
}
