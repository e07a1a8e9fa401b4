// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/report"
)

// maxConfigs bounds how many files one run edits.
const maxConfigs = 1000

// readConfigs reads the files of a run, each once.
func (a *app) readConfigs(ctx context.Context, r *kconfigRun, args []string) error {
	paths, err := expand(args)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := a.openConfig(ctx, r, path)
		if err != nil {
			return err
		}
		same := func(o *kconfigFile) bool { return c.info != nil && o.info != nil && os.SameFile(o.info, c.info) }
		if i := slices.IndexFunc(r.files, same); i >= 0 {
			if isLink(r.files[i].path) {
				r.files[i] = c // a pattern finds a link before what it leads to
			}
			continue
		}
		if len(r.files) == maxConfigs {
			return usageError("more than %d files", maxConfigs)
		}
		r.files = append(r.files, c)
	}
	return nil
}

func isLink(path string) bool {
	st, err := os.Lstat(path)
	return err == nil && st.Mode()&os.ModeSymlink != 0
}

// expand expands patterns of files, in the order of the arguments. A file that
// is called like a pattern is that file.
func expand(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		if _, err := os.Lstat(arg); err == nil || !strings.ContainsAny(arg, "*?[") {
			out = append(out, arg)
			continue
		}
		found, err := filepath.Glob(arg)
		if err != nil {
			return nil, usageError("%s: %v", arg, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no file matches", arg)
		}
		out = append(out, found...)
	}
	return out, nil
}

func (a *app) openConfig(ctx context.Context, r *kconfigRun, path string) (*kconfigFile, error) {
	c := &kconfigFile{path: path, source: r.flags.source}
	var in io.Reader = untilDone{ctx, a.stdin}
	if path == "-" {
		if r.flags.edited() {
			return nil, usageError("standard input cannot be edited, only be read by --get and --check")
		}
	} else {
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if st.IsDir() {
			return nil, withHint(fmt.Errorf("%s is a folder", path), "name the file: %s", shellWord(filepath.Join(path, ".config")))
		}
		if !st.Mode().IsRegular() && r.flags.edited() {
			return nil, fmt.Errorf("%s is no regular file", path)
		}
		f, err := openUntilDone(ctx, path)
		if err != nil {
			return nil, err
		}
		defer f.Close() // read only
		in, c.info = untilDone{ctx, f}, st
		c.findTrees()
	}
	text, err := io.ReadAll(io.LimitReader(in, kconfig.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	}
	if c.old, err = readConfig(path, bytes.NewReader(text)); err != nil {
		return nil, err
	}
	if c.now, err = kconfig.Parse(text); err != nil {
		return nil, err
	}
	return c, nil
}

// findTrees finds where make looks for the names of files: in the build tree,
// which a .config is the file of, then in the source tree.
func (c *kconfigFile) findTrees() {
	dir := filepath.Dir(c.path)
	if filepath.Base(c.path) == ".config" {
		c.trees = append(c.trees, dir)
		if src, ok := sourceOf(dir); ok && c.source == "" {
			c.source = src
		}
	}
	if c.source != "" && !slices.Contains(c.trees, c.source) {
		c.trees = append(c.trees, c.source)
	}
}

// changed returns the files that edits changed, and refuses those that cannot be
// replaced.
func (r *kconfigRun) changed() ([]*kconfigFile, error) {
	var out []*kconfigFile
	for _, c := range r.files {
		if bytes.Equal(c.old.Bytes(), c.now.Bytes()) {
			continue
		}
		if err := c.replaceable(); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (c *kconfigFile) replaceable() error {
	st, err := os.Lstat(c.path)
	if err != nil {
		return err
	}
	if st.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(c.path)
		if err != nil {
			return err
		}
		return withHint(fmt.Errorf("%s is a link to %s; nothing was written", c.path, target), "name the file itself, if that is meant")
	}
	err = nil
	if st.Mode().Perm()&0o200 == 0 {
		err = errors.New("it is read-only")
	} else if f, werr := os.OpenFile(c.path, os.O_WRONLY, 0); werr != nil {
		err = outfile.Bare(werr)
	} else {
		_ = f.Close() // nothing was written
	}
	if err != nil {
		return withHint(fmt.Errorf("%s: %w; nothing was written", c.path, err), "chmod u+w %s", shellWord(c.path))
	}
	return nil
}

// write replaces all files: each is written and waits to be renamed until the
// others are written too, and last is done. The files of certificates are renamed
// before the configurations that name them.
func (r *kconfigRun) write(ctx context.Context, files []*kconfigFile, last func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return writeConfigs(files, func() error {
		return r.writeBundles(func() error {
			if err := ctx.Err(); err != nil {
				return err // the last moment to stop
			}
			return last()
		})
	})
}

func writeConfigs(files []*kconfigFile, last func() error) error {
	if len(files) == 0 {
		return last()
	}
	c := files[0]
	now, err := os.ReadFile(c.path)
	if err == nil && !bytes.Equal(now, c.old.Bytes()) {
		err = errors.New("somebody else has changed it meanwhile")
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", c.path, outfile.Bare(err))
	}
	var other error // of what comes behind this one
	err = outfile.Replace(c.path, outfile.Options{Like: c.info}, func(f *os.File) error {
		if _, err := c.now.WriteTo(f); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		other = writeConfigs(files[1:], last)
		return other
	})
	switch {
	case other != nil:
		return other
	case err != nil:
		return fmt.Errorf("writing %s: %w", c.path, outfile.Bare(err))
	}
	return nil
}

// change is what became of one symbol.
type change struct {
	line     int // in the new file, or of a line that is gone in the old one
	name     string
	old, now string
}

// changes compares what the files say.
func (c *kconfigFile) changes() []change {
	var out []change
	add := func(name string, line int) {
		old, now := valueWords(c.old, name), valueWords(c.now, name)
		if old != now {
			out = append(out, change{line, name, old, now})
		}
	}
	for name := range c.old.All() {
		if !c.now.Has(name) {
			add(name, c.old.Line(name))
		}
	}
	for name := range c.now.All() {
		add(name, c.now.Line(name))
	}
	slices.SortStableFunc(out, func(a, b change) int { return a.line - b.line })
	return out
}

func valueWords(f *kconfig.File, name string) string {
	v, ok := f.Get(name)
	switch {
	case ok:
		return kconfig.Redact(string(v))
	case f.Has(name):
		return "no value"
	}
	return "no line"
}

func (a *app) printChanges(r *kconfigRun, changed []*kconfigFile) {
	var lines []string
	for _, b := range r.sortedBundles() {
		if b.write {
			lines = append(lines, fmt.Sprintf("%s: %s", b.path, plural(len(b.certs), "certificate")))
		}
	}
	n := 0
	for _, c := range changed {
		all := c.changes()
		for _, x := range all {
			lines = append(lines, fmt.Sprintf("%s:%d: CONFIG_%s: %s -> %s", c.path, x.line, x.name, x.old, x.now))
		}
		if len(all) == 0 { // a line that Kconfig ignores, or a second one
			lines = append(lines, c.path+": a line was mended that gave no value")
		}
		n += max(1, len(all))
	}
	verdict := fmt.Sprintf("%s in %d of %s", plural(n, "change"), len(changed), plural(len(r.files), "file"))
	if n == 0 && len(lines) == 0 {
		verdict = "nothing to change in " + plural(len(r.files), "file")
	} else if r.flags.dryRun {
		verdict += "; nothing was written"
	}
	fmt.Fprintln(a.stdout, verdict)
	for _, l := range lines {
		fmt.Fprintln(a.stdout, report.Safe(l))
	}
}
