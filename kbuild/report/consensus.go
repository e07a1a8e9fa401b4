// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/hashset/attest"
)

// ConsensusFindings says what keeps a poll from being good. Everything but
// "unseen-manifest" can only be put right by other votes.
func ConsensusFindings(r *attest.Result) []string {
	w := r.Winner()
	switch {
	case w == nil:
		return []string{string(r.Verdict)}
	case w.Manifest == nil:
		return []string{UnseenManifest}
	case w.Manifest.Err != nil:
		return []string{"no-manifest"}
	}
	return nil
}

// UnseenManifest is the finding that the manifest that rebuilders agree on was
// not given, so that what it covers is not known.
const UnseenManifest = "unseen-manifest"

// Consensus writes the outcome of a poll as text.
func Consensus(w io.Writer, r *attest.Result, s Style) error {
	p := &page{style: s}
	p.consensusVerdict(r)
	p.field("subject", "%s, the file %s", r.Subject, r.Subject.File())
	p.field("needed", "%s of %s", count(r.Threshold), plural(r.Rebuilders, "trusted rebuilder"))
	for i, g := range r.Groups {
		p.consensusGroup(r, i, g)
	}
	if len(r.Silent) > 0 {
		p.field("no vote", "%s", Safe(strings.Join(r.Silent, ", ")))
	}
	p.consensusCompare(r)
	if n := len(r.Rejected); n > 0 {
		p.line("not counted: %s", plural(n, "statement"))
		p.items(n, func(i int) string { return rejectedWords(r.Rejected[i]) })
	}
	if n := len(r.Surplus); n > 0 {
		p.line("%s that nobody states", plural(n, "manifest"))
		p.items(n, func(i int) string { return Safe(r.Surplus[i]) })
	}
	return p.writeTo(w)
}

func rejectedWords(x attest.Rejected) string {
	out := fmt.Sprintf("%-14s %s", x.Reason, Safe(x.Source))
	if x.Rebuilder != "" {
		out += " by " + Safe(x.Rebuilder)
	}
	if x.Detail != "" {
		out += ": " + Safe(x.Detail)
	}
	return out
}

func (p *page) consensusVerdict(r *attest.Result) {
	w := r.Winner()
	switch {
	case w != nil && w.Manifest != nil && w.Manifest.Err != nil:
		p.line("%s: what %s of %s state is no manifest", p.style.paint(bad, "NOT agreed"), count(len(w.Rebuilders)), plural(r.Rebuilders, "rebuilder"))
	case w != nil:
		t := good
		if w.Manifest == nil {
			t = fair
		}
		p.line("%s: %s of %s state one manifest, %s needed; %s", p.style.paint(t, "agreed"), count(len(w.Rebuilders)), plural(r.Rebuilders, "rebuilder"), count(r.Threshold), coveredWords(w.Manifest))
	case r.Verdict == attest.Contested:
		p.line("%s: %s each state %s different manifests", p.style.paint(bad, "contested"), enoughWords(r), count(manifestsWithEnough(r)))
	default:
		most := 0
		if len(r.Groups) > 0 {
			most = len(r.Groups[0].Rebuilders)
		}
		p.line("%s: at most %s of %s state one manifest, %s needed", p.style.paint(bad, "NOT agreed"), count(most), plural(r.Rebuilders, "rebuilder"), count(r.Threshold))
	}
}

func enoughWords(r *attest.Result) string { return plural(r.Threshold, "rebuilder") + " or more" }

func manifestsWithEnough(r *attest.Result) (n int) {
	for _, g := range r.Groups {
		if len(g.Rebuilders) >= r.Threshold {
			n++
		}
	}
	return n
}

// NotCovered is what every verdict says by a manifest that leaves the kernel
// image out.
const NotCovered = "kernel image NOT verified"

// Covered says what a manifest covers of the kernel image.
func Covered(m *hashset.Manifest) string { return coverage(m.Image.State) }

