// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/verify"
)

const verifyLong = `Checks a build against a manifest: every module's payload, that none is missing,
added or at another place in modules.order, the root of the hashset (recomputed
from the modules), the kernel image, and what the modules end in. The first line
of the output is the verdict.

The manifest is the first argument, or given with --manifest. Without one, a
modhash.manifest in the modules folder is used; what lies inside the build that
it describes proves little, so the verdict is then self-consistent.

With --image the build is checked against a kernel image, with or without a
manifest: the image's hashset admits every in-tree module (its proof leads to the
root, or its digest is in the flat list) and, since the root is recomputed from all
modules, nothing else; and no certificate is built in that --keys does not name.
What is wrong is said: an image into which the hashset was never written, another
build, proofs missing or of another depth, signatures in their place, modules
added or removed, stripped after they were hashed.

Without manifest and image, the proofs of the modules are compared with one
another, and the odd ones named: that is self-consistent at best.

Out-of-tree modules are not in a hashset. With --keys, each must carry a signature
that a kernel which trusts these keys finds valid; what is wrong with one is said in
the kernel's terms, with its errno. Without, they are listed as findings; --accept
out-of-tree accepts that they are not checked. One that has the name of an in-tree
module is always a finding. So --image with --keys is the whole rule: in-tree modules
by the hashset, others by a known key, and nothing else. --hashed-only is the rule for
a system without any key.

With --keys and neither manifest nor image, every module must be signed by one of the
keys, wherever in BUILD it lies, and single module files can be given too.

--keys takes certificates, folders of them, a kernel image for those that are built
into it, and a copy of /proc/keys. That one holds no keys: it can only tell that there
is one of that id, and the signature is not checked, which is a finding. A certificate
that the image has on its list of revoked ones makes no signature valid.

--allow-unsigned names a FILE that lists modules which need no signature:

  # modhash unsigned v1
  updates/dkms/x.ko  built on each machine, which has no key
  extra/y.ko  sha256:c84da7b17acf99202a51c22c49ea1119e364c6c46e6114e2bbc4c8c117383310  as its maker shipped it

The first line is as above. The others are the module's name as it is shown here, two
blanks, the payload's digest and two blanks if it is to be this very module, and the
reason; or they are empty, or comments that start with "#". Findings that it accepts
end with code 3. Entries of modules that are not there, or are signed, are findings.

With --partial, BUILD holds some of the modules only. The others are not missing
then, but the verdict says partial, because the root may admit modules that were
not given.

Each finding is of one of these kinds, whose names do not change:

`

// kindsHelp lists the kinds of findings.
func kindsHelp() string {
	var b strings.Builder
	for _, k := range verify.Kinds() {
		fmt.Fprintf(&b, "  %-18s %s\n", k, k.Meaning())
	}
	return b.String()
}

const verifyExample = `$ modhash generate sample/a -o a.modhash
$ modhash verify a.modhash sample/b | head -1
verified: all 24 modules are as stated; the kernel image too
$ modhash verify --keys sample/keys/a.crt sample/a
verified: 24 modules signed by the keys given
  keys      1 key
    modhash throw-away test key a; rsa; serial 356301a72b266f75ac0a9a3ce7b2eb16251681b2; key id e376dc914e3bc3f41a755d50a9e596bc4ee7e2ef
  signed    24 of 24 modules
    24 valid: modhash throw-away test key a, serial 356301a72b266f75ac0a9a3ce7b2eb16251681b2, rsa with sha256`

type verifyFlags struct {
	build    buildFlags
	manifest string
	format   string
	all      bool
	opt      verify.Options

	keys      []string
	allow     string
	systemMap string
	maxImage  int64
	report    reportFiles
}

