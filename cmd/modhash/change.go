// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/kbuild/sign"
)

// changeFlags are the options of every verb that changes module files.
type changeFlags struct {
	out, covered, compressor, tmpdir string
	manifests                        []string
	format                           string
	replace, breakLinks, noSync      bool
	maxModule                        int64
	jobs                             int
}

func (f *changeFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.covered, "covered", "refuse", "what to do with modules that a hashset covers: `WHAT` is refuse, skip or include")
	fl.StringVar(&f.out, "out", "", "write to `FOLDER` instead, by the same names; unchanged modules too")
	fl.StringVar(&f.compressor, "compressor", "builtin", "`WHICH` compressors to use: builtin, the same everywhere, or system")
	fl.BoolVar(&f.breakLinks, "break-links", false, "change modules that have other names which were not given (hard links), and keep the old content")
	fl.BoolVar(&f.noSync, "no-sync", false, "do not wait for the disk: for a folder that goes into a package next")
	f.registerRead(cmd)
	complete(cmd, "covered", "refuse", "skip", "include")
	complete(cmd, "compressor", "builtin", "system")
	if err := cmd.MarkFlagDirname("out"); err != nil {
		panic(err) // the flag was registered just now
	}
}

// registerSign adds those of a verb that puts signatures on modules.
func (f *changeFlags) registerSign(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.replace, "replace", false, "take away what else the modules end in: other signatures and, with --covered include, proofs")
	fl.StringSliceVar(&f.manifests, "manifest", nil, "modules in the manifest `FILE` are covered by a hashset")
	f.register(cmd)
}

// registerRead adds the flags of a verb that only reads modules.
func (f *changeFlags) registerRead(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.tmpdir, "tmpdir", "", "`FOLDER` for what is unpacked (default: that of the system)")
	fl.Int64Var(&f.maxModule, "max-module", 2048, "refuse a module that decompresses to more than `MIB` MiB")
	fl.IntVarP(&f.jobs, "jobs", "j", 0, "work on `N` files at once (default: two per processor, since each waits for the disk)")
	fl.StringVar(&f.format, "format", "text", "`FORM` of the result: text or json")
	complete(cmd, "format", "text", "json")
	if err := cmd.MarkFlagDirname("tmpdir"); err != nil {
		panic(err) // the flag was registered just now
	}
}

// workers is how many files are worked on at once.
func (f *changeFlags) workers() int { return cmp.Or(f.jobs, 2*runtime.GOMAXPROCS(0)) }

// signatures is how many a device or a program is asked for at once.
func (f *changeFlags) signatures() int { return cmp.Or(f.jobs, runtime.GOMAXPROCS(0)) }

// moduleChange is a change of modules that is about to begin.
type moduleChange struct {
	flags   *changeFlags
	options *sign.Options
	files   *sign.Files
}

// open finds the modules and turns the flags into the options of the library. The
// caller closes the change.
func (f *changeFlags) open(ctx context.Context, a *app, paths []string) (*moduleChange, error) {
	return f.openWith(ctx, a, paths, func(*sign.Options) (*sign.Files, error) { return openFiles(ctx, paths) })
}

// openWith is open with another way to find the modules.
func (f *changeFlags) openWith(ctx context.Context, a *app, paths []string, find func(*sign.Options) (*sign.Files, error)) (*moduleChange, error) {
	o, err := f.options(ctx, a, paths)
	if err != nil {
		return nil, err
	}
	c := &moduleChange{flags: f, options: o}
	if c.files, err = find(o); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *moduleChange) close() {
	if c.files != nil {
		_ = c.files.Close() // nothing is buffered
	}
	if c.options.Rewrite.Out != nil {
		_ = c.options.Rewrite.Out.Close() // nothing is buffered
	}
}

