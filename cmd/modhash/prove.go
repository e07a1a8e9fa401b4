// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/prove"
	"github.com/modhash/modhash/kbuild/rewrite"
)

const proveLong = `Computes the Merkle tree over the modules of a build and gives every module its
proof.

Without --append BUILD is a build tree, and a sidecar is written beside each module:
a file x.merkle for x.ko, which holds what is to be appended to the installed module.

With --append the proofs are put on the modules of TREE, a folder they were
installed into, through their compression: the modules are compressed again as the
kernel's build does it, and keep mode, owner, times and extended attributes. TREE
may hold a part of the modules, as one of several packages does. A module that has
its proof already is not touched. Without BUILD the modules of TREE are hashed.

Nothing is changed if a module of TREE has another payload than in BUILD, if BUILD
does not have it, or if it carries a signature or another proof, which --replace
takes away (one; of several, "modhash inspect" tells more). Interrupted at any moment, each module is the old one or the new one.
The root goes into the kernel with "modhash embed".`

const proveExample = `$ modhash prove sample/tree
24 sidecars written, 0 were there; root 5 248ae3133021115101644b57bc098bbd244522cd5344ed48174bf29d19f2ae54
$ modhash prove --append sample/d sample/tree
24 proofs appended, 0 were there; root 5 248ae3133021115101644b57bc098bbd244522cd5344ed48174bf29d19f2ae54`

type proveFlags struct {
	build      buildFlags
	append     string
	replace    bool
	breakLinks bool
	noSync     bool
	accept     []string
}