func (a *app) verify() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:         "verify [OPTION]... [MANIFEST] BUILD...",
		Short:       "check a build against a manifest, a kernel image or keys",
		Long:        verifyLong + kindsHelp() + "\n" + pages + jsonNames,
		Example:     verifyExample,
		Annotations: map[string]string{exitAnnotation: commonExit},
		RunE: func(cmd *cobra.Command, args []string) error {
			// What was to be checked, and is not, because a variable of a script is empty.
			for _, name := range []string{"manifest", "image", "keys", "allow-unsigned", "require-trailer"} {
				if fl := cmd.Flags().Lookup(name); fl.Changed && (fl.Value.String() == "" || fl.Value.String() == "[]") {
					return usageError("--%s is empty", name)
				}
			}
			return a.runVerify(cmd.Context(), f, args)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.manifest, "manifest", "", "the manifest `FILE`, \"-\" for standard input; all arguments are then of the build")
	fl.StringVar(&f.format, "format", "text", "`FORM` of the report: text, json, junit (XML, a case for each module), markdown (for the summary of a CI job), or html (one page, with a map of the build)")
	f.report.register(fl)
	fl.BoolVar(&f.all, "all", false, "list every finding in the text, however many there are")
	fl.StringSliceVar(&f.keys, "keys", nil, "certificates of the keys that may sign modules and be built into the image: `FILES`, PEM or DER, folders of them, a kernel image for those built in, or a copy of /proc/keys")
	fl.StringVar(&f.allow, "allow-unsigned", "", "accept modules without a signature that the `FILE` lists with reasons")
	fl.BoolVar(&f.opt.HashedOnly, "hashed-only", false, "for a system without any key: no module may be signed, and no certificate built into the image")
	fl.StringVar(&f.systemMap, "system-map", "", "System.map `FILE` of the image, if it has no symbols")
	fl.Int64Var(&f.maxImage, "max-image", image.DefaultLimit/mib, "refuse an image that decompresses to more than `MIB` MiB")
	fl.BoolVar(&f.opt.Partial, "partial", false, "the build holds some of the modules only")
	fl.StringVar(&f.opt.RequireTrailer, "require-trailer", "", "every in-tree module must end in `WHAT`: none, proof, signature, any (of the two), or signature:HEX with a key id or serial number")
	fl.StringSliceVar(&f.opt.Accept, "accept", nil, "accept findings of these `KINDS`: "+strings.Join(verify.Acceptable(), ", "))
	f.build.registerOne(cmd)
	fl.Lookup("image").Usage = "check the modules against this kernel image: a `PATH` in the build, or else of a file"
	complete(cmd, "format", reportFormats...)
	complete(cmd, "accept", verify.Acceptable()...)
	complete(cmd, "require-trailer", "none", "proof", "signature", "any")
	return cmd
}

func (a *app) runVerify(ctx context.Context, f *verifyFlags, args []string) error {
	if err := checkReportFormat(f.format); err != nil {
		return err
	}
	if err := f.report.check(); err != nil {
		return err
	}
	if err := f.opt.CheckOptions(); err != nil {
		return usageError("%v", err)
	}
	o, err := f.build.options(ctx)
	if err != nil {
		return err
	}
	o.ImageBeside = true
	if err := f.checkKeys(); err != nil {
		return err
	}
	if f.allow != "" {
		if f.opt.Allowed, err = readAllowlist(ctx, f.allow); err != nil {
			return err
		}
	}
	name, paths := f.manifest, args
	if name == "" && len(args) > 0 && (isManifest(args[0]) || len(args) > 1 && isPipe(args[0])) {
		name, paths = args[0], args[1:]
	}
	if len(paths) == 0 {
		return usageError("no build given")
	}
	o.Loose = len(f.keys) > 0 && name == "" && f.build.image == ""
	var m *hashset.Manifest
	if name != "" {
		if m, err = a.readManifest(ctx, name); err != nil {
			return err
		}
		f.opt.SelfConsistent = liesIn(name, paths)
	}
	b, err := openBuild(ctx, paths, o)
	if errors.Is(err, kbuild.ErrNotBuild) && m == nil && len(args) > 1 {
		err = withHint(err, "if %s is the manifest, it is damaged: its first line must be that of a manifest", args[0])
	}
	if err != nil {
		return err
	}
	defer b.Close() // read only
	against, name, done, err := a.against(ctx, f, m, name, b, o)
	if err != nil {
		return err
	}
	defer done()
	if m := against.Manifest; m != nil && len(m.Entries) == 0 && m.Image.State != hashset.ImageSHA256 {
		return errors.New("the manifest states neither a module nor an image: there is nothing to check")
	}
	return a.finishVerify(ctx, f, against, name, b)
}

