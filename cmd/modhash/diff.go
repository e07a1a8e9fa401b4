// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/explain"
	"github.com/modhash/modhash/kbuild/pkgfile"
	"github.com/modhash/modhash/kbuild/report"
)

const diffLong = `Compares two builds, or two of anything: directories, packages, manifests, module
files. Packages that belong together are joined with commas.

Each module is identical (every stored byte), payload-identical (another
signature or compression around the same payload) or different; or it is on one
side only, or at another place in modules.order. The kernel image and all other
files are compared too: content, type, mode and link target, and between
packages also owner, time, order, and the package's own metadata. The verdict of
the whole is the worst of its parts; that of the modules is given apart.

Files in the modules folder, and names that hold the kernel release, are matched
across releases. Where one side is a build tree, modules, image and
modules.builtin are compared. Where a side is a manifest, the payload digests,
the order, the root and the image's digest are; what is wrong with a build that
is compared with a manifest is a difference too.

Equal files are not decompressed, so that two trees are compared at the speed of
reading them.

Every byte in which two module files differ is accounted for: to a cause that has a
name, such as signature.key, to a change of a named function, object or string, or as
unexplained, which is shown with its bytes. One cause is one line, in however many
modules it is. Causes are root
(what was done otherwise, with what to set), derived (what follows, as an offset behind
a longer string, and was computed again), derived-unverified (what follows but cannot
be computed, as a build id) or change. They annotate: neither verdict nor exit code
depends on them. What the builds left on record (the .config, the banner of an x86
kernel, .BUILDINFO, .buildinfo, the header of an rpm) is compared first. --module says all
about one module, with layers and places; --all says what to set for each cause, and
--format json gives everything. Which causes there are, how each was produced for a test
and what was said of it is the table kbuild/explain/CAUSES.md of the sources.

Differences that were reviewed and are expected can be listed in a file, which
--expect names: one line for each cause, with where and why.

    # modhash expected differences v1
    signature.key     kernel/*                each builder signs with its own key
    file              boot/config-{release}   it names the compiler
    image.signature   *                       signed by the distribution

In a name * stands for any text. A module is covered if every root cause and change in
it is; what is unexplained cannot be expected. What is covered is listed and counted as
ever, with the file's digest.

--schema prints the JSON Schema of what --format json writes: it names its version,
as each report does.

` + pages + jsonNames

// jsonNames explains the strings of JSON reports.
const jsonNames = `With --format json, a byte of a name that is not part of valid UTF-8 is written as
\xHH, and a backslash as two backslashes, beside the escapes of JSON itself: no two
names are written alike. Fields are added within a schema version, never changed.`

const diffExample = `$ modhash diff sample/a sample/c | head -1
different: 24 modules, 1 different, 23 identical; kernel image identical; 4 other files identical`

// diffAcceptable are the differences that a user can accept.
var diffAcceptable = []string{"signature", "compression", "image-signature", "files"}

type diffFlags struct {
	build  buildFlags
	format string
	all    bool
	accept []string
	module string
	expect string
	schema bool
	report reportFiles
}

