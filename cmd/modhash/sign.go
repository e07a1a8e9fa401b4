// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/kbuild/sign"
	"github.com/modhash/modhash/modsig/keys"
)

const signLong = `Signs module files, plain or compressed, in place or to --out: those given, and in
folders everything that is called like a module. The signatures are those of the
kernel's sign-file; RSA signatures are the same byte for byte, and with ECDSA and
ML-DSA keys in files they are the same in every run.

` + keyHelp + `

A module that is signed by this key already, over what it holds now and in this
form, is not touched. One that ends in anything else is refused; --replace takes that
away first. Signatures are never stacked. A module that a hashset covers, because it
carries a proof, or because the modhash.manifest in its modules folder or --manifest
lists it, is refused too: a kernel checks it by the hashset or by the signature, not
by both. --covered says otherwise.

Nothing is changed if one of the modules is refused. Compressed modules are compressed
again as the kernel's build does it; --compressor system runs the machine's own
programs for that. Mode, owner, times, extended attributes and hard links are kept.
Every new file is read again and compared before it takes the place of the old one:
interrupted at any moment, each module is the old one or the new one.`

const signExample = `$ modhash sign --key sample/keys/a.pem sample/d
24 modules signed, 0 were; sha512, modhash throw-away test key a
$ modhash sign --key sample/keys/a.pem sample/d
0 modules signed, 24 were; sha512, modhash throw-away test key a`

const unsignLong = `Takes the signatures off module files, plain or compressed, in place or to --out:
those given, and in folders everything that is called like a module. What remains is
the module as it was before it was signed, byte for byte; a compressed one is
compressed again as the kernel's build does it.

A module that carries a proof is refused; --covered says otherwise. Nothing is
changed if one of the modules is refused.`

const unsignExample = `$ modhash unsign sample/a
24 signatures taken off, 0 modules had none
$ modhash unsign sample/a
0 signatures taken off, 24 modules had none`

const signExit = `0 every module is as wanted
1 a module was refused, or is none; nothing was written
2 wrong usage, or something could not be read, signed or written`

// changeFlags are the options of every verb that changes module files.
type changeFlags struct {
	out, covered, compressor, tmpdir string
	manifests                        []string
	breakLinks, noSync               bool
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

// registerRead adds the flags of a verb that only reads modules.
func (f *changeFlags) registerRead(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.tmpdir, "tmpdir", "", "`FOLDER` for what is unpacked (default: that of the system)")
	fl.Int64Var(&f.maxModule, "max-module", 2048, "refuse a module that decompresses to more than `MIB` MiB")
	fl.IntVarP(&f.jobs, "jobs", "j", 0, "work on `N` files at once (default: one per processor)")
	if err := cmd.MarkFlagDirname("tmpdir"); err != nil {
		panic(err) // the flag was registered just now
	}
}

// workers is how many files are worked on at once.
func (f *changeFlags) workers() int {
	if f.jobs == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return f.jobs
}

