// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/lint"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/report"
)

// minOwn is the length in bytes below which a name of this machine would be found
// in machine code.
const minOwn = 4

// lintLeaks looks for strings in built files, and adds what it finds.
func (a *app) lintLeaks(ctx context.Context, f *lintFlags, t *lintThings, env *lint.Env, o *kbuild.Options, rep *lint.Report, res *report.Linted) error {
	needles, err := f.needles()
	if err != nil {
		return err
	}
	if f.leaks {
		own, err := t.ownNeedles()
		if err != nil {
			return err
		}
		for _, n := range own {
			switch {
			case said(env, n) || slices.Contains(needles, n):
			case len(n.Text) < minOwn:
				if !a.quiet {
					a.warn("the %s %s is not looked for: it is too short not to be found by chance (--leak %s=%s does)", n.Kind, n.Text, n.Kind, n.Text)
				}
			default:
				needles = append(needles, n)
			}
		}
	}
	if len(needles) == 0 {
		return errors.New("there is nothing to look for: KBUILD_BUILD_USER, _HOST and _TIMESTAMP say all that --leaks knows")
	}
	s, err := lint.NewScanner(needles)
	if err != nil {
		return usageError("%v", err)
	}
	res.Needles = needles
	found, n, err := t.scan(ctx, s, f, o)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("the build holds neither modules nor an image: nothing was looked at")
	}
	rep.Join(found)
	res.Scanned = n
	return nil
}

// needles are the strings of --leak. A day is looked for in all its forms.
func (f *lintFlags) needles() ([]lint.Needle, error) {
	var out []lint.Needle
	for _, arg := range f.leak {
		kind, text, ok := strings.Cut(arg, "=")
		n := lint.Needle{Kind: lint.Kind(kind), Text: text}
		switch n.Kind {
		case lint.Host, lint.User, lint.Path, lint.Date:
		default:
			ok = false
		}
		if !ok {
			return nil, usageError("--leak %s, want KIND=TEXT with host, user, path or date", arg)
		}
		day, err := time.Parse(time.DateOnly, text)
		if n.Kind == lint.Date && err == nil {
			out = append(out, lint.Dates(day)...)
			continue
		}
		out = append(out, n)
	}
	return out, nil
}

// said reports whether the build was told to say so.
func said(env *lint.Env, n lint.Needle) bool {
	if env == nil {
		return false
	}
	switch n.Kind {
	case lint.Host:
		return n.Text == env.Host
	case lint.User:
		return n.Text == env.User
	case lint.Date:
		return strings.Contains(env.Timestamp, n.Text)
	}
	return false
}

// ownNeedles are what would tell that a build was made here.
func (t *lintThings) ownNeedles() ([]lint.Needle, error) {
	var out []lint.Needle
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("the name of this host: %w", err)
	}
	out = append(out, lint.Needle{Kind: lint.Host, Text: host})
	if short, _, ok := strings.Cut(host, "."); ok && short != "" {
		out = append(out, lint.Needle{Kind: lint.Host, Text: short})
	}
	if u, err := user.Current(); err == nil && u.Username != "" { // a user may have no name
		out = append(out, lint.Needle{Kind: lint.User, Text: u.Username})
	}
	for _, dir := range t.trees {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, err
		}
		for _, p := range []string{path, real} {
			if n := (lint.Needle{Kind: lint.Path, Text: p}); p != "/" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	for _, at := range t.times() {
		for _, n := range append(lint.Dates(at.UTC()), lint.Dates(at.Local())...) {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out, nil
}

// times are when the images were made.
func (t *lintThings) times() (out []time.Time) {
	paths := slices.Clone(t.files)
	for _, tree := range t.trees {
		paths = append(paths, filepath.Join(tree, "vmlinux"))
	}
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			out = append(out, st.ModTime())
		}
	}
	if t.build == nil {
		return out
	}
	if img, err := t.build.Image(); err == nil && img != nil && img.File != nil {
		if at := img.File.Member().MTime; !at.IsZero() {
			out = append(out, at)
		}
	}
	return out
}

// scan looks into modules, images and files, and counts them.
func (t *lintThings) scan(ctx context.Context, s *lint.Scanner, f *lintFlags, o *kbuild.Options) (*lint.Report, int, error) {
	all := &lint.Report{}
	n := 0
	if t.build != nil {
		r, err := s.Build(ctx, t.build, o)
		if err != nil {
			return nil, 0, err
		}
		all.Join(r)
		n += len(t.build.Modules()) + len(t.build.Others())
		k, err := t.scanImage(ctx, s, f, o, all)
		if err != nil {
			return nil, 0, err
		}
		n += k
		if n > 0 {
			if r, k, err = s.Rest(ctx, t.build); err != nil {
				return nil, 0, hintFor(err)
			}
			all.Join(r)
			n += k
		}
	}
	files := slices.Clone(t.files)
	for _, dir := range t.builds {
		path := filepath.Join(dir, "vmlinux")
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && isTree(dir) {
			files = append(files, path)
		}
	}
	for _, path := range files {
		if err := scanFile(ctx, s, path, f, o, all); err != nil {
			return nil, 0, err
		}
		n++
	}
	return all, n, nil
}

// scanImage looks into the kernel image of the build, if there is one.
func (t *lintThings) scanImage(ctx context.Context, s *lint.Scanner, f *lintFlags, o *kbuild.Options, all *lint.Report) (int, error) {
	img, err := t.build.Image()
	if err != nil {
		return 0, hintFor(err)
	}
	if img == nil {
		return 0, nil
	}
	c, err := img.Open()
	if err != nil {
		return 0, fmt.Errorf("image %s: %w", img.Path, err)
	}
	defer c.Close() // read only
	r, err := s.Image(ctx, img.Path, c, c.Size(), f.imageOptions(o))
	if err != nil {
		return 0, err
	}
	all.Join(r)
	return 1, nil
}

func scanFile(ctx context.Context, s *lint.Scanner, path string, f *lintFlags, o *kbuild.Options, all *lint.Report) error {
	file, size, err := openRegular(path)
	if err != nil {
		return &fs.PathError{Op: "read", Path: path, Err: outfile.Bare(err)}
	}
	defer file.Close() // read only
	r, err := s.Image(ctx, path, file, size, f.imageOptions(o))
	if err != nil {
		return err
	}
	all.Join(r)
	return nil
}