func (a *app) diff() *cobra.Command {
	f := &diffFlags{}
	cmd := &cobra.Command{
		Use:     "diff [OPTION]... A B",
		Short:   "compare two builds",
		Long:    diffLong,
		Example: diffExample,
		Annotations: map[string]string{exitAnnotation: `0 identical: every byte that was to be compared is equal; or --schema
1 a difference
2 wrong usage, or something could not be read
3 differences, but only accepted or expected ones (--accept, --expect)`},
		RunE: func(cmd *cobra.Command, args []string) error { return a.runDiff(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "text", "`FORM` of the report: text, json, junit (XML, a case for each module), markdown (for the summary of a CI job), or html (one page, with a map of the build)")
	fl.BoolVar(&f.all, "all", false, "list every name in the text, however many there are")
	fl.StringSliceVar(&f.accept, "accept", nil, "accept differences of these `KINDS`: signature and compression (of modules with equal payload), image-signature (of kernel images that are equal without it), files (other files, and the package itself)")
	fl.StringVar(&f.expect, "expect", "", "the reviewed `FILE` of expected differences")
	fl.BoolVar(&f.schema, "schema", false, "print the JSON Schema of the report in JSON, and compare nothing")
	fl.StringVar(&f.module, "module", "", "compare the modules of this `NAME` only, and say all about them")
	f.report.register(fl)
	f.build.register(cmd)
	complete(cmd, "format", reportFormats...)
	complete(cmd, "accept", diffAcceptable...)
	return cmd
}

// accepted are the differences that --accept names.
func (f *diffFlags) accepted() report.Accepted {
	has := func(k string) bool { return slices.Contains(f.accept, k) }
	return report.Accepted{Signature: has("signature"), Compression: has("compression"), ImageSignature: has("image-signature"), Files: has("files")}
}

// thing is an argument of diff: one of the three is set.
type thing struct {
	arg      string
	build    *kbuild.Build
	manifest *hashset.Manifest
	module   string
}

func (t *thing) close() {
	if t.build != nil {
		t.build.Close() // read only
	}
}

func (a *app) runDiff(ctx context.Context, f *diffFlags, args []string) error {
	if f.schema {
		if len(args) > 0 {
			return usageError("--schema compares nothing, want no arguments")
		}
		return a.output(ctx, "", func(w io.Writer) error {
			_, err := io.WriteString(w, report.DiffJSONSchema)
			return err
		})
	}
	if len(args) != 2 {
		return usageError("%d arguments, want two things to compare", len(args))
	}
	if err := checkReportFormat(f.format); err != nil {
		return err
	}
	if err := f.report.check(); err != nil {
		return err
	}
	for _, k := range f.accept {
		if !slices.Contains(diffAcceptable, k) {
			return usageError("--accept %s, want %s", k, join(diffAcceptable))
		}
	}
	o, err := f.build.options(ctx)
	if err != nil {
		return err
	}
	expect, err := readExpectations(ctx, f.expect)
	if err != nil {
		return err
	}
	c, err := a.compare(ctx, f, args, o)
	if err != nil {
		return hintFor(err)
	}
	if expect != nil {
		expect.Apply(c, f.expect)
	}
	if c.Count.A+c.Count.B == 0 && c.Image == nil && c.FilesCompared == 0 && len(c.Files)+len(c.Problems) == 0 && c.Root == nil {
		return errors.New("there is nothing to compare: neither side holds a file")
	}
	err = a.reports(ctx, f.format, f.all, f.report, func(w io.Writer, format string, style report.Style) error {
		switch format {
		case "json":
			return report.DiffJSON(w, c)
		case "junit":
			return report.DiffJUnit(w, c, f.accepted())
		case "markdown":
			return report.DiffMarkdown(w, c, style)
		case "html":
			return report.DiffHTML(w, c)
		}
		if f.module != "" {
			return report.DiffModule(w, c, style)
		}
		return report.Diff(w, c, style)
	})
	if err != nil {
		return err
	}
	return code(diffCode(c, f.accept))
}

func (a *app) compare(ctx context.Context, f *diffFlags, args []string, o *kbuild.Options) (*compare.Comparison, error) {
	var sides [2]thing
	defer sides[0].close()
	defer sides[1].close()
	for i := range sides {
		var err error
		if sides[i], err = a.recognize(ctx, args[i]); err != nil {
			return nil, err
		}
	}
	// All files are of interest only where both sides have files.
	o.AllFiles = sides[0].isBuild() && sides[1].isBuild()
	var g errgroup.Group
	for i := range sides {
		if t := &sides[i]; t.isBuild() {
			g.Go(func() (err error) {
				t.build, err = kbuild.Open(ctx, splitBuild(t.arg), o)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m := a.meter()
	defer m.close()
	co := &compare.Options{MaxModule: o.MaxModule, TempDir: o.TempDir, Workers: o.EffectiveWorkers(), Progress: m.progress(), Explain: explain.Run, Detail: f.module != "", Blocks: f.format == "html" || f.report.has("html")}
	if f.module != "" {
		if sides[0].build == nil || sides[1].build == nil {
			return nil, usageError("--module, want two builds")
		}
		return compare.ModuleOfBuilds(ctx, sides[0].build, sides[1].build, f.module, co)
	}
	return compareThings(ctx, &sides[0], &sides[1], co)
}

func compareThings(ctx context.Context, x, y *thing, o *compare.Options) (*compare.Comparison, error) {
	switch {
	case x.module != "" && y.module != "":
		return compare.ModuleFiles(ctx, x.module, y.module, o)
	case x.build != nil && y.build != nil:
		c, err := compare.Builds(ctx, x.build, y.build, o)
		if err == nil {
			err = explain.Records(c, x.build, y.build)
		}
		return c, err
	case x.module != "":
		return mirrored(compareModule(ctx, y, x.module, o))
	case y.module != "":
		return compareModule(ctx, x, y.module, o)
	}
	mx, px, err := stated(ctx, x, y, o)
	if err != nil {
		return nil, err
	}
	my, py, err := stated(ctx, y, x, o)
	if err != nil {
		return nil, err
	}
	c := compare.Manifests(mx, my, x.arg, y.arg)
	c.AddProblems(compare.OnlyA, px)
	c.AddProblems(compare.OnlyB, py)
	return c, nil
}

// compareModule compares a build or manifest with one module file.
func compareModule(ctx context.Context, t *thing, module string, o *compare.Options) (*compare.Comparison, error) {
	if t.build != nil {
		return compare.ModuleOf(ctx, t.build, module, o)
	}
	return compare.ModuleOfManifest(ctx, t.manifest, t.arg, module, o)
}

func mirrored(c *compare.Comparison, err error) (*compare.Comparison, error) {
	if err != nil {
		return nil, err
	}
	return c.Mirror(), nil
}

// stated is what a manifest of t says, in the scheme of other if that is one,
// and what is wrong with t.
func stated(ctx context.Context, t, other *thing, o *compare.Options) (*hashset.Manifest, []kbuild.Problem, error) {
	if t.manifest != nil {
		return t.manifest, nil, nil
	}
	scheme := hashset.Merkle
	if other.manifest != nil {
		scheme = other.manifest.Scheme
	}
	sum, err := t.build.Summarize(ctx, scheme, o.Progress)
	if err != nil {
		return nil, nil, err
	}
	return sum.Stated(), sum.Problems, nil
}

// isBuild: the argument is neither a manifest nor a module file.
func (t *thing) isBuild() bool { return t.manifest == nil && t.module == "" }

// recognize finds out what an argument is, by its content.
func (a *app) recognize(ctx context.Context, arg string) (thing, error) {
	t := thing{arg: arg}
	var err error
	if paths := splitBuild(arg); len(paths) == 1 {
		_, err = a.single(ctx, &t, paths[0])
	}
	return t, err
}

// single recognises a manifest and a module file.
func (a *app) single(ctx context.Context, t *thing, path string) (ok bool, err error) {
	if path == "-" || isManifest(path) {
		t.manifest, err = a.readManifest(ctx, path)
		return true, err
	}
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false, err // opening a pipe would wait for its other end
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() // read only
	kind, err := pkgfile.Sniff(f)
	if err != nil || kind != 0 {
		return false, err
	}
	if err := compare.CheckModule(f, st.Size()); err != nil {
		return false, withHint(errors.New(path+" is neither a directory, a package, a manifest nor a module: "+err.Error()), "give two builds, packages, manifests or modules")
	}
	t.module = path
	return true, nil
}

// readExpectations reads the file that --expect names; nil if there is none.
func readExpectations(ctx context.Context, path string) (*explain.Expectations, error) {
	if path == "" {
		return nil, nil
	}
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	e, err := explain.ReadExpectations(untilDone{ctx, f})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return e, nil
}

// diffCode is the exit code for a comparison.
func diffCode(c *compare.Comparison, accept []string) int {
	if c.Verdict == compare.Identical {
		return exitOK
	}
	accepted := func(k string) bool { return slices.Contains(accept, k) }
	n := &c.Count
	image := c.Image == nil || c.Image.Verdict == compare.Identical
	switch {
	case len(accept) == 0 && c.Expected == nil,
		!modulesAccepted(c, accepted),
		n.OnlyA+n.OnlyB+n.Moved > 0,
		len(c.Problems) > 0,
		c.Root != nil && c.Root.Verdict != compare.Identical,
		!image && !(accepted("image-signature") && c.Image.DigestsEqual) && !(c.Expected != nil && c.Expected.Image),
		c.A.Release != c.B.Release,
		!accepted("files") && slices.ContainsFunc(c.Files, filesLeft(c)):
		return exitFinding
	}
	// What is left is the package file. That it differs follows from members
	// that differ; without any, it is the framing.
	if len(c.Modules)+len(c.Files) == 0 && image && !accepted("files") {
		return exitFinding
	}
	return exitAccepted
}

// modulesAccepted: each module that differs does so in what is accepted, or was
// expected.
func modulesAccepted(c *compare.Comparison, accepted func(kind string) bool) bool {
	for i := range c.Modules {
		switch m := &c.Modules[i]; {
		case m.Verdict == compare.Identical, c.Expected.Module(i):
		case m.Verdict != compare.PayloadIdentical,
			m.Signature && !accepted("signature"),
			m.Compression && !accepted("compression"):
			return false
		}
	}
	return true
}

// filesLeft tells of each file, in their order, whether it was not expected.
func filesLeft(c *compare.Comparison) func(compare.File) bool {
	i := -1
	return func(compare.File) bool { i++; return !c.Expected.File(i) }
}
