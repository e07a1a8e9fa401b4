// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// kernel checks the modules against the hashset of an image, and the image
// against the certificates that it may hold.
func (c *checker) kernel(k *Kernel, keys *Keys) {
	c.r.Kernel = &KernelResult{Path: k.Path, Root: RootUnknown}
	for _, p := range k.Image.Problems {
		c.find(Kind(kbuild.BadImage), k.Path, "offset %d: %s", p.Offset, p.Text)
	}
	if own := c.sum.Image; own != nil && c.m != nil && own.Digest != k.Digest {
		c.r.Notes = append(c.r.Notes, kbuild.Problem{Kind: "other-image", Name: k.Path, Note: true,
			Detail: fmt.Sprintf("another file than the build's own image %s, which is the one that the manifest speaks of", own.Path)})
	}
	c.certificates(k, keys)
	h := k.Image.Hashset
	if h == nil {
		detail := "it checks no module by its hash"
		if k.Image.SymbolsFrom == "" && k.Image.Kind() == image.Flat {
			detail = "a flat kernel does not tell where its hashset is: its System.map does"
		}
		c.find(NoHashset, k.Path, "%s", detail)
		return
	}
	section, err := hashset.ParseSection(h.Data, h.Order)
	if err != nil {
		c.find(Hashset, k.Path, "%v", err)
		return
	}
	c.r.Kernel.Section = &section
	failed := c.refused(&section)
	c.kernelRoot(k, &section, failed)
	d := newDiagnosis(c, section.Root, failed)
	if section.Scheme == hashset.Merkle {
		c.shifted(section.Root)
		for _, s := range failed {
			c.find(Proof, s.Name, "%s", d.proof(s))
		}
		return
	}
	for _, s := range failed {
		if s.Trailer.State != trailer.None {
			c.find(Proof, s.Name, "it ends in %s, and a kernel with a flat list hashes that too", article(s.TrailerName))
			continue
		}
		c.find(Proof, s.Name, "its digest is not in the list%s", d.stripped(s))
	}
}

// inTree calls f with every in-tree module that could be read.
func (c *checker) inTree(f func(s *kbuild.Sum)) {
	for i := range c.sum.Sums {
		s := &c.sum.Sums[i]
		if strings.HasPrefix(s.Name, "kernel/") && s.File != nil && s.Problem == nil {
			f(s)
		}
	}
}

// refused returns the modules that the kernel's hashset does not admit. A kernel
// with a flat list hashes the whole file, with whatever it ends in.
func (c *checker) refused(section *hashset.Section) (failed []*kbuild.Sum) {
	listed := make(map[hashset.Digest]bool, len(section.Digests))
	for _, d := range section.Digests {
		listed[d] = true
	}
	// Modules of a build tree get their proofs when they are installed: that they
	// make the root is all there is to check.
	root, known := c.rootOf(section.Scheme)
	bare := c.sum.BuildTree && known && root == section.Root
	c.inTree(func(s *kbuild.Sum) {
		unproven := s.Trailer.State == trailer.None
		ok := unproven && listed[s.Payload]
		if section.Scheme == hashset.Merkle {
			ok = reaches(s, section.Root) || bare && unproven && s.Pos >= 0
		}
		if !ok {
			failed = append(failed, s)
		} else {
			c.r.Kernel.Admitted++
		}
	})
	return failed
}

// reaches reports whether the proof of a module leads to a root.
func reaches(s *kbuild.Sum, root hashset.Root) bool {
	return s.Proof != nil && !s.Stacked && s.Claimed == root
}

// shifted reports modules that a kernel loads, because it takes the position from
// the proof, but that do not stand there.
func (c *checker) shifted(root hashset.Root) {
	c.inTree(func(s *kbuild.Sum) {
		if isShifted(s, root) {
			c.find(Proof, s.Name, "its proof is for line %d of modules.order, it stands on line %d: a module was added, removed or moved", s.Proof.Pos+1, s.Pos+1)
		}
	})
}

func isShifted(s *kbuild.Sum, root hashset.Root) bool {
	return reaches(s, root) && s.Pos >= 0 && int64(s.Proof.Pos) != int64(s.Pos)
}

// kernelRoot compares the hashset as a whole: only that shows a kernel that
// admits more than these modules.
func (c *checker) kernelRoot(k *Kernel, section *hashset.Section, failed []*kbuild.Sum) {
	r := c.r.Kernel
	root, ok := c.rootOf(section.Scheme)
	if ok && root == section.Root {
		r.Root = RootMatches
		return
	}
	if section.Placeholder() {
		r.Root = RootDiffers
		c.find(Hashset, k.Path, "all zero: the hashset was never written into this image")
		return
	}
	if !ok {
		missing := 0
		for i := range c.sum.Sums[:c.sum.Listed] {
			if c.sum.Sums[i].File == nil {
				missing++
			}
		}
		c.kernelRootUnknown(missing)
		return
	}
	r.Root = RootDiffers
	c.find(Hashset, k.Path, "%s", c.whyOther(section, root, len(failed)))
}

// rootOf is the root that the modules make, if their order is known.
func (c *checker) rootOf(scheme hashset.Scheme) (root hashset.Root, ok bool) {
	if slices.ContainsFunc(c.sum.Problems, func(p kbuild.Problem) bool { return p.Kind == kbuild.NoOrder }) && c.m == nil {
		return hashset.Root{}, false
	}
	return c.sum.RootOf(scheme)
}

