// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/kbuild/sign"
	"github.com/modhash/modhash/modsig/keys"
)

const signLong = `Signs module files, plain or compressed, in place or to --out: those given, and in
folders everything that is called like a module. The signatures are those of the
kernel's sign-file; RSA signatures are the same byte for byte, and with ECDSA and
ML-DSA keys in files they are the same in every run.

` + keyHelp + `

A module that is signed by this key already, over what it holds now and in this
form, is not touched, unless it is compressed in a way that a kernel's own
decompressor may not take: then it is compressed again. One that ends in anything
else is refused; --replace takes that away first. Signatures are never stacked. A
module that a hashset covers, because it carries a proof, or because the
modhash.manifest in its modules folder or --manifest lists it, is refused too: a
kernel checks it by the hashset or by the signature, not by both. --covered says
otherwise.

With --dkms, the modules are all that dkms built for a kernel, in its tree and where
they are installed, whoever signed them before (--replace is implied). A module of the
kernel itself by such a name is left alone, one of unknown origin is refused. The hash
is that of the kernel's .config, which lies in build/ beside its modules, if neither
--hash nor --config says it. An initramfs holds copies: it has to be made anew then.

Nothing is changed if one of the modules is refused. Compressed modules are compressed
again as the kernel's build does it; --compressor system runs the machine's own
programs for that. Mode, owner, times, extended attributes and hard links are kept.
Every new file is read again and compared before it takes the place of the old one:
interrupted at any moment, each module is the old one or the new one. What a
killed run left beside the modules goes with the next one.`

const signExample = `$ modhash sign --key sample/keys/a.pem sample/d
24 modules signed, 0 were; sha512, modhash throw-away test key a
$ modhash sign --key sample/keys/a.pem sample/d
0 modules signed, 24 were; sha512, modhash throw-away test key a`

const unsignLong = `Takes the signatures off module files, plain or compressed, in place or to --out:
those given, and in folders everything that is called like a module. What remains is
the module as it was before it was signed, byte for byte; a compressed one is
compressed again as the kernel's build does it.

A module that carries a proof is refused; --covered says otherwise. Nothing is
changed if one of the modules is refused.`

const unsignExample = `$ modhash unsign sample/a
24 signatures taken off, 0 modules had none
$ modhash unsign sample/a
0 signatures taken off, 24 modules had none`

const signExit = `0 every module is as wanted
1 a module was refused, or is none; nothing was written
2 wrong usage, or something could not be read, signed or written`

func (a *app) sign() *cobra.Command {
	k, f, d := &keyFlags{}, &changeFlags{}, &dkmsFlags{}
	cmd := &cobra.Command{
		Use:         "sign --key KEY [--cert CERT] [OPTION]... FILE|FOLDER...|--dkms KERNEL",
		Short:       "sign modules",
		Long:        signLong,
		Example:     signExample,
		Annotations: map[string]string{exitAnnotation: signExit},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runSign(cmd.Context(), k, f, d, args) },
	}
	k.register(cmd)
	f.registerSign(cmd)
	d.register(cmd)
	return cmd
}

func (a *app) runSign(ctx context.Context, kf *keyFlags, f *changeFlags, d *dkmsFlags, args []string) error {
	args, err := d.apply(kf, f, args)
	if err != nil {
		return err
	}
	so, err := kf.signOptions(ctx)
	if err != nil {
		return err
	}
	c, err := f.openWith(ctx, a, args, func(o *sign.Options) (*sign.Files, error) { return d.open(ctx, args, o) })
	if err != nil {
		return a.changeError(ctx, "sign", nil, err)
	}
	defer c.close()
	key, err := kf.open(ctx, a, f.signatures())
	if err != nil {
		return err
	}
	defer key.Close() // every signature was verified
	if !key.Deterministic() && !a.quiet {
		a.warn("signatures by this key differ from run to run, so nothing that holds them can be reproduced")
	}
	return a.finish(ctx, c, &report.Signing{Verb: "sign", Hash: keys.HashName(so.Hash), Key: key.Key()}, func() (*sign.Report, error) {
		return sign.Sign(ctx, c.files, key.SigningKey, so, c.options)
	})
}

func (a *app) unsign() *cobra.Command {
	f := &changeFlags{}
	cmd := &cobra.Command{
		Use:         "unsign [OPTION]... FILE|FOLDER...",
		Short:       "take the signatures off modules",
		Long:        unsignLong,
		Example:     unsignExample,
		Annotations: map[string]string{exitAnnotation: signExit},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runUnsign(cmd.Context(), f, args) },
	}
	f.register(cmd)
	return cmd
}

func (a *app) runUnsign(ctx context.Context, f *changeFlags, args []string) error {
	c, err := f.open(ctx, a, args)
	if err != nil {
		return err
	}
	defer c.close()
	return a.finish(ctx, c, &report.Signing{Verb: "unsign"}, func() (*sign.Report, error) { return sign.Unsign(ctx, c.files, c.options) })
}
