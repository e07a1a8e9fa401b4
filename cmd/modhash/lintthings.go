// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/lint"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/pkgfile"
)

// lintThings is what the arguments of a lint are.
type lintThings struct {
	config     *kconfig.File
	configName string
	trees      []string // folders of a build tree and its source tree
	builds     []string // build trees, installed folders and packages
	files      []string // images and other built files
	leaks      bool     // built files are to be looked into

	build *kbuild.Build // of builds; nil if nothing is needed from it
}

// lintThings recognises the arguments by their content.
func (a *app) lintThings(ctx context.Context, f *lintFlags, args []string) (*lintThings, error) {
	t := &lintThings{leaks: f.leaks || len(f.leak) > 0}
	for _, tree := range f.trees {
		if st, err := os.Stat(tree); err != nil || !st.IsDir() {
			return nil, usageError("--tree %s: it is not a folder", tree)
		}
		t.trees = append(t.trees, tree)
	}
	for _, arg := range args {
		if err := a.lintThing(ctx, t, arg); err != nil {
			return nil, err
		}
	}
	switch {
	case t.config == nil && len(t.trees)+len(t.builds)+len(t.files) == 0:
		return nil, usageError("neither a configuration nor a build given")
	case t.leaks && len(t.builds)+len(t.files) == 0:
		return nil, usageError("--leak and --leaks look into a build, and none was given")
	}
	return t, nil
}

func (a *app) lintThing(ctx context.Context, t *lintThings, arg string) error {
	if arg == "-" {
		return t.setConfig(arg, untilDone{ctx, a.stdin})
	}
	st, err := os.Stat(arg)
	if err != nil {
		return err
	}
	switch {
	case st.IsDir():
		if isTree(arg) {
			t.trees = append(t.trees, arg)
			if src, ok := sourceOf(arg); ok && src != arg {
				t.trees = append(t.trees, src)
			}
		}
		t.builds = append(t.builds, arg)
		return nil
	case isPipe(arg):
		return t.readConfig(ctx, arg)
	case !st.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder", arg)
	case isManifest(arg):
		return withHint(fmt.Errorf("%s is a manifest", arg), "a lint takes a .config, a build tree, a package or a built file")
	}
	kind, text, err := lintSniff(arg)
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", arg, outfile.Bare(err))
	case kind != 0:
		t.builds = append(t.builds, arg)
	case text:
		return t.readConfig(ctx, arg)
	default:
		t.files = append(t.files, arg)
	}
	return nil
}

// lintSniff tells packages and text from other files.
func lintSniff(path string) (kind pkgfile.Kind, text bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close() // read only
	if kind, err = pkgfile.Sniff(f); err != nil || kind != 0 {
		return kind, false, err
	}
	head := make([]byte, 4096)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, false, err
	}
	return 0, bytes.IndexByte(head[:n], 0) < 0, nil
}

func (t *lintThings) readConfig(ctx context.Context, path string) error {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	return t.setConfig(path, untilDone{ctx, f})
}

func (t *lintThings) setConfig(name string, r io.Reader) error {
	if t.config != nil {
		return usageError("two configurations: %s and %s", t.configName, name)
	}
	c, err := readConfig(name, r)
	t.config, t.configName = c, name
	return err
}

