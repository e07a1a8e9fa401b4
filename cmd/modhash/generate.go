// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/verify"
)

const generateLong = `Reads the modules that modules.order lists, and the kernel image, and writes the
manifest: for each module the SHA-256 of its payload (decompressed, without the
signature or proof at its end), and the root of the hashset over all of them.
The manifest is the same, byte for byte, whether the build is a directory or a
package, however its modules are compressed, and whoever signed them.

Nothing is written if a listed module is missing, or if there is a finding: a
file that is no module, two trailers on one module, bytes behind a marker, a
module below kernel/ that is not listed, one outside that has the name of one
inside, a link that hides modules. Out-of-tree modules are named and left out.

If modules end in proofs, these must lead to the root that the modules make, and
that must be the root in the kernel image: modules that were changed or stripped
after they were hashed, and an image of another build, are findings, since that
kernel would not load them.

The kernel image is [usr/]lib/modules/RELEASE/vmlinuz or boot/vmlinuz-RELEASE
(boot/vmlinux-RELEASE if there is no vmlinuz), and in a build tree what the
architecture's makefile builds. Its digest leaves a PE signature out.

"modhash help verify" lists the kinds of findings.

"sha256sum --strict -c" checks a manifest in an uncompressed, unsigned tree.`

const generateExample = `$ modhash generate sample/a -o a.modhash
$ head -4 a.modhash
# modhash manifest v1
# release: 6.12.0-sample
# arch: x86_64 elf64 little
# digest: sha256
$ modhash generate sample/b | cmp - a.modhash`

// generateAcceptable are the kinds of findings that do not touch what a
// manifest states.
var generateAcceptable = append([]kbuild.ProblemKind{
	kbuild.Unlisted, kbuild.Shadow, kbuild.Mislabelled, kbuild.OtherRelease, kbuild.NotRegular,
}, kbuild.PackageKinds()...)

// generateProofs are those of package verify that do not touch it either.
var generateProofs = []kbuild.ProblemKind{
	kbuild.ProblemKind(verify.Proof), kbuild.ProblemKind(verify.Root), kbuild.ProblemKind(verify.Hashset),
}

type generateFlags struct {
	build  buildFlags
	output string
	format string
	scheme string
	accept []string
}

