// SPDX-License-Identifier: Apache-2.0

// Package explain says why bytes of two module files differ. [Run] is given a
// pair with its ledgers and makes causes the owners of regions. It may annotate,
// never acquit: regions are not its to change, and a region that it does not
// claim stays unexplained.
//
// Each file holds one family of causes: the causes, as values in the catalogue,
// and a function that looks at a pair and claims what it can account for, every
// byte of it. Families run from the outside in; the first claim of a region
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

import "github.com/modhash/modhash/kbuild/compare"

// families in the order in which they are asked.
var families = [...]func(*pair){
	wrapping,
}

// pair is a pair that is being explained, and what families share.
type pair struct {
	*compare.Pair
}

// Run claims all regions of the pair that it can account for.
func Run(p *compare.Pair) {
	x := &pair{Pair: p}
	for _, f := range families {
		f(x)
	}
}

// Causes returns all causes that Run can name, sorted by id.
func Causes() []*compare.Cause { return nil }

func wrapping(*pair) {}
