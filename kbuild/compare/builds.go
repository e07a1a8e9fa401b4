// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
)

// Builds compares two builds: modules, image, and all other files as far as the
// kinds of the two sides allow. Of modules and files whose stored bytes are
// equal nothing but these is read.
func Builds(ctx context.Context, a, b *kbuild.Build, o *Options) (*Comparison, error) {
	if o == nil {
		o = &Options{}
	}
	c := &Comparison{A: sideOf(a), B: sideOf(b)}
	all, err := modules(ctx, pairModules(a, b), o)
	if err != nil {
		return nil, err
	}
	if a.HasOrder != b.HasOrder {
		c.Notes = append(c.Notes, "the order of modules is not compared: a side has no modules.order")
	}
	c.addModules(all, a.HasOrder && b.HasOrder)
	imgA, err := c.imageOf(a)
	if err != nil {
		return nil, err
	}
	imgB, err := c.imageOf(b)
	if err != nil {
		return nil, err
	}
	if err := c.compareImages(imgA, imgB); err != nil {
		return nil, err
	}
	if err := c.files(ctx, a, b, imgA, imgB, o); err != nil {
		return nil, err
	}
	if err := c.packages(a, b); err != nil {
		return nil, err
	}
	c.settle()
	return c, nil
}

func sideOf(b *kbuild.Build) Side {
	s := Side{Kind: "package", Release: b.Release}
	if !archives(b) {
		s.Kind = "directory"
	}
	if b.BuildTree {
		s.Kind = "build tree"
	}
	for _, src := range b.Sources() {
		s.Paths = append(s.Paths, src.Path())
	}
	return s
}

// imageOf finds a side's image. That there are several, or that it is
// malformed, does not keep the files from being compared as bytes.
func (c *Comparison) imageOf(b *kbuild.Build) (*kbuild.Image, error) {
	img, err := b.Image()
	var several *kbuild.ImagesError
	var bad *image.FormatError
	if errors.As(err, &several) || errors.As(err, &bad) {
		c.Notes = append(c.Notes, "no digest of the kernel image: "+err.Error())
		return nil, nil
	}
	return img, err
}

// compareImages compares the kernel images: their digests decide about
// DigestsEqual, their stored bytes about the verdict.
func (c *Comparison) compareImages(a, b *kbuild.Image) error {
	if a == nil && b == nil {
		return nil
	}
	p := &ImagePair{A: a, B: b, Verdict: Different}
	c.Image = p
	switch {
	case a == nil:
		p.Only = OnlyB
		return nil
	case b == nil:
		p.Only = OnlyA
		return nil
	}
	p.DigestsEqual = a.Digest == b.Digest
	ca, err := a.Open()
	if err != nil {
		return fmt.Errorf("reading %s: %w", a.Path, err)
	}
	defer ca.Close() // read only, as below
	cb, err := b.Open()
	if err != nil {
		return fmt.Errorf("reading %s: %w", b.Path, err)
	}
	defer cb.Close()
	equal, err := equalContent(ca, cb, make([]byte, 1<<20), make([]byte, 1<<20))
	if err != nil {
		return fmt.Errorf("comparing %s with %s: %w", a.Path, b.Path, err)
	}
	if equal {
		p.Verdict = Identical
	}
	return nil
}

// packages compares the package files as stored. They are matched by their
// place among the given ones.
func (c *Comparison) packages(a, b *kbuild.Build) error {
	if !archives(a) || !archives(b) {
		return nil
	}
	sa, sb := a.Sources(), b.Sources()
	if len(sa) != len(sb) {
		c.Notes = append(c.Notes, fmt.Sprintf("%d packages on one side and %d on the other: the package files themselves are not compared", min(len(sa), len(sb)), max(len(sa), len(sb))))
		return nil
	}
	for i := range sa {
		equal, err := equalPaths(sa[i].Path(), sb[i].Path())
		if err != nil {
			return err
		}
		p := Package{A: sa[i].Path(), B: sb[i].Path(), Verdict: Different}
		if equal {
			p.Verdict = Identical
		}
		c.Packages = append(c.Packages, p)
	}
	return nil
}

func equalPaths(a, b string) (bool, error) {
	fa, err := openFile(a)
	if err != nil {
		return false, err
	}
	defer fa.Close() // read only, as below
	fb, err := openFile(b)
	if err != nil {
		return false, err
	}
	defer fb.Close()
	equal, err := equalContent(fa, fb, make([]byte, 1<<20), make([]byte, 1<<20))
	if err != nil {
		return false, fmt.Errorf("comparing %s with %s: %w", a, b, err)
	}
	return equal, nil
}

// file is an open file with its size.
type file struct {
	*os.File
	size int64
}

func (f file) Size() int64 { return f.size }

func openFile(path string) (file, error) {
	f, err := os.Open(path)
	if err != nil {
		return file{}, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return file{}, errors.Join(err, f.Close())
	}
	return file{f, st.Size()}, nil
}

// digest describes content by size and SHA-256.
func digest(c sized) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(c, 0, c.Size())); err != nil {
		return "", err
	}
	var d hashset.Digest
	h.Sum(d[:0])
	return fmt.Sprintf("%d bytes, sha256 %s", c.Size(), d), nil
}
