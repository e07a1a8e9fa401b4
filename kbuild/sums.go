// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/internal/pool"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// Sum is what one read of a module file tells.
type Sum struct {
	Ref
	// Problem says why there is nothing else: the file is missing or no
	// module. The kinds are Missing and Corrupt.
	Problem *Problem

	Payload, Leaf hashset.Digest // Leaf: for Merkle and listed modules only; of scheme "" zero
	Compression   kmod.Compression
	Stored        int64 // size of the file in bytes
	Decoded       int64 // and after decompression
	Trailer       trailer.Trailer
	Stacked       bool
	// Signer is that of a PKCS#7 trailer that can be read, and TrailerName what
	// [kmod.Module.TrailerName] says; not with Options.NoSigners.
	Signer      *modsig.Signer
	TrailerName string
	// Proof is that of a Merkle trailer; nil if there is none or it is none.
	Proof *hashset.Proof
	// Claimed is the root that Proof leads to, taking its position for the
	// module's; for Merkle only.
	Claimed hashset.Root
	Info    kmod.Info
	// InfoErr says why Info is not complete: the payload is not the ELF file of
	// a module.
	InfoErr error
}

// Progress is told about every module that was read: how many bytes its file
// has. It is called from several goroutines.
type Progress func(stored int64)

// Sums reads the modules and computes their digests: the listed ones in their
// order, then the others by name. The result does not depend on the number of
// workers. An error is trouble with reading, the first by position. Scheme "" leaves
// the digests out, for who only looks into the modules.
func (b *Build) Sums(ctx context.Context, scheme hashset.Scheme, progress Progress) ([]Sum, error) {
	return b.sums(ctx, scheme, progress, nil)
}

// Visitor looks into a module that was read, while it is open: s is complete, and
// the i-th of the result. It is called from several goroutines.
type Visitor func(i int, s *Sum, m *kmod.Module) error

