// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/load"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig"
)

const checkLoadLong = `Tells whether a kernel would load modules, without running it: the kernel's own
decision step by step, and for each mode whether the module loads, the errno, the
taint, and what the kernel logs.

  permissive   the kernel neither enforces signatures nor is locked down
  enforcing    module.sig_enforce=1
  lockdown     lockdown=integrity or confidentiality
  enforcing+lockdown

A kernel that enforces or is locked down by its configuration does so in every mode.

What the image tells is used: its hashset, its built-in certificates, its release
and vermagic, an embedded .config. The rest is given: the .config with --config,
further certificates that the running system trusts (MOK, secondary keyring) or a
copy of its /proc/keys with --keyring, and Module.symvers with --symvers. A copy of
/proc/keys can only say that a key is there, so a signature by it is not checked.
Keys that are revoked by what no file here tells, the firmware's dbx and digests in
the kernel's list, are given with --revoked, or "none" if there are none: a kernel
that may have such a list answers unknown to valid signatures without it. Keys
that nothing trusts are taken not to be revoked.
A .config that the image disproves is refused. What is not known is answered unknown;
the steps say what would tell.

What a kernel with module hashes logs is told in the words of modhash's own patch or
of version 5 of the series, by which of the two the image has, or else of the
latter. Version 5 logs a line more, not told here, of a field that must be zero.

A module that the kernel's hashset admits is of the kernel's own build, so its
symbols need no Module.symvers. The modules that a module depends on are taken
to be loaded. A second module of one name is a duplicate of the first. What init
functions do, and what IMA, LoadPin or module.blacklist say, is not told.

A MODULE is a file or a folder of modules. Compressed ones are handed over as
modprobe does: to the kernel, if it decompresses that format, or decompressed.`

const checkLoadExample = `$ modhash embed --into sample/tree/vmlinux sample/tree | cut -d " " -f 1-3
embedded: root 5
$ cp sample/a/usr/lib/modules/6.12.0-sample/kernel/crypto/xor.ko .
$ modhash check-load --mode enforcing,lockdown sample/tree/vmlinux xor.ko | grep -E "NOT|refused:"
NOT loaded: 1 of 1 module not authenticated, or refused in a mode
  enforcing   refused: EKEYREJECTED
  lockdown    refused: EPERM`

const checkLoadExit = `0 every module is authenticated and loads in every mode asked for
1 a module is not authenticated, or is refused in one of the modes
2 an answer is unknown, wrong usage, or something could not be read`

type checkLoadFlags struct {
	modes, keyrings, symvers []string
	revoked                  []string
	config, kernel           string
	format, call             string
	flags                    []string
	all, alone               bool
	maxModule                int64
	image                    imageFlags
}

var loadFlags = map[string]load.Flags{
	"ignore-modversions": load.IgnoreModversions, "ignore-vermagic": load.IgnoreVermagic, "compressed": load.CompressedFile,
}

func modeNames() []string {
	var out []string
	for _, m := range load.Modes() {
		out = append(out, string(m))
	}
	return out
}

