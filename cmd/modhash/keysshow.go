// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig/keys/store"
)

const keysShowLong = `Tells which keys are in FOLDER, as "keys rotate" keeps them, the oldest first; which
is the current one (*), and which of the kernel images trust each.`

const keysShowExample = `$ SOURCE_DATE_EPOCH=1767225600 modhash -q keys rotate keys | cut -c 1-8
rotated:
$ modhash keys show keys | cut -c 1-51
1 key in keys, the current one is 20260101-000000
* 20260101-000000  Local module signing key, serial`

type keysShowFlags struct {
	image  imageFlags
	format string
}

func (a *app) keysShow() *cobra.Command {
	f := &keysShowFlags{}
	cmd := &cobra.Command{
		Use:         "show [OPTION]... FOLDER [IMAGE]...",
		Short:       "tell which keys there are, and which kernels trust them",
		Long:        keysShowLong,
		Example:     keysShowExample,
		Annotations: map[string]string{exitAnnotation: "0 there is a current key, and all are as they should be\n1 there is none, one is damaged, or others than its owner may read one\n2 wrong usage, or something could not be read"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysShow(cmd.Context(), f, args) },
	}
	registerFormat(cmd, &f.format)
	f.image.register(cmd)
	return cmd
}

// registerFormat registers the option of verbs that write text or JSON.
func registerFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "`FORM` of the result: text or json")
	complete(cmd, "format", "text", "json")
}

func (a *app) runKeysShow(ctx context.Context, f *keysShowFlags, args []string) error {
	if len(args) == 0 {
		return usageError("want a folder of keys")
	}
	if err := checkFormat(f.format); err != nil {
		return err
	}
	if err := f.image.check(); err != nil {
		return err
	}
	dir := filepath.Clean(args[0])
	entries, err := store.List(dir)
	if err != nil {
		return err
	}
	r := &report.KeyFolder{Path: dir, Keys: make([]report.KeptKey, len(entries))}
	for i := range entries {
		e := &entries[i]
		k := &r.Keys[i]
		*k = report.KeptKey{Name: e.Name, Current: e.Current, Certificate: e.Certificate, Hash: e.Hash, Private: e.Private, Exposed: e.Exposed}
		if e.Fault != nil {
			k.Problem = e.Fault.Error()
		}
		if e.Current {
			r.Current = e.Name
		}
	}
	for _, path := range args[1:] {
		if err := f.image.with(ctx, path, func(img *image.Image) error { findTrusted(r, path, img); return nil }); err != nil {
			return err
		}
	}
	if _, err := store.CurrentKey(dir); errors.Is(err, store.ErrDangling) {
		r.Current, r.Problem = "", err.Error()
	} else if err != nil {
		return err
	}
	if f.format == "json" {
		err = a.output(ctx, "", func(w io.Writer) error { return report.KeyFolderJSON(w, r) })
	} else {
		err = a.printKeys(r, len(args) > 1)
	}
	if err != nil {
		return err
	}
	return code(exitOfKeys(r))
}

// findTrusted notes which keys an image trusts.
func findTrusted(r *report.KeyFolder, path string, img *image.Image) {
	for i := range r.Keys {
		k := &r.Keys[i]
		c := &keyCheck{}
		if k.Problem == "" {
			c.lookIn(img, k.Certificate.Raw)
		}
		if word, _, _ := strings.Cut(c.where, ":"); c.where != "" && word != "no" {
			k.TrustedBy = append(k.TrustedBy, report.TrustingImage{Image: path, Where: strings.TrimPrefix(c.where, "yes: ")})
		}
	}
}

// exitOfKeys is the exit code: there is a current key, and all are as they should be.
func exitOfKeys(r *report.KeyFolder) int {
	if r.Current == "" || slices.ContainsFunc(r.Keys, func(k report.KeptKey) bool { return k.Problem != "" || k.Exposed != "" }) {
		return exitFinding
	}
	return exitOK
}

