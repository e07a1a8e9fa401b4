// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
)

// Summary is a build that was read: what a manifest of it holds, and what is
// wrong with it.
type Summary struct {
	Release, Arch string
	Scheme        hashset.Scheme
	Sums          []Sum // listed modules in their order, then the others by name
	Listed        int   // how many of Sums are listed
	Image         *Image
	NoImage       bool      // the image was not looked for
	BuildTree     bool      // as in [Build]
	Problems      []Problem // all of them, sorted
}

// Summarize reads all modules and the image.
func (b *Build) Summarize(ctx context.Context, scheme hashset.Scheme, progress Progress) (*Summary, error) {
	return b.SummarizeVisit(ctx, scheme, progress, nil)
}

// SummarizeVisit is Summarize, and shows each module that can be read to visit. Its
// error ends the work.
func (b *Build) SummarizeVisit(ctx context.Context, scheme hashset.Scheme, progress Progress, visit Visitor) (*Summary, error) {
	s := &Summary{Scheme: scheme, Release: b.Release, Arch: hashset.ArchNone, Listed: len(b.modules), NoImage: b.opt.NoImage, BuildTree: b.BuildTree}
	s.Problems = slices.Clone(b.problems)
	var err error
	var bad *image.FormatError
	if s.Image, err = b.Image(); errors.As(err, &bad) {
		s.Problems = append(s.Problems, Problem{Kind: BadImage, Detail: err.Error()})
	} else if err != nil {
		return nil, err
	}
	if s.Sums, err = b.sums(ctx, scheme, progress, visit); err != nil {
		return nil, err
	}
	s.agree(b.releaseFrom())
	for i := range s.Sums {
		if s.Sums[i].File != nil { // what is missing was reported by Open
			s.Problems = append(s.Problems, s.Sums[i].Problems()...)
		}
	}
	slices.SortFunc(s.Problems, compareProblems)
	return s, nil
}

// agree finds the release and arch of the listed modules and reports those that
// differ: the first listed module that can be read decides. With where, what
// [Build.releaseFrom] says, the release is known and must be that of the modules.
func (s *Summary) agree(where string) {
	var first *Sum
	report := func(m *Sum, k ProblemKind, format string, args ...any) {
		s.Problems = append(s.Problems, Problem{Kind: k, Name: m.Name, Detail: m.File.Path() + ": " + fmt.Sprintf(format, args...)})
	}
	for i := range s.Sums[:s.Listed] {
		m := &s.Sums[i]
		switch {
		case m.Problem != nil || m.InfoErr != nil:
			continue
		case first == nil:
			first = m
			if where != "" && m.Info.Release != s.Release {
				report(m, OtherRelease, "vermagic of %q %s %q", m.Info.Release, where, s.Release)
			}
		case m.Info.Release != first.Info.Release:
			report(m, OtherRelease, "vermagic of %q, the first module is of %q", m.Info.Release, first.Info.Release)
		case m.Info.Arch != first.Info.Arch:
			report(m, OtherArch, "%s, the first module is %s", m.Info.Arch, first.Info.Arch)
		}
	}
	if first != nil {
		s.Release, s.Arch = first.Info.Release, first.Info.Arch
	}
}

// Findings returns the problems that are not mere notes.
func (s *Summary) Findings() []Problem {
	return slices.DeleteFunc(slices.Clone(s.Problems), func(p Problem) bool { return p.Note })
}

// ImageDigest returns what a manifest says about the image.
func (s *Summary) ImageDigest() hashset.ImageDigest {
	switch {
	case s.NoImage:
		return hashset.ImageDigest{State: hashset.ImageNotCovered}
	case s.Image == nil:
		return hashset.ImageDigest{State: hashset.ImageNone}
	}
	return hashset.ImageDigest{State: hashset.ImageSHA256, Digest: s.Image.Digest}
}

// Root computes the hashset's root. ok is false if a listed module has no
// digest, or a position is taken by none.
func (s *Summary) Root() (root hashset.Root, ok bool) { return s.RootOf(s.Scheme) }

// RootOf computes the root of a hashset of another scheme. That of a Merkle
// hashset takes leaves, which there are if the summary was made for it.
func (s *Summary) RootOf(scheme hashset.Scheme) (root hashset.Root, ok bool) {
	if !s.complete() || scheme == hashset.Merkle && s.Scheme != hashset.Merkle {
		return hashset.Root{}, false
	}
	switch scheme {
	case hashset.Merkle:
		return s.Tree().Root(), true
	case hashset.Flat:
		return hashset.FlatRoot(s.digests()), true
	}
	return hashset.Root{}, true
}

// Tree returns the tree of a Merkle hashset whose root is known.
func (s *Summary) Tree() *hashset.Tree {
	leaves := make([]hashset.Digest, s.Listed)
	for i := range leaves {
		leaves[i] = s.Sums[i].Leaf
	}
	return hashset.NewTree(leaves)
}

func (s *Summary) digests() []hashset.Digest {
	out := make([]hashset.Digest, s.Listed)
	for i := range out {
		out[i] = s.Sums[i].Payload
	}
	return out
}

// complete reports whether every position has a module with a digest.
func (s *Summary) complete() bool {
	for i := range s.Sums[:s.Listed] {
		if m := &s.Sums[i]; m.Problem != nil || m.Pos != i {
			return false
		}
	}
	return true
}

// IncompleteError is what [Summary.Manifest] returns for a build of which no
// manifest can be made.
type IncompleteError struct{ Reason string }

func (e *IncompleteError) Error() string { return e.Reason }

// Manifest makes the manifest. It fails if the order is unknown, a listed module
// is missing, listed twice or cannot be read, or the image is malformed.
func (s *Summary) Manifest() (*hashset.Manifest, error) {
	for _, p := range s.Problems {
		if p.Kind == NoOrder || p.Kind == ListedTwice || p.Kind == BadImage {
			return nil, &IncompleteError{p.String()}
		}
	}
	for i := range s.Sums[:s.Listed] {
		m := &s.Sums[i]
		if ps := m.Problems(); m.Problem != nil || m.InfoErr != nil {
			return nil, &IncompleteError{ps[len(ps)-1].String()}
		}
	}
	root, ok := s.Root()
	if !ok {
		return nil, &IncompleteError{"the digests of some modules are not known"}
	}
	m := &hashset.Manifest{Release: s.Release, Arch: s.Arch, Image: s.ImageDigest(), Scheme: s.Scheme, Root: root}
	m.Entries = make([]hashset.Entry, s.Listed)
	for i := range m.Entries {
		m.Entries[i] = hashset.Entry{Name: s.Sums[i].Name, Digest: s.Sums[i].Payload}
	}
	if err := m.Check(); err != nil {
		return nil, &IncompleteError{err.Error()}
	}
	return m, nil
}

// Stated is what a manifest of the build would say as far as it is known:
// missing and unreadable modules are left out, and the root is zero unless it
// could be computed. It is for comparing; it may not be valid.
func (s *Summary) Stated() *hashset.Manifest {
	m := &hashset.Manifest{Release: s.Release, Arch: s.Arch, Image: s.ImageDigest(), Scheme: s.Scheme}
	if root, ok := s.Root(); ok {
		m.Root = root
	}
	for i := range s.Sums[:s.Listed] {
		if x := &s.Sums[i]; x.Problem == nil {
			m.Entries = append(m.Entries, hashset.Entry{Name: x.Name, Digest: x.Payload})
		}
	}
	return m
}
