// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/prove"
)

const embedLong = `Writes the hashset of a build in a form that the kernel takes: as C text to be
compiled, as the raw bytes of its section .module_hashes, or into that section of
a linked vmlinux.

The hashset is computed from the modules of BUILD, with the findings of "modhash
generate". From a MANIFEST it is taken as it stands there and not recomputed; a
flat list can be made of the digests in any manifest, a Merkle root only be taken
from one that states it.

With --into the section must be there and of the right size: 36 bytes for a Merkle
root, 32 a module for a flat list. It is filled if it holds zeros, left alone if it
holds the hashset already, and replaced otherwise only with --replace. Every other
byte of the file stays; the file is written anew beside the old one and renamed.`

const embedExample = `$ modhash embed sample/tree | head -6
#include <linux/module_hashes.h>

const struct
module_hashes_root module_hashes_root __module_hashes_section = {
	.levels = 5,
	.hash = {{
$ modhash embed --into sample/tree/vmlinux sample/tree
embedded: root 5 248ae3133021115101644b57bc098bbd244522cd5344ed48174bf29d19f2ae54`

type embedFlags struct {
	build   buildFlags
	output  string
	scheme  string
	cText   string
	raw     bool
	order   string
	into    string
	replace bool
	accept  []string
}

func (a *app) embed() *cobra.Command {
	f := &embedFlags{}
	cmd := &cobra.Command{
		Use:         "embed [OPTION]... MANIFEST|BUILD...",
		Short:       "put a hashset into the form, or the file, that the kernel takes",
		Long:        embedLong,
		Example:     embedExample,
		Annotations: map[string]string{exitAnnotation: "0 it was written, or was there already\n1 a finding; nothing was written\n2 wrong usage, a listed module is missing, or something could not be read or written\n3 it was written; there are findings, all of them accepted (--accept)"},
		RunE:        func(cmd *cobra.Command, args []string) error { return a.runEmbed(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.cText, "c-text", "", "the C text of `VERSION` v3 (flat), v4 or v5 (Merkle) of the kernel series; without any form v5, or v3 for a flat list")
	fl.BoolVar(&f.raw, "raw", false, "the bytes of the section")
	fl.StringVar(&f.order, "byte-order", "", "byte `ORDER` of the levels in the raw bytes, little or big (default: that of the modules)")
	fl.StringVar(&f.into, "into", "", "write into the section .module_hashes of `VMLINUX`")
	fl.BoolVar(&f.replace, "replace", false, "replace another hashset in VMLINUX")
	fl.StringVarP(&f.output, "output", "o", "", "write to `FILE` instead of standard output; with --into instead of VMLINUX")
	fl.StringVar(&f.scheme, "hashset", "", "`KIND` of hashset: merkle or flat (default: that of the manifest, or merkle)")
	fl.StringSliceVar(&f.accept, "accept", nil, "go on in spite of findings of these `KINDS`: "+join(generateAcceptable))
	f.build.noImage = true // the image is not part of the hashset
	f.build.registerModules(cmd)
	complete(cmd, "c-text", "v3", "v4", "v5")
	complete(cmd, "byte-order", "little", "big")
	complete(cmd, "hashset", "merkle", "flat")
	complete(cmd, "accept", words(generateAcceptable)...)
	return cmd
}

// embedding is a hashset with what its forms need.
type embedding struct {
	section  hashset.Section
	names    []string // of the modules, in their order
	arch     string   // as in a manifest
	accepted bool     // there were findings
}

func (f *embedFlags) check() error {
	forms := 0
	for _, set := range []bool{f.cText != "", f.raw, f.into != ""} {
		if set {
			forms++
		}
	}
	switch {
	case forms > 1:
		return usageError("--c-text, --raw and --into exclude each other")
	case f.order != "" && !f.raw:
		return usageError("--byte-order goes with --raw")
	case f.order != "" && f.order != "little" && f.order != "big":
		return usageError("--byte-order %s, want little or big", f.order)
	case f.replace && f.into == "":
		return usageError("--replace goes with --into")
	case f.scheme != "" && f.scheme != "merkle" && f.scheme != "flat":
		return usageError("--hashset %s, want merkle or flat", f.scheme)
	case !slices.Contains([]string{"", "v3", "v4", "v5"}, f.cText):
		return usageError("--c-text %s, want v3, v4 or v5", f.cText)
	}
	if (f.cText == "v3" && f.scheme == "merkle") || (f.cText > "v3" && f.scheme == "flat") {
		return usageError("the C text %s is not for a hashset of kind %s", f.cText, f.scheme)
	}
	switch f.cText {
	case "v3":
		f.scheme = "flat"
	case "v4", "v5":
		f.scheme = "merkle"
	}
	return checkAccept(f.accept, generateAcceptable)
}

func (a *app) runEmbed(ctx context.Context, f *embedFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	if len(args) == 0 {
		return usageError("neither a manifest nor a build given")
	}
	if f.into != "" && f.output == "-" {
		return usageError("with --into the output is a file")
	}
	inputs := append(slices.Clone(args), f.build.order)
	if f.into != f.output {
		inputs = append(inputs, f.into)
	}
	if err := protectInputs(f.output, inputs); err != nil {
		return err
	}
	e, err := a.hashsetOf(ctx, f, args)
	if err != nil {
		return err
	}
	switch {
	case f.into != "":
		err = a.embedInto(ctx, f, e)
	case f.raw:
		err = a.embedRaw(ctx, f, e)
	default:
		err = a.embedText(ctx, f, e)
	}
	if err == nil && e.accepted {
		return code(exitAccepted)
	}
	return err
}

// hashsetOf computes the hashset of a build or takes that of a manifest.
func (a *app) hashsetOf(ctx context.Context, f *embedFlags, args []string) (*embedding, error) {
	if len(args) == 1 && (args[0] == "-" || isManifest(args[0]) || isPipe(args[0])) {
		return a.statedHashset(ctx, f, args[0])
	}
	scheme := hashset.Merkle
	if f.scheme == "flat" {
		scheme = hashset.Flat
	}
	o, err := f.build.options(ctx)
	if err != nil {
		return nil, err
	}
	sum, err := a.summarize(ctx, args, o, scheme, nil)
	if err != nil {
		return nil, err
	}
	accepted, err := a.judge(sum, f.accept)
	if err != nil {
		return nil, err
	}
	m, err := sum.Manifest()
	if err != nil {
		return nil, withHint(err, "%s", hintIncomplete)
	}
	if err := prove.CheckUnstripped(sum); err != nil {
		return nil, withHint(err, "%s", hintStripped)
	}
	e := newEmbedding(m, scheme)
	e.accepted = accepted
	return e, nil
}

// statedHashset takes the hashset from a manifest.
func (a *app) statedHashset(ctx context.Context, f *embedFlags, path string) (*embedding, error) {
	m, err := a.readManifest(ctx, path)
	if err != nil {
		return nil, err
	}
	scheme := m.Scheme
	switch f.scheme {
	case "flat":
		scheme = hashset.Flat
	case "merkle":
		scheme = hashset.Merkle
	}
	if scheme == hashset.None || scheme == hashset.Merkle && m.Scheme != hashset.Merkle {
		return nil, withHint(fmt.Errorf("the manifest %s states no Merkle root, and from digests none can be computed", path),
			"give the build; or --hashset flat for a list of the digests")
	}
	if !a.quiet {
		a.warn("the hashset is taken from the manifest as it stands; it was not recomputed from the modules")
	}
	return newEmbedding(m, scheme), nil
}

const hintStripped = "modhash modules-merkle-tree C-FILE .ko.stripped hashes those; or take the modules as they are installed"

func newEmbedding(m *hashset.Manifest, scheme hashset.Scheme) *embedding {
	e := &embedding{section: hashset.Section{Scheme: scheme, Root: m.Root}, arch: m.Arch}
	for _, x := range m.Entries {
		e.names = append(e.names, x.Name)
		if scheme == hashset.Flat {
			e.section.Digests = append(e.section.Digests, x.Digest)
		}
	}
	if scheme == hashset.Flat {
		e.section.Root = hashset.FlatRoot(e.section.Digests)
	}
	return e
}

func (a *app) embedText(ctx context.Context, f *embedFlags, e *embedding) error {
	c := hashset.CText{Version: hashset.CVersion(f.cText), Root: e.section.Root}
	if e.section.Scheme == hashset.Flat {
		c.Version, c.Root = hashset.CVersion3, hashset.Root{}
		for i, d := range e.section.Digests {
			c.Entries = append(c.Entries, hashset.Entry{Name: strings.TrimPrefix(e.names[i], "kernel/"), Digest: d})
		}
	} else if c.Version == "" {
		c.Version = hashset.CVersion5
	}
	text, err := c.AppendTo(nil)
	if err != nil {
		return err
	}
	return a.output(ctx, f.output, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

func (a *app) embedRaw(ctx context.Context, f *embedFlags, e *embedding) error {
	name := f.order
	if name == "" && e.arch != hashset.ArchNone {
		name = e.arch[strings.LastIndexByte(e.arch, ' ')+1:]
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case name == "big":
		order = binary.BigEndian
	case name == "" && e.section.Scheme == hashset.Merkle:
		return usageError("without modules the byte order is not known: give --byte-order")
	}
	return a.output(ctx, f.output, func(w io.Writer) error {
		_, err := w.Write(e.section.AppendTo(nil, order))
		return err
	})
}

// embedInto writes into a vmlinux.
func (a *app) embedInto(ctx context.Context, f *embedFlags, e *embedding) error {
	done, err := prove.Embed(ctx, f.into, &prove.EmbedOptions{Section: e.section, Output: f.output, Replace: f.replace})
	var other *prove.OtherHashsetError
	var format *image.FormatError
	switch {
	case errors.As(err, &other):
		return &codeError{exitFinding, withHint(err, "--replace replaces it; %q tells what is in an image", "modhash inspect")}
	case errors.Is(err, prove.ErrLinks):
		return withHint(err, "write to another file with -o and put that in its place")
	case errors.Is(err, image.ErrNoHashset):
		return withHint(err, "the kernel was configured without CONFIG_MODULE_HASHES, or does not have it")
	case errors.As(err, &format):
		return withHint(err, "the section has 36 bytes for a Merkle root, and 32 a module for a flat list (--hashset flat)")
	case err != nil:
		return err
	}
	return a.say("%s: %s", done, rootWords(e.section))
}

// rootWords says a root as it stands in a manifest.
func rootWords(s hashset.Section) string {
	if s.Scheme == hashset.Flat {
		return fmt.Sprintf("flat list of %s, root %s", plural(len(s.Digests), "digest"), s.Root.Hash)
	}
	return fmt.Sprintf("root %d %s", s.Root.Levels, s.Root.Hash)
}
