// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/keys/selfsigned"
	"github.com/modhash/modhash/modsig/keys/store"
)

// keyPair is what a file or a folder holds of a key.
type keyPair struct {
	path    string // of the private key; "" if it is not there
	private []byte // PEM, as it is in the file
	cert    []byte // DER
	hash    string // "" if it is not said
}

// readPair reads a key and its certificate: of a folder that "keys rotate" keeps the
// current one, of one that "keys new" made that one, or those in a file. The private
// key is read only if it is wanted, and refused if others may read it.
func readPair(ctx context.Context, from string, private bool) (*keyPair, error) {
	p := &keyPair{}
	st, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	file, cert := from, from
	if st.IsDir() {
		dir := from
		e, err := store.CurrentKey(from)
		if err != nil {
			return nil, err
		}
		if e != nil {
			dir = filepath.Join(from, e.Name)
		}
		file, cert = filepath.Join(dir, store.BothPEM), filepath.Join(dir, store.CertificateDER)
		if text, err := os.ReadFile(filepath.Join(dir, store.HashFile)); err == nil && len(text) < 100 {
			p.hash = strings.TrimSpace(string(text))
		}
	}
	if p.cert, err = keys.ReadCertificate(ctx, cert); err != nil {
		return nil, err
	}
	if !private {
		return p, nil
	}
	p.path = file
	return p, p.readPrivate()
}

// readPrivate reads the private key's block as it is, encrypted or not.
func (p *keyPair) readPrivate() error {
	st, err := os.Stat(p.path)
	if err != nil {
		return err
	}
	err = readFile(p.path, func(r io.Reader) error {
		data, err := io.ReadAll(io.LimitReader(r, keys.MaxFile+1))
		if err != nil {
			return err
		}
		if len(data) > keys.MaxFile {
			return fmt.Errorf("it has more than %d bytes", keys.MaxFile)
		}
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if strings.HasSuffix(block.Type, "PRIVATE KEY") {
				p.private = pem.EncodeToMemory(block)
				return nil
			}
		}
		return keys.ErrNoKey
	})
	if err != nil {
		return err
	}
	return refuseExposed(p.path, st.Mode())
}

func (p *keyPair) certPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert})
}

// match checks that key and certificate belong together. PINs are not asked for:
// of an encrypted key it is not known.
func (p *keyPair) match(ctx context.Context) error {
	_, err := keys.Open(ctx, p.path, p.cert, nil)
	if errors.Is(err, keys.ErrNoPIN) {
		return nil
	}
	if errors.Is(err, modsig.ErrMismatch) {
		return &codeError{exitFinding, fmt.Errorf("%s: %w", p.path, modsig.ErrMismatch)}
	}
	return err
}

const keysSplitLong = `Takes a file with a private key and its certificate apart, as the kernel's
certs/signing_key.pem is one, into the files of "keys new" in FOLDER: the key alone,
the certificate as DER and as PEM, and both. An encrypted key stays so.`

func (a *app) keysSplit() *cobra.Command {
	return &cobra.Command{
		Use:         "split FILE FOLDER",
		Short:       "take a file of key and certificate apart",
		Long:        keysSplitLong,
		Example:     "$ chmod 600 sample/keys/a.pem\n$ modhash keys split sample/keys/a.pem out\nsplit sample/keys/a.pem: out/signing_prv.pem, out/signing_crt.crt, out/signing_crt.pem, out/signing_key.pem",
		Annotations: map[string]string{exitAnnotation: "0 it was done\n1 it was refused: not a pair, or a file is there\n2 wrong usage, others may read the key, or something could not be read or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysSplit(cmd.Context(), args) },
	}
}

func (a *app) runKeysSplit(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return usageError("want a file, and a folder")
	}
	if st, err := os.Stat(args[0]); err == nil && st.IsDir() {
		return usageError("%s is a folder", args[0])
	}
	p, err := readPair(ctx, args[0], true)
	if err != nil {
		return err
	}
	if err := p.match(ctx); err != nil {
		return err
	}
	info := certlist.ParseOne(p.cert)
	if info.Err != nil {
		return info.Err
	}
	kind := kindOf(&info)
	m := &made{key: p.private, cert: p.certPEM(), der: p.cert, kind: kind}
	material := m.material(0)
	material.Hash = "sha512" // what a kernel signs with by default; the certificate says nothing of modules
	if err := os.MkdirAll(args[1], 0o777); err != nil {
		return err
	}
	if err := material.Write(args[1]); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &codeError{exitFinding, fmt.Errorf("%w; nothing is overwritten", err)}
		}
		return err
	}
	var names []string
	for _, n := range []string{store.PrivatePEM, store.CertificateDER, store.CertificatePEM, store.BothPEM} {
		names = append(names, filepath.Join(args[1], n))
	}
	return a.say("split %s: %s", report.Safe(args[0]), report.Safe(strings.Join(names, ", ")))
}

