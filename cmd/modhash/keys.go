// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/keys/genkey"
)

const keysLong = `Makes and keeps the key that out-of-tree modules are signed with, and looks after
which kernels trust it. The certificate of a stable key is a source of a
reproducible build; its private half never is.

A kernel of your own, from nothing, in a source tree:

  modhash keys new private/signing                  # once; private/ stays private
  cp private/signing/signing_crt.pem certs/oot.pem  # a source of the build
  modhash kconfig --hashes --trusted-key certs/oot.pem .config
  make
  modhash keys check vmlinux certs/oot.pem
  modhash sign --key private/signing/signing_key.pem module.ko

With keys that are replaced now and then, and several configurations:

  modhash keys rotate --period 6mo --config "config*" certs-local
  modhash keys show certs-local

A private key that others than its owner may read is refused, with the command that
mends it.`

// keys is the verb, which has verbs of its own.
func (a *app) keys() *cobra.Command {
	cmd := &cobra.Command{
		Use:         "keys VERB [ARGUMENT]...",
		Short:       "make, rotate, revoke, show and check keys and certificates",
		Long:        keysLong,
		Annotations: map[string]string{exitAnnotation: "0 it was done, or is as it should be\n1 a finding: it is not so, or was refused\n2 wrong usage, or something could not be read or written"},
		Args:        cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown verb %q of keys", args[0])
			}
			return usageError("a verb is missing")
		},
	}
	cmd.AddCommand(a.keysNew(), a.keysGenkey(), a.keysRotate(), a.keysRevoke(), a.keysShow(), a.keysCheck(), a.keysExtract(), a.keysSplit(), a.keysExport(), a.keysInstall())
	for _, sub := range cmd.Commands() {
		run := sub.RunE
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			if err := refuseEmpty(cmd.Flags()); err != nil {
				return err
			}
			if slices.Contains(args, "") {
				return usageError("an argument is empty")
			}
			return run(cmd, args)
		}
	}
	return cmd
}

func (a *app) keysGenkey() *cobra.Command {
	return &cobra.Command{
		Use:         "genkey",
		Short:       "print the kernel's default x509.genkey",
		Long:        "Prints the file by which the kernel's build makes a key if there is no\ncerts/x509.genkey (certs/default_x509.genkey, GPL-2.0), to be changed and given to\n\"keys new --genkey\" or put into the tree.",
		Example:     "$ modhash keys genkey | head -3\n[ req ]\ndefault_bits = 4096\ndistinguished_name = req_distinguished_name",
		Annotations: map[string]string{exitAnnotation: "0 it was printed\n2 wrong usage, or it could not be printed"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("no argument is taken")
			}
			return a.output(cmd.Context(), "", func(w io.Writer) error {
				_, err := io.WriteString(w, genkey.Default)
				return err
			})
		},
	}
}

// refuseEmpty refuses options that were given without a value: a script's empty
// variable must not choose another key, or another certificate.
func refuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && err == nil {
			err = usageError("--%s is empty", f.Name)
		}
	})
	return err
}

// refuseExposed refuses a file with a private key that others than its owner may
// read or write, as [keys.Open] does.
func refuseExposed(path string, mode fs.FileMode) error {
	if mode&0o077 == 0 {
		return nil
	}
	return withHint(fmt.Errorf("key %s: %w", path, &keys.ExposedError{Path: path, Mode: mode.Perm()}), "chmod 600 %s", shellWord(path))
}

// keyLine describes a certificate's key in a few words.
func keyLine(kind string, bits int) string {
	names := map[string]string{"p256": "P-256", "p384": "P-384", "p521": "P-521", "mldsa44": "ML-DSA-44", "mldsa65": "ML-DSA-65", "mldsa87": "ML-DSA-87"}
	if kind == "rsa" {
		return fmt.Sprintf("RSA-%d", bits)
	}
	if n := names[kind]; n != "" {
		return n
	}
	return "key of an unknown type"
}
