// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/report"
)

const kconfigLong = `Edits .config files, in the order of the options, and says what a profile lacks. What
is not touched stays as it is: order, comments, line ends, mode and owner. A second
run changes nothing. A FILE may be a quoted pattern ('config*'); several files are
changed all, or none.

  --set NAME=VALUE   y, m, n or a number; a text is NAME:=TEXT. CONFIG_ may be left
                     out. Of a choice (hash, type of key, compression) the other
                     members become n, and what follows from it is set too
  --trusted-key F    out-of-tree modules may be signed with the key of certificate F,
                     a PEM file in the tree, which is a source of the build. It goes to
                     CONFIG_SYSTEM_TRUSTED_KEYS, as a path from the top of the tree. The
                     algorithm of the key is built in
  --hashes           CONFIG_MODULE_HASHES, without what Kconfig does not allow with it
                     and without the key that the build would make; done last

CONFIG_SYSTEM_TRUSTED_KEYS holds one file name. If it names another file already, the
certificates of both are put together in a third file in the tree, --bundle, and the
others are left as they are. One that is there and holds something else is not
overwritten, because another configuration may name it.

Kconfig drops what it does not know without a word. So a symbol that no Kconfig file
declares is refused, if there is a source tree: --source, or the folder of a .config.
What Kconfig would drop because of another option is refused too, as far as it is
about modules. Run the kernel's "make olddefconfig" afterwards in any case.

Profiles of --check, which is done after the edits and changes nothing. Certificates
that are named are read, where there is a tree, for the algorithms of their keys:

`

const kconfigExample = `$ cp sample/tree/.config config
$ modhash kconfig --hashes --set MODULE_SIG_FORCE=y config
4 changes in 1 of 1 file
config:8: CONFIG_MODULE_HASHES: no line -> y
config:9: CONFIG_MODULE_SIG_FORCE: n -> y
config:10: CONFIG_MODULE_SIG_ALL: y -> n
config:14: CONFIG_MODULE_SIG_KEY: "certs/signing_key.pem" -> ""
$ modhash kconfig --check hashes config || true
config: profile hashes: 1 thing is missing
  CONFIG_SYSTEM_TRUSTED_KEYS: it is "": the certificate for out-of-tree modules is a source of the build (--trusted-key certs/NAME.pem)`

type kconfigFlags struct {
	edits  []kconfigEdit // in their order
	get    []string
	hashes bool
	bundle string
	source string
	check  []string
	dryRun bool
}

// kconfigEdit is one option that edits.
type kconfigEdit struct {
	flag, arg string
	apply     func(*kconfigRun, *kconfigFile, string) error
}

// editFlag collects edits of several options in one list.
type editFlag struct {
	list  *[]kconfigEdit
	flag  string
	apply func(*kconfigRun, *kconfigFile, string) error
}

func (e editFlag) String() string { return "" }
func (e editFlag) Type() string   { return "text" }
func (e editFlag) Set(arg string) error {
	*e.list = append(*e.list, kconfigEdit{e.flag, arg, e.apply})
	return nil
}

func (a *app) kconfig() *cobra.Command {
	f := &kconfigFlags{}
	cmd := &cobra.Command{
		Use:         "kconfig [OPTION]... FILE...",
		Short:       "edit .config files, and check them for a profile",
		Long:        kconfigLong + profileList(),
		Example:     kconfigExample,
		Annotations: map[string]string{exitAnnotation: "0 it was done, or there was nothing to do\n1 a profile lacks something, --get found no value, or an edit was refused and nothing was written\n2 wrong usage, or something could not be read or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKconfig(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	edit := func(name, usage string, apply func(*kconfigRun, *kconfigFile, string) error) {
		fl.Var(editFlag{&f.edits, "--" + name, apply}, name, usage)
	}
	edit("set", "give an option a value: `NAME=VALUE`, or NAME:=TEXT for a text (repeatable, as all edits)", editSet)
	edit("unset", "say that option `NAME` is not set", editUnset)
	edit("delete", "remove the lines of option `NAME`, so that its default counts", editDelete)
	edit("sig-hash", "`HASH` of signatures: sha256, sha384, sha512, sha3-256, …, and its algorithm built in", editSigHash)
	edit("key-type", "`TYPE` of a key that the build makes: rsa, ecdsa, mldsa-44, mldsa-65 or mldsa-87", editKeyType)
	edit("compress", "compress modules with `FORM`: none, gzip, xz or zstd", editCompress)
	edit("trusted-key", "trust the certificate in `FILE`", editTrustedKey)
	fl.BoolVar(&f.hashes, "hashes", false, "authenticate modules by hashes")
	fl.StringVar(&f.bundle, "bundle", "certs/trusted-keys.pem", "the `FILE` in the tree for certificates that --trusted-key has to put together")
	fl.StringVar(&f.source, "source", "", "the kernel's source tree is in the folder `DIR`")
	fl.StringSliceVar(&f.check, "check", nil, "say what is missing for these `PROFILES`: "+strings.Join(profileNames(), ", ")+" or all")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "write nothing, only say what would be")
	fl.StringArrayVar(&f.get, "get", nil, "print the value of option `NAME`, undef if no line gives it one (repeatable)")
	complete(cmd, "sig-hash", sigHashNames()...)
	complete(cmd, "key-type", "rsa", "ecdsa", "mldsa-44", "mldsa-65", "mldsa-87")
	complete(cmd, "compress", "none", "gzip", "xz", "zstd")
	complete(cmd, "check", append(profileNames(), "all")...)
	if err := cmd.MarkFlagDirname("source"); err != nil {
		panic(err) // the flag was registered just now
	}
	return cmd
}