func coveredWords(h *attest.Header) string {
	if h == nil {
		return "the manifest was not given, so whether it covers the kernel image is not known"
	}
	return coverage(h.Image.State)
}

func coverage(s hashset.ImageState) string {
	switch s {
	case hashset.ImageNotCovered:
		return NotCovered
	case hashset.ImageNone:
		return "the build has no kernel image"
	}
	return "kernel image included"
}

func (p *page) consensusGroup(r *attest.Result, i int, g *attest.Group) {
	p.field("stated", "sha256 %s by %s", g.Digest, Safe(strings.Join(g.Rebuilders, ", ")))
	for j, s := range g.Sources {
		if p.style.All || len(r.Groups) == 1 && j < most {
			p.field("", "%s: %s", Safe(g.Rebuilders[j]), Safe(s))
		}
	}
	switch h := g.Manifest; {
	case h == nil:
		p.field("", "manifest not available")
	case h.Err != nil:
		p.field("", "%s is no manifest: %s", Safe(h.Source), Safe(h.Err.Error()))
	default:
		p.field("", "manifest %s (%s, %s, %s; image %s)", Safe(h.Source), h.Release, h.Arch, plural(h.Modules, "module"), h.Image)
	}
}

// consensusCompare says on what the manifests differ, if there is more than one.
func (p *page) consensusCompare(r *attest.Result) {
	c := r.Compare()
	if c == nil || len(r.Groups) < 2 {
		return
	}
	p.line("by part, of %s whose manifest was given:", plural(len(c.Rebuilders), "rebuilder"))
	if len(c.Without) > 0 {
		p.field("without", "%s: manifest not available", Safe(strings.Join(c.Without, ", ")))
	}
	p.field("modules", "%s agreed, %s contested of %s", count(c.Agreed), count(len(c.Contested)), count(c.Modules))
	for _, part := range []attest.Part{c.Build, c.Root, c.Image} {
		p.field(part.Name, "%s", partWords(&part))
	}
	if c.Order.Contested() {
		p.field("order", "%s", partWords(&c.Order))
	}
	for _, o := range outliers(c) {
		p.field("outlier", "%s in %s", Safe(o.name), strings.Join(o.in, ", "))
	}
	if n := len(c.Contested); n > 0 {
		p.line("contested: %s", plural(n, "module"))
		p.items(n, func(i int) string { return c.Contested[i].Name + ": " + partWords(&c.Contested[i]) })
	}
}

// partWords says who states what of a part, the first choice first.
func partWords(part *attest.Part) string {
	if !part.Contested() {
		return "agreed by " + count(len(part.Choices[0].Rebuilders)) + ": " + Safe(part.Choices[0].Value)
	}
	var out []string
	for _, ch := range part.Choices {
		v := ch.Value
		if len(v) == 64 {
			v = v[:12] + "…"
		}
		out = append(out, fmt.Sprintf("%s by %s", Safe(v), Safe(strings.Join(ch.Rebuilders, ", "))))
	}
	return strings.Join(out, "; ")
}

type outlier struct {
	name string
	in   []string // "3 modules", "root"
	n    int
}

// outliers tells for each rebuilder that differs from most others in what it does.
func outliers(c *attest.Comparison) []outlier {
	found := map[string]*outlier{}
	note := func(p *attest.Part, module bool) {
		for _, who := range p.Outliers {
			o := found[who]
			if o == nil {
				o = &outlier{name: who}
				found[who] = o
			}
			if module {
				o.n++
			} else {
				o.in = append(o.in, p.Name)
			}
		}
	}
	for i := range c.Contested {
		note(&c.Contested[i], true)
	}
	for _, p := range []attest.Part{c.Build, c.Root, c.Image, c.Order} {
		note(&p, false)
	}
	var out []outlier
	for _, o := range found {
		if o.n > 0 {
			o.in = slices.Insert(o.in, 0, plural(o.n, "module"))
		}
		out = append(out, *o)
	}
	slices.SortFunc(out, func(a, b outlier) int { return cmp.Compare(a.name, b.name) })
	return out
}
