// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
)

// CheckModule reports why a file is no module file; nil if it could be one. It
// looks at the first bytes only.
func CheckModule(r io.ReaderAt, size int64) error { return kmod.Sniff(r, size) }

// ErrNoSuchModule is what [ModuleOf] and [ModuleOfManifest] wrap.
var ErrNoSuchModule = errors.New("no module of that name")

// ModuleFiles compares two module files. Their names need not agree.
func ModuleFiles(ctx context.Context, a, b string, o *Options) (*Comparison, error) {
	ra, err := kbuild.ModuleFile(a)
	if err != nil {
		return nil, err
	}
	rb, err := kbuild.ModuleFile(b)
	if err != nil {
		return nil, err
	}
	return one(ctx, Side{Paths: []string{a}, Kind: "module"}, Side{Paths: []string{b}, Kind: "module"}, modulePair{kbuild.ModuleName(a), ra, rb}, o)
}

// ModuleOf compares the module of that name in a build (side A) with a file.
func ModuleOf(ctx context.Context, b *kbuild.Build, file string, o *Options) (*Comparison, error) {
	rb, err := kbuild.ModuleFile(file)
	if err != nil {
		return nil, err
	}
	name := kbuild.ModprobeName(kbuild.ModuleName(file))
	for _, refs := range [][]kbuild.Ref{b.Modules(), b.Others()} {
		for i := range refs {
			if r := &refs[i]; r.File != nil && kbuild.ModprobeName(r.Name) == name {
				return one(ctx, sideOf(b), Side{Paths: []string{file}, Kind: "module"}, modulePair{r.Name, r, rb}, o)
			}
		}
	}
	return nil, fmt.Errorf("%w in the build: %s", ErrNoSuchModule, name)
}

// ModuleOfManifest compares what a manifest (side A) states about the module of
// that name with a file.
func ModuleOfManifest(ctx context.Context, m *hashset.Manifest, manifest, file string, o *Options) (*Comparison, error) {
	r, err := kbuild.ModuleFile(file)
	if err != nil {
		return nil, err
	}
	name := kbuild.ModprobeName(kbuild.ModuleName(file))
	for _, e := range m.Entries {
		if kbuild.ModprobeName(e.Name) != name {
			continue
		}
		c, err := one(ctx, Side{[]string{manifest}, "manifest", m.Release, m.Arch}, Side{Paths: []string{file}, Kind: "module"}, modulePair{e.Name, nil, r}, o)
		if err != nil {
			return nil, err
		}
		c.stateA(e)
		return c, nil
	}
	return nil, fmt.Errorf("%w in the manifest: %s", ErrNoSuchModule, name)
}

// ModuleOfBuilds compares the modules of that name of two builds, and nothing
// else of them.
func ModuleOfBuilds(ctx context.Context, a, b *kbuild.Build, name string, o *Options) (*Comparison, error) {
	want := kbuild.ModprobeName(kbuild.ModuleName(name))
	var found []modulePair
	for _, p := range pairModules(a, b) {
		if p.name == name || kbuild.ModprobeName(p.name) == want {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w in either build: %s", ErrNoSuchModule, name)
	case 1:
		return one(ctx, sideOf(a), sideOf(b), found[0], o)
	}
	i := slices.IndexFunc(found, func(p modulePair) bool { return p.name == name })
	if i < 0 {
		return nil, fmt.Errorf("several modules have the name %s: %s and %s; give the path", name, found[0].name, found[1].name)
	}
	return one(ctx, sideOf(a), sideOf(b), found[i], o)
}

// one compares a single pair.
func one(ctx context.Context, a, b Side, p modulePair, o *Options) (*Comparison, error) {
	if o == nil {
		o = &Options{}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := newModuleWorker(o, spool.NewBudget(accountedBudget), semaphore.NewWeighted(accountedRoom))
	defer w.close()
	m, err := w.compare(ctx, &p)
	if err != nil {
		return nil, err
	}
	c := &Comparison{A: a, B: b}
	c.addModules([]Module{*m}, false)
	c.settle()
	return c, nil
}

// stateA puts a line of a manifest in the place of the missing side A of the
// one module.
func (c *Comparison) stateA(e hashset.Entry) {
	m := c.Modules[0]
	m.Only, m.A = Both, manifestFile(e)
	if m.B.Problem == "" && m.B.Payload == e.Digest {
		m.Verdict, m.Stored = Identical, m.B.Stored
	}
	c.Modules, c.Count, c.Verdict, c.ModulesVerdict = nil, ModuleCount{}, Identical, Identical
	c.ManifestLevel = true
	c.addModules([]Module{m}, false)
	c.settle()
}

// Mirror returns the comparison with the sides swapped.
func (c *Comparison) Mirror() *Comparison {
	m := *c
	m.A, m.B = c.B, c.A
	n := &m.Count
	n.A, n.B, n.OnlyA, n.OnlyB = n.B, n.A, n.OnlyB, n.OnlyA
	m.Modules = slices.Clone(c.Modules)
	for i := range m.Modules {
		x := &m.Modules[i]
		x.A, x.B, x.PosA, x.PosB, x.TwinA, x.TwinB = x.B, x.A, x.PosB, x.PosA, x.TwinB, x.TwinA
		x.Only = x.Only.mirror()
		x.Account = x.Account.mirror()
	}
	if r := c.Root; r != nil {
		m.Root = &RootPair{r.Verdict, r.SchemeB, r.SchemeA, r.B, r.A}
	}
	if i := c.Image; i != nil {
		m.Image = &ImagePair{i.Verdict, i.Only.mirror(), i.DigestsEqual, i.B, i.A, i.DigestB, i.DigestA}
	}
	m.Files = slices.Clone(c.Files)
	for i := range m.Files {
		f := &m.Files[i]
		f.Only = f.Only.mirror()
		f.Changes = slices.Clone(f.Changes)
		for k, ch := range f.Changes {
			f.Changes[k] = Change{ch.Field, ch.B, ch.A}
		}
	}
	m.Problems = slices.Clone(c.Problems)
	for i := range m.Problems {
		m.Problems[i].Side = m.Problems[i].Side.mirror()
	}
	m.Records = slices.Clone(c.Records)
	for i := range m.Records {
		m.Records[i].A, m.Records[i].B = m.Records[i].B, m.Records[i].A
	}
	m.Packages = slices.Clone(c.Packages)
	for i, p := range c.Packages {
		m.Packages[i] = Package{p.B, p.A, p.Verdict}
	}
	return &m
}

func (o Only) mirror() Only {
	switch o {
	case OnlyA:
		return OnlyB
	case OnlyB:
		return OnlyA
	}
	return o
}
