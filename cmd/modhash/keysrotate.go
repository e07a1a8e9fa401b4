// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/keys/selfsigned"
	"github.com/modhash/modhash/modsig/keys/store"
)

const keysRotateLong = `Keeps a key that is replaced now and then in FOLDER: each key in a folder of its own,
named by the time, and the link "current" to one of them. The folders are those of
"keys new". A new key is made

  if there is none yet
  if the current one is older than --period, by its certificate: never (the default),
  always, or a number of s, min, h, d, w, mo or y, such as 6mo
  if it is of another type than --type, or than all configurations say
  if it signs with another hash than --hash, or than all configurations say

A key that is replaced by itself makes a build irreproducible, because its certificate
is a source of the build; that is why the default is never.

--config names configurations, or quoted patterns, that share the key. They come to
trust it by FOLDER/current/signing_crt.pem, a path from the top of the tree that stays
when the key is replaced. If a configuration names other certificates, they are kept,
in --bundle, and those of former keys of FOLDER are dropped from there. A new key
becomes the current one together with these edits: if one of them fails, or the disk
is full, the old one stays. Two runs at a time wait for one another.

` + certHelp

const keysRotateExample = `$ modhash keys rotate --config sample/tree/.config --not-before 2026-01-01 sample/tree/certs-local | cut -c 1-20
rotated: sample/tree
1 change in 1 of 1 f
sample/tree/.config:
$ modhash keys rotate --config sample/tree/.config sample/tree/certs-local | cut -c 1-20
kept: sample/tree/ce
nothing to change in`

type keysRotateFlags struct {
	cert    certFlags
	period  string
	keep    int
	keepSet bool
	configs []string
	kconfig kconfigFlags
}

func (a *app) keysRotate() *cobra.Command {
	f := &keysRotateFlags{}
	cmd := &cobra.Command{
		Use:         "rotate [OPTION]... FOLDER",
		Short:       "replace a key when it is due, and have configurations trust it",
		Long:        keysRotateLong,
		Example:     keysRotateExample,
		Annotations: map[string]string{exitAnnotation: "0 it was done, or there was nothing to do\n1 it was refused, and nothing was changed\n2 wrong usage, or something could not be read or written; the old key is the current one"},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.keepSet = cmd.Flags().Changed("keep")
			return a.runKeysRotate(cmd.Context(), f, args)
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.period, "period", "never", "replace a key that is older than `PERIOD`: never, always, or such as 7d or 6mo")
	fl.StringArrayVar(&f.configs, "config", nil, "the .config `FILE` or quoted pattern of a kernel that trusts the key (repeatable)")
	fl.IntVar(&f.keep, "keep", 0, "remove the oldest keys and keep `N` (default: all)")
	registerCertificateFile(cmd, &f.kconfig, "certs/trusted-keys.pem")
	f.cert.registerKind(cmd, "that of the configurations, or of the current key, or p384")
	f.cert.register(cmd)
	return cmd
}

// registerCertificateFile registers the options of the verbs that edit an option
// which names a file of certificates.
func registerCertificateFile(cmd *cobra.Command, f *kconfigFlags, bundle string) {
	fl := cmd.Flags()
	fl.StringVar(&f.bundle, "bundle", bundle, "the `FILE` in the tree for certificates that have to be put together")
	fl.StringVar(&f.source, "source", "", "the kernel's source tree is in the folder `DIR`")
	if err := cmd.MarkFlagDirname("source"); err != nil {
		panic(err) // the flag was registered just now
	}
}

// rotation is one run.
type rotation struct {
	flags   *keysRotateFlags
	dir     string
	now     time.Time
	fixed   bool
	store   *store.Store
	current *store.Entry
	run     *kconfigRun // nil: no configurations
}

// lockWait is how long another run is waited for.
const lockWait = time.Minute

func (a *app) runKeysRotate(ctx context.Context, f *keysRotateFlags, args []string) (err error) {
	period, err := f.validate(args)
	if err != nil {
		return err
	}
	r := &rotation{flags: f, dir: filepath.Clean(args[0])}
	if r.now, r.fixed, err = buildTime(); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if r.store, err = store.Open(wait, r.dir); err != nil {
		if errors.Is(err, store.ErrBusy) && ctx.Err() != nil {
			err = ctx.Err()
		}
		return err
	}
	defer func() { err = errors.Join(err, r.store.Close()) }()
	if err := r.readCurrent(); err != nil {
		return err
	}
	if r.run, err = a.sharedConfigs(ctx, &f.kconfig, f.configs); err != nil {
		return err
	}
	kind, hash, err := r.wanted()
	if err != nil {
		return err
	}
	reason := r.reason(kind, hash, period)
	if reason == "" {
		return a.keep(ctx, r)
	}
	return a.rotate(ctx, r, kind, hash, reason)
}

