// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// checker carries the state of one verification.
type checker struct {
	m        *hashset.Manifest
	sum      *kbuild.Summary
	o        *Options
	r        *Result
	absent   int             // modules of the manifest that were not given
	checks   []*Signature    // by module as in sum.Sums; nil for those whose signature does not matter
	reported map[string]bool // modules with a finding of this package
}

func (c *checker) find(k Kind, name, format string, args ...any) {
	c.r.Findings = append(c.r.Findings, Finding{Kind: k, Name: name, Detail: fmt.Sprintf(format, args...)})
}

// modules compares each module with its line of the manifest.
func (c *checker) modules() {
	want := make(map[string]int, len(c.m.Entries))
	for i, e := range c.m.Entries {
		want[e.Name] = i
	}
	given := map[string]bool{}
	for i := range c.sum.Sums {
		s := &c.sum.Sums[i]
		if !strings.HasPrefix(s.Name, "kernel/") || s.File == nil {
			continue
		}
		pos, ok := want[s.Name]
		if !ok && s.Pos < 0 && c.sum.BuildTree {
			continue // left over from another configuration; it is not installed
		}
		if !ok {
			c.reported[s.Name] = true
			c.find(Extra, s.Name, "%s is not in the manifest", s.File.Path())
			continue
		}
		given[s.Name] = true
		c.r.Given++
		c.module(s, pos)
	}
	for _, e := range c.m.Entries {
		if !given[e.Name] {
			c.absent++
			c.reported[e.Name] = true
			if !c.o.Partial {
				c.find(Missing, e.Name, "")
			}
		}
	}
}

// shadows reports out-of-tree modules with the name of one that the manifest states,
// where the build itself does not have that one.
func (c *checker) shadows() {
	twins := make(map[string]string, len(c.m.Entries))
	for _, e := range c.m.Entries {
		twins[kbuild.ModprobeName(e.Name)] = e.Name
	}
	for i := range c.sum.Sums {
		s := &c.sum.Sums[i]
		twin := twins[kbuild.ModprobeName(s.Name)]
		if twin == "" || strings.HasPrefix(s.Name, "kernel/") || slices.ContainsFunc(c.sum.Problems, func(p kbuild.Problem) bool {
			return p.Kind == kbuild.Shadow && p.Name == s.Name
		}) {
			continue
		}
		c.find(Kind(kbuild.Shadow), s.Name, "modprobe can load it in place of %s", twin)
	}
}

// count counts the modules where no manifest says which there should be.
func (c *checker) count() {
	for i := range c.sum.Sums {
		if s := &c.sum.Sums[i]; strings.HasPrefix(s.Name, "kernel/") && s.File != nil {
			c.r.Given++
		}
	}
}

func (c *checker) module(s *kbuild.Sum, pos int) {
	if s.Problem != nil {
		return // told by problems
	}
	equal := true
	if d := c.m.Entries[pos].Digest; s.Payload != d {
		equal = false
		c.find(Changed, s.Name, "%s has sha256 %s, the manifest %s", s.File.Path(), s.Payload, d)
	}
	if s.Pos >= 0 && s.Pos != pos {
		equal = false
		c.find(Moved, s.Name, "line %d of modules.order, line %d in the manifest", s.Pos+1, pos+1)
	}
	if equal {
		c.r.Equal++
	}
}

// whole checks what concerns all modules together.
func (c *checker) whole() {
	if c.r.Given > 0 {
		if c.sum.Release != c.m.Release {
			c.find(OtherRelease, "", "the modules are of %s, the manifest of %s", c.sum.Release, c.m.Release)
		}
		if c.sum.Arch != c.m.Arch {
			c.find(OtherArch, "", "the modules are for %s, the manifest for %s", c.sum.Arch, c.m.Arch)
		}
	}
	if c.m.Scheme == hashset.None {
		c.r.Root = RootNone
		return
	}
	c.r.Root = RootUnknown
	root, ok := c.sum.RootOf(c.m.Scheme)
	c.r.RootReason = c.whyNoRoot(ok)
	switch {
	case c.absent > 0 && c.o.Partial:
		c.find(Partial, "", "%d of %d modules were not given: the root may admit any module in their place", c.absent, len(c.m.Entries))
	case !ok || c.absent > 0:
		c.find(Root, "", "not recomputed: %s", c.r.RootReason)
	case root != c.m.Root:
		c.r.Root = RootDiffers
		c.find(Root, "", "the modules make %d %s, the manifest has %d %s", root.Levels, root.Hash, c.m.Root.Levels, c.m.Root.Hash)
	default:
		c.r.Root = RootMatches
	}
}

