// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
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

	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig/keys/selfsigned"
	"github.com/modhash/modhash/modsig/keys/store"
)

const keysInstallLong = `Copies what a package of kernel headers needs for signing modules that are built
against it, from FROM (see "keys export") to FOLDER, which may be there:

  signing_crt.crt, signing_crt.pem, khash   the certificate and the hash
  modhash, sign-file                        this program, and its name as the signing tool

The private key stays where it is, so that not everybody who has the package signs;
"modhash sign --key KEY" takes it from there, or from a token. With
--include-the-private-key it is copied too: then everybody who has the package can
make modules that its kernels load.`

type keysInstallFlags struct {
	private bool
	noTool  bool
}

func (a *app) keysInstall() *cobra.Command {
	f := &keysInstallFlags{}
	cmd := &cobra.Command{
		Use:         "install [OPTION]... FROM FOLDER",
		Short:       "copy certificate and signing tool to a package of headers",
		Long:        keysInstallLong,
		Example:     "$ modhash keys install --no-tool sample/keys/a.pem headers/certs-local\ninstalled headers/certs-local: signing_crt.crt, signing_crt.pem, khash",
		Annotations: map[string]string{exitAnnotation: "0 it was done\n1 it was refused: the key and the certificate are not a pair\n2 wrong usage, others may read the key, or something could not be read or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysInstall(cmd.Context(), f, args) },
	}
	cmd.Flags().BoolVar(&f.private, "include-the-private-key", false, "copy the private key too")
	cmd.Flags().BoolVar(&f.noTool, "no-tool", false, "leave the program out")
	return cmd
}

func (a *app) runKeysInstall(ctx context.Context, f *keysInstallFlags, args []string) error {
	if len(args) != 2 {
		return usageError("want a file or folder of a key, and a folder to copy to")
	}
	p, err := readPair(ctx, args[0], f.private)
	if err != nil {
		return err
	}
	if f.private {
		if err := p.match(ctx); err != nil {
			return err
		}
	}
	if reason := selfsigned.Listable(p.cert); reason != "" {
		return finding("%s: %s", args[0], reason)
	}
	if err := os.MkdirAll(args[1], 0o777); err != nil {
		return err
	}
	names, err := p.install(ctx, f, args[1])
	if err != nil {
		return err
	}
	return a.say("installed %s: %s", report.Safe(args[1]), strings.Join(names, ", "))
}

func (p *keyPair) install(ctx context.Context, f *keysInstallFlags, dir string) (names []string, err error) {
	files := []struct {
		name string
		perm fs.FileMode
		data []byte
	}{
		{store.CertificateDER, 0o666, p.cert}, {store.CertificatePEM, 0o666, p.certPEM()},
		{store.HashFile, 0o666, []byte(cmp.Or(p.hash, "sha512") + "\n")},
	}
	if f.private {
		files = append(files, struct {
			name string
			perm fs.FileMode
			data []byte
		}{store.BothPEM, 0o600, slices.Concat(p.private, p.certPEM())})
	}
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		path := filepath.Join(dir, file.name)
		if err := outfile.Bytes(path, outfile.Options{Perm: file.perm}, file.data); err != nil {
			return nil, fmt.Errorf("writing %s: %w", path, err)
		}
		names = append(names, file.name)
	}
	if f.noTool {
		return names, nil
	}
	return append(names, "modhash", signFileName), installTool(dir)
}

// installTool copies this program, and makes the link by which it is sign-file.
func installTool(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close() // read only
	path := filepath.Join(dir, "modhash")
	err = outfile.Replace(path, outfile.Options{Perm: 0o777}, func(out *os.File) error {
		_, err := io.Copy(out, in)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	link := filepath.Join(dir, signFileName)
	if target, err := os.Readlink(link); err == nil && target == "modhash" {
		return nil
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink("modhash", link)
}
