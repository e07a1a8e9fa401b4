// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/hashset/attest"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig/keys"
)

const attestLong = `States with a signature what a rebuild gave: a link, as rebuilderd makes them and
repro-threshold and "modhash consensus" count them.

ORIGINAL is what was published, a manifest or a build; REBUILT is the build made
again from its source. Packages of one build are joined with commas. The manifests
of both are computed anew from the modules, never taken from a report, and only if
they are equal, byte for byte, a link is signed. They must not be the same file, nor
have one in common. Without ORIGINAL the manifest of REBUILT is stated as it is, for
others to count.

The link is about the manifest's published name, NAME-VERSION-ARCH.modhash of the
--subject. Its materials are the files that were built from (--input: a .buildinfo,
.dsc or PKGBUILD), and ORIGINAL if that is a package. With --package the link is
about ORIGINAL itself, a package that REBUILT must equal bit for bit.

Forms: link is an in-toto Link as rebuilderd has it, signed with Ed25519. It has no
place for version, architecture and time. dsse is DSSE with an in-toto Statement,
which has; ECDSA keys (P-256, P-384, P-521) can sign it too. RSA keys sign neither. The time is that of --time or of
SOURCE_DATE_EPOCH, else there is none.

With --disagreement a result that differs is stated too, as DSSE with the predicate
` + attest.DisagreementType + `; the exit code stays 1.

KEY is as for "modhash sign", or the key file of a rebuilderd worker
(rebuilder.v2.key) or daemon (rebuilderd.sign.key). Of a key of exec: or pkcs11: the
public half is asked for, unless --public-key or --cert tells it. --write-public-key
writes that as rebuilderd publishes it, for those who are to trust it.`

const attestExample = `$ modhash generate sample/a -o linux-6.12-1-amd64.modhash
$ echo "Source: linux" >linux.buildinfo
$ modhash attest --key sample/keys/alice.key --subject linux=6.12-1/amd64 --input linux.buildinfo -o alice.link linux-6.12-1-amd64.modhash sample/b | head -1
stated: linux-6.12-1-amd64.modhash is as published; kernel image included`

type attestFlags struct {
	build    buildFlags
	key      keyFlags
	subject  string
	inputs   []string
	pack     bool
	form     string
	output   string
	manifest string
	public   string // to write
	half     string // to read
	disagree string
	scheme   string
	accept   []string
	time     string
}