func (b *Build) sums(ctx context.Context, scheme hashset.Scheme, progress Progress, visit Visitor) ([]Sum, error) {
	sums := make([]Sum, 0, len(b.modules)+len(b.others))
	for _, r := range b.modules {
		sums = append(sums, Sum{Ref: r})
	}
	for _, r := range b.others {
		sums = append(sums, Sum{Ref: r})
	}
	budget := spool.NewBudget(spool.DefaultBudget)
	start := func() *worker {
		return &worker{
			op:   kmod.NewOpener(&kmod.Options{MaxSize: b.opt.MaxModule, TempDir: b.opt.TempDir, Budget: budget}),
			leaf: hashset.NewHasher(scheme, 0), plain: hashset.NewHasher(hashset.Flat, 0), scheme: scheme, noSigners: b.opt.NoSigners,
		}
	}
	free := func(w *worker) { w.op.Close() } // read only
	err := pool.Each(ctx, b.opt.Workers, len(sums), start, free, func(w *worker, i int) error {
		s := &sums[i]
		if s.File == nil {
			s.Problem = &Problem{Kind: Missing, Name: s.Name, Detail: fmt.Sprintf("line %d of modules.order", s.Pos+1)}
			return nil
		}
		if err := w.sum(i, s, visit); err != nil {
			return fmt.Errorf("reading %s: %w", s.File.Path(), err)
		}
		if progress != nil {
			progress(s.Stored)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sums, nil
}

// worker holds what is reused from module to module.
type worker struct {
	op        *kmod.Opener
	scheme    hashset.Scheme
	leaf      *hashset.Hasher // for listed modules
	plain     *hashset.Hasher // for others, which have no position
	noSigners bool
}

func (w *worker) sum(i int, s *Sum, visit Visitor) error {
	c, err := s.File.Open()
	if errors.Is(err, fs.ErrInvalid) && s.File.Source.Archive() {
		s.Problem = &Problem{Kind: Corrupt, Name: s.Name, Detail: s.File.Path() + ": a hard link to nothing"}
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close() // read only
	s.Stored = c.Size()
	m, err := w.op.Open(c, c.Size())
	var fe *kmod.FormatError
	if errors.As(err, &fe) {
		s.Problem = &Problem{Kind: Corrupt, Name: s.Name, Detail: fmt.Sprintf("%s: %v", s.File.Path(), err)}
		return nil
	}
	if err != nil {
		return err
	}
	s.Compression, s.Decoded, s.Trailer, s.Stacked = m.Compression, m.Decoded, m.Trailer, m.Stacked
	s.Info, err = m.Info()
	if errors.As(err, &fe) {
		s.InfoErr, err = err, nil
	}
	if err != nil {
		return err
	}
	if !w.noSigners {
		if s.Signer, err = m.Signer(); err != nil {
			return err
		}
		s.TrailerName = m.TrailerName(s.Signer)
	}
	if err := w.digest(s, m); err != nil {
		return err
	}
	if err := w.proof(s, m); err != nil || visit == nil {
		return err
	}
	return visit(i, s, m)
}

func (w *worker) digest(s *Sum, m *kmod.Module) error {
	if w.scheme == "" {
		return nil
	}
	hash := w.plain
	if s.Pos >= 0 {
		hash = w.leaf
	}
	hash.Reset(uint32(max(s.Pos, 0)))
	if err := m.WritePayload(hash); err != nil {
		return err
	}
	s.Payload, s.Leaf = hash.Sum()
	return nil
}

// proof reads the proof and follows it.
func (w *worker) proof(s *Sum, m *kmod.Module) error {
	var err error
	if s.Proof, err = m.Proof(); s.Proof == nil || w.scheme != hashset.Merkle {
		return err
	}
	leaf := s.Leaf
	if int64(s.Proof.Pos) != int64(s.Pos) {
		h := hashset.NewLeafHasher(s.Proof.Pos)
		if err := m.WritePayload(h); err != nil {
			return err
		}
		_, leaf = h.Sum()
	}
	s.Claimed = s.Proof.Root(leaf)
	return nil
}

// SectionNames opens the module once more and returns the names of its sections.
func (s *Sum) SectionNames() ([]string, error) {
	c, err := s.File.Open()
	if err != nil {
		return nil, err
	}
	defer c.Close() // read only
	op := kmod.NewOpener(&kmod.Options{MaxSize: s.Decoded})
	defer op.Close() // read only
	m, err := op.Open(c, c.Size())
	if err != nil {
		return nil, err
	}
	return m.SectionNames()
}

// Problems returns what is wrong with a module that was read; none for one that
// is as Kbuild makes it.
func (s *Sum) Problems() []Problem {
	var ps []Problem
	add := func(k ProblemKind, format string, args ...any) {
		ps = append(ps, Problem{Kind: k, Name: s.Name, Detail: s.File.Path() + ": " + fmt.Sprintf(format, args...)})
	}
	if s.Problem != nil {
		return []Problem{*s.Problem}
	}
	member := s.File.Member()
	if _, suffix, _ := moduleName(member.Name); suffix != kmod.Suffix(s.Compression) {
		add(Mislabelled, "the content is %s, a module compressed so is called .ko%s", content(s.Compression), kmod.Suffix(s.Compression))
	}
	switch {
	case s.Trailer.State == trailer.Malformed:
		add(MalformedTrailer, "%s", s.Trailer.Reason)
	case s.Trailer.State == trailer.Junk:
		add(JunkTrailer, "%s", s.Trailer.Reason)
	case s.Stacked:
		add(StackedTrailer, "another trailer ends at offset %d", s.Trailer.Payload)
	}
	if s.InfoErr != nil {
		add(Corrupt, "%v", s.InfoErr)
	}
	return ps
}

func content(c kmod.Compression) string {
	if c == kmod.None {
		return "not compressed"
	}
	return "compressed with " + c.String()
}