// readConfig reads a .config, and refuses a text that is none.
func readConfig(name string, r io.Reader) (*kconfig.File, error) {
	c, err := kconfig.Read(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for range c.All() {
		return c, nil
	}
	return nil, withHint(fmt.Errorf("%s: not a kernel configuration: no line of it gives a symbol a value", name), "a .config has lines such as CONFIG_MODULES=y")
}

// isTree reports whether a folder is the top of a source or build tree.
func isTree(dir string) bool {
	for _, name := range []string{".config", "Kconfig", "include/config/auto.conf"} {
		if st, err := os.Stat(filepath.Join(dir, name)); err == nil && st.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// sourceOf finds the source tree of a build tree: the same folder, or where the
// link is that make puts into a separate one.
func sourceOf(dir string) (string, bool) {
	for _, d := range []string{dir, filepath.Join(dir, "source")} {
		if st, err := os.Stat(filepath.Join(d, "Kconfig")); err == nil && st.Mode().IsRegular() {
			return d, true
		}
	}
	return "", false
}

// open opens the build if something is needed that only it tells.
func (t *lintThings) open(ctx context.Context, o *kbuild.Options) (err error) {
	installed := false
	for _, path := range t.builds {
		installed = installed || !isTree(path)
	}
	if len(t.builds) == 0 || !installed && !t.leaks {
		return nil
	}
	t.build, err = openBuild(ctx, t.builds, o)
	return err
}

func (t *lintThings) close() {
	if t.build != nil {
		_ = t.build.Close() // read only
	}
}

// findConfig finds the configuration of what was given, if none was named.
func (t *lintThings) findConfig(ctx context.Context, f *lintFlags, o *kbuild.Options) error {
	if t.config != nil {
		return nil
	}
	for _, tree := range t.trees {
		path := filepath.Join(tree, ".config")
		switch st, err := os.Stat(path); {
		case err != nil:
		case !st.Mode().IsRegular(): // a pipe would be waited for
			return fmt.Errorf("%s is no regular file", path)
		default:
			return t.readConfig(ctx, path)
		}
	}
	if file := installedConfig(t.build); file != nil {
		c, err := file.Open()
		if err != nil {
			return fmt.Errorf("reading %s: %w", file.Path(), err)
		}
		defer c.Close() // read only
		return t.setConfig(file.Path(), io.NewSectionReader(c, 0, c.Size()))
	}
	for _, path := range t.files {
		text, err := embeddedConfig(ctx, path, f.imageOptions(o))
		if err != nil || text == nil {
			continue // it is a file to look for leaks in
		}
		return t.setConfig(path+" (config)", bytes.NewReader(text))
	}
	if len(t.files) > 0 && t.build == nil {
		return withHint(fmt.Errorf("%s: neither a configuration in text nor an image with one: %w", t.files[0], errNoConfig),
			"name a .config; zcat unpacks one that is compressed")
	}
	return withHint(errNoConfig, "name a .config; zcat /proc/config.gz | modhash lint - takes that of the running kernel")
}

func (f *lintFlags) imageOptions(o *kbuild.Options) *image.Options {
	return &image.Options{Limit: f.maxImage * mib, TmpDir: o.TempDir}
}

// installedConfig finds what distributions ship: config in the folder of
// modules, or boot/config-RELEASE. nil if there is none.
func installedConfig(b *kbuild.Build) *kbuild.File {
	if b == nil {
		return nil
	}
	if file := b.FindInFolder("config"); file != nil {
		return file
	}
	for _, src := range b.Sources() {
		for i, m := range src.Members() {
			if m.Mode.IsRegular() && (m.Name == "boot/config-"+b.Release || m.Name == "config-"+b.Release) {
				return &kbuild.File{Source: src, Index: i}
			}
		}
	}
	return nil
}

func embeddedConfig(ctx context.Context, path string, o *image.Options) (text []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	im, err := image.Open(ctx, f, st.Size(), o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	return bytes.Clone(im.Config), nil
}

// tree reads what the trees say; nil if there is none.
func (t *lintThings) tree() (*lint.Tree, error) {
	if len(t.trees) == 0 {
		return nil, nil
	}
	var trees []fs.FS
	for _, dir := range t.trees {
		root, err := os.OpenRoot(dir) // links do not lead out of it
		if err != nil {
			return nil, err
		}
		defer root.Close() // read only
		trees = append(trees, root.FS())
	}
	return lint.ReadTree(trees...)
}

// compressions are those of the modules of an installed build.
func (t *lintThings) compressions() []string {
	var out []string
	if t.build == nil || t.build.BuildTree {
		return nil
	}
	seen := map[string]bool{}
	for _, refs := range [][]kbuild.Ref{t.build.Modules(), t.build.Others()} {
		for _, ref := range refs {
			if ref.File == nil {
				continue
			}
			name := ref.File.Member().Name
			by := map[string]string{".gz": "gzip", ".xz": "xz", ".zst": "zstd"}[filepath.Ext(name)]
			if by != "" && !seen[by] {
				seen[by] = true
				out = append(out, by)
			}
		}
	}
	return out
}