// whyNoRoot says what keeps the root from being recomputed, or from being that of
// the manifest's modules; "" if nothing does. ok: the build's own could be computed.
func (c *checker) whyNoRoot(ok bool) string {
	corrupt, missing, absent := 0, c.absent, "missing"
	if c.o.Partial {
		absent = "not given"
	}
	for _, s := range c.sum.Sums[:c.sum.Listed] {
		if s.Problem != nil && s.Problem.Kind == kbuild.Corrupt {
			corrupt++
		}
	}
	for _, p := range c.sum.Problems {
		// What the manifest does not list is not among the absent.
		if p.Kind == kbuild.Missing && !c.reported[p.Name] {
			missing++
		}
	}
	var why []string
	for _, n := range []struct {
		count int
		what  string
	}{{missing, absent}, {corrupt, "corrupt"}} {
		switch {
		case n.count == 1:
			why = append(why, "1 module is "+n.what)
		case n.count > 1:
			why = append(why, fmt.Sprintf("%d modules are %s", n.count, n.what))
		}
	}
	if len(why) == 0 && !ok {
		why = append(why, "modules.order lists a module twice")
	}
	return strings.Join(why, " and ")
}

func (c *checker) image() {
	got, want := c.sum.ImageDigest(), c.m.Image
	switch {
	case want.State == hashset.ImageNotCovered:
	case want.State == hashset.ImageNone && got.State == hashset.ImageSHA256:
		c.find(Image, c.sum.Image.Path, "the manifest states that the build has no kernel image")
	case want.State == hashset.ImageSHA256 && got.State != hashset.ImageSHA256:
		if !slices.ContainsFunc(c.sum.Problems, func(p kbuild.Problem) bool { return p.Kind == kbuild.BadImage }) {
			c.find(Image, "", "the manifest covers a kernel image, the build holds none")
		}
	case want != got:
		c.find(Image, c.sum.Image.Path, "has %s without its signature, the manifest %s", got, want)
	default:
		c.r.ImageChecked = want.State == hashset.ImageSHA256
	}
}

// trailers counts what the modules end in and checks what was required.
func (c *checker) trailers() {
	count := map[string]int{}
	for i := range c.sum.Sums {
		s := &c.sum.Sums[i]
		if !strings.HasPrefix(s.Name, "kernel/") || s.Problem != nil {
			continue
		}
		count[s.TrailerName]++
		if !c.hasRequired(s) {
			c.find(Trailer, s.Name, "ends in %s, required is %s", article(s.TrailerName), c.o.RequireTrailer)
		}
	}
	for name, n := range count {
		c.r.Census = append(c.r.Census, TrailerCount{name, n})
	}
	slices.SortFunc(c.r.Census, func(a, b TrailerCount) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Name, b.Name)
	})
}

func article(trailer string) string {
	if trailer == "none" {
		return "no trailer"
	}
	return "a trailer: " + trailer
}

func (c *checker) hasRequired(s *kbuild.Sum) bool {
	one := s.Trailer.State == trailer.Valid && !s.Stacked
	proof := one && s.Trailer.Block.Type == trailer.Merkle
	signed := one && s.Signer != nil
	switch r := c.o.RequireTrailer; r {
	case "":
		return true
	case "none":
		return s.Trailer.State == trailer.None
	case "proof":
		return proof
	case "signature":
		return signed
	case "any":
		return proof || signed
	default:
		return signed && isSigner(s.Signer, strings.TrimPrefix(r, signatureBy))
	}
}

// isSigner compares a signer with the digits of a key id or serial number.
func isSigner(s *modsig.Signer, id string) bool {
	have, want := s.Hex(), strings.ToLower(id)
	if s.KeyID == nil { // a number
		have, want = strings.TrimLeft(have, "0"), strings.TrimLeft(want, "0")
	}
	return have == want
}

// problems takes over what reading the build found.
func (c *checker) problems() {
	if c.o.SelfConsistent && c.m != nil {
		c.find(SelfConsistent, "", "the manifest comes out of the build that it describes, so whoever changed one could change the other")
	}
	judged := map[string]bool{}
	for _, s := range c.checks {
		if s != nil {
			judged[s.Name] = true
		}
	}
	byKeys := c.m == nil && c.r.Kernel == nil && c.r.Signatures != nil
	for _, p := range c.sum.Problems {
		switch {
		case p.Kind == kbuild.OutOfTree && judged[p.Name], p.Kind == kbuild.NoOrder && byKeys:
			continue // a signature is all that counts
		case p.Kind == kbuild.OutOfTree && c.o.HashedOnly:
			p.Detail = "no hash covers it"
		case p.Kind == kbuild.OutOfTree && p.Detail != "":
			p.Detail += ", which is not followed: no hash covers it, and its signature was not checked"
		case p.Kind == kbuild.OutOfTree:
			p.Detail = "no hash covers it, and its signature was not checked"
		case p.Note:
			c.r.Notes = append(c.r.Notes, p)
			continue
		case p.Kind == kbuild.Missing && c.o.Partial && c.m == nil:
			continue // that the root may admit it is told above
		case (p.Kind == kbuild.Missing || p.Kind == kbuild.Unlisted) && c.reported[p.Name]:
			continue // told above, as missing or extra
		}
		c.find(Kind(p.Kind), p.Name, "%s", p.Detail)
	}
}

func (c *checker) finish() {
	for i := range c.r.Findings {
		f := &c.r.Findings[i]
		f.Accepted = f.Accepted || slices.Contains(c.o.Accept, string(f.Kind))
	}
}
