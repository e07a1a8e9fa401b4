// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/rewrite"
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

const detachLong = `Makes signatures that lie apart from the modules, for "modhash attach", so that a key
need not be where the modules are built. The modules are not changed.

With --key, the modules are signed and the signatures written to the folder --to.
Without, the signatures that the modules carry are written there.

With --request, what a signing service is given goes to a FILE: a list of digests, as
sha256sum writes it (p7s), the files.json of Debian's signing service (debian), or the
NAME.cpio.rsasign of the openSUSE build service (obs). With --digests and --key, such a
list of digests is signed, where the modules themselves are not.

` + layoutHelp + `

` + keyHelp

const detachExample = `$ modhash detach --request digests sample/d
24 modules to be signed
$ modhash detach --digests digests --key sample/keys/a.pem --to signatures
24 signatures written
$ modhash attach --from signatures --cert sample/keys/a.crt sample/d
24 signatures attached, 0 were; modhash throw-away test key a`

const attachLong = `Puts signatures on modules that were made elsewhere, by "modhash detach", "sign-file
-d", or a signing service. --from names the folder that they are in, or an archive,
such as the NAME.cpio.rsasign.sig of the openSUSE build service.

Before anything is written, each signature is checked, as a kernel does it, to be one
over that module by the key of CERT. A module without a signature, with a wrong one,
with another trailer (--replace takes it away) or covered by a hashset (see "modhash
sign") is refused, and then nothing is changed.

` + layoutHelp

const attachExample = `$ modhash detach --key sample/keys/a.pem --layout obs --to signatures sample/b
24 signatures written
$ modhash attach --from signatures --layout obs --cert sample/keys/a.crt --replace sample/b
24 signatures attached, 0 were; modhash throw-away test key a`

type detachFlags struct {
	change           changeFlags
	key              keyFlags
	store            sign.Store
	layout           string
	request, digests string
	replace          bool
}

func (f *detachFlags) registerLayout(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.layout, "layout", string(sign.P7S), "`LAYOUT` of the signatures: "+join(sign.Layouts()))
	fl.StringVar(&f.store.Package, "package", "", "the `NAME` of the Debian package, with --layout debian")
	complete(cmd, "layout", words(sign.Layouts())...)
}

// check completes the flags.
func (f *detachFlags) check() error {
	f.store.Layout = sign.Layout(f.layout)
	switch {
	case f.layout != string(sign.P7S) && f.layout != string(sign.Debian) && f.layout != string(sign.OBS):
		return usageError("--layout %s, want one of %s", f.layout, join(sign.Layouts()))
	case (f.layout == string(sign.Debian)) != (f.store.Package != ""):
		return usageError("--layout debian and --package go together")
	}
	if f.store.Layout == sign.OBS && f.key.hash == "" && f.key.config == "" {
		f.key.hash = "sha256" // all that it has
	}
	return nil
}