// checkKeys reports options for signatures that do not go together.
func (f *verifyFlags) checkKeys() error {
	switch {
	case f.build.image == "" && f.systemMap != "":
		return usageError("--system-map goes with --image")
	case f.opt.HashedOnly && len(f.keys) > 0:
		return usageError("--hashed-only and --keys exclude each other")
	case f.opt.HashedOnly && f.build.image == "":
		return usageError("--hashed-only goes with --image, which tells what certificates are built in")
	case f.allow != "" && len(f.keys) == 0:
		return usageError("--allow-unsigned goes with --keys")
	}
	return nil
}

func readAllowlist(ctx context.Context, path string) (*verify.Allowlist, error) {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	l, err := verify.ParseAllowlist(untilDone{ctx, f})
	var ae *verify.AllowlistError
	if errors.As(err, &ae) {
		return nil, withHint(fmt.Errorf("reading %s: %w", path, err), "\"modhash help verify\" shows the form")
	}
	return l, err
}

// against opens what the build is checked against. The caller calls done at the end.
func (a *app) against(ctx context.Context, f *verifyFlags, m *hashset.Manifest, name string, b *kbuild.Build, o *kbuild.Options) (_ verify.Against, _ string, done func(), err error) {
	against := verify.Against{Manifest: m}
	done = func() {}
	if f.build.image != "" {
		k, err := a.openKernel(ctx, f, b, o)
		if err != nil {
			return against, "", nil, err
		}
		against.Kernel = k
		done = func() { k.Image.Close() } // what it was decoded into
	} else if m == nil {
		if against.Manifest, name, err = ownManifest(b); err != nil {
			return against, "", nil, err
		}
		f.opt.SelfConsistent = against.Manifest != nil || len(f.keys) == 0
	}
	if len(f.keys) > 0 {
		if against.Keys, err = readKeys(ctx, f.keys, image.Options{Limit: f.maxImage * mib, TmpDir: o.TempDir}, against.Kernel); err != nil {
			done()
			return against, "", nil, err
		}
	}
	return against, name, done, nil
}

func (a *app) finishVerify(ctx context.Context, f *verifyFlags, against verify.Against, name string, b *kbuild.Build) error {
	meter := a.meter()
	f.opt.Progress = meter.progress()
	r, err := verify.Build(ctx, b, against, &f.opt)
	meter.close()
	switch {
	case errors.Is(err, verify.ErrNothing):
		return withHint(fmt.Errorf("%w, and there is no %s in the modules folder", err, manifestName),
			"give the manifest first: modhash verify MANIFEST %s", filepath.Base(b.Sources()[0].Path()))
	case err != nil:
		return hintFor(err)
	case nothingChecked(r, f.opt.Partial || against.Kernel != nil):
		return errors.New("the build holds none of the modules: nothing was checked")
	}
	err = a.reports(ctx, f.format, f.all, f.report, func(w io.Writer, format string, style report.Style) error {
		switch format {
		case "json":
			return report.VerifyJSON(w, r, name)
		case "junit":
			return report.VerifyJUnit(w, r, name)
		case "markdown":
			return report.VerifyMarkdown(w, r, name, style)
		case "html":
			return report.VerifyHTML(w, r, name)
		}
		return report.Verify(w, r, name, style)
	})
	switch {
	case err != nil:
		return err
	case r.Failed() > 0:
		return code(exitFinding)
	case len(r.Findings) > 0:
		return code(exitAccepted)
	}
	return nil
}

// nothingChecked reports whether there was nothing to check in a build; needed tells
// that without in-tree modules a manifest checks nothing.
func nothingChecked(r *verify.Result, needed bool) bool {
	if r.Signatures != nil && len(r.Signatures.List) > 0 || r.ImageChecked {
		return false
	}
	alone := r.Manifest == nil && r.Kernel == nil && len(r.Findings) == 0 // by keys alone
	return r.Given == 0 && (needed || alone)
}