func (a *app) checkLoad() *cobra.Command {
	f := &checkLoadFlags{}
	cmd := &cobra.Command{
		Use:         "check-load [OPTION]... IMAGE MODULE...",
		Short:       "tell whether a kernel would load modules",
		Long:        checkLoadLong,
		Example:     checkLoadExample,
		Annotations: map[string]string{exitAnnotation: checkLoadExit},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runCheckLoad(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.modes, "mode", []string{"permissive", "enforcing", "lockdown"}, "answer for these `MODES`")
	fl.StringVar(&f.config, "config", "", "the kernel's .config `FILE`")
	fl.StringSliceVar(&f.keyrings, "keyring", nil, "`FILES` or folders of certificates that the system trusts besides the built-in ones, or a copy of /proc/keys")
	fl.StringSliceVar(&f.revoked, "revoked", nil, "all certificates that the system revokes besides those that symbols of the image lead to: `FILES` or folders, or none")
	fl.StringSliceVar(&f.symvers, "symvers", nil, "Module.symvers `FILES` of the kernel, and of other modules")
	fl.StringVar(&f.kernel, "kernel", "", "`RULES` of the kernel: mainline or hashes (default: hashes if it has a hashset)")
	fl.StringVar(&f.call, "call", "", "hand modules over with `CALL` as they are: finit_module or init_module (default: as modprobe does)")
	fl.StringSliceVar(&f.flags, "flags", nil, "`FLAGS` of finit_module: ignore-modversions, ignore-vermagic (both as modprobe --force), compressed")
	fl.StringVar(&f.format, "format", "text", "`FORM` of the report: text or json")
	fl.BoolVar(&f.alone, "alone", false, "judge each module as if no other had been loaded before")
	fl.BoolVar(&f.all, "all", false, "show the steps of every module in the text")
	f.image.register(cmd)
	fl.Int64Var(&f.maxModule, "max-module", 2048, "refuse a module that decompresses to more than `MIB` MiB")
	complete(cmd, "mode", modeNames()...)
	complete(cmd, "kernel", "mainline", "hashes")
	complete(cmd, "call", "finit_module", "init_module")
	complete(cmd, "flags", "ignore-modversions", "ignore-vermagic", "compressed")
	complete(cmd, "format", "text", "json")
	return cmd
}

// request checks the flags that need no file.
func (f *checkLoadFlags) request() (req load.Request, modes []load.Mode, err error) {
	for _, m := range f.modes {
		if !slices.Contains(modeNames(), m) {
			return req, nil, usageError("--mode %s, want some of %s", m, strings.Join(modeNames(), ", "))
		}
		if !slices.Contains(modes, load.Mode(m)) {
			modes = append(modes, load.Mode(m))
		}
	}
	for _, name := range f.flags {
		bit, ok := loadFlags[name]
		if !ok {
			return req, nil, usageError("--flags %s, want ignore-modversions, ignore-vermagic or compressed", name)
		}
		req.Flags |= bit
	}
	req.Call = load.Call(f.call)
	switch {
	case len(modes) == 0:
		return req, nil, usageError("--mode without a mode")
	case req.Call != load.Modprobe && req.Call != load.FinitModule && req.Call != load.InitModule:
		return req, nil, usageError("--call %s, want finit_module or init_module", f.call)
	case req.Call == load.InitModule && req.Flags != 0:
		return req, nil, usageError("init_module takes no flags")
	case req.Flags&load.CompressedFile != 0 && req.Call != load.FinitModule:
		return req, nil, usageError("--flags compressed goes with --call finit_module")
	case f.kernel != "" && f.kernel != string(load.Mainline) && f.kernel != string(load.Hashes):
		return req, nil, usageError("--kernel %s, want mainline or hashes", f.kernel)
	case f.maxModule <= 0 || f.maxModule > 1<<30:
		return req, nil, usageError("--max-module %d", f.maxModule)
	}
	return req, modes, errors.Join(f.image.check(), checkFormat(f.format))
}

func (a *app) runCheckLoad(ctx context.Context, f *checkLoadFlags, args []string) error {
	if len(args) < 2 {
		return usageError("an image and a module are needed")
	}
	req, modes, err := f.request()
	if err != nil {
		return err
	}
	files, err := moduleFiles(args[1:])
	if err != nil {
		return err
	}
	k, err := f.openLoadKernel(ctx, args[0])
	if err != nil {
		return err
	}
	c := load.NewChecker(k, load.Options{Modes: modes, MaxSize: f.maxModule * mib, TempDir: f.image.tmpdir})
	defer c.Close() // what was decompressed
	l := &report.Loading{Image: args[0], Kernel: k, Modes: modes}
	for _, path := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := checkLoadFile(c, path, req)
		if err != nil {
			return fmt.Errorf("%s: %w", path, outfile.Bare(err))
		}
		l.Modules = append(l.Modules, report.LoadedModule{Path: path, Result: r})
		if f.alone {
			c.Forget()
		}
	}
	style := a.style()
	style.All = f.all
	err = a.output(ctx, "", func(w io.Writer) error {
		if f.format == "json" {
			return report.LoadJSON(w, l)
		}
		return report.Load(w, l, style)
	})
	if err != nil {
		return err
	}
	return code(map[report.LoadVerdict]int{report.Loads: exitOK, report.NotLoaded: exitFinding, report.NotKnown: exitTrouble}[l.Verdict()])
}

