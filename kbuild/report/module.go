// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/modhash/modhash/kbuild/compare"
)

func sortedAreas(names []string, modules map[string]int) []string {
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(-cmp.Compare(modules[x], modules[y]), cmp.Compare(x, y)) })
	return names
}

// DiffModule writes all that is known about the modules of a comparison, which
// are meant to be few: the bytes that differ, layer by layer, and what each is
// attributed to.
func DiffModule(w io.Writer, c *compare.Comparison, s Style) error {
	p := &page{style: s}
	p.line("%s: %s", s.paint(verdictTone(c.Verdict), c.Verdict.String()), diffSummary(c))
	p.line("  A  %s", side(&c.A))
	p.line("  B  %s", side(&c.B))
	for i := range c.Modules {
		p.line("")
		p.moduleAccount(&c.Modules[i])
	}
	return p.writeTo(w)
}

func (p *page) moduleAccount(m *compare.Module) {
	p.line("%s: %s", differentText(m), m.Verdict)
	a := m.Account
	if a == nil {
		return
	}
	if a.Opaque != "" {
		p.line("  compared as bytes: %s", Safe(a.Opaque))
	}
	if a.Fault != "" {
		p.line("  BUG of modhash, the file counts as unexplained: %s", Safe(a.Fault))
	}
	for _, l := range a.Layers {
		p.line("  %-8s bytes changed in A %s, in B %s; moved %s", l.Layer, count(int(l.ChangedA)), count(int(l.ChangedB)), count(int(l.Moved)))
	}
	for i := range a.Items {
		p.item(&a.Items[i])
	}
}

func (p *page) item(it *compare.Item) {
	if it.Cause == nil {
		p.line("  %s: no rule explains these bytes", p.style.paint(bad, "UNEXPLAINED"))
	} else {
		p.line("  %s %s: %s", it.Class(), it.ID(), it.Cause.Title)
	}
	v := compare.ValueSum{Subject: it.Subject, A: it.Owner.A, B: it.Owner.B}
	if t := valueText(&v); t != "" {
		p.line("      %s", t)
	}
	if it.More > 0 {
		p.line("      %s more", count(it.More))
	}
	bytes := fmt.Sprintf("%s / %s bytes changed", count(int(it.ChangedA)), count(int(it.ChangedB)))
	if it.Moved > 0 {
		bytes += fmt.Sprintf(", %s moved", count(int(it.Moved)))
	}
	p.line("      %s, %s of the %s layer, the first at %s / %s", bytes, plural(it.Regions, "place"), it.Layer, rangeText(it.First.A), rangeText(it.First.B))
	if it.ContextA+it.ContextB != "" {
		p.line("      A %s", it.ContextA)
		p.line("      B %s", it.ContextB)
	}
	for _, n := range it.Notes {
		p.line("      %s", n)
	}
	if it.Cause != nil && it.Cause.Mend != "" {
		p.line("      mend: %s (%s)", it.Cause.Mend, it.Cause.Doc)
	}
}

func rangeText(r compare.Range) string {
	if r.Len == 0 {
		return "nowhere"
	}
	return fmt.Sprintf("0x%x+%d", r.Off, r.Len)
}
