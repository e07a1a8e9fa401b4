// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/lint"
	"github.com/modhash/modhash/kbuild/report"
)

const lintLong = `Says what makes a kernel build irreproducible or its module hashes useless, why, and
what to do about it: by .config, environment and tree of a build that is to be made,
and by strings in the files of one that was made. --rules lists the rules.

  CONFIG  a .config, best as Kconfig has written it; - is standard input. Without
          one: that of the build tree, the config file of an installed build, or
          what a kernel image has embedded
  BUILD   a build tree, a folder or package that a build was installed into, or a
          kernel image, vmlinux or other built file

What an argument is follows from its content. A build tree tells its seed, its
build number and pahole's flags too; --tree names one that is not looked at
otherwise, and then the source tree, if that is another. Modules of an installed
build tell their compression.

The environment is that of this process, so run it as make is run; --env says what
is given to make besides. A build that was made elsewhere needs --no-env.

--leak and --leaks look for strings in the modules (decompressed), the kernel image
(unpacked, its embedded .config too), vmlinux, compressed debug information, and what
else BUILD installs: its other files, where its links lead, and in packages what they
say of their maker. --leaks takes the names of this host and user, the folders of the
trees, and the day on which image and vmlinux were made, but none that
KBUILD_BUILD_USER, _HOST or _TIMESTAMP say.

A rule that lacks a fact says so: it is neither a finding nor none.`

const lintExample = `$ modhash lint --env KBUILD_BUILD_TIMESTAMP=@1735689600 --env KBUILD_BUILD_USER=builder --env KBUILD_BUILD_HOST=host --env KBUILD_BUILD_VERSION=1 --ignore no-hashes sample/tree | head -3
1 error, 1 note, 1 ignored
  config  sample/tree/.config
error: throwaway-key: CONFIG_MODULE_SIG_KEY (line 13): it is "certs/signing_key.pem": the default "certs/signing_key.pem", for which the build makes a key`

// lintUnread is what the library calls files that it could not look into.
const lintUnread = "leak"

type lintFlags struct {
	build    buildFlags
	format   string
	trees    []string
	env      []string
	noEnv    bool
	seed     string
	hash     string
	keyType  string
	leak     []string
	leaks    bool
	ignore   []string
	rules    bool
	all      bool
	maxImage int64
}