func (f *keysRotateFlags) validate(args []string) (store.Period, error) {
	if len(args) != 1 {
		return store.Period{}, usageError("want one folder for the keys")
	}
	if f.keep < 0 || f.keep == 0 && f.keepSet {
		return store.Period{}, usageError("--keep %d, want the number of keys that are to stay, at least 1", f.keep)
	}
	if f.cert.kind != "" && !slices.Contains(selfsigned.KeyTypes(), f.cert.kind) {
		return store.Period{}, usageError("--type %s, want %s", f.cert.kind, strings.Join(selfsigned.KeyTypes(), ", "))
	}
	period, err := store.ParsePeriod(f.period)
	if err != nil {
		return period, &usage{err}
	}
	return period, nil
}

// readCurrent reads the current key, which must be as it should be: who replaced a
// damaged one by itself would replace one that is only not mounted.
func (r *rotation) readCurrent() (err error) {
	r.current, err = store.CurrentKey(r.dir)
	switch {
	case errors.Is(err, store.ErrDangling):
		return withHint(err, "remove the link, if a new key is to be made: rm %s", shellWord(filepath.Join(r.dir, store.Current)))
	case err != nil:
		return err
	case r.current == nil:
		return nil
	case r.current.Fault != nil:
		return fmt.Errorf("the current key: %w", r.current.Fault)
	}
	return refuseExposed(r.current.Exposed, r.current.Mode)
}

// reason says why a new key is to be made, "" if none is.
func (r *rotation) reason(kind, hash string, period store.Period) string {
	if r.current == nil {
		return "there was none"
	}
	c := &r.current.Certificate
	have := kindOf(c)
	switch {
	case kind != "" && kind != have:
		return fmt.Sprintf("the current one is of type %s", cmp.Or(have, c.KeyAlgorithm))
	case hash != "" && hash != r.current.Hash:
		return fmt.Sprintf("the current one signs with %s", cmp.Or(r.current.Hash, "an unknown hash"))
	case r.flags.period == "always":
		return "asked for"
	case period.Over(c.NotBefore, r.now):
		return fmt.Sprintf("the current one is of %s", c.NotBefore.UTC().Format(time.DateOnly))
	}
	return ""
}

// keep has the configurations trust the key that stays.
func (a *app) keep(ctx context.Context, r *rotation) error {
	if err := r.trust(r.current.Certificate.Raw); err != nil {
		return err
	}
	changed, err := a.applyConfigs(ctx, r.run, func() error { return nil })
	if err != nil {
		return err
	}
	return a.finishRotation(r, "kept: %s is the current key: %s", r.current.Name, &r.current.Certificate, changed)
}

// rotate makes a key and has it become the current one.
func (a *app) rotate(ctx context.Context, r *rotation, kind, hash, reason string) (err error) {
	cert := r.flags.cert
	if cert.hash = hash; hash == "" && r.current != nil {
		cert.hash = r.current.Hash
	}
	if kind == "" && r.current != nil {
		kind = kindOf(&r.current.Certificate)
	}
	cert.kind = cmp.Or(kind, "p384")
	if err := cert.checkBits(); err != nil {
		return err
	}
	plan, err := cert.plan(r.now, r.fixed)
	if err != nil {
		return err
	}
	m, err := plan.make(ctx, cert.kind)
	if err != nil {
		return err
	}
	if err := r.trust(m.der); err != nil {
		return err
	}
	p, err := r.store.Prepare(r.now, m.material(plan.template.Hash))
	if err != nil {
		return fmt.Errorf("%w; the old key is the current one", err)
	}
	defer func() { err = errors.Join(err, p.Abort()) }()
	changed, err := a.applyConfigs(ctx, r.run, p.Commit)
	if err != nil {
		return err
	}
	return a.finishRotation(r, "rotated: %s is the current key, because "+strings.ReplaceAll(reason, "%", "%%")+": %s", p.Name, &m.info, changed)
}

func (a *app) finishRotation(r *rotation, format, name string, c *certlist.Certificate, changed []*kconfigFile) error {
	removed, err := []string(nil), error(nil)
	if r.flags.keep > 0 {
		removed, err = r.store.Prune(r.flags.keep)
	}
	text := fmt.Sprintf(format, filepath.Join(r.dir, name), describe(c))
	if err := a.say("%s", report.Safe(text)); err != nil {
		return err
	}
	if r.run != nil {
		a.printChanges(r.run, changed)
	}
	for _, name := range removed {
		if err := a.say("removed: %s", report.Safe(filepath.Join(r.dir, name))); err != nil {
			return err
		}
	}
	return err
}
