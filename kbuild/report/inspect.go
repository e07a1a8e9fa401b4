// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/inspect"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
)

// Inspect writes what was found in one file as text: a line with its kind, and
// indented lines with the rest.
func Inspect(w io.Writer, f *inspect.File, s Style) error {
	p := &page{style: s}
	switch {
	case f.Module != nil:
		p.module(f)
	case f.Image != nil:
		p.image(f)
	case f.Build != nil:
		p.build(f)
	case f.Manifest != nil:
		p.manifest(f)
	case f.Sidecar != nil:
		p.line("%s: sidecar of the module at position %d", Safe(f.Path), f.Sidecar.Pos)
		p.field("proof", "%d levels", len(f.Sidecar.Path))
	}
	return p.writeTo(w)
}

// field writes a named value.
func (p *page) field(name, format string, args ...any) {
	p.line("  %-11s %s", name, fmt.Sprintf(format, args...))
}

// shownModinfo are the keys of .modinfo that are shown unless all are wanted.
var shownModinfo = []string{"name", "version", "license", "description", "srcversion", "depends", "intree", "staging", "retpoline", "vermagic", "import_ns"}

func (p *page) module(f *inspect.File) {
	m := f.Module
	p.line("%s: module%s", Safe(f.Path), optional(", ", strings.TrimSpace(m.Info.Arch+optional(", ", m.Info.Release))))
	if m.Fault != "" {
		p.field("fault", "%s", p.style.paint(bad, Safe(m.Fault)))
	}
	p.field("payload", "sha256 %s, %s", m.Digest, plural(int(m.Payload), "byte"))
	if m.Compression != kmod.None {
		p.field("stored", "%v, %s, decompressed %s", m.Compression, plural(int(f.Size), "byte"), count(int(m.Decoded)))
	}
	hidden := 0
	for _, line := range m.Modinfo {
		key, value, _ := strings.Cut(line, "=")
		if !p.style.All && !slices.Contains(shownModinfo, key) {
			hidden++
			continue
		}
		p.field(Safe(key), "%s", orNone(Safe(strings.TrimRight(value, " "))))
	}
	if hidden > 0 {
		p.field("…", "%s of .modinfo not shown (--all)", plural(hidden, "more line"))
	}
	if len(m.Layers) == 0 {
		p.field("trailer", "none")
	}
	for i := range m.Layers {
		p.layer(&m.Layers[i], i)
	}
}