func (c *checker) kernelRootUnknown(missing int) {
	switch {
	case c.r.Has(Root) || c.r.Has(Partial): // told already, by the manifest's root
	case missing > 0 && c.o.Partial:
		c.find(Partial, "", "%d of %d modules were not given: the kernel's hashset may admit any module in their place", missing, c.sum.Listed)
	case missing > 0:
		c.find(Root, "", "not recomputed: %d of %d modules are missing", missing, c.sum.Listed)
	default:
		c.find(Root, "", "not recomputed: modules are corrupt, or the order of the modules is not known")
	}
}

// whyOther says which kind of wrong a hashset is that the modules do not make.
func (c *checker) whyOther(section *hashset.Section, root hashset.Root, failed int) string {
	if section.Scheme == hashset.Flat {
		have := map[hashset.Digest]bool{}
		c.inTree(func(s *kbuild.Sum) { have[s.Payload] = true })
		foreign := 0
		for _, d := range section.Digests {
			if !have[d] {
				foreign++
			}
		}
		switch {
		case failed == 0 && foreign > 0:
			return fmt.Sprintf("it admits every module of the build and %d digests more, of no module that was given", foreign)
		case failed == 0:
			return "its digests are those of the modules, but not in the order of modules.order, or some stand twice"
		}
		return fmt.Sprintf("%d of its %d digests are of no module that was given: it is of another build", foreign, len(section.Digests))
	}
	levels := ""
	if section.Root.Levels != root.Levels {
		levels = fmt.Sprintf("; its %d levels are for another number of modules than %d", section.Root.Levels, c.sum.Listed)
	}
	shifted := 0
	c.inTree(func(s *kbuild.Sum) {
		if isShifted(s, section.Root) {
			shifted++
		}
	})
	switch {
	case failed == 0 && shifted > 0:
		return fmt.Sprintf("every module has a proof that it admits, but %d of them for another line of modules.order: modules were added, removed or moved since%s", shifted, levels)
	case failed == 0:
		return "every module has a proof that it admits, and yet these modules do not make its root: it admits at least one module more, which is not in this build" + levels
	case c.r.Kernel.Admitted == 0:
		if claimed, n := c.commonClaim(); n > 0 {
			return fmt.Sprintf("it is of another build: its root is %d %s, the proofs of %d modules agree on %d %s%s",
				section.Root.Levels, section.Root.Hash, n, claimed.Levels, claimed.Hash, levels)
		}
		return "it is of another build: it admits none of the modules" + levels
	}
	return fmt.Sprintf("it is not that of these modules, of which it admits %d%s", c.r.Kernel.Admitted, levels)
}

// commonClaim is the root that most proofs lead to, if more than one does.
func (c *checker) commonClaim() (root hashset.Root, n int) {
	claims := map[hashset.Root]int{}
	c.inTree(func(s *kbuild.Sum) {
		if s.Proof != nil && !s.Stacked {
			claims[s.Claimed]++
		}
	})
	for r, count := range claims {
		if count > n || count == n && bytes.Compare(r.Hash[:], root.Hash[:]) < 0 {
			root, n = r, count
		}
	}
	if n == 1 && len(claims) > 1 {
		return hashset.Root{}, 0
	}
	return root, n
}

// certificates reports what the image trusts and nobody named.
func (c *checker) certificates(k *Kernel, keys *Keys) {
	l := k.Image.Trusted
	if l == nil {
		return
	}
	c.r.Kernel.Certificates = len(l.Certificates)
	for i := range l.Certificates {
		cert := &l.Certificates[i]
		if keys.names(cert) && cert.Err == nil {
			continue
		}
		c.r.Kernel.Foreign++
		what := fmt.Sprintf("%s, serial %s, key id %s", cert.Subject, modsig.SerialHex(cert.Serial), hex.EncodeToString(cert.KeyID))
		if cert.Err != nil {
			what = "malformed: " + cert.Err.Error()
		}
		if l.OfBuild(cert) {
			what += ": the key that this build made, by which any module can be signed"
		}
		if l.Listed(cert) {
			c.find(Certificate, what, "")
			continue
		}
		c.find(Certificate, what, "at offset %d of the kernel, not in the list: whether the kernel trusts it cannot be told", l.Offset+cert.Offset)
	}
}

// proofs compares the proofs with one another, and reports whether there are any.
func (c *checker) proofs() bool {
	root, n := c.commonClaim()
	if n == 0 {
		return false
	}
	c.r.Proofs = &ProofsResult{Root: root, Agree: n}
	c.r.Root = RootUnknown
	c.find(SelfConsistent, "", "neither a manifest nor an image was given: the proofs can only agree with one another")
	switch have, ok := c.rootOf(hashset.Merkle); {
	case !ok:
		if c.r.RootReason = c.whyNoRoot(true); c.r.RootReason == "" {
			c.r.RootReason = "the order of the modules is not known"
		}
	case have == root:
		c.r.Root = RootMatches
	default:
		c.r.Root = RootDiffers
		c.find(Root, "", "the modules make %d %s, their proofs lead to %d %s: one was added, removed, moved or changed after the proofs were made",
			have.Levels, have.Hash, root.Levels, root.Hash)
	}
	var odd []*kbuild.Sum
	c.inTree(func(s *kbuild.Sum) {
		if !reaches(s, root) {
			odd = append(odd, s)
		}
	})
	c.shifted(root)
	d := newDiagnosis(c, root, odd)
	for _, s := range odd {
		c.find(Proof, s.Name, "%s", d.proof(s))
	}
	return true
}