func (a *app) prove() *cobra.Command {
	f := &proveFlags{}
	cmd := &cobra.Command{
		Use:         "prove [OPTION]... [--append TREE] BUILD...",
		Short:       "make the proofs of a Merkle hashset, or append them to modules",
		Long:        proveLong,
		Example:     proveExample,
		Annotations: map[string]string{manyFilesAnnotation: "", exitAnnotation: "0 every module has its proof\n1 a finding; nothing was written\n2 wrong usage, a listed module is missing, or something could not be read or written\n3 every module has its proof; there are findings, all of them accepted (--accept)"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runProve(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.append, "append", "", "append the proofs to the modules in the folder `TREE`")
	fl.BoolVar(&f.replace, "replace", false, "with --append, take away signatures and other proofs")
	fl.BoolVar(&f.breakLinks, "break-links", false, "with --append, change modules that have other names outside of TREE (hard links), which keep the old content")
	fl.BoolVar(&f.noSync, "no-sync", false, "with --append, do not wait for the disk: for a folder that goes into a package next")
	fl.StringSliceVar(&f.accept, "accept", nil, "go on in spite of findings of these `KINDS`: "+join(generateAcceptable))
	f.build.noImage = true // the image is not part of the hashset
	f.build.registerModules(cmd)
	complete(cmd, "accept", words(generateAcceptable)...)
	if err := cmd.MarkFlagDirname("append"); err != nil {
		panic(err) // the flag was registered just now
	}
	return cmd
}

func (a *app) runProve(ctx context.Context, f *proveFlags, args []string) error {
	switch {
	case len(args) == 0 && f.append == "":
		return usageError("no build given")
	case f.append == "" && (f.replace || f.breakLinks || f.noSync):
		return usageError("--replace, --break-links and --no-sync go with --append")
	}
	if err := checkAccept(f.accept, generateAcceptable); err != nil {
		return err
	}
	o, err := f.build.options(ctx)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{f.append}
	}
	sum, err := a.summarize(ctx, args, o, hashset.Merkle, nil)
	if err != nil {
		return err
	}
	accepted, err := a.judge(sum, f.accept)
	if err != nil {
		return err
	}
	if _, err := sum.Manifest(); err != nil {
		return withHint(err, "%s", hintIncomplete)
	}
	if f.append != "" {
		err = a.appendProofs(ctx, f, sum, o, args)
	} else {
		err = a.sidecars(ctx, sum, o)
	}
	if err == nil && accepted {
		return code(exitAccepted)
	}
	return err
}

func rootOf(sum *kbuild.Summary) string {
	root, _ := sum.Root()
	return rootWords(hashset.Section{Scheme: hashset.Merkle, Root: root})
}

func (a *app) sidecars(ctx context.Context, sum *kbuild.Summary, o *kbuild.Options) error {
	if !sum.BuildTree {
		return usageError("sidecars lie beside the modules of a build tree; --append puts proofs on installed modules")
	}
	n, err := prove.Sidecars(ctx, sum, o.EffectiveWorkers())
	var te *prove.TrailerError
	var se *prove.StrippedError
	switch {
	case errors.As(err, &te):
		return finding("%w; nothing was written", err)
	case errors.As(err, &se):
		return withHint(err, "%s", hintStripped)
	}
	if err != nil {
		return err
	}
	return a.say("%s written, %d were there; %s", plural(n, "sidecar"), sum.Listed-n, rootOf(sum))
}

func (a *app) appendProofs(ctx context.Context, f *proveFlags, built *kbuild.Summary, o *kbuild.Options, args []string) error {
	to := *o
	to.Order = nil // that of the build
	tree, err := openBuild(ctx, []string{f.append}, &to)
	if err != nil {
		return err
	}
	defer tree.Close() // read only
	present := built
	if !slices.Equal(args, []string{f.append}) {
		if present, err = a.present(ctx, tree, f.accept); err != nil {
			return err
		}
	}
	m := a.meter()
	defer m.close()
	done, err := prove.Append(ctx, built, present, tree.Sources()[0], &prove.AppendOptions{
		Replace: f.replace, Progress: m.progress(),
		Rewrite: rewrite.Options{BreakLinks: f.breakLinks, Unsynced: f.noSync, Workers: o.EffectiveWorkers(), Open: kmod.Options{MaxSize: o.MaxModule, TempDir: o.TempDir}},
	})
	m.close()
	var oe *prove.ObstaclesError
	switch {
	case errors.As(err, &oe):
		return a.obstacles(oe)
	case errors.Is(err, prove.ErrArchive):
		return usageError("--append %s: %v", f.append, err)
	case errors.Is(err, rewrite.ErrLinks):
		return withHint(err, "name a folder that holds all names, or let them differ with --break-links")
	case err != nil:
		return err
	}
	if done.Added+done.Replaced+done.Unchanged == 0 {
		return withHint(fmt.Errorf("none of the %s of the build is in %s", plural(built.Listed, "module"), f.append), "name the folder that lib/modules is in, or lib/modules/RELEASE")
	}
	if done.Absent > 0 && !a.quiet {
		a.warn("not in %s: %s of the build", f.append, plural(done.Absent, "module"))
	}
	return a.say("%s appended, %d were there; %s", plural(done.Added+done.Replaced, "proof"), done.Unchanged, rootOf(built))
}

// present reads the modules that are to be changed. That some are missing, or
// that nothing tells their order, is no matter.
func (a *app) present(ctx context.Context, tree *kbuild.Build, accept []string) (*kbuild.Summary, error) {
	m := a.meter()
	defer m.close()
	sum, err := tree.Summarize(ctx, hashset.Merkle, m.progress())
	if err != nil {
		return nil, hintFor(err)
	}
	sum.Problems = slices.DeleteFunc(sum.Problems, func(p kbuild.Problem) bool {
		return p.Kind == kbuild.Missing || p.Kind == kbuild.NoOrder || p.Kind == kbuild.Unlisted
	})
	_, err = a.judge(sum, accept)
	return sum, err
}

// obstacles tells what keeps proofs from being appended.
func (a *app) obstacles(e *prove.ObstaclesError) error {
	replaceable := true
	var ps []kbuild.Problem
	for _, o := range e.Obstacles {
		replaceable = replaceable && o.Replaceable
		ps = append(ps, kbuild.Problem{Kind: "no-proof", Name: o.Name, Detail: o.Detail})
	}
	a.list("error", ps)
	err := finding("%s cannot take their proof; nothing was written", plural(len(ps), "module"))
	if replaceable {
		err = withHint(err, "--replace takes the trailers away")
	}
	return err
}