func (f *kconfigFlags) edited() bool { return len(f.edits) > 0 || f.hashes }

func (f *kconfigFlags) validate(args []string) error {
	switch {
	case len(args) == 0:
		return usageError("no file given")
	case !f.edited() && len(f.get) == 0 && len(f.check) == 0:
		return usageError("nothing to do: neither an edit, --get nor --check given")
	case len(f.get) > 0 && (f.edited() || len(f.check) > 0):
		return usageError("--get goes with no other option")
	case f.dryRun && !f.edited():
		return usageError("--dry-run goes with edits")
	}
	for i, name := range f.get {
		f.get[i] = symbolName(name)
	}
	return f.validateProfiles()
}

// kconfigRun is one run of the verb.
type kconfigRun struct {
	flags   *kconfigFlags
	files   []*kconfigFile
	bundles map[string]*bundle  // by absolute path
	unknown map[string][]string // what undeclared said
}

// kconfigFile is one .config.
type kconfigFile struct {
	path     string
	info     os.FileInfo // nil for standard input
	old, now *kconfig.File
	trees    []string // folders in which make looks for relative names
	source   string   // the kernel's source tree; "" if there is none
	asked    []string // symbols that edits gave a value
}

func (a *app) runKconfig(ctx context.Context, f *kconfigFlags, args []string) error {
	if err := f.validate(args); err != nil {
		return err
	}
	r := &kconfigRun{flags: f, bundles: map[string]*bundle{}, unknown: map[string][]string{}}
	if err := a.readConfigs(ctx, r, args); err != nil {
		return err
	}
	if len(f.get) > 0 {
		return a.printValues(r)
	}
	if f.edited() {
		if err := a.editConfigs(ctx, r); err != nil {
			return err
		}
	}
	if len(f.check) > 0 {
		return a.checkProfiles(r)
	}
	return nil
}

// editConfigs does all edits, checks the results, and writes them.
func (a *app) editConfigs(ctx context.Context, r *kconfigRun) error {
	for _, c := range r.files {
		for _, e := range r.flags.edits {
			if err := e.apply(r, c, e.arg); err != nil {
				return inFile(c, fmt.Errorf("%s %s: %w", e.flag, kconfig.Redact(e.arg), err))
			}
		}
		if r.flags.hashes {
			if err := editHashes(c); err != nil {
				return inFile(c, fmt.Errorf("--hashes: %w", err))
			}
		}
		c.withoutHidden()
	}
	if err := a.refuseEdits(ctx, r); err != nil {
		return err
	}
	changed, err := r.changed()
	if err != nil {
		return err
	}
	if !r.flags.dryRun {
		if err := r.write(ctx, changed, func() error { return nil }); err != nil {
			return err
		}
	}
	a.printChanges(r, changed)
	return nil
}

// inFile says of which file an error is, and that nothing was done.
func inFile(c *kconfigFile, err error) error {
	return fmt.Errorf("%s: %w; nothing was written", c.path, err)
}

// refuseEdits refuses what Kconfig would drop.
func (a *app) refuseEdits(ctx context.Context, r *kconfigRun) error {
	refused := 0
	refuse := func(format string, args ...any) {
		a.message("error", fmt.Sprintf(format, args...))
		refused++
	}
	for _, c := range r.files {
		unknown, err := r.undeclared(ctx, c)
		if err != nil {
			return err
		}
		for _, name := range unknown {
			refuse("%s: the source tree %s does not know CONFIG_%s", c.path, c.source, name)
		}
		for _, name := range c.asked {
			if why := lost(c, name); why != "" {
				refuse("%s: Kconfig would drop CONFIG_%s: %s", c.path, name, why)
			}
		}
		if c.source == "" && !a.quiet && len(c.asked) > 0 {
			a.warn("%s: without a source tree (--source) it is not known whether the kernel has these options", c.path)
		}
	}
	if refused > 0 {
		return finding("%s refused; nothing was written", plural(refused, "option"))
	}
	return nil
}

// undeclared are the symbols that were asked for and that the source tree does
// not know.
func (r *kconfigRun) undeclared(ctx context.Context, c *kconfigFile) ([]string, error) {
	if c.source == "" || len(c.asked) == 0 {
		return nil, nil
	}
	key := c.source + "\n" + strings.Join(c.asked, " ")
	if unknown, ok := r.unknown[key]; ok { // the whole tree is read
		return unknown, nil
	}
	unknown, err := kconfig.Undeclared(ctx, os.DirFS(c.source), c.asked...)
	if err != nil {
		return nil, withHint(fmt.Errorf("the source tree %s: %w", c.source, err), "--source names the top of a kernel's source tree")
	}
	r.unknown[key] = unknown
	return unknown, nil
}

// printValues prints what scripts ask for.
func (a *app) printValues(r *kconfigRun) error {
	exit := exitOK
	for _, c := range r.files {
		where := ""
		if len(r.files) > 1 {
			where = c.path + ": "
		}
		for _, name := range r.flags.get {
			text := "undef"
			if v, ok := c.old.Get(name); ok {
				text = kconfig.Redact(v.Text())
			} else {
				exit = exitFinding
			}
			fmt.Fprintln(a.stdout, report.Safe(where+text))
		}
	}
	return code(exit)
}

// symbolName takes a name with or without CONFIG_.
func symbolName(s string) string { return strings.TrimPrefix(s, "CONFIG_") }
