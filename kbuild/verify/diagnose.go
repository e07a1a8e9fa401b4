// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"fmt"
	"slices"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/modsig/trailer"
)

// diagnosis tells which kind of wrong a module is that a root does not admit.
type diagnosis struct {
	c    *checker
	root hashset.Root
	// leaves are what the modules were hashed to, as far as the proofs of their
	// neighbours tell: the sibling of a leaf is the first hash of its proof.
	leaves map[uint32]hashset.Digest
	// recomputed: the modules themselves make the root.
	recomputed bool
	// usual is what most modules have that the root admits.
	usual sections
	known bool // usual was found out
	ok    []*kbuild.Sum
}

// sections are those that stripping takes away.
type sections struct{ symbols, debug bool }

// siblings is how many modules are looked into to find out what is usual.
const siblings = 16

func newDiagnosis(c *checker, root hashset.Root, failed []*kbuild.Sum) *diagnosis {
	d := &diagnosis{c: c, root: root, leaves: map[uint32]hashset.Digest{}}
	have, ok := c.rootOf(hashset.Merkle)
	d.recomputed = ok && have == root
	bad := make(map[*kbuild.Sum]bool, len(failed))
	for _, s := range failed {
		bad[s] = true
	}
	c.inTree(func(s *kbuild.Sum) {
		if bad[s] {
			return
		}
		if len(d.ok) < siblings {
			d.ok = append(d.ok, s)
		}
		if s.Proof != nil && len(s.Proof.Path) > 0 {
			d.leaves[s.Proof.Pos^1] = s.Proof.Path[0]
		}
	})
	return d
}

// proof says why a module is not admitted.
func (d *diagnosis) proof(s *kbuild.Sum) string {
	switch {
	case s.Stacked:
		return "one trailer upon another: a kernel looks at the outermost only, and takes the other for a part of the module"
	case s.Trailer.State != trailer.Valid:
		return fmt.Sprintf("no proof (trailer: %s)%s", s.TrailerName, d.stripped(s))
	case s.Trailer.Block.Type != trailer.Merkle:
		return "a signature instead of a proof: " + s.TrailerName
	case s.Proof == nil:
		return fmt.Sprintf("its proof of %d bytes is none", s.Trailer.Block.SigLen)
	case uint32(len(s.Proof.Path)) != d.root.Levels:
		return fmt.Sprintf("its proof has %d levels, the root has %d: it is of another build", len(s.Proof.Path), d.root.Levels)
	case d.recomputed:
		return "the module is the one that was hashed, its proof is another one's: it leads to " + s.Claimed.Hash.String()
	}
	leaf, told := d.leaves[s.Proof.Pos]
	switch {
	case told && s.Pos >= 0 && int64(s.Pos) == int64(s.Proof.Pos) && leaf != s.Leaf:
		return "its bytes are not those that were hashed" + d.stripped(s)
	case told && leaf == s.Leaf:
		return "the module is the one that was hashed, its proof is not: it leads to " + s.Claimed.Hash.String()
	case s.Pos >= 0 && int64(s.Proof.Pos) != int64(s.Pos):
		return fmt.Sprintf("its proof is for line %d of modules.order, it stands on line %d, and it leads to another root", s.Proof.Pos+1, s.Pos+1)
	}
	return "its proof does not lead to the root: it was changed after it was hashed, or is of another build" + d.stripped(s)
}

// stripped says, as the end of a sentence, that a module lacks what its siblings
// have.
func (d *diagnosis) stripped(s *kbuild.Sum) string {
	if !d.known {
		d.known = true
		d.usual = d.majority()
	}
	if d.usual == (sections{}) {
		return ""
	}
	has, ok := sectionsOf(s)
	switch {
	case !ok:
		return ""
	case d.usual.symbols && !has.symbols:
		return "; probably stripped: it has no symbols, the others have"
	case d.usual.debug && !has.debug:
		return "; probably stripped: it has no debug sections, the others have"
	}
	return ""
}

func (d *diagnosis) majority() sections {
	symbols, debug := 0, 0
	for _, s := range d.ok {
		has, _ := sectionsOf(s)
		if has.symbols {
			symbols++
		}
		if has.debug {
			debug++
		}
	}
	return sections{2*symbols > len(d.ok), 2*debug > len(d.ok)}
}

func sectionsOf(s *kbuild.Sum) (sections, bool) {
	names, err := s.SectionNames()
	if err != nil {
		return sections{}, false
	}
	return sections{slices.Contains(names, ".symtab"), slices.Contains(names, ".debug_info")}, true
}
