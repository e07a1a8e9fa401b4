// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
)

// blockClass is the class of a colour for a class of causes.
var blockClass = map[compare.Class]string{
	compare.Root: "root", compare.Derived: "derived", compare.Unverified: "unverified",
	compare.CodeChange: "change", compare.Unexplained: "unexplained",
}

// newHTMLDetail is what a page shows of one module on request; nil if there is
// nothing more than in its row.
func newHTMLDetail(m *compare.Module) *htmlDetail {
	d := &htmlDetail{}
	for i, f := range []*compare.ModuleFile{m.A, m.B} {
		side := [...]string{"A: ", "B: "}[i]
		switch {
		case f == nil:
		case f.Problem != "":
			d.Notes = append(d.Notes, side+clip(f.Path, htmlString)+": "+clip(f.Problem, htmlString))
		case f.Compression != "":
			d.Notes = append(d.Notes, side+clip(f.Path, htmlString)+", "+count(int(f.Stored))+" bytes, compression "+f.Compression+", trailer "+clip(f.Trailer, htmlString))
		}
	}
	if m.TwinA != "" {
		d.Notes = append(d.Notes, "its payload in A is that of "+clip(m.TwinA, htmlString)+" in B")
	}
	if m.TwinB != "" {
		d.Notes = append(d.Notes, "its payload in B is that of "+clip(m.TwinB, htmlString)+" in A")
	}
	if m.Moved {
		d.Notes = append(d.Notes, strings.TrimPrefix(movedText(&compare.Module{PosA: m.PosA, PosB: m.PosB}), " "))
	}
	if m.Account != nil {
		d.account(m.Account)
	}
	if len(d.Notes)+len(d.Blocks)+len(d.Items) == 0 {
		return nil
	}
	return d
}

func (d *htmlDetail) account(a *compare.Account) {
	if a.Opaque != "" {
		d.Notes = append(d.Notes, "compared as bytes: "+clip(a.Opaque, htmlString))
	}
	if a.Fault != "" {
		d.Notes = append(d.Notes, "BUG of modhash, the file counts as unexplained: "+clip(a.Fault, htmlString))
	}
	bs := fewBlocks(a.Blocks)
	d.BlocksLeft = len(a.Blocks) - len(bs)
	for i := range bs {
		b := &bs[i]
		d.Blocks = append(d.Blocks, htmlBlock{clip(b.Name, 80), b.A.Len, b.B.Len, b.ChangedA, b.ChangedB, b.Moved, blockClass[b.Class]})
	}
	d.ItemsLeft = max(0, len(a.Items)-htmlItems)
	for i := range min(len(a.Items), htmlItems) {
		it := &a.Items[i]
		h := htmlItem{
			ID: it.ID(), Class: string(it.Class()), Layer: it.Layer.String(), Subject: clip(it.Subject, 120), ValueA: clip(it.Owner.A, 120), ValueB: clip(it.Owner.B, 120),
			A: it.ChangedA, B: it.ChangedB, Moved: it.Moved, Regions: it.Regions, More: it.More,
		}
		if it.Cause != nil && it.Subject == "" {
			h.Title = it.Cause.Title
		}
		d.Items = append(d.Items, h)
	}
}

// fewBlocks keeps as many blocks as a strip has room for, in their order: those in
// which most bytes differ, and then the largest.
func fewBlocks(all []compare.BlockTally) []compare.BlockTally {
	if len(all) <= htmlBlocks {
		return all
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	differing := func(i int) int64 { return all[i].ChangedA + all[i].ChangedB + all[i].Moved }
	size := func(i int) int64 { return all[i].A.Len + all[i].B.Len }
	slices.SortFunc(order, func(x, y int) int {
		return cmp.Or(cmp.Compare(differing(y), differing(x)), cmp.Compare(size(y), size(x)), cmp.Compare(x, y))
	})
	order = order[:htmlBlocks]
	slices.Sort(order)
	out := make([]compare.BlockTally, len(order))
	for i, k := range order {
		out[i] = all[k]
	}
	return out
}

// diffLists lists what is no module.
func (p *htmlPage) diffLists(c *compare.Comparison) {
	p.add("What the builds left on record", len(c.Records), func(i int) string {
		r := &c.Records[i]
		return r.Cause.ID + ": " + clip(r.Field, 80) + ": " + orNone(clip(r.A, htmlString)) + " / " + orNone(clip(r.B, htmlString)) + " (" + r.From + ")"
	})
	p.add("Findings, of which a manifest tells nothing", len(c.Problems), func(i int) string {
		return strings.ToUpper(string(c.Problems[i].Side)) + ": " + clip(c.Problems[i].Problem.String(), 2*htmlString)
	})
	p.add("Other files with differences", len(c.Files), func(i int) string {
		return fileText(&c.Files[i], func(s string) string { return clip(s, htmlString) })
	})
	if e := c.Expected; e != nil {
		p.add("Expected differences", len(e.Rules), func(i int) string {
			r := &e.Rules[i]
			return count(r.Modules+r.Files) + " by " + clip(r.What+" "+r.Pattern+": "+r.Reason, htmlString)
		})
	}
	p.add("Notes", len(c.Notes), func(i int) string { return clip(c.Notes[i], 2*htmlString) })
}
