// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"maps"
	"slices"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var promotedName = compare.Cause{ID: "thinlto.name", Class: compare.Root, Local: true, Title: "names that ThinLTO made, with another hash of the compiled source",
	Mend: "build in the same folder, or in that of the source", Doc: "https://clang.llvm.org/docs/ThinLTO.html"}

var promotedCauses = []*compare.Cause{&promotedName}

// fullName is a name that [units.Promoted] took apart.
type fullName struct{ name, hash string }

// promotedNames lists those of sections and those of symbols that are defined, each kind
// in the order of its table.
func promotedNames(f *units.File) []fullName {
	var list []fullName
	for i := range f.Sections {
		if hash := f.Hash(i); hash != "" {
			list = append(list, fullName{f.Sections[i].Name, hash})
		}
	}
	for _, y := range f.Symbols() {
		if y.Hash != "" {
			list = append(list, fullName{y.Name, y.Hash})
		}
	}
	return list
}

// pairHashes finds out which hash of B is which of A. Each is of one source file, so
// that all names which have it on one side have one other on the other side; if not,
// no hash stands for another one. Of a name that several files have, those that no
// other name tells are taken in their order. That two of one name have not changed
// places is for references to see.
func (p *pair) pairHashes() {
	if p.A.ELF == nil || p.B.ELF == nil {
		return
	}
	a, b := hashesByName(promotedNames(p.A.ELF)), hashesByName(promotedNames(p.B.ELF))
	pairs := hashPairs{map[string]string{}, map[string]string{}}
	for name := range a {
		if len(a[name]) == 1 && len(b[name]) == 1 && !pairs.add(a[name][0], b[name][0]) {
			return
		}
	}
	more := hashPairs{maps.Clone(pairs.inB), maps.Clone(pairs.inA)}
	for name := range a {
		left, others := slices.Clone(a[name]), slices.Clone(b[name])
		left = slices.DeleteFunc(left, func(h string) bool { return pairs.inB[h] != "" })
		others = slices.DeleteFunc(others, func(h string) bool { return pairs.inA[h] != "" })
		if len(left) != len(others) {
			continue
		}
		for i := range left {
			if !more.add(left[i], others[i]) {
				return
			}
		}
	}
	p.hashes = more
}

// hashPairs are hashes of A by those of B, and the other way round.
type hashPairs struct{ inB, inA map[string]string }

// add reports whether that is no contradiction.
func (h *hashPairs) add(a, b string) bool {
	if h.inB[a] == "" && h.inA[b] == "" {
		h.inB[a], h.inA[b] = b, a
	}
	return h.inB[a] == b && h.inA[b] == a
}

// hashesByName lists the hashes of each name, each once.
func hashesByName(names []fullName) map[string][]string {
	list := map[string][]string{}
	seen := map[fullName]bool{} // of one name there can be very many
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			list[n.name] = append(list[n.name], n.hash)
		}
	}
	return list
}

// sameHash: two hashes in names, or none, are those of one source file.
func (p *pair) sameHash(a, b string) bool {
	if a == "" || b == "" {
		return a == b
	}
	return p.hashes.inB[a] == b
}

// promoted explains the hashes in the tables of names: a name that only differs by
// them is that of a symbol or section on both sides. What has such a name is compared
// under the name without it.
func promoted(p *pair) {
	if len(p.hashes.inB) == 0 {
		return
	}
	known := [2]map[fullName]bool{{}, {}}
	for i, f := range []*units.File{p.A.ELF, p.B.ELF} {
		for _, n := range promotedNames(f) {
			known[i][n] = true
		}
	}
	p.each(p.Unit, func(x *place) {
		if x.Relation != compare.Changed || x.block.Name != ".strtab" && x.block.Name != ".shstrtab" {
			return
		}
		for i, u := range []*units.Unit{&x.a, &x.b} {
			if u.Len == 0 {
				continue
			}
			f := []*units.File{p.A.ELF, p.B.ELF}[i]
			others := []map[string]string{p.hashes.inB, p.hashes.inA}[i]
			var n fullName
			n.name, n.hash = units.Promoted(string(bytes.TrimSuffix(f.Bytes[u.Off:u.Off+u.Len], []byte{0})))
			if n.hash == "" || !known[i][n] || !known[1-i][fullName{n.name, others[n.hash]}] {
				return
			}
		}
		p.claim(x, &promotedName, "", "", "")
	}, units.String)
}