func (a *app) attest() *cobra.Command {
	f := &attestFlags{}
	cmd := &cobra.Command{
		Use:         "attest [OPTION]... --key KEY --subject NAME=VERSION/ARCH [ORIGINAL] REBUILT",
		Short:       "state with a signature what a rebuild gave",
		Long:        attestLong,
		Example:     attestExample,
		Annotations: map[string]string{exitAnnotation: "0 the link was written\n1 a finding, or REBUILT is not as ORIGINAL; no link was written\n2 wrong usage, or something could not be read, signed or written\n3 the link was written; there are findings, all of them accepted (--accept)"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runAttest(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.subject, "subject", "", "the package that the manifest is of: `NAME=VERSION/ARCH`")
	fl.StringArrayVar(&f.inputs, "input", nil, "a `FILE` that was built from; may be given several times")
	fl.BoolVar(&f.pack, "package", false, "state the package itself, which must be equal bit for bit")
	fl.StringVar(&f.form, "form", string(attest.Metablock), "`FORM` of the statement: link or dsse")
	fl.StringVarP(&f.output, "output", "o", "", "write the link to `FILE` instead of standard output")
	fl.StringVar(&f.manifest, "write-manifest", "", "write the manifest of REBUILT to `FILE`, whether it is as ORIGINAL or not")
	fl.StringVar(&f.public, "write-public-key", "", "write the public key to `FILE`, as rebuilderd does")
	fl.StringVar(&f.half, "public-key", "", "the public half of an exec: or pkcs11: key is in `FILE`, for who does not tell it")
	fl.StringVar(&f.disagree, "disagreement", "", "if the two differ, state that in `FILE`")
	fl.StringVar(&f.scheme, "hashset", "merkle", "`KIND` of hashset: merkle, flat or none; that of ORIGINAL if it is a manifest")
	fl.StringVar(&f.time, "time", "", "the `TIME` of the statement, in seconds since 1970 (default: SOURCE_DATE_EPOCH, or none)")
	fl.BoolVar(&f.build.noImage, "no-image", false, "leave the kernel image out: the manifest says not-covered")
	fl.StringSliceVar(&f.accept, "accept", nil, "state in spite of findings of these `KINDS`: "+join(generateAcceptable))
	fl.StringVar(&f.key.key, "key", "", "the private `KEY`: a file, exec:PROGRAM, or a pkcs11: URI")
	fl.StringVar(&f.key.cert, "cert", "", "a certificate `FILE` that tells the public half of an exec: or pkcs11: key")
	f.key.registerAccess(cmd)
	f.build.registerOne(cmd)
	complete(cmd, "form", string(attest.Metablock), string(attest.Envelope))
	complete(cmd, "hashset", "merkle", "flat", "none")
	complete(cmd, "accept", words(generateAcceptable)...)
	return cmd
}

// attestation is one run of the verb.
type attestation struct {
	*app
	f         *attestFlags
	st        attest.Statement
	original  []string // paths, none if there is no original
	rebuilt   []string
	packs     []string // those of original that are packages: the last materials
	published []byte   // the manifest of the original
	computed  []byte   // the manifest of the rebuild
	accepted  bool
	covered   string // in the verdict line
}

func (a *app) runAttest(ctx context.Context, f *attestFlags, args []string) error {
	t := &attestation{app: a, f: f}
	if err := t.usage(args); err != nil {
		return err
	}
	if err := t.statedTime(os.LookupEnv); err != nil {
		return err
	}
	key, err := f.key.openBare(ctx, a, f.half)
	if err != nil {
		return err
	}
	defer key.Close() // what it signed was verified
	public, err := attest.NewPublicKey(key.Public())
	if err != nil {
		return withHint(err, "openssl genpkey -algorithm ed25519 makes a key that every form takes")
	}
	if err := t.materials(ctx); err != nil {
		return err
	}
	if f.pack {
		err = t.packages(ctx)
	} else {
		err = t.manifests(ctx)
	}
	if err != nil {
		return err
	}
	if err := t.unchanged(ctx); err != nil {
		return err
	}
	if err := t.writeAside(ctx, public); err != nil {
		return err
	}
	if t.st.Rebuilt != nil {
		return t.disagree(ctx, key)
	}
	return t.state(ctx, key, public)
}

func (t *attestation) usage(args []string) error {
	f := t.f
	switch {
	case len(args) == 0:
		return usageError("no build given")
	case len(args) > 2:
		return usageError("%d arguments; packages of one build are joined with commas", len(args))
	case f.form != string(attest.Metablock) && f.form != string(attest.Envelope):
		return usageError("--form %s, want link or dsse", f.form)
	case f.pack && len(args) < 2:
		return usageError("--package takes ORIGINAL and REBUILT")
	case f.pack && f.manifest != "":
		return usageError("--package has no manifest to write")
	case f.disagree != "" && len(args) < 2:
		return usageError("--disagreement takes ORIGINAL and REBUILT")
	case f.subject == "" && !f.pack:
		return usageError("no --subject given")
	case f.time != "" && f.form == string(attest.Metablock) && f.disagree == "":
		return usageError("a link has no place for a --time; --form dsse has")
	}
	if err := checkAccept(f.accept, generateAcceptable); err != nil {
		return err
	}
	if f.subject != "" {
		var err error
		if t.st.Subject, err = attest.ParseSubject(f.subject); err != nil {
			return &usage{err}
		}
	}
	t.rebuilt = splitBuild(args[len(args)-1])
	if len(args) == 2 {
		t.original = splitBuild(args[0])
	}
	return t.distinct()
}

// statedTime takes the time from the flag or from SOURCE_DATE_EPOCH.
func (t *attestation) statedTime(lookup func(string) (string, bool)) error {
	from, s := "--time", t.f.time
	if s == "" {
		from = "SOURCE_DATE_EPOCH"
		s, _ = lookup(from)
	}
	if s == "" {
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s || n > 253402300799 {
		return usageError("%s %.40q: want seconds since 1970, up to the year 9999", from, s)
	}
	t.st.Time = time.Unix(int64(n), 0).UTC()
	return nil
}

// writeAside writes what was asked for beside the link.
func (t *attestation) writeAside(ctx context.Context, public *attest.PublicKey) error {
	if t.f.public != "" {
		text, err := public.PEM()
		if err == nil {
			err = t.write(ctx, t.f.public, text)
		}
		if err != nil {
			return err
		}
	}
	if t.f.manifest != "" {
		return t.write(ctx, t.f.manifest, t.computed)
	}
	return nil
}

func (t *attestation) write(ctx context.Context, path string, content []byte) error {
	return t.output(ctx, path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// state signs and writes the link.
func (t *attestation) state(ctx context.Context, key crypto.Signer, public *attest.PublicKey) error {
	doc, err := attest.Sign(attest.Form(t.f.form), &t.st, key)
	if err != nil {
		return withHint(err, "nothing was written")
	}
	if err := t.write(ctx, t.f.output, append(doc, '\n')); err != nil {
		return err
	}
	words := "is as published"
	if len(t.original) == 0 {
		words = "is stated; it was compared with nothing"
	}
	if t.covered != "" {
		words += "; " + t.covered
	}
	if t.f.output != "" && t.f.output != "-" {
		if err := t.say("stated: %s %s\n  sha256    %s\n  key       %s", t.st.Product.Name, words, t.st.Product.SHA256, public.ID); err != nil {
			return err
		}
	} else if !t.quiet && t.covered == report.NotCovered {
		t.warn("%s", t.covered)
	}
	if t.accepted {
		return code(exitAccepted)
	}
	return nil
}

// disagree says that the two differ, and signs that if it was asked for.
func (t *attestation) disagree(ctx context.Context, key crypto.Signer) error {
	if t.f.disagree != "" {
		doc, err := attest.Sign(attest.Envelope, &t.st, key)
		if err == nil {
			err = t.write(ctx, t.f.disagree, append(doc, '\n'))
		}
		if err != nil {
			return err
		}
	}
	words := "; nothing was signed"
	if t.f.disagree != "" {
		words = ", and that is stated"
	}
	if err := t.say("different: %s was not built as it was published%s\n  published sha256 %s\n  built     sha256 %s", t.st.Product.Name, words, t.st.Product.SHA256, t.st.Rebuilt.SHA256); err != nil {
		return err
	}
	t.message("hint", fmt.Sprintf("modhash diff %s %s tells what differs, and why", strings.Join(t.original, ","), strings.Join(t.rebuilt, ",")))
	return code(exitFinding)
}

// openBare opens the key for other things than modules.
func (f *keyFlags) openBare(ctx context.Context, a *app, half string) (*keys.BareKey, error) {
	cert, err := f.certificate(ctx)
	if err != nil {
		return nil, err
	}
	o := f.options(a, 1)
	// rebuilderd leaves the keys that it makes to be read by its group.
	if st, err := os.Stat(f.key); err == nil && st.Mode().Perm()&0o027 == 0 {
		o.Private = false
	}
	var public crypto.PublicKey
	switch {
	case half != "" && cert != nil:
		return nil, usageError("--public-key and --cert exclude each other")
	case half != "":
		if public, err = readPublicKey(ctx, half); err != nil {
			return nil, err
		}
	case cert != nil:
		c, err := x509.ParseCertificate(cert)
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", f.cert, err)
		}
		public = c.PublicKey
	}
	k, err := keys.OpenBare(ctx, f.key, public, o)
	if err != nil {
		return nil, f.hint(err)
	}
	f.warnPIN(a)
	return k, nil
}
