// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/sign"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys"
)

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

type detachFlags struct {
	change           changeFlags
	key              keyFlags
	store            storeFlags
	request, digests string
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
	f.store.register(cmd)
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
	if err := f.store.check(&f.key); err != nil {
		return err
	}
	switch {
	case (f.store.Path == "") == (f.request == ""):
		return usageError("want one of --to and --request")
	case f.request != "" && (f.key.key != "" || f.digests != ""):
		return usageError("--request goes without --key and --digests")
	case f.request == "-" && f.change.format == "json":
		return usageError("--request - takes standard output, where --format json would write")
	case f.digests != "" && (f.key.key == "" || len(args) > 0):
		return usageError("--digests goes with --key and without modules")
	}
	so, err := f.key.signOptions(ctx)
	if err != nil {
		return err
	}
	var key *keys.Key
	if f.key.key != "" {
		if key, err = f.key.open(ctx, a, f.change.signatures()); err != nil {
			return err
		}
		defer key.Close() // every signature was verified
	}
	if f.digests != "" {
		return a.detachDigests(ctx, f, key.SigningKey, so)
	}
	c, err := f.change.open(ctx, a, args)
	if err != nil {
		return err
	}
	defer c.close()
	if f.request != "" {
		return a.request(ctx, f, c, so)
	}
	s := &report.Signing{Verb: "detach", Written: c.files.Len()}
	var sk *modsig.SigningKey
	if key != nil {
		sk, s.Key, s.Hash = key.SigningKey, key.Key(), keys.HashName(so.Hash)
	}
	return a.finish(ctx, c, s, func() (*sign.Report, error) {
		return nil, sign.Detach(ctx, c.files, sk, so, &f.store.Store, c.options)
	})
}

// request writes what a signing service is given.
func (a *app) request(ctx context.Context, f *detachFlags, c *moduleChange, so modsig.SignOptions) error {
	m := a.meter()
	defer m.close()
	c.options.Progress = m.progress()
	err := a.output(ctx, f.request, func(w io.Writer) error {
		return sign.Request(ctx, c.files, &f.store.Store, so.Hash, w, c.options)
	})
	m.close()
	if err == nil && f.request == "-" {
		return nil
	}
	return a.concludeSigning(ctx, &f.change, &report.Signing{Verb: "request", Written: c.files.Len()}, err)
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
	n, err := sign.DetachDigests(ctx, in, key, so, &f.store.Store)
	if err != nil {
		return fmt.Errorf("signing the digests in %s: %w", f.digests, err)
	}
	s := &report.Signing{Verb: "detach", Hash: keys.HashName(so.Hash), Key: key.Key(), Written: n}
	return a.concludeSigning(ctx, &f.change, s, nil)
}