// exportForms are the forms that other tools want.
var exportForms = []struct {
	name, what string
	private    bool
	make       func(*keyPair) ([]byte, error)
}{
	{"cert-der", "certificate, DER: sign-file, mokutil, dkms (mok_certificate)", false, func(p *keyPair) ([]byte, error) { return p.cert, nil }},
	{"cert-pem", "certificate, PEM: CONFIG_SYSTEM_TRUSTED_KEYS, sbsign", false, func(p *keyPair) ([]byte, error) { return p.certPEM(), nil }},
	{"public-pem", "public key, PEM", false, publicPEM},
	{"key-pem", "private key, PEM: sign-file, dkms (mok_signing_key)", true, func(p *keyPair) ([]byte, error) { return p.private, nil }},
	{"key-der", "private key, PKCS #8 DER: p11tool, softhsm2-util", true, keyDER},
	{"both-pem", "key and certificate, PEM: CONFIG_MODULE_SIG_KEY", true, func(p *keyPair) ([]byte, error) { return slices.Concat(p.private, p.certPEM()), nil }},
}

func publicPEM(p *keyPair) ([]byte, error) {
	info := certlist.ParseOne(p.cert)
	if info.Err != nil {
		return nil, info.Err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: info.PublicKeyInfo}), nil
}

func keyDER(p *keyPair) ([]byte, error) {
	k, err := keys.OpenBare(context.Background(), p.path, nil, nil)
	if errors.Is(err, keys.ErrNoPIN) {
		return nil, withHint(err, "key-pem leaves an encrypted key as it is")
	}
	if err != nil {
		return nil, err
	}
	text, err := selfsigned.MarshalKey(k.Signer)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	return block.Bytes, nil
}

func exportNames() []string {
	var out []string
	for _, f := range exportForms {
		out = append(out, f.name)
	}
	return out
}

func exportHelp() string {
	var b strings.Builder
	b.WriteString("Writes a key or its certificate in the form that another tool wants. FROM is a PEM\nfile with both, or a folder of \"keys new\" or \"keys rotate\", of which it is the current\nkey. A private key is only written to a file of its own, with mode 0600.\n\n")
	for _, f := range exportForms {
		fmt.Fprintf(&b, "  %-10s  %s\n", f.name, f.what)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

type keysExportFlags struct{ form, out string }

func (a *app) keysExport() *cobra.Command {
	f := &keysExportFlags{}
	cmd := &cobra.Command{
		Use:         "export --form FORM [-o FILE] FROM",
		Short:       "write a key or certificate in the form that another tool wants",
		Long:        exportHelp(),
		Example:     "$ modhash keys export --form cert-pem sample/keys/a.pem | head -1\n-----BEGIN CERTIFICATE-----",
		Annotations: map[string]string{exitAnnotation: "0 it was written\n1 it was refused: not a pair, or the file of a private key is there\n2 wrong usage, others may read the key, or something could not be read or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysExport(cmd.Context(), f, args) },
	}
	cmd.Flags().StringVar(&f.form, "form", "", "the `FORM`: "+strings.Join(exportNames(), ", "))
	cmd.Flags().StringVarP(&f.out, "output", "o", "", "write to `FILE` (default: standard output, not for private keys)")
	complete(cmd, "form", exportNames()...)
	return cmd
}

func (a *app) runKeysExport(ctx context.Context, f *keysExportFlags, args []string) error {
	i := slices.Index(exportNames(), f.form)
	switch {
	case len(args) != 1:
		return usageError("want one file or folder")
	case i < 0:
		return usageError("--form %q, want one of %s", f.form, strings.Join(exportNames(), ", "))
	case exportForms[i].private && (f.out == "" || f.out == "-"):
		return usageError("a private key is not written to standard output: -o names a file")
	}
	form := exportForms[i]
	p, err := readPair(ctx, args[0], form.private)
	if err != nil {
		return err
	}
	if form.private {
		if err := p.match(ctx); err != nil {
			return err
		}
	}
	data, err := form.make(p)
	if err != nil {
		return err
	}
	if form.private {
		return writeNew(f.out, 0o600, data)
	}
	return a.output(ctx, f.out, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
