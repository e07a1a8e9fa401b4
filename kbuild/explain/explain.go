// SPDX-License-Identifier: Apache-2.0

// Package explain says why bytes of two module files differ. [Run] is given a
// pair with its ledgers and makes causes the owners of regions. It may annotate,
// never acquit: regions are not its to change, and a region that it does not
// claim stays unexplained.
//
// Each file holds one family of causes: the causes, as values that the catalogue
// lists, and a function that looks at a pair and claims what it can account for,
// every byte of it. Families run from the outside in; the first claim of a region
// counts. A family claims
//
//   - as root what names itself: a signer, a setting of a compressor, a key of
//     modinfo;
//   - as derived only what it has computed again: the offset that follows from
//     where the alignment of the two files has found the bytes that it points to;
//   - as derived-unverified what follows from bytes that are not there, as a
//     build id;
//   - as change the code or data of a named thing.
package explain

import (
	"cmp"
	"slices"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

// families in the order in which they are asked.
var families = [...]func(*pair){
	compression,
	trailers,
	modinfo,
	notes,
	stripping,
	numbered,
	promoted,
	compressed,
	types,
	strays,
	texts,
	lines,
	checksums,
	mitigations,
	headers,
	symbols,
	tables,
	relocations,
	padding,
	code,
	references,
	consistent,
}

// catalogue holds the causes of all families.
var catalogue = [...][]*compare.Cause{
	compressionCauses, trailerCauses, modinfoCauses, noteCauses, editedCauses, strippingCauses, numberedCauses, promotedCauses, compressedCauses,
	btfCauses, strayCauses, textCauses, producerCauses, lineCauses, checksumCauses, mitigationCauses, headerCauses, symbolCauses,
	tableCauses, relocationCauses, paddingCauses, codeCauses, referenceCauses, recordCauses,
}

// Causes returns all causes that [Run] and [Records] can name, sorted by id.
func Causes() []*compare.Cause {
	all := slices.Concat(catalogue[:]...)
	slices.SortFunc(all, func(x, y *compare.Cause) int { return cmp.Compare(x.ID, y.ID) })
	return all
}

// Run claims all regions of the pair that it can account for. It is meant for
// [compare.Options.Explain] and may be called concurrently.
func Run(p *compare.Pair) {
	x := &pair{Pair: p, owners: map[ownerKey]*compare.Owner{}}
	x.index()
	x.edited = x.sameBuildID()
	for _, f := range families {
		f(x)
	}
}

// pair is a pair that is being explained, and what families share.
type pair struct {
	*compare.Pair
	owners map[ownerKey]*compare.Owner
	// What was asked for last.
	ownerKey  ownerKey
	lastOwner *compare.Owner
	// ids say what the sections are, ords how many symbols of the same name come
	// before each, see ordinal; both for A and B.
	ids    [2][]sectionID
	ords   [2][]int32
	open   [2]openRegions // of the stored and the innermost ledger
	place  place
	moves  map[move]bool   // folders that are others on side B, see pathMoves
	stray  map[int64]int64 // where strings of A begin that are in another place in B, and where there
	strayB map[int64]bool  // where these begin in B
	sites  [2]site         // of A and B
	order  int8            // see orderKept: 0 not known, 1 no, 2 yes
	hashes hashPairs       // of names that ThinLTO made
	// edited: the payloads differ, but both have one build id.
	edited bool
	// roots are the causes that were claimed and reach further than their bytes.
	roots []*compare.Cause
}

// index fills in what is looked up often.
func (p *pair) index() {
	p.pairHashes()
	for i, f := range []*units.File{p.A.ELF, p.B.ELF} {
		if f == nil {
			return
		}
		seen := map[string]int{}
		for k := range f.Sections {
			name := f.Sections[k].Name
			hash := f.Hash(k)
			if i == 0 && hash != "" {
				hash = cmp.Or(p.hashes.inB[hash], "none")
			}
			p.ids[i] = append(p.ids[i], sectionID{name, hash, seen[name]})
			seen[name]++
		}
	}
}

// ordinal is how many symbols of the same name come before symbol i of a side.
func (p *pair) ordinal(side int, i uint32) int32 {
	if p.ords[side] == nil {
		syms := []*units.File{p.A.ELF, p.B.ELF}[side].Symbols()
		seen := make(map[string]int32, len(syms))
		p.ords[side] = make([]int32, len(syms))
		for k := range syms {
			p.ords[side][k] = seen[syms[k].Name]
			seen[syms[k].Name]++
		}
	}
	return p.ords[side][i]
}

// sectionID is what a section is on both sides.
type sectionID struct {
	name string
	hash string // that of B
	ord  int
}

// sameSection: the two numbers are those of one section.
func (p *pair) sameSection(a, b int) bool {
	if a < 0 || b < 0 || a >= len(p.ids[0]) || b >= len(p.ids[1]) {
		return a == b && a >= len(p.ids[0]) && b >= len(p.ids[1])
	}
	return p.ids[0][a] == p.ids[1][b]
}

type ownerKey struct {
	cause         *compare.Cause
	subject, a, b string
}

// owner makes the owner of a cause, one for equal arguments.
func (p *pair) owner(c *compare.Cause, subject, a, b string) *compare.Owner {
	k := ownerKey{c, subject, a, b}
	if k == p.ownerKey { // mostly it is that of the place before
		return p.lastOwner
	}
	o := p.owners[k]
	if o == nil {
		o = &compare.Owner{Cause: c, Subject: subject, A: a, B: b}
		p.owners[k] = o
		if c.Class == compare.Root && !c.Local && !slices.Contains(p.roots, c) {
			p.roots = append(p.roots, c)
		}
	}
	p.ownerKey, p.lastOwner = k, o
	return o
}

// bytes returns the whole units of a place.
func (p *pair) bytes(x *place) (a, b []byte) {
	return p.BytesA(compare.Range{Off: x.a.Off, Len: x.a.Len}), p.BytesB(compare.Range{Off: x.b.Off, Len: x.b.Len})
}

// claim makes a cause the owner of a place. Of what was linked once, what a build
// would have put there is no cause: it was edited.
func (p *pair) claim(x *place, c *compare.Cause, subject, a, b string) {
	if p.edited && fromBuild[c] && x.block.Kind == units.Section {
		c = &edited
		if subject == "" {
			subject = x.block.String()
		}
	}
	x.ledger.Claim(x.number, p.owner(c, subject, a, b))
}
