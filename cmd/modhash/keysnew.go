// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/keys/selfsigned"
	"github.com/modhash/modhash/modsig/keys/store"
)

const keysNewLong = `Makes a key and its self-signed certificate in a new folder:

  signing_key.pem  private key and certificate, as the kernel's certs/signing_key.pem
  signing_prv.pem  the private key alone
  signing_crt.crt  the certificate, DER: what sign-file takes
  signing_crt.pem  the certificate, PEM: what CONFIG_SYSTEM_TRUSTED_KEYS takes

or with --key only the certificate, of a key that exists: in a file, a token or a key
service. Files with a private key have mode 0600; nothing is overwritten. What a
kernel would drop when it starts is not made: keys that it does not know, and
certificates of less than 260 bytes.

` + certHelp + `

` + keyHelp

const keysNewExample = `$ chmod 600 sample/keys/a.pem
$ modhash keys new --key sample/keys/a.pem --hash sha256 --not-before 2026-01-01 --cn "Example" cert.pem
made cert.pem: Example, serial 570e012aa9e15d1387aa15ab73f59c465bf17449, key id e376dc914e3bc3f41a755d50a9e596bc4ee7e2ef, 2026-01-01 to 2125-12-08, RSA-2048
$ SOURCE_DATE_EPOCH=1767225600 modhash keys new --key sample/keys/a.pem --hash sha256 --cn "Example" again.pem | cut -c 1-15
made again.pem:
$ cmp cert.pem again.pem`

type keysNewFlags struct {
	cert   certFlags
	access keyFlags
	public string
	der    bool
}

func (a *app) keysNew() *cobra.Command {
	f := &keysNewFlags{}
	cmd := &cobra.Command{
		Use:         "new [OPTION]... FOLDER|CERTIFICATE",
		Short:       "make a key and its certificate, or the certificate of a key",
		Long:        keysNewLong,
		Example:     keysNewExample,
		Annotations: map[string]string{exitAnnotation: "0 it was made\n1 it was refused: a kernel would not take it, or the file is there\n2 wrong usage, others may read the key, or something could not be read or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysNew(cmd.Context(), f, args) },
	}
	cmd.Flags().SortFlags = false
	f.cert.registerKind(cmd, "p384")
	f.cert.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.access.key, "key", "", "make the certificate of the private `KEY`: a file, exec:PROGRAM, or a pkcs11: URI")
	fl.StringVar(&f.public, "public-key", "", "the public half of --key is in `FILE`, for who does not tell it")
	fl.BoolVar(&f.der, "der", false, "with --key: write DER, not PEM")
	f.access.registerAccess(cmd)
	return cmd
}

func (a *app) runKeysNew(ctx context.Context, f *keysNewFlags, args []string) error {
	switch {
	case len(args) != 1:
		return usageError("want one folder, or with --key one file for the certificate")
	case f.access.key == "" && (f.public != "" || f.der):
		return usageError("--public-key and --der go with --key")
	case f.access.key != "" && (f.cert.kind != "" || f.cert.bits != 0):
		return usageError("--type and --bits are of a key that is made; that of --key exists")
	}
	if err := f.cert.checkBits(); err != nil {
		return err
	}
	now, fixed, err := buildTime()
	if err != nil {
		return err
	}
	plan, err := f.cert.plan(now, fixed)
	if err != nil {
		return err
	}
	if f.access.key != "" {
		return a.certifyKey(ctx, f, plan, args[0])
	}
	return a.newKey(ctx, f, plan, args[0])
}

func (a *app) newKey(ctx context.Context, f *keysNewFlags, plan *certPlan, dir string) error {
	m, err := plan.make(ctx, cmp.Or(f.cert.kind, "p384"))
	if err != nil {
		return err
	}
	_, err = os.Lstat(dir)
	existed := err == nil
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	material := m.material(plan.template.Hash)
	if err := material.Write(dir); err != nil {
		if !existed {
			err = errors.Join(err, os.Remove(dir))
		}
		if errors.Is(err, fs.ErrExist) {
			return withHint(&codeError{exitFinding, fmt.Errorf("%w; no key is overwritten", err)}, "name another folder")
		}
		return err
	}
	return a.sayMade(filepath.Join(dir, store.BothPEM), &m.info, m.kind, plan)
}

// material is what a store's folder holds of a key.
func (m *made) material(h crypto.Hash) *store.Material {
	kind := m.kind
	if strings.HasPrefix(kind, "p") {
		kind = "ec"
	}
	return &store.Material{Key: m.key, Certificate: m.der, PEM: m.cert, Hash: keys.HashName(h), Type: kind}
}

// certifyKey makes the certificate of a key that exists.
func (a *app) certifyKey(ctx context.Context, f *keysNewFlags, plan *certPlan, path string) (err error) {
	var public crypto.PublicKey
	if f.public != "" {
		if public, err = readPublicKey(ctx, f.public); err != nil {
			return err
		}
	}
	k, err := keys.OpenBare(ctx, f.access.key, public, f.access.options(a, 1))
	if err != nil {
		return f.access.hint(err)
	}
	defer func() {
		if cerr := k.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("key %s: %w", f.access.key, cerr)
		}
	}()
	f.access.warnPIN(a)
	der, err := plan.certify(k.Signer) // itself, which can sign without randomness
	if err != nil {
		return err
	}
	data := der
	if !f.der {
		data = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	if err := writeNew(path, 0, data); err != nil {
		return err
	}
	info := certlist.ParseOne(der)
	return a.sayMade(path, &info, selfsigned.KeyType(k.Public()), plan)
}

func (a *app) sayMade(path string, info *certlist.Certificate, kind string, plan *certPlan) error {
	if err := a.say("made %s: %s", report.Safe(path), report.Safe(describe(info))); err != nil {
		return err
	}
	if first := since(kind, plan.template.Hash); first != "" && !a.quiet {
		a.warn("kernels before %s do not take it", first)
	}
	return nil
}
