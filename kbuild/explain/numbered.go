// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var numberedName = compare.Cause{ID: "layout.numbered-name", Class: compare.Derived, Local: true, Title: "symbols of modinfo entries, which the compiler numbers"}

var numberedCauses = []*compare.Cause{&numberedName}

// numbered explains the symbols that MODULE_INFO and its like make, called
// __UNIQUE_ID_ with a key and the count of such names before (include/linux/compiler.h):
// with an entry more all others have other names. A symbol follows from its entry,
// which is told as such, if it covers exactly that. Where the numbers of one side
// follow on one another, those of the other must too, and a single other name is no
// other count.
func numbered(p *pair) {
	if p.A.ELF == nil {
		return
	}
	var sides *[2]numberedNames // computed when it is asked for
	counted := false
	p.each(p.Unit, func(x *place) {
		if x.Relation != compare.Changed || !isNumbered(x.unit().Name) {
			return
		}
		if sides == nil {
			sides = &[2]numberedNames{namesOfEntries(p.A.ELF), namesOfEntries(p.B.ELF)}
			a, b := sides[0].without(&sides[1]), sides[1].without(&sides[0])
			counted = (a != 1 || b != 1) && sides[0].breaks == sides[1].breaks
		}
		if counted && sides[0].follows(p.A.ELF, x, &x.a) && sides[1].follows(p.B.ELF, x, &x.b) {
			p.claim(x, &numberedName, "", "", "")
		}
	}, units.Symbol, units.String)
}

// numberedNames are those of a side, and how often the next one in .modinfo does not
// have the number before. Compilers write the last one first.
type numberedNames struct {
	names  map[string]bool
	breaks int
}

func namesOfEntries(f *units.File) numberedNames {
	type entry struct{ at, number uint64 }
	n := numberedNames{names: map[string]bool{}}
	var list []entry
	for _, y := range f.Symbols() {
		if namesEntry(f, &y) {
			n.names[y.Name] = true
			number, _ := strconv.ParseUint(y.Name[len(strings.TrimRight(y.Name, "0123456789")):], 10, 64) // too large: 0
			list = append(list, entry{y.Value, number})
		}
	}
	slices.SortFunc(list, func(x, y entry) int { return cmp.Compare(x.at, y.at) })
	for i := range list[:max(len(list)-1, 0)] {
		if list[i].number != list[i+1].number+1 {
			n.breaks++
		}
	}
	return n
}

// without counts the names that another side does not have.
func (n *numberedNames) without(other *numberedNames) int {
	count := 0
	for name := range n.names {
		if !other.names[name] {
			count++
		}
	}
	return count
}

// follows: a unit is such a symbol, its name, or not there.
func (n *numberedNames) follows(f *units.File, x *place, u *units.Unit) bool {
	switch {
	case u.Len == 0:
		return true
	case u.Kind == units.Symbol:
		return !x.both() && namesEntry(f, &f.Symbols()[u.Index])
	}
	return u.Kind == units.String && x.block.Name == ".strtab" && n.names[u.Name]
}

// namesEntry: a local object of such a name covers exactly one entry of .modinfo.
func namesEntry(f *units.File, y *units.Sym) bool {
	if !isNumbered(y.Name) || y.Info != 1 || y.Other != 0 || y.Section <= 0 || y.Section >= len(f.Sections) || f.Sections[y.Section].Name != ".modinfo" {
		return false
	}
	b := f.Data(&f.Sections[y.Section])
	end := y.Value + y.Size
	return y.Size > 1 && end > y.Value && end <= uint64(len(b)) && (y.Value == 0 || b[y.Value-1] == 0) &&
		bytes.IndexByte(b[y.Value:end], 0) == int(y.Size)-1
}

// isNumbered: the prefix, a key, and a number.
func isNumbered(name string) bool {
	rest, ok := strings.CutPrefix(name, "__UNIQUE_ID_")
	key := strings.TrimRight(rest, "0123456789")
	return ok && key != "" && len(key) < len(rest) && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