func (a *app) lint() *cobra.Command {
	f := &lintFlags{}
	cmd := &cobra.Command{
		Use:         "lint [OPTION]... [CONFIG] [BUILD]...",
		Short:       "say what makes a build irreproducible or its hashset useless",
		Long:        lintLong,
		Example:     lintExample,
		Annotations: map[string]string{exitAnnotation: "0 nothing but notes was found\n1 an error or a warning was found\n2 wrong usage, something could not be read, or a rule could not tell\n3 nothing but notes and what --ignore names"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runLint(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.trees, "tree", nil, "a build tree, then its source tree, in the folder `DIR` (repeatable)")
	fl.StringArrayVar(&f.env, "env", nil, "`NAME=VALUE` is in the environment or on the command line of make (repeatable): "+strings.Join(lintVariableNames(), ", "))
	fl.BoolVar(&f.noEnv, "no-env", false, "the environment of this process is not that of the build")
	fl.StringVar(&f.seed, "randstruct-seed", "", "the published `TEXT` that scripts/basic/randstruct.seed is to hold")
	fl.StringVar(&f.hash, "hash", "", "the `HASH` that out-of-tree modules are signed with (default: that of the configuration)")
	fl.StringVar(&f.keyType, "key-type", "", "the `TYPE` of their key: rsa, ecdsa or mldsa (default: that of the configuration)")
	fl.StringArrayVar(&f.leak, "leak", nil, "look for a string in built files: `KIND=TEXT` with host, user, path or date (repeatable)")
	fl.BoolVar(&f.leaks, "leaks", false, "look for what would tell that they were built here")
	fl.StringSliceVar(&f.ignore, "ignore", nil, "do not hear of these `RULES`, nor of files that could not be looked into ("+lintUnread+")")
	fl.BoolVar(&f.rules, "rules", false, "list the rules, and why they matter")
	fl.StringVar(&f.format, "format", "text", "`FORM` of the output: text or json")
	fl.BoolVar(&f.all, "all", false, "show every finding in the text")
	fl.StringVar(&f.build.image, "image", "", "the kernel image, if BUILD has several: a `PATH` in it")
	fl.Int64Var(&f.maxImage, "max-image", image.DefaultLimit/mib, "look at no more than `MIB` MiB of an image")
	f.build.register(cmd)
	complete(cmd, "format", "text", "json")
	complete(cmd, "key-type", "rsa", "ecdsa", "mldsa")
	complete(cmd, "ignore", lintRuleNames()...)
	if err := cmd.MarkFlagDirname("tree"); err != nil {
		panic(err) // the flag was registered just now
	}
	return cmd
}

// lintRuleNames are the words that --ignore takes.
func lintRuleNames() []string {
	names := []string{lintUnread}
	for _, r := range lint.Rules() {
		names = append(names, r.ID)
	}
	return names
}

func (f *lintFlags) check() error {
	if err := checkFormat(f.format); err != nil {
		return err
	}
	known := lintRuleNames()
	for _, id := range f.ignore {
		if !slices.Contains(known, id) {
			return usageError("--ignore %s: there is no such rule (--rules lists them)", id)
		}
	}
	switch {
	case f.keyType != "" && f.keyType != "rsa" && f.keyType != "ecdsa" && f.keyType != "mldsa":
		return usageError("--key-type %s, want rsa, ecdsa or mldsa", f.keyType)
	case f.maxImage <= 0 || f.maxImage > 1<<20:
		return usageError("--max-image %d", f.maxImage)
	}
	return nil
}

func (a *app) runLint(ctx context.Context, f *lintFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.rules {
		return a.lintRules(ctx, f, args)
	}
	env, err := f.environment()
	if err != nil {
		return err
	}
	o, err := f.build.options(ctx)
	if err != nil {
		return err
	}
	t, err := a.lintThings(ctx, f, args)
	if err != nil {
		return err
	}
	if err := t.open(ctx, o); err != nil {
		return err
	}
	defer t.close() // read only
	if err := t.findConfig(ctx, f, o); err != nil {
		return err
	}
	tree, err := t.tree()
	if err != nil {
		return err
	}
	rep := lint.Check(&lint.Input{
		Config: t.config, Env: env, Tree: tree,
		SigHash: f.hash, SigKey: f.keyType, Compressions: t.compressions(),
	})
	res := &report.Linted{Config: t.configName}
	if f.leaks || len(f.leak) > 0 {
		if err := a.lintLeaks(ctx, f, t, env, o, rep, res); err != nil {
			return err
		}
	}
	res.Report, res.Ignored = lintSplit(rep, f.ignore)
	return a.finishLint(ctx, f, res)
}

func (a *app) lintRules(ctx context.Context, f *lintFlags, args []string) error {
	if len(args) > 0 {
		return usageError("--rules looks at no file")
	}
	return a.output(ctx, "", func(w io.Writer) error { return report.LintRules(w, f.format == "json") })
}

func (a *app) finishLint(ctx context.Context, f *lintFlags, res *report.Linted) error {
	style := a.style()
	style.All = f.all
	err := a.output(ctx, "", func(w io.Writer) error {
		if f.format == "json" {
			return report.LintJSON(w, res)
		}
		return report.Lint(w, res, style)
	})
	if err != nil {
		return err
	}
	matters := func(r *lint.Report) bool { return r.Worst() == lint.Error || r.Worst() == lint.Warning }
	switch {
	case len(res.Report.Unknown) > 0:
		return code(exitTrouble)
	case matters(res.Report):
		return code(exitFinding)
	case matters(res.Ignored) || len(res.Ignored.Unknown) > 0:
		return code(exitAccepted)
	}
	return nil
}

// lintSplit takes what some rules said out of a report.
func lintSplit(all *lint.Report, ignore []string) (said, ignored *lint.Report) {
	said, ignored = &lint.Report{}, &lint.Report{}
	of := func(rule string) *lint.Report {
		if slices.Contains(ignore, rule) {
			return ignored
		}
		return said
	}
	for _, x := range all.Findings {
		r := of(x.Rule)
		r.Findings = append(r.Findings, x)
	}
	for _, x := range all.Unknown {
		r := of(x.Rule)
		r.Unknown = append(r.Unknown, x)
	}
	return said, ignored
}

// lintVariable is a variable that decides about a build. Some are taken by make
// from its command line only.
type lintVariable struct {
	name    string
	cmdline bool
	field   func(*lint.Env) *string
}

func lintVariables() []lintVariable {
	return []lintVariable{
		{"KBUILD_BUILD_TIMESTAMP", false, func(e *lint.Env) *string { return &e.Timestamp }},
		{"KBUILD_BUILD_USER", false, func(e *lint.Env) *string { return &e.User }},
		{"KBUILD_BUILD_HOST", false, func(e *lint.Env) *string { return &e.Host }},
		{"KBUILD_BUILD_VERSION", false, func(e *lint.Env) *string { return &e.Version }},
		{"INSTALL_MOD_STRIP", false, func(e *lint.Env) *string { return &e.InstallModStrip }},
		{"KCFLAGS", false, func(e *lint.Env) *string { return &e.KCFLAGS }},
		{"KAFLAGS", false, func(e *lint.Env) *string { return &e.KAFLAGS }},
		{"KRUSTFLAGS", false, func(e *lint.Env) *string { return &e.KRUSTFLAGS }},
		{"PAHOLE_FLAGS", true, func(e *lint.Env) *string { return &e.PaholeFlags }},
	}
}

func lintVariableNames() []string {
	var names []string
	for _, v := range lintVariables() {
		names = append(names, v.name)
	}
	return names
}

// environment is that of the build; nil if it is not known.
func (f *lintFlags) environment() (*lint.Env, error) {
	if f.noEnv && len(f.env) == 0 && f.seed == "" {
		return nil, nil
	}
	env := &lint.Env{RandstructSeed: f.seed}
	all := lintVariables()
	if !f.noEnv {
		for _, v := range all {
			if !v.cmdline {
				*v.field(env) = os.Getenv(v.name)
			}
		}
	}
	for _, arg := range f.env {
		name, value, ok := strings.Cut(arg, "=")
		i := slices.IndexFunc(all, func(v lintVariable) bool { return v.name == name })
		if !ok || i < 0 {
			return nil, usageError("--env %s, want NAME=VALUE with one of %s", arg, strings.Join(lintVariableNames(), ", "))
		}
		*all[i].field(env) = value
	}
	return env, nil
}

// errNoConfig is what a run without a configuration ends with.
var errNoConfig = errors.New("no configuration was given, and none was found")
