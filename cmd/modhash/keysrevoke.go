// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/modsig/certlist"
)

const keysRevokeLong = `Takes a key back: kernels that are built from then on refuse what is signed with it,
whoever trusts it, and everything else stays trusted. The certificate goes to
CONFIG_SYSTEM_REVOCATION_KEYS of the configurations, as --trusted-key of kconfig does
it with CONFIG_SYSTEM_TRUSTED_KEYS: it is a PEM file in the tree and a source of the
build. If others are revoked already, all are put together in --bundle. It may stay in
CONFIG_SYSTEM_TRUSTED_KEYS: revoked goes before trusted.`

const keysRevokeExample = `$ cp sample/keys/b.crt sample/tree/certs-b.pem
$ modhash -q keys revoke --config sample/tree/.config sample/tree/certs-b.pem | head -1
3 changes in 1 of 1 file
$ modhash kconfig --get SYSTEM_REVOCATION_KEYS sample/tree/.config
certs-b.pem`

type keysRevokeFlags struct {
	configs []string
	dryRun  bool
	kconfig kconfigFlags
}

const revokedKeys = "SYSTEM_REVOCATION_KEYS"

func (f *keysRevokeFlags) option() certificateOption {
	return certificateOption{revokedKeys, []string{"SYSTEM_BLACKLIST_KEYRING", "SYSTEM_REVOCATION_LIST"}, f.kconfig.bundle}
}

func (a *app) keysRevoke() *cobra.Command {
	f := &keysRevokeFlags{}
	cmd := &cobra.Command{
		Use:         "revoke --config FILE [OPTION]... CERTIFICATE...",
		Short:       "have kernels refuse what is signed with a key",
		Long:        keysRevokeLong,
		Example:     keysRevokeExample,
		Annotations: map[string]string{exitAnnotation: "0 it was done, or there was nothing to do\n1 it was refused, and nothing was written\n2 wrong usage, or something could not be read or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysRevoke(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.configs, "config", nil, "the .config `FILE` or quoted pattern of a kernel (repeatable)")
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "write nothing, only say what would be")
	registerCertificateFile(cmd, &f.kconfig, "certs/revoked-keys.pem")
	return cmd
}

func (a *app) runKeysRevoke(ctx context.Context, f *keysRevokeFlags, args []string) error {
	if len(args) == 0 || len(f.configs) == 0 {
		return usageError("want a certificate, and --config with the configuration of a kernel")
	}
	f.kconfig.dryRun = f.dryRun
	r, err := a.sharedConfigs(ctx, &f.kconfig, f.configs)
	if err != nil {
		return err
	}
	for _, path := range args {
		certs, err := publicCertificates(path)
		if err != nil {
			return err
		}
		for _, c := range r.files {
			name, err := c.certificateName(path)
			if err == nil {
				err = r.addCertificates(c, f.option(), name, certs, nil)
			}
			if err != nil {
				return inFile(c, err)
			}
			a.warnBuildKey(c, certs)
		}
	}
	if err := a.refuseEdits(ctx, r); err != nil {
		return err
	}
	changed, err := r.changed()
	if err != nil {
		return err
	}
	if !f.dryRun {
		if err := r.write(ctx, changed, func() error { return nil }); err != nil {
			return err
		}
	}
	a.printChanges(r, changed)
	return nil
}

// warnBuildKey tells that the key which the kernel's own modules are signed with is
// revoked.
func (a *app) warnBuildKey(c *kconfigFile, certs [][]byte) {
	v, ok := c.now.Get(sigKey)
	if !ok || v.Text() == "" || a.quiet {
		return
	}
	for _, tree := range c.trees {
		own, _, err := pemCertificates(filepath.Join(tree, v.Text()))
		if err != nil {
			continue // made by the build, or in a token
		}
		for _, x := range own {
			if slices.ContainsFunc(certs, func(y []byte) bool { return bytes.Equal(x, y) }) {
				info := certlist.ParseOne(x)
				a.warn("%s: %s is the key that the kernel's own modules are signed with (CONFIG_%s): none of them will load", c.path, info.Subject, sigKey)
			}
		}
	}
}
