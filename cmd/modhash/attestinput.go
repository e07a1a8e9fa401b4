// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/hashset/attest"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/report"
)

// distinct refuses an original and a rebuild that share a file: whoever compares
// a file with itself states nothing.
func (t *attestation) distinct() error {
	for _, o := range t.original {
		so, err := os.Stat(o)
		if err != nil {
			return err
		}
		for _, r := range t.rebuilt {
			sr, err := os.Stat(r)
			if err != nil {
				return err
			}
			if os.SameFile(so, sr) || sr.IsDir() && within(o, r) || so.IsDir() && within(r, o) {
				return usageError("%s and %s are the same file, or one lies in the other: nothing would be compared", o, r)
			}
			if so.IsDir() && sr.IsDir() {
				if err := distinctTrees(o, r); err != nil {
					return err
				}
			}
		}
	}
	outputs := []string{t.f.output, t.f.manifest, t.f.public, t.f.disagree}
	for _, out := range outputs {
		if err := protectInputs(out, slices.Concat(t.original, t.rebuilt, t.f.inputs, []string{t.f.build.order, t.f.build.image, t.f.key.key})); err != nil {
			return err
		}
	}
	return nil
}

// distinctTrees refuses two folders that have a file in common, such as a copy made
// of hard links.
func distinctTrees(o, r string) error {
	return filepath.WalkDir(r, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // the build says what cannot be read
		}
		rel, err := filepath.Rel(r, path)
		if err != nil {
			return err
		}
		so, err := os.Lstat(filepath.Join(o, rel))
		if err != nil {
			return nil
		}
		if sr, err := d.Info(); err == nil && os.SameFile(so, sr) {
			return usageError("%s is one file in %s and in %s: nothing would be compared", rel, o, r)
		}
		return nil
	})
}

// materials measures what was built from.
func (t *attestation) materials(ctx context.Context) error {
	for _, p := range t.original {
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() && !isManifest(p) {
			t.packs = append(t.packs, p)
		}
	}
	paths := slices.Concat(t.f.inputs, t.packs)
	if len(paths) == 0 {
		return usageError("what was it built from? --input names it, such as a .buildinfo")
	}
	for _, p := range paths {
		m, err := measure(ctx, p)
		if err != nil {
			return err
		}
		t.st.Materials = append(t.st.Materials, m)
	}
	return nil
}

// unchanged measures the packages of the original again: the manifest was computed
// from what they hold, and the link is to state the same files.
func (t *attestation) unchanged(ctx context.Context) error {
	for i, p := range t.packs {
		m, err := measure(ctx, p)
		if err != nil {
			return err
		}
		if !m.Equal(t.st.Materials[len(t.f.inputs)+i]) {
			return fmt.Errorf("%s was changed while it was read", p)
		}
	}
	return nil
}

func measure(ctx context.Context, path string) (attest.Artifact, error) {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return attest.Artifact{}, err
	}
	defer f.Close() // read only
	m, err := attest.Measure(filepath.Base(path), untilDone{ctx, f})
	if err != nil {
		return m, fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	}
	if err := attest.CheckFile(m.Name); err != nil {
		return m, err
	}
	return m, nil
}

// packages compares two packages as files.
func (t *attestation) packages(ctx context.Context) error {
	if len(t.original) > 1 || len(t.rebuilt) > 1 {
		return usageError("--package takes one package a side")
	}
	for _, p := range []string{t.original[0], t.rebuilt[0]} {
		if st, err := os.Stat(p); err != nil || !st.Mode().IsRegular() {
			return errors.Join(err, fmt.Errorf("%s is no package", p))
		}
	}
	var err error
	if t.st.Product, err = measure(ctx, t.original[0]); err != nil {
		return err
	}
	built, err := measure(ctx, t.rebuilt[0])
	if err != nil {
		return err
	}
	built.Name = t.st.Product.Name
	if !built.Equal(t.st.Product) {
		t.st.Rebuilt = &built
	}
	return nil
}

// manifests computes the manifests.
func (t *attestation) manifests(ctx context.Context) error {
	file := t.st.Subject.File()
	o, scheme, err := t.readOriginal(ctx, file)
	if err != nil {
		return err
	}
	var m *hashset.Manifest
	if m, t.computed, err = t.compute(ctx, t.rebuilt, o, scheme); err != nil {
		return err
	}
	built, err := attest.Measure(file, bytes.NewReader(t.computed))
	if err != nil {
		return err
	}
	t.covered = report.Covered(m)
	t.st.Product = built
	if t.published == nil || bytes.Equal(t.published, t.computed) {
		return nil
	}
	if t.st.Product, err = attest.Measure(file, bytes.NewReader(t.published)); err != nil {
		return err
	}
	t.st.Rebuilt = &built
	return nil
}

// readOriginal finds the published manifest, and by what options the other one is
// to be computed.
func (t *attestation) readOriginal(ctx context.Context, file string) (o buildFlags, scheme hashset.Scheme, err error) {
	o = t.f.build
	if scheme, err = parseScheme(t.f.scheme); err != nil || len(t.original) == 0 {
		return o, scheme, err
	}
	path := t.original[0]
	if len(t.original) > 1 || !isManifest(path) {
		_, t.published, err = t.compute(ctx, t.original, o, scheme)
		return o, scheme, err
	}
	if base := filepath.Base(path); strings.HasSuffix(base, ".modhash") && base != file {
		return o, scheme, usageError("%s is not the manifest of %s, which is called %s", path, t.st.Subject, file)
	}
	m, err := t.readManifest(ctx, path)
	if err != nil {
		return o, scheme, err
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return o, scheme, err
	}
	t.published = b.Bytes()
	if m.Image.State == hashset.ImageNotCovered {
		o.noImage = true
	}
	return o, m.Scheme, nil
}

// compute makes the manifest of a build, as generate does.
func (t *attestation) compute(ctx context.Context, paths []string, f buildFlags, scheme hashset.Scheme) (*hashset.Manifest, []byte, error) {
	o, err := f.options(ctx)
	if err != nil {
		return nil, nil, err
	}
	o.NoSigners = true // a manifest does not say
	sum, err := t.summarize(ctx, paths, o, scheme, nil)
	if err != nil {
		return nil, nil, err
	}
	accepted, err := t.judge(sum, t.f.accept)
	if err != nil {
		return nil, nil, err
	}
	t.accepted = t.accepted || accepted
	m, err := sum.Manifest()
	if err != nil {
		return nil, nil, withHint(err, "%s", hintIncomplete)
	}
	var b bytes.Buffer
	_, err = m.WriteTo(&b)
	return m, b.Bytes(), err
}