func (a *app) detach() *cobra.Command {
	f := &detachFlags{}
	cmd := &cobra.Command{
		Use:         "detach [OPTION]... --to FOLDER|--request FILE FILE|FOLDER...",
		Short:       "make signatures apart from modules",
		Long:        detachLong,
		Example:     detachExample,
		Annotations: map[string]string{exitAnnotation: "0 the signatures were written\n1 a module has no signature, or is none; nothing was written\n2 wrong usage, or something could not be read, signed or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runDetach(cmd.Context(), f, args) },
	}
	f.key.register(cmd)
	f.registerLayout(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.store.Path, "to", "", "write the signatures to `FOLDER`")
	fl.StringVar(&f.request, "request", "", "write what a signing service is given to `FILE`, \"-\" for standard output")
	fl.StringVar(&f.digests, "digests", "", "sign the digests in `FILE`, \"-\" for standard input, in place of modules")
	f.change.registerRead(cmd)
	if err := cmd.MarkFlagDirname("to"); err != nil {
		panic(err) // the flag was registered just now
	}
	return cmd
}

func (a *app) runDetach(ctx context.Context, f *detachFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	switch {
	case (f.store.Path == "") == (f.request == ""):
		return usageError("want one of --to and --request")
	case f.request != "" && (f.key.key != "" || f.digests != ""):
		return usageError("--request goes without --key and --digests")
	case f.digests != "" && (f.key.key == "" || len(args) > 0):
		return usageError("--digests goes with --key and without modules")
	}
	so, err := f.key.signOptions()
	if err != nil {
		return err
	}
	var key *keys.Key
	if f.key.key != "" {
		if key, err = f.key.open(ctx, a, f.change.workers()); err != nil {
			return err
		}
		defer key.Close() // every signature was verified
	}
	if f.digests != "" {
		return a.detachDigests(ctx, f, key.SigningKey, so)
	}
	o, err := f.change.options(ctx, a, args)
	if err != nil {
		return err
	}
	files, err := openFiles(ctx, args)
	if err != nil {
		return err
	}
	defer files.Close() // nothing is buffered
	if f.request != "" {
		return a.request(ctx, f, files, so, o)
	}
	var sk *modsig.SigningKey
	if key != nil {
		sk = key.SigningKey
	}
	m := a.meter()
	o.Progress = m.progress()
	err = sign.Detach(ctx, files, sk, so, &f.store, o)
	m.close()
	if err != nil {
		return a.changeError(ctx, nil, err)
	}
	return a.say("%s written", plural(files.Len(), "signature"))
}

// request writes what a signing service is given.
func (a *app) request(ctx context.Context, f *detachFlags, files *sign.Files, so modsig.SignOptions, o *sign.Options) error {
	m := a.meter()
	defer m.close()
	o.Progress = m.progress()
	err := a.output(ctx, f.request, func(w io.Writer) error { return sign.Request(ctx, files, &f.store, so.Hash, w, o) })
	m.close()
	if err != nil {
		return a.changeError(ctx, nil, err)
	}
	if f.request == "-" {
		return nil
	}
	return a.say("%s to be signed", plural(files.Len(), "module"))
}

func (a *app) detachDigests(ctx context.Context, f *detachFlags, key *modsig.SigningKey, so modsig.SignOptions) error {
	in := io.Reader(untilDone{ctx, a.stdin})
	if f.digests != "-" {
		file, err := openUntilDone(ctx, f.digests)
		if err != nil {
			return err
		}
		defer file.Close() // read only
		in = untilDone{ctx, file}
	}
	n, err := sign.DetachDigests(ctx, in, key, so, &f.store)
	if err != nil {
		return fmt.Errorf("signing the digests in %s: %w", f.digests, err)
	}
	return a.say("%s written", plural(n, "signature"))
}

func (a *app) attach() *cobra.Command {
	f := &detachFlags{}
	cmd := &cobra.Command{
		Use:         "attach --from FOLDER|ARCHIVE --cert CERT [OPTION]... FILE|FOLDER...",
		Short:       "put signatures on modules that were made apart",
		Long:        attachLong,
		Example:     attachExample,
		Annotations: map[string]string{exitAnnotation: signExit},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runAttach(cmd.Context(), f, args) },
	}
	f.registerLayout(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.store.Path, "from", "", "take the signatures from `PATH`: a folder, or a cpio or tar archive")
	fl.StringVar(&f.key.cert, "cert", "", "the certificate `FILE` of the key that made them, PEM or DER")
	fl.BoolVar(&f.key.keyID, "key-id", false, "with --layout obs, name the signer by the certificate's key id")
	fl.BoolVar(&f.replace, "replace", false, "take away what else the modules end in")
	fl.StringSliceVar(&f.change.manifests, "manifest", nil, "modules in the manifest `FILE` are covered by a hashset")
	f.change.register(cmd)
	return cmd
}

func (a *app) runAttach(ctx context.Context, f *detachFlags, args []string) error {
	if err := f.check(); err != nil {
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
	so, err := f.key.signOptions()
	if err != nil {
		return err
	}
	cert, err := keys.ReadCertificate(f.key.cert)
	if err != nil {
		return err
	}
	c, err := (&modsig.Kernel{}).ParseKey(cert)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", f.key.cert, err)
	}
	o, err := f.change.options(ctx, a, args)
	if err != nil {
		return err
	}
	defer closeOut(o)
	o.Replace = f.replace
	files, err := openFiles(ctx, args)
	if err != nil {
		return err
	}
	defer files.Close() // nothing is buffered
	m := a.meter()
	o.Progress = m.progress()
	done, err := sign.Attach(ctx, files, cert, so, &f.store, o)
	m.close()
	if err != nil {
		if errors.Is(err, modsig.ErrNoKeyID) {
			err = usageError("--key-id: %v", err)
		}
		return a.changeError(ctx, done, err)
	}
	text := fmt.Sprintf("%s attached, %d were", plural(done.Count[rewrite.Added]+done.Count[rewrite.Replaced], "signature"), done.Count[rewrite.Unchanged])
	if n := done.Count[rewrite.Untried]; n > 0 {
		text += fmt.Sprintf(", %d modules left as they are because a hashset covers them", n)
	}
	return a.say("%s; %s", text, report.Safe(c.Subject))
}