func checkLoadFile(c *load.Checker, path string, req load.Request) (*load.Result, error) {
	m, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer m.Close() // read only
	return c.Check(m, size, req)
}

// moduleFiles are the files that the arguments name. Of a folder these are the
// modules in it, sorted by path; links in it are not followed.
func moduleFiles(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		st, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			out = append(out, arg)
			continue
		}
		before := len(out)
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && isModuleName(d.Name()) {
				out = append(out, path)
			}
			return err
		})
		switch {
		case err != nil:
			return nil, err
		case len(out) == before:
			return nil, fmt.Errorf("%s: no module in the folder", arg)
		}
	}
	return out, nil
}

func isModuleName(name string) bool {
	for _, suffix := range []string{".ko", ".ko.gz", ".ko.xz", ".ko.zst"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// openLoadKernel finds out all about the kernel.
func (f *checkLoadFlags) openLoadKernel(ctx context.Context, path string) (*load.Kernel, error) {
	s := load.Sources{Rules: load.Rules(f.kernel)}
	if err := f.readSources(ctx, &s); err != nil {
		return nil, err
	}
	var k *load.Kernel
	err := f.image.with(ctx, path, func(img *image.Image) (err error) {
		s.Image = img
		k, err = load.NewKernel(s) // which needs the image no more
		return err
	})
	var c *load.ContradictionError
	if errors.As(err, &c) {
		err = withHint(fmt.Errorf("%s: %w", f.config, err), "give the .config that this image was built with, or none: then an embedded one is taken")
	}
	return k, err
}

// readSources reads the files that tell what an image does not.
func (f *checkLoadFlags) readSources(ctx context.Context, s *load.Sources) error {
	if f.config != "" {
		in, err := openUntilDone(ctx, f.config)
		if err != nil {
			return err
		}
		defer in.Close() // read only
		if s.Config, err = readConfig(f.config, untilDone{ctx, in}); err != nil {
			return err
		}
	}
	for _, path := range f.symvers {
		if s.Symbols == nil {
			s.Symbols = &load.Symbols{}
		}
		if err := readInput(ctx, path, s.Symbols.Read); err != nil {
			return withHint(err, "--symvers takes the Module.symvers of the kernel's build, which packages of headers hold")
		}
	}
	if err := f.readRevoked(ctx, s); err != nil {
		return err
	}
	for _, path := range f.keyrings {
		if err := f.readKeyring(ctx, s, path); err != nil {
			return err
		}
	}
	return nil
}

// readInput is readFile for what may be a pipe, which waits no longer than ctx lasts.
func readInput(ctx context.Context, path string, read func(io.Reader) error) error {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	if err := read(untilDone{ctx, f}); err != nil {
		return fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	}
	return nil
}

func readFile(path string, read func(io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	if err := read(f); err != nil {
		return fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	}
	return nil
}

// readRevoked reads the certificates of revoked keys.
func (f *checkLoadFlags) readRevoked(ctx context.Context, s *load.Sources) error {
	const none = "none"
	if slices.Contains(f.revoked, none) {
		if len(f.revoked) > 1 {
			return usageError("--revoked none goes with no file")
		}
		s.AllRevoked = true
		return nil
	}
	certs, err := readCertificates(ctx, f.revoked)
	if err != nil {
		return withHint(err, "--revoked takes X.509 certificates, PEM or DER, or the word none (./none is a file)")
	}
	for i := range certs {
		s.Revoked = append(s.Revoked, certs[i].Raw)
	}
	return nil
}

// readKeyring reads certificates, or a copy of /proc/keys.
func (f *checkLoadFlags) readKeyring(ctx context.Context, s *load.Sources, path string) error {
	head, err := firstBytes(path)
	if err != nil {
		return err
	}
	if isKeyListing(head) {
		if s.Listing != nil {
			return usageError("--keyring %s: a second copy of /proc/keys", path)
		}
		return readInput(ctx, path, func(r io.Reader) (err error) {
			s.Listing, err = modsig.ReadListing(r)
			return err
		})
	}
	certs, err := readCertificates(ctx, []string{path})
	if err != nil {
		return withHint(err, "--keyring takes X.509 certificates, PEM or DER, or a copy of /proc/keys")
	}
	for i := range certs {
		s.Trusted = append(s.Trusted, certs[i].Raw)
	}
	return nil
}