func (a *app) printKeys(r *report.KeyFolder, asked bool) error {
	current := "no current one"
	if r.Current != "" {
		current = "the current one is " + r.Current
	}
	lines := []string{fmt.Sprintf("%s in %s, %s", plural(len(r.Keys), "key"), r.Path, cmp.Or(r.Problem, current))}
	for i := range r.Keys {
		k := &r.Keys[i]
		mark := " "
		if k.Current {
			mark = "*"
		}
		if k.Problem != "" {
			lines = append(lines, fmt.Sprintf("%s %s  damaged: %s", mark, k.Name, k.Problem))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s  %s, %s", mark, k.Name, describe(&k.Certificate), cmp.Or(k.Hash, "hash not known")))
		if !k.Private {
			lines = append(lines, "      the private key is not here")
		}
		if k.Exposed != "" {
			lines = append(lines, fmt.Sprintf("      others than the owner may use it: chmod 600 %s", shellWord(k.Exposed)))
		}
		for _, t := range k.TrustedBy {
			lines = append(lines, fmt.Sprintf("      trusted by %s (%s)", t.Image, t.Where))
		}
		if asked && len(k.TrustedBy) == 0 {
			lines = append(lines, "      trusted by none of the images")
		}
	}
	return a.sayLines(lines)
}

// sayLines writes lines of result, in which what comes from the input is made safe.
func (a *app) sayLines(lines []string) error {
	for _, l := range lines {
		if err := a.say("%s", report.Safe(l)); err != nil {
			return err
		}
	}
	return nil
}

const keysExtractLong = `Lists the certificates in a kernel image, or with -o writes them, all in one file or
the one that --select names. "listed" are those that the kernel trusts when it starts,
"build" among them is that of the key which the build made, "inserted" those that were
put into the reserve after the build; "elsewhere" is all else that looks like one,
which may be of a driver; "revoked" are those that it refuses.`

const keysExtractExample = `$ modhash keys extract sample/tree/vmlinux || true
0 certificates in sample/tree/vmlinux`

type keysExtractFlags struct {
	image       imageFlags
	out, choose string
	format      string
	der         bool
}

func (a *app) keysExtract() *cobra.Command {
	f := &keysExtractFlags{}
	cmd := &cobra.Command{
		Use:         "extract [OPTION]... IMAGE",
		Short:       "list or write the certificates in a kernel image",
		Long:        keysExtractLong,
		Example:     keysExtractExample,
		Annotations: map[string]string{exitAnnotation: "0 they were listed or written\n1 there is none, or none that was asked for, or one is malformed\n2 wrong usage, or something could not be read or written"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runKeysExtract(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.out, "output", "o", "", "write them to `FILE`, - for standard output")
	fl.BoolVar(&f.der, "der", false, "write DER, one behind the other, not PEM")
	fl.StringVar(&f.choose, "select", "", "only those with this key id or serial number, in `HEX`, or of this class: build, listed, inserted, elsewhere, revoked")
	registerFormat(cmd, &f.format)
	f.image.register(cmd)
	return cmd
}

func (a *app) runKeysExtract(ctx context.Context, f *keysExtractFlags, args []string) error {
	switch {
	case len(args) != 1:
		return usageError("want one kernel image")
	case f.der && f.out == "":
		return usageError("--der goes with -o")
	case f.format != "text" && f.out != "":
		return usageError("--format is of the list; -o writes the certificates instead")
	}
	if err := checkFormat(f.format); err != nil {
		return err
	}
	if err := f.image.check(); err != nil {
		return err
	}
	var found []report.EmbeddedCertificate
	if err := f.image.with(ctx, args[0], func(img *image.Image) error { found = embeddedIn(img); return nil }); err != nil {
		return err
	}
	var chosen []report.EmbeddedCertificate
	for _, e := range found {
		if f.choose == "" || isCertificate(&e, f.choose) {
			chosen = append(chosen, e)
		}
	}
	if len(chosen) == 0 && len(found) > 0 && f.format == "text" {
		return finding("none of %s is %s", plural(len(found), "certificate"), f.choose)
	}
	if f.out == "" {
		return a.listEmbedded(ctx, f, args[0], chosen)
	}
	if len(chosen) == 0 {
		return finding("there is no certificate in %s", args[0])
	}
	return a.output(ctx, f.out, func(w io.Writer) error {
		for _, e := range chosen {
			if f.der {
				if _, err := w.Write(e.Certificate.Raw); err != nil {
					return err
				}
			} else if err := pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate.Raw}); err != nil {
				return err
			}
		}
		return nil
	})
}

func embeddedIn(img *image.Image) []report.EmbeddedCertificate {
	var out []report.EmbeddedCertificate
	if l := img.Trusted; l != nil {
		for i := range l.Certificates {
			c := l.Certificates[i]
			class := "listed"
			switch {
			case !l.Listed(&c):
				class = "elsewhere"
			case l.OfBuild(&c):
				class = "build"
			case l.InReserve(&c):
				class = "inserted"
			}
			out = append(out, report.EmbeddedCertificate{Class: class, Certificate: c})
		}
	}
	if l := img.Revoked; l != nil {
		for _, c := range l.Certificates {
			out = append(out, report.EmbeddedCertificate{Class: "revoked", Certificate: c})
		}
	}
	return out
}

// isCertificate reports whether --select means it.
func isCertificate(e *report.EmbeddedCertificate, what string) bool {
	if what == e.Class || what == "listed" && (e.Class == "build" || e.Class == "inserted") {
		return true
	}
	id, err := hex.DecodeString(strings.ToLower(strings.ReplaceAll(what, ":", "")))
	if err != nil || len(id) == 0 {
		return false
	}
	c := &e.Certificate
	return bytes.Equal(id, c.KeyID) || c.Serial != nil && bytes.Equal(bytes.TrimLeft(id, "\x00"), c.Serial.Bytes())
}

func (a *app) listEmbedded(ctx context.Context, f *keysExtractFlags, path string, list []report.EmbeddedCertificate) error {
	exit := exitOK
	if len(list) == 0 {
		exit = exitFinding
	}
	lines := []string{plural(len(list), "certificate") + " in " + path}
	for i := range list {
		c := &list[i].Certificate
		if c.Err != nil {
			exit = exitFinding
			lines = append(lines, fmt.Sprintf("  %-9s %d bytes, malformed: %v", list[i].Class, len(c.Raw), c.Err))
			continue
		}
		lines = append(lines, fmt.Sprintf("  %-9s %s, %s", list[i].Class, describeDated(c, time.RFC3339), c.SignatureAlgorithm))
	}
	write := func() error { return a.sayLines(lines) }
	if f.format == "json" {
		write = func() error {
			return a.output(ctx, "", func(w io.Writer) error { return report.EmbeddedJSON(w, path, list) })
		}
	}
	if err := write(); err != nil {
		return err
	}
	return code(exit)
}