func optional(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func (p *page) layer(l *inspect.Layer, depth int) {
	name := "trailer"
	if depth > 0 {
		name = fmt.Sprintf("beneath %d", depth)
	}
	where := fmt.Sprintf("%s at offset %d", plural(int(l.Size), "byte"), l.Offset)
	if l.Size == 0 {
		where = "at the end"
	}
	switch {
	case l.Fault != "" && l.Size == 0:
		p.field(name, "%s", p.style.paint(bad, l.Kind+": "+Safe(l.Fault)))
		return
	case l.Proof != nil:
		p.field(name, "proof, %s: position %d, %s", where, l.Proof.Pos, plural(len(l.Proof.Path), "level"))
		if l.Root != nil {
			p.field("", "leads to root %d %s", l.Root.Levels, l.Root.Hash)
		}
	case len(l.Signers) > 0:
		p.field(name, "signature by %s: %s", signerText(&l.Signers[0]), where)
		p.message(l)
	case l.LegacySigner != "" || len(l.LegacyKeyID) > 0:
		p.field(name, "%s by %s, key id %s: %s", l.Kind, found(Safe(l.LegacySigner)), found(hex.EncodeToString(l.LegacyKeyID)), where)
	default:
		p.field(name, "%s, %s", l.Kind, where)
	}
	if l.Fault != "" {
		p.field("", "%s", p.style.paint(bad, Safe(l.Fault)))
	}
}

// message writes what a signature has besides its first signer.
func (p *page) message(l *inspect.Layer) {
	p.items(len(l.Signers)-1, func(i int) string { return "        and by " + signerText(&l.Signers[i+1]) })
	p.items(len(l.Certificates), func(i int) string {
		return fmt.Sprintf("        with the certificate %s", keyText(l.Certificates[i]))
	})
	if l.Content {
		p.field("", "%s", p.style.paint(bad, "the message holds its content"))
	}
	if l.Extra > 0 {
		p.field("", "%s behind the message, which a kernel ignores", plural(l.Extra, "byte"))
	}
}

func (p *page) image(f *inspect.File) {
	im := f.Image
	p.line("%s: kernel image, %s, %s", Safe(f.Path), layersWords(im), im.Arch)
	if f.ImageFault != "" {
		p.field("digest", "%s", p.style.paint(bad, Safe(f.ImageFault)))
	} else {
		p.field("digest", "sha256 %s (%s)", f.ImageDigest, formWords(f.ImageForm))
	}
	p.field("banner", "%s", found(Safe(im.Banner)))
	p.field("build id", "%s", found(hex.EncodeToString(im.BuildID)))
	p.field("hashset", "%s", hashsetWords(im))
	p.certificates("trusted", im.Trusted, im)
	if im.Revoked != nil {
		p.certificates("revoked", im.Revoked, im)
	}
	if im.Config == nil {
		p.field("config", "not embedded")
	} else {
		p.field("config", "embedded, %s", plural(strings.Count(string(im.Config), "\n"), "line"))
	}
	for _, s := range im.Sections {
		p.field("section", "%s, %s", Safe(s.Name), plural(int(s.Size), "byte"))
	}
	for _, x := range im.Problems {
		p.field("problem", "%s", p.style.paint(bad, fmt.Sprintf("offset %d: %s", x.Offset, Safe(x.Text))))
	}
}

func layersWords(im *image.Image) string {
	var w []string
	for _, l := range im.Layers {
		s := string(l.Kind)
		if l.Compression != "" && l.Compression != "none" {
			s += " (" + l.Compression + ")"
		}
		w = append(w, s)
	}
	return strings.Join(w, " > ")
}

func formWords(f image.Form) string {
	switch f {
	case image.PE:
		return "of a PE file without a signature"
	case image.PESigned:
		return "without the PE signature"
	case image.Trailed:
		return "without the signature trailer"
	}
	return "of the whole file"
}

func found(s string) string {
	if s == "" {
		return "none found"
	}
	return s
}

// hashsetWords says what a kernel has in its section .module_hashes.
func hashsetWords(im *image.Image) string {
	h := im.Hashset
	if h == nil {
		if im.SymbolsFrom == "" && im.Kind() == image.Flat {
			return "not known: a flat kernel needs its System.map (--system-map)"
		}
		return "none: this kernel does not check module hashes"
	}
	s, err := hashset.ParseSection(h.Data, h.Order)
	switch {
	case err != nil:
		return Safe(err.Error())
	case s.Placeholder():
		return fmt.Sprintf("%s of zeros: the hashset was never written, or there are no modules", plural(len(h.Data), "byte"))
	case s.Scheme == hashset.Flat:
		return fmt.Sprintf("flat list of %s, root %s", plural(len(s.Digests), "digest"), s.Root.Hash)
	}
	return fmt.Sprintf("Merkle root %d %s", s.Root.Levels, s.Root.Hash)
}

func (p *page) certificates(name string, l *image.CertificateList, im *image.Image) {
	switch {
	case l == nil && im.SymbolsFrom == "":
		p.field(name, "no certificate found anywhere in the kernel (without symbols an empty list cannot be told from none)")
		return
	case l == nil:
		p.field(name, "no certificate")
		return
	}
	p.field(name, "%s, %s", plural(len(l.Certificates), "certificate"), plural(int(l.Size), "byte"))
	p.items(len(l.Certificates), func(i int) string { return certificateWords(&l.Certificates[i], l) })
}

func certificateWords(c *certlist.Certificate, l *image.CertificateList) string {
	if c.Err != nil {
		return fmt.Sprintf("at offset %d: %s", l.Offset+c.Offset, Safe(c.Err.Error()))
	}
	s := fmt.Sprintf("%s; serial %s; key id %s; %s %s; %s to %s", Safe(c.Subject), found(modsig.SerialHex(c.Serial)), found(hex.EncodeToString(c.KeyID)),
		keyWords(c), Safe(c.SignatureAlgorithm), c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly))
	if l.OfBuild(c) {
		s += "; the key of the build itself"
	}
	if !l.Listed(c) {
		s += fmt.Sprintf("; at offset %d, not in the list", l.Offset+c.Offset)
	}
	return s
}

func keyWords(c *certlist.Certificate) string {
	switch {
	case c.Curve != "":
		return Safe(c.KeyAlgorithm + " " + c.Curve)
	case c.KeyBits > 0:
		return fmt.Sprintf("%s %d", Safe(c.KeyAlgorithm), c.KeyBits)
	}
	return Safe(c.KeyAlgorithm)
}

func (p *page) build(f *inspect.File) {
	b := f.Build
	kind := "folder"
	switch {
	case b.Archive:
		kind = "package"
	case b.BuildTree:
		kind = "build tree"
	}
	p.line("%s: %s%s", Safe(f.Path), kind, optional(", ", Safe(b.Release)))
	if b.Fault != "" {
		p.field("fault", "%s", p.style.paint(bad, Safe(b.Fault)))
	}
	p.field("members", "%s", count(b.Members))
	if b.HasOrder {
		p.field("modules", "%s listed, %s there, %s not listed", count(b.Listed), count(b.Present), count(b.Others))
	} else {
		p.field("modules", "%s; no modules.order", count(b.Others))
	}
	p.field("image", "%s", found(Safe(b.Image)))
	p.items(len(b.Problems), func(i int) string { return Safe(b.Problems[i].String()) })
}

func (p *page) manifest(f *inspect.File) {
	m := f.Manifest
	p.line("%s: manifest, %s, %s", Safe(f.Path), m.Release, m.Arch)
	p.field("modules", "%s", count(len(m.Entries)))
	p.field("image", "%s", m.Image)
	switch m.Scheme {
	case hashset.Merkle:
		p.field("hashset", "Merkle root %d %s", m.Root.Levels, m.Root.Hash)
	case hashset.Flat:
		p.field("hashset", "flat list, root %s", m.Root.Hash)
	default:
		p.field("hashset", "none")
	}
}
