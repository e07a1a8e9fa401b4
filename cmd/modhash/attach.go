// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/sign"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys"
)

const layoutHelp = `A signature lies at the place of its module below the FOLDER that was given, by the
module's name without the suffix of a compression:

  p7s     NAME.ko.p7s, the message as sign-file -d writes it
  debian  PACKAGE/…/NAME.ko.sig, the same, as in debian/signatures, where Debian's
          signing service puts it; FOLDER is what goes into the package
  obs     NAME.ko.sig, the bare RSA signature over SHA-256, as the openSUSE build
          service makes it; FOLDER is the build root`

const attachLong = `Puts signatures on modules that were made elsewhere, by "modhash detach", "sign-file
-d", or a signing service. --from names the folder that they are in, or an archive,
such as the NAME.cpio.rsasign.sig of the openSUSE build service.

Before anything is written, each signature is checked, as a kernel does it, to be one
over that module by the key of CERT. A module without a signature, with a wrong one,
with another trailer (--replace takes it away) or covered by a hashset (see "modhash
sign") is refused, and then nothing is changed. Modules that the same holds for are
told of on one line. Signatures in --from for none of the modules are told of too, and
nothing else becomes of them.

` + layoutHelp

const attachExample = `$ modhash detach --key sample/keys/a.pem --layout obs --to signatures sample/b
24 signatures written
$ modhash attach --from signatures --layout obs --cert sample/keys/a.crt --replace sample/b
24 signatures attached, 0 were; modhash throw-away test key a`

// storeFlags say where detached signatures are, or go to.
type storeFlags struct {
	sign.Store
	layout string
}

func (f *storeFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.layout, "layout", string(sign.P7S), "`LAYOUT` of the signatures: "+join(sign.Layouts()))
	fl.StringVar(&f.Package, "package", "", "the `NAME` of the Debian package, with --layout debian")
	complete(cmd, "layout", words(sign.Layouts())...)
}

// check completes the flags, and those of the key.
func (f *storeFlags) check(key *keyFlags) error {
	f.Layout = sign.Layout(f.layout)
	switch {
	case !slices.Contains(sign.Layouts(), f.Layout):
		return usageError("--layout %s, want one of %s", f.layout, join(sign.Layouts()))
	case (f.Layout == sign.Debian) != (f.Package != ""):
		return usageError("--layout debian and --package go together")
	}
	if f.Layout == sign.OBS && key.hash == "" && key.config == "" {
		key.hash = "sha256" // all that it has
	}
	return nil
}

type attachFlags struct {
	change changeFlags
	key    keyFlags
	store  storeFlags
}

func (a *app) attach() *cobra.Command {
	f := &attachFlags{}
	cmd := &cobra.Command{
		Use:         "attach --from FOLDER|ARCHIVE --cert CERT [OPTION]... FILE|FOLDER...",
		Short:       "put signatures on modules that were made apart",
		Long:        attachLong,
		Example:     attachExample,
		Annotations: map[string]string{exitAnnotation: signExit},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runAttach(cmd.Context(), f, args) },
	}
	f.store.register(cmd)
	f.key.registerCert(cmd)
	f.change.registerSign(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.store.Path, "from", "", "take the signatures from `PATH`: a folder, or a cpio or tar archive")
	fl.Lookup("cert").Usage = "the certificate `FILE` of the key that made them, PEM or DER"
	fl.Lookup("key-id").Usage = "with --layout obs, name the signer by the certificate's key id"
	return cmd
}

func (a *app) runAttach(ctx context.Context, f *attachFlags, args []string) error {
	if err := f.store.check(&f.key); err != nil {
		return err
	}
	switch {
	case f.store.Path == "":
		return usageError("no --from given")
	case f.key.cert == "":
		return usageError("no --cert given")
	case f.key.keyID && f.store.Layout != sign.OBS:
		return usageError("--key-id goes with --layout obs; other signatures are as they were made")
	}
	so, err := f.key.signOptions(ctx)
	if err != nil {
		return err
	}
	cert, err := keys.ReadCertificate(ctx, f.key.cert)
	if err != nil {
		return err
	}
	c, err := (&modsig.Kernel{}).ParseKey(cert)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", f.key.cert, err)
	}
	ch, err := f.change.open(ctx, a, args)
	if err != nil {
		return err
	}
	defer ch.close()
	return a.finish(ctx, ch, &report.Signing{Verb: "attach", Key: c}, func() (*sign.Report, error) {
		done, err := sign.Attach(ctx, ch.files, cert, so, &f.store.Store, ch.options)
		if errors.Is(err, modsig.ErrNoKeyID) {
			err = usageError("--key-id: %v", err)
		}
		return done, err
	})
}