// options turns the flags into those of the library.
func (f *changeFlags) options(ctx context.Context, a *app, paths []string) (*sign.Options, error) {
	if err := checkFormat(f.format); err != nil {
		return nil, err
	}
	o := &sign.Options{Replace: f.replace, Rewrite: rewrite.Options{
		BreakLinks: f.breakLinks, Unsynced: f.noSync, Workers: f.workers(), Open: kmod.Options{MaxSize: f.maxModule * mib, TempDir: f.tmpdir},
	}}
	switch f.covered {
	case "refuse", "": // not registered
	case "skip":
		o.Covered = sign.Skip
	case "include":
		o.Covered = sign.Include
	default:
		return nil, usageError("--covered %s, want refuse, skip or include", f.covered)
	}
	switch f.compressor {
	case "builtin", "":
	case "system":
		o.Rewrite.Compressor = systemCompressor{}
	default:
		return nil, usageError("--compressor %s, want builtin or system", f.compressor)
	}
	switch {
	case f.jobs < 0:
		return nil, usageError("--jobs %d", f.jobs)
	case f.maxModule <= 0 || f.maxModule > 1<<30:
		return nil, usageError("--max-module %d", f.maxModule)
	case len(paths) == 0:
		return nil, usageError("no module and no folder given")
	}
	for _, path := range f.manifests {
		m, err := a.readManifest(ctx, path)
		if err != nil {
			return nil, err
		}
		o.Manifests = append(o.Manifests, m)
	}
	if f.out != "" {
		var err error
		if o.Rewrite.Out, err = openOut(f.out, paths); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// openOut makes the output folder, which must not be among the modules.
func openOut(out string, paths []string) (*os.Root, error) {
	if err := os.MkdirAll(out, 0o777); err != nil {
		return nil, err
	}
	for _, p := range paths {
		dir := p
		if st, err := os.Stat(p); err == nil && !st.IsDir() {
			if dir = filepath.Dir(p); !sameDir(dir, out) {
				continue
			}
		}
		if within(out, dir) || sameDir(dir, out) {
			return nil, usageError("--out %s is in %s, where the modules are", out, p)
		}
	}
	return os.OpenRoot(out)
}

func sameDir(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func openFiles(ctx context.Context, paths []string) (*sign.Files, error) {
	f, err := sign.Open(ctx, paths)
	if errors.Is(err, sign.ErrNoModules) {
		err = withHint(err, "modules are called NAME.ko, NAME.ko.gz, NAME.ko.xz or NAME.ko.zst; links to them are passed over")
	}
	return f, err
}

// finish runs a change of modules and reports what came of it.
func (a *app) finish(ctx context.Context, c *moduleChange, s *report.Signing, run func() (*sign.Report, error)) error {
	m := a.meter()
	c.options.Progress = m.progress()
	done, err := run()
	m.close()
	s.Report = done
	return a.concludeSigning(ctx, c.flags, s, err)
}

// concludeSigning writes the result of a verb that signs: as text only if all went
// well, as JSON in any case in which modules were looked at.
func (a *app) concludeSigning(ctx context.Context, f *changeFlags, s *report.Signing, err error) error {
	var oe *sign.ObstaclesError
	if errors.As(err, &oe) {
		s.Obstacles = oe.Obstacles
	}
	s.Failed, s.Interrupted = err != nil, ctx.Err() != nil
	known := err == nil || s.Report != nil || s.Obstacles != nil
	if f.format == "json" && known {
		if werr := a.output(ctx, "", func(w io.Writer) error { return report.SigningJSON(w, s) }); werr != nil && err == nil {
			return werr
		}
	}
	switch {
	case err != nil:
		return a.changeError(ctx, s.Verb, s.Report, err)
	}
	if s.Report != nil {
		a.tellUnused(s.Report.Unused)
	}
	switch {
	case f.format == "json":
		return nil
	}
	return a.output(ctx, "", func(w io.Writer) error { return report.SigningText(w, s) })
}

// changeError tells what kept modules from being changed, or went wrong.
func (a *app) changeError(ctx context.Context, verb string, done *sign.Report, err error) error {
	var oe *sign.ObstaclesError
	if errors.As(err, &oe) {
		all := obstacleLines(oe, verb == "attach")
		for _, line := range all[:min(len(all), maxListed)] {
			a.message("error", line)
		}
		if n := len(all); n > maxListed {
			a.message("error", fmt.Sprintf("… and %d more", n-maxListed))
		}
		a.tellUnused(oe.Unused)
		for _, k := range oe.Kinds() {
			if h := k.Hint(); h != "" {
				a.message("hint", string(k)+": "+h)
			}
		}
		return finding("%s refused; nothing was written", plural(len(oe.Obstacles), "module"))
	}
	if done == nil {
		return err
	}
	written := done.Count[rewrite.Added] + done.Count[rewrite.Replaced] + done.Count[rewrite.Removed] + done.Count[rewrite.Recompressed]
	left := fmt.Sprintf("%s written, the others are as they were", plural(written, "module"))
	var ke *sign.KeyError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted; %s", left)
	case errors.As(err, &ke):
		return fmt.Errorf("signing: %w; %s", ke.Err, left)
	}
	failed := done.Failed()
	for i, e := range failed {
		if i == maxListed {
			a.message("error", fmt.Sprintf("… and %d more", len(failed)-i))
			break
		}
		a.message("error", e.Error())
	}
	err = fmt.Errorf("%d of %s failed; %s", len(failed), plural(len(done.Results), "module"), left)
	for _, e := range failed {
		if errors.Is(e, rewrite.ErrLinks) {
			return withHint(err, "name a folder that holds all names, or let them differ with --break-links")
		}
	}
	return err
}

// obstacleLines are lines about what keeps modules from being changed. Folded, there
// is one for many modules that the same holds for: where signatures come from elsewhere,
// they are all wrong for one reason, as a rule.
func obstacleLines(e *sign.ObstaclesError, fold bool) []string {
	const shown = 3
	var lines []string
	if !fold {
		for _, o := range e.Obstacles {
			lines = append(lines, o.String())
		}
		return lines
	}
	for _, o := range e.Fold() {
		names, detail := o.Names[0], o.Detail
		if n := len(o.Names); n > 1 {
			names = fmt.Sprintf("%s (%s", plural(n, "module"), strings.Join(o.Names[:min(n, shown)], ", "))
			if n > shown {
				names += ", …"
			}
			names += ")"
		}
		if !o.Same {
			detail = "of the first: " + detail
		}
		lines = append(lines, fmt.Sprintf("%s: %s: %s", o.Kind, names, detail))
	}
	return lines
}

// tellUnused tells of signatures that no module was there for.
func (a *app) tellUnused(names []string) {
	const shown = 3
	if len(names) == 0 || a.quiet {
		return
	}
	text := strings.Join(names[:min(len(names), shown)], ", ")
	if len(names) > shown {
		text += ", …"
	}
	a.message("note", fmt.Sprintf("%s of --from for none of these modules: %s", plural(len(names), "signature"), text))
}

// maxListed is how many things of a kind are told one by one.
const maxListed = 50
