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
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/keys/store"
)

const keysShowLong = `Tells which keys are in FOLDER, as "keys rotate" keeps them, the oldest first; which
is the current one (*), and which of the kernel images trust each.`

const keysShowExample = `$ SOURCE_DATE_EPOCH=1767225600 modhash -q keys rotate keys | cut -c 1-8
rotated:
$ modhash keys show keys | cut -c 1-51
1 key in keys, the current one is 20260101-000000
* 20260101-000000  Local module signing key, serial`

type keysShowFlags struct{ image imageFlags }

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
	f.image.register(cmd)
	return cmd
}

func (a *app) runKeysShow(ctx context.Context, f *keysShowFlags, args []string) error {
	if len(args) == 0 {
		return usageError("want a folder of keys")
	}
	if err := f.image.check(); err != nil {
		return err
	}
	dir := filepath.Clean(args[0])
	entries, err := store.List(dir)
	if err != nil {
		return err
	}
	trusting := make([][]string, len(entries))
	for _, path := range args[1:] {
		err := f.image.with(ctx, path, func(img *image.Image) error {
			for i := range entries {
				c := &keyCheck{}
				if entries[i].Fault == nil {
					c.lookIn(img, entries[i].Certificate.Raw)
				}
				if word, _, _ := strings.Cut(c.where, ":"); c.where != "" && word != "no" {
					trusting[i] = append(trusting[i], path+" ("+strings.TrimPrefix(c.where, "yes: ")+")")
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	_, cerr := store.CurrentKey(dir)
	if cerr != nil && !errors.Is(cerr, store.ErrDangling) {
		return cerr
	}
	return a.printKeys(dir, entries, trusting, len(args) > 1, cerr)
}

func (a *app) printKeys(dir string, entries []store.Entry, trusting [][]string, asked bool, dangling error) error {
	current, exit := "no current one", exitOK
	var lines []string
	for i := range entries {
		e := &entries[i]
		mark := " "
		if e.Current {
			mark, current = "*", "the current one is "+e.Name
		}
		if e.Fault != nil {
			lines = append(lines, fmt.Sprintf("%s %s  damaged: %v", mark, e.Name, e.Fault))
			exit = exitFinding
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s  %s, %s", mark, e.Name, describe(&e.Certificate), cmp.Or(e.Hash, "hash not known")))
		if !e.Private {
			lines = append(lines, "      the private key is not here")
		}
		if e.Exposed != "" {
			lines = append(lines, fmt.Sprintf("      others than the owner may use it: chmod 600 %s", shellWord(e.Exposed)))
			exit = exitFinding
		}
		for _, t := range trusting[i] {
			lines = append(lines, "      trusted by "+t)
		}
		if asked && len(trusting[i]) == 0 {
			lines = append(lines, "      trusted by none of the images")
		}
	}
	if dangling != nil {
		current = dangling.Error()
	}
	if !strings.HasPrefix(current, "the current one is") {
		exit = exitFinding
	}
	lines = append([]string{fmt.Sprintf("%s in %s, %s", plural(len(entries), "key"), dir, current)}, lines...)
	for _, l := range lines {
		if err := a.say("%s", report.Safe(l)); err != nil {
			return err
		}
	}
	return code(exit)
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
	f.image.register(cmd)
	return cmd
}

// embedded is a certificate in an image.
type embedded struct {
	class string
	cert  certlist.Certificate
}

func (a *app) runKeysExtract(ctx context.Context, f *keysExtractFlags, args []string) error {
	switch {
	case len(args) != 1:
		return usageError("want one kernel image")
	case f.der && f.out == "":
		return usageError("--der goes with -o")
	}
	if err := f.image.check(); err != nil {
		return err
	}
	var found []embedded
	if err := f.image.with(ctx, args[0], func(img *image.Image) error { found = embeddedIn(img); return nil }); err != nil {
		return err
	}
	var chosen []embedded
	for _, e := range found {
		if f.choose == "" || e.is(f.choose) {
			chosen = append(chosen, e)
		}
	}
	if len(chosen) == 0 && len(found) > 0 {
		return finding("none of %s is %s", plural(len(found), "certificate"), f.choose)
	}
	if f.out == "" {
		return a.printEmbedded(args[0], chosen)
	}
	if len(chosen) == 0 {
		return finding("there is no certificate in %s", args[0])
	}
	return a.output(ctx, f.out, func(w io.Writer) error {
		for _, e := range chosen {
			if f.der {
				if _, err := w.Write(e.cert.Raw); err != nil {
					return err
				}
			} else if err := pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: e.cert.Raw}); err != nil {
				return err
			}
		}
		return nil
	})
}

func embeddedIn(img *image.Image) []embedded {
	var out []embedded
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
			out = append(out, embedded{class, c})
		}
	}
	if l := img.Revoked; l != nil {
		for _, c := range l.Certificates {
			out = append(out, embedded{"revoked", c})
		}
	}
	return out
}

func (e *embedded) is(what string) bool {
	if what == e.class || what == "listed" && (e.class == "build" || e.class == "inserted") {
		return true
	}
	id, err := hex.DecodeString(strings.ToLower(strings.ReplaceAll(what, ":", "")))
	if err != nil || len(id) == 0 {
		return false
	}
	return bytes.Equal(id, e.cert.KeyID) || e.cert.Serial != nil && bytes.Equal(bytes.TrimLeft(id, "\x00"), e.cert.Serial.Bytes())
}

func (a *app) printEmbedded(path string, list []embedded) error {
	exit := exitOK
	if len(list) == 0 {
		exit = exitFinding
	}
	lines := []string{plural(len(list), "certificate") + " in " + path}
	for i := range list {
		e := &list[i]
		if e.cert.Err != nil {
			exit = exitFinding
			lines = append(lines, fmt.Sprintf("  %-9s %d bytes, malformed: %v", e.class, len(e.cert.Raw), e.cert.Err))
			continue
		}
		lines = append(lines, fmt.Sprintf("  %-9s %s, %s", e.class, describeDated(&e.cert, time.RFC3339), e.cert.SignatureAlgorithm))
	}
	for _, l := range lines {
		if err := a.say("%s", report.Safe(l)); err != nil {
			return err
		}
	}
	return code(exit)
}