// options turns the flags into those of the library. The caller closes
// Rewrite.Out if it is set.
func (f *changeFlags) options(ctx context.Context, a *app, paths []string) (*sign.Options, error) {
	o := &sign.Options{Rewrite: rewrite.Options{
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

func (a *app) sign() *cobra.Command {
	k, f := &keyFlags{}, &changeFlags{}
	replace := false
	cmd := &cobra.Command{
		Use:         "sign --key KEY [--cert CERT] [OPTION]... FILE|FOLDER...",
		Short:       "sign modules",
		Long:        signLong,
		Example:     signExample,
		Annotations: map[string]string{exitAnnotation: signExit},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runSign(cmd.Context(), k, f, replace, args) },
	}
	k.register(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "take away what else the modules end in: other signatures and, with --covered include, proofs")
	cmd.Flags().StringSliceVar(&f.manifests, "manifest", nil, "modules in the manifest `FILE` are covered by a hashset")
	f.register(cmd)
	return cmd
}

func (a *app) runSign(ctx context.Context, kf *keyFlags, f *changeFlags, replace bool, args []string) error {
	so, err := kf.signOptions()
	if err != nil {
		return err
	}
	o, err := f.options(ctx, a, args)
	if err != nil {
		return err
	}
	defer closeOut(o)
	o.Replace = replace
	files, err := openFiles(ctx, args)
	if err != nil {
		return err
	}
	defer files.Close() // nothing is buffered
	key, err := kf.open(ctx, a, f.workers())
	if err != nil {
		return err
	}
	defer key.Close() // every signature was verified
	if !key.Deterministic() && !a.quiet {
		a.warn("signatures by this key differ from run to run, so nothing that holds them can be reproduced")
	}
	m := a.meter()
	o.Progress = m.progress()
	done, err := sign.Sign(ctx, files, key.SigningKey, so, o)
	m.close()
	if err != nil {
		return a.changeError(ctx, done, err)
	}
	text := fmt.Sprintf("%s signed, %d were", plural(done.Count[rewrite.Added]+done.Count[rewrite.Replaced], "module"), done.Count[rewrite.Unchanged])
	if n := done.Count[rewrite.Untried]; n > 0 {
		text += fmt.Sprintf(", %d left as they are because a hashset covers them", n)
	}
	return a.say("%s; %s, %s", text, keys.HashName(so.Hash), report.Safe(key.Key().Subject))
}

func (a *app) unsign() *cobra.Command {
	f := &changeFlags{}
	cmd := &cobra.Command{
		Use:         "unsign [OPTION]... FILE|FOLDER...",
		Short:       "take the signatures off modules",
		Long:        unsignLong,
		Example:     unsignExample,
		Annotations: map[string]string{exitAnnotation: signExit},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runUnsign(cmd.Context(), f, args) },
	}
	f.register(cmd)
	return cmd
}

func (a *app) runUnsign(ctx context.Context, f *changeFlags, args []string) error {
	o, err := f.options(ctx, a, args)
	if err != nil {
		return err
	}
	defer closeOut(o)
	files, err := openFiles(ctx, args)
	if err != nil {
		return err
	}
	defer files.Close() // nothing is buffered
	m := a.meter()
	o.Progress = m.progress()
	done, err := sign.Unsign(ctx, files, o)
	m.close()
	if err != nil {
		return a.changeError(ctx, done, err)
	}
	text := fmt.Sprintf("%s taken off, %s had none", plural(done.Count[rewrite.Removed], "signature"), plural(done.Count[rewrite.Unchanged], "module"))
	if n := done.Count[rewrite.Untried]; n > 0 {
		text += fmt.Sprintf(", %d left as they are because they carry a proof", n)
	}
	return a.say("%s", text)
}

func closeOut(o *sign.Options) {
	if o.Rewrite.Out != nil {
		_ = o.Rewrite.Out.Close() // nothing is buffered
	}
}

func openFiles(ctx context.Context, paths []string) (*sign.Files, error) {
	f, err := sign.Open(ctx, paths)
	if errors.Is(err, sign.ErrNoModules) {
		err = withHint(err, "modules are called NAME.ko, NAME.ko.gz, NAME.ko.xz or NAME.ko.zst; links to them are passed over")
	}
	return f, err
}

// coveredHints say what to do about obstacles.
var obstacleHints = []struct {
	kind sign.Kind
	hint string
}{
	{sign.KindProof, "--covered skip leaves such modules as they are, --covered include goes on, with --replace in place of the proof"},
	{sign.KindListed, "--covered skip leaves such modules as they are, --covered include signs them"},
	{sign.KindTrailer, "--replace takes away what the modules end in"},
	{sign.KindMalformed, "what follows the module is damaged, so nobody can tell where it ends: take it anew from where it was built"},
	{sign.KindMissing, "the signatures may be of another build, or by other names: they are looked for by those that modhash detach uses"},
	{sign.KindInvalid, "signatures are only over the very modules that were given to modhash detach; a module that was stripped since is another one"},
}

// changeError tells what kept modules from being changed, or went wrong.
func (a *app) changeError(ctx context.Context, done *sign.Report, err error) error {
	var oe *sign.ObstaclesError
	if errors.As(err, &oe) {
		seen := map[sign.Kind]bool{}
		for i, o := range oe.Obstacles {
			seen[o.Kind] = true
			if i < maxListed {
				a.message("error", o.String())
			}
		}
		if n := len(oe.Obstacles); n > maxListed {
			a.message("error", fmt.Sprintf("… and %d more", n-maxListed))
		}
		for _, h := range obstacleHints {
			if seen[h.kind] {
				a.message("hint", string(h.kind)+": "+h.hint)
			}
		}
		return finding("%s refused; nothing was written", plural(len(oe.Obstacles), "module"))
	}
	if done == nil {
		return err
	}
	written := done.Count[rewrite.Added] + done.Count[rewrite.Replaced] + done.Count[rewrite.Removed]
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

// maxListed is how many things of a kind are told one by one.
const maxListed = 50