func (a *app) generate() *cobra.Command {
	f := &generateFlags{}
	cmd := &cobra.Command{
		Use:         "generate [OPTION]... BUILD...",
		Short:       "write the manifest of a build",
		Long:        generateLong,
		Example:     generateExample,
		Annotations: map[string]string{exitAnnotation: "0 the manifest was written\n1 a finding; nothing was written\n2 wrong usage, a listed module is missing, or something could not be read or written\n3 the manifest was written; there are findings, all of them accepted (--accept)"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runGenerate(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.output, "output", "o", "", "write to `FILE` instead of standard output")
	fl.StringVar(&f.format, "format", "text", "`FORM` of the output: text is the manifest, json is for programs to read")
	fl.StringVar(&f.scheme, "hashset", "merkle", "`KIND` of hashset: merkle, flat or none")
	fl.BoolVar(&f.build.noImage, "no-image", false, "leave the kernel image out: the manifest says not-covered")
	fl.StringSliceVar(&f.accept, "accept", nil, "write in spite of findings of these `KINDS`: "+join(slices.Concat(generateAcceptable, generateProofs)))
	f.build.registerOne(cmd)
	complete(cmd, "format", "text", "json")
	complete(cmd, "hashset", "merkle", "flat", "none")
	complete(cmd, "accept", words(slices.Concat(generateAcceptable, generateProofs))...)
	return cmd
}

func words[T ~string](s []T) []string {
	out := make([]string, len(s))
	for i, v := range s {
		out[i] = string(v)
	}
	return out
}

func join[T ~string](s []T) string { return strings.Join(words(s), ", ") }

func checkAccept(given []string, can []kbuild.ProblemKind) error {
	for _, k := range given {
		if !slices.Contains(can, kbuild.ProblemKind(k)) {
			return usageError("--accept %s, want %s", k, join(can))
		}
	}
	return nil
}

func parseScheme(s string) (hashset.Scheme, error) {
	switch s {
	case "merkle":
		return hashset.Merkle, nil
	case "flat":
		return hashset.Flat, nil
	case "none":
		return hashset.None, nil
	}
	return "", usageError("--hashset %s, want merkle, flat or none", s)
}

func checkFormat(s string) error {
	if s != "text" && s != "json" {
		return usageError("--format %s, want text or json", s)
	}
	return nil
}

func (a *app) runGenerate(ctx context.Context, f *generateFlags, paths []string) error {
	if len(paths) == 0 {
		return usageError("no build given")
	}
	if err := checkFormat(f.format); err != nil {
		return err
	}
	scheme, err := parseScheme(f.scheme)
	if err != nil {
		return err
	}
	if err := checkAccept(f.accept, slices.Concat(generateAcceptable, generateProofs)); err != nil {
		return err
	}
	o, err := f.build.options(ctx)
	if err != nil {
		return err
	}
	o.NoSigners = true // a manifest does not say
	if err := protectInputs(f.output, append(slices.Clone(paths), f.build.order, f.build.image)); err != nil {
		return err
	}
	sum, err := a.summarize(ctx, paths, o, scheme, func(sum *kbuild.Summary) error { return a.proofs(ctx, sum, o) })
	if err != nil {
		return err
	}
	accepted, err := a.judge(sum, f.accept)
	if err != nil {
		return err
	}
	m, err := sum.Manifest()
	if err != nil {
		return withHint(err, "%s", hintIncomplete)
	}
	if sum.Image == nil && !sum.NoImage && !a.quiet {
		a.warn("the build holds no kernel image: the manifest says none (--image names one, --no-image says not-covered)")
	}
	err = a.output(ctx, f.output, func(w io.Writer) error {
		if f.format == "json" {
			return report.ManifestJSON(w, m)
		}
		_, err := m.WriteTo(w)
		return err
	})
	if err == nil && accepted {
		return code(exitAccepted)
	}
	return err
}

const hintIncomplete = "give all packages of the build together, or the directory that it was installed into; --order FILE names a modules.order"

// proofs adds to the problems of a build what is wrong with the proofs that its
// modules carry. Without proofs the image is not looked into.
func (a *app) proofs(ctx context.Context, sum *kbuild.Summary, o *kbuild.Options) error {
	carries := func(s kbuild.Sum) bool { return s.Proof != nil }
	if sum.Scheme != hashset.Merkle || !slices.ContainsFunc(sum.Sums[:sum.Listed], carries) {
		return nil
	}
	var k *verify.Kernel
	if sum.Image != nil {
		var err error
		switch k, err = kernelOf(ctx, sum.Image, &image.Options{TmpDir: o.TempDir}); {
		case errors.Is(err, image.ErrUnknown): // it has a digest all the same
			sum.Problems = append(sum.Problems, kbuild.Problem{Kind: kbuild.ProblemKind(verify.NoHashset), Note: true,
				Detail: "the image was not compared with the modules: " + err.Error()})
		case err != nil:
			return err
		default:
			defer k.Image.Close() // what it was decoded into
		}
	}
	for _, f := range verify.Proofs(sum, k) {
		sum.Problems = append(sum.Problems, kbuild.Problem{Kind: kbuild.ProblemKind(f.Kind), Name: f.Name, Detail: f.Detail})
	}
	return nil
}

// summarize opens and reads a build. look, if not nil, sees the result while the
// build is open.
func (a *app) summarize(ctx context.Context, paths []string, o *kbuild.Options, scheme hashset.Scheme, look func(*kbuild.Summary) error) (*kbuild.Summary, error) {
	b, err := openBuild(ctx, paths, o)
	if err != nil {
		return nil, err
	}
	defer b.Close() // read only
	if err := a.complete(b); err != nil {
		return nil, err
	}
	m := a.meter()
	defer m.close()
	sum, err := b.Summarize(ctx, scheme, m.progress())
	if err == nil && look != nil {
		err = look(sum)
	}
	return sum, hintFor(err)
}

// complete refuses, before anything is read, a build of which no manifest can
// be made because a part of it is not there.
func (a *app) complete(b *kbuild.Build) error {
	if !b.HasOrder {
		for _, p := range b.Problems() {
			if p.Kind == kbuild.NoOrder {
				a.message("error", p.Detail)
			}
		}
		return withHint(errors.New("without modules.order there is no manifest; nothing was written"), "%s", hintIncomplete)
	}
	there := func(r kbuild.Ref) bool { return r.File != nil }
	if n := len(b.Modules()); n > 0 && !slices.ContainsFunc(b.Modules(), there) {
		return withHint(fmt.Errorf("modules.order lists %d modules, and none of them is there", n), "%s", hintIncomplete)
	}
	return nil
}

// judge tells the problems of a build and ends the run if one of them is a
// finding that was not accepted, or the build is not complete.
func (a *app) judge(sum *kbuild.Summary, accept []string) (accepted bool, err error) {
	var missing, findings, notes []kbuild.Problem
	for _, p := range sum.Problems {
		switch {
		case p.Note:
			notes = append(notes, p)
		case p.Kind == kbuild.Missing:
			missing = append(missing, p)
		case slices.Contains(accept, string(p.Kind)):
			accepted = true
			a.warn("accepted: %v", p)
		default:
			findings = append(findings, p)
		}
	}
	if !a.quiet {
		a.list("note", notes)
	}
	a.list("error", missing)
	a.list("error", findings)
	switch {
	case len(missing) > 0:
		return false, withHint(fmt.Errorf("%d of %d listed modules are missing; nothing was written", len(missing), sum.Listed), "%s", hintIncomplete)
	case len(findings) > 0:
		a.hints(findings)
		err := finding("%s; nothing was written", plural(len(findings), "finding"))
		if slices.ContainsFunc(findings, func(p kbuild.Problem) bool { return strings.Contains(p.Detail, "; the limit is ") }) {
			err = withHint(err, "--max-module raises the limit, if the file is to be trusted")
		}
		return false, err
	}
	return accepted, nil
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// list tells problems, one line each, as far as a reader will go.
func (a *app) list(kind string, ps []kbuild.Problem) {
	const most = 50
	for i, p := range ps {
		if i == most {
			a.message(kind, fmt.Sprintf("… and %d more", len(ps)-i))
			return
		}
		a.message(kind, p.String())
	}
}

// hints tells once for each kind what to do.
func (a *app) hints(ps []kbuild.Problem) {
	for _, k := range verify.Kinds() {
		of := func(p kbuild.Problem) bool { return p.Kind == kbuild.ProblemKind(k) }
		if hint := k.Hint(); hint != "" && slices.ContainsFunc(ps, of) {
			a.message("hint", string(k)+": "+hint)
		}
	}
}

// protectInputs refuses an output that is one of the inputs, or a file of an
// input directory that is no manifest.
func protectInputs(output string, inputs []string) error {
	if output == "" || output == "-" {
		return nil
	}
	out, err := os.Stat(output)
	if err != nil || !out.Mode().IsRegular() {
		return nil
	}
	for _, in := range inputs {
		st, err := os.Stat(in)
		if in == "" || err != nil {
			continue
		}
		switch {
		case os.SameFile(st, out):
			return usageError("the output %s is an input too", output)
		case st.IsDir() && within(output, in) && !isOurs(output):
			return usageError("the output %s is a file of the build %s", output, in)
		}
	}
	return nil
}

func within(file, dir string) bool {
	f, err1 := filepath.EvalSymlinks(file)
	d, err2 := filepath.EvalSymlinks(dir)
	if err1 != nil || err2 != nil {
		return false
	}
	f, err1 = filepath.Abs(f)
	d, err2 = filepath.Abs(d)
	rel, err := filepath.Rel(d, f)
	return errors.Join(err, err1, err2) == nil && filepath.IsLocal(rel)
}

// isOurs reports whether a file is one that this verb writes.
func isOurs(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() // read only
	head := make([]byte, 64)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	return n == 0 || hashset.IsManifest(head) || strings.HasPrefix(string(head), "{\n  \"schema\": \""+report.ManifestSchema)
}
