// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
)

// Proofs returns what is wrong with the proofs that the modules of a build carry, as
// findings of the kinds Proof, Root and Hashset: proofs that do not lead to the root
// that these modules make, modules without one beside others that have one, and the
// image k of another build. Modules of which none carries a proof have nothing wrong
// with them, whatever the image is.
//
// Nothing is found in a summary for another hashset than Merkle, which has no leaves,
// or of a build that is not complete. k may be nil. An image without a hashset, or that
// does not tell where it is, is not compared: proofs do no harm there.
func Proofs(sum *kbuild.Summary, k *Kernel) []Finding {
	carries := func(s kbuild.Sum) bool { return s.Proof != nil }
	if _, ok := sum.RootOf(hashset.Merkle); !ok || !slices.ContainsFunc(sum.Sums[:sum.Listed], carries) {
		return nil
	}
	c := &checker{sum: sum, o: &Options{}, r: &Result{}}
	if !c.proofs() {
		c.inTree(func(s *kbuild.Sum) {
			c.find(Proof, s.Name, "no two proofs lead to one root: the modules were stripped or changed after they were hashed")
		})
	}
	c.r.Findings = slices.DeleteFunc(c.r.Findings, func(f Finding) bool { return f.Kind == SelfConsistent })
	if k != nil {
		c.imageRoot(k)
	}
	return c.r.Findings
}

// imageRoot compares the root of an image with that of the modules.
func (c *checker) imageRoot(k *Kernel) {
	h := k.Image.Hashset
	if h == nil {
		return
	}
	section, err := hashset.ParseSection(h.Data, h.Order)
	if err != nil {
		c.find(Hashset, k.Path, "%v", err)
		return
	}
	c.r.Kernel = &KernelResult{Path: k.Path}
	c.kernelRoot(k, &section, c.refused(&section))
}
