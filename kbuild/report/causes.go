// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/modhash/modhash/kbuild/compare"
)

// mostCauses is how many causes the summary lists unless all are wanted.
const mostCauses = 10

// diffCauses says why modules differ: one line for each cause, however many
// modules it is in.
func (p *page) diffCauses(c *compare.Comparison) {
	n, explained, faults := c.Accounted()
	if n == 0 {
		return
	}
	sums := c.Causes()
	p.line("why: %s of %s explained without any change of content", count(explained), plural(n, "module"))
	for _, f := range faults {
		p.line("  BUG of modhash, the file counts as unexplained: %s", Safe(f))
	}
	var derived []string
	shown := 0
	for i := range sums {
		s := &sums[i]
		if cl := s.Class(); (cl == compare.Derived || cl == compare.Unverified) && !p.style.All {
			derived = append(derived, fmt.Sprintf("%s (%s)", s.ID(), count(s.Modules)))
			continue
		}
		if shown++; shown > mostCauses && !p.style.All {
			continue
		}
		p.causeLine(s)
	}
	if shown > mostCauses && !p.style.All {
		p.line("    … and %s more causes (--all lists them)", count(shown-mostCauses))
	}
	if len(derived) > 0 {
		p.line("          following from these: %s", strings.Join(derived, ", "))
	}
	p.diffAreas(sums)
}

// causeLine is "  4,212  signature.key  signature by another key (a / b)".
func (p *page) causeLine(s *compare.CauseSum) {
	line := fmt.Sprintf("%8s  %s", count(s.Modules), s.ID())
	switch {
	case s.Cause == nil:
		line = p.style.paint(bad, fmt.Sprintf("%8s  UNEXPLAINED", count(s.Modules)))
	case s.Class() == compare.CodeChange:
		line += ": " + s.Cause.Title
	default:
		line += ": " + s.Cause.Title
	}
	line += valuesText(s)
	p.line("%s", line)
	if p.style.All && s.Cause != nil && s.Cause.Mend != "" {
		p.line("          mend: %s (%s)", s.Cause.Mend, s.Cause.Doc)
	}
}

// valuesText quotes the only value of a cause, or the one in most modules.
func valuesText(s *compare.CauseSum) string {
	if len(s.Values) == 0 {
		return ""
	}
	v := &s.Values[0]
	t := valueText(v)
	if s.Modules == 1 && s.Class() != compare.Root {
		t += " of " + Safe(v.Module)
	}
	switch more := len(s.Values) - 1; {
	case s.More:
		t += " and others"
	case more > 0:
		t += fmt.Sprintf(" and %s more", count(more))
	}
	if t = strings.TrimSpace(t); t != "" {
		t = " [" + t + "]"
	}
	return t
}

func valueText(v *compare.ValueSum) string {
	t := short(v.Subject, 60)
	if v.A != "" || v.B != "" {
		t = strings.TrimSpace(t + " " + orNone(short(v.A, 60)) + " / " + orNone(short(v.B, 60)))
	}
	return t
}

// short makes text from the input harmless and cuts it.
func short(s string, n int) string {
	s = Safe(s)
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		return s[:n] + "…"
	}
	return s
}

// diffAreas says in one line in which parts of the tree content differs.
func (p *page) diffAreas(sums []compare.CauseSum) {
	most := map[string]int{} // a module can have several causes
	var order []string
	for i := range sums {
		if cl := sums[i].Class(); cl != compare.CodeChange && cl != compare.Unexplained {
			continue
		}
		for _, a := range sums[i].Areas {
			if most[a.Area] == 0 {
				order = append(order, a.Area)
			}
			most[a.Area] = max(most[a.Area], a.Modules)
		}
	}
	if len(order) == 0 {
		return
	}
	var parts []string
	rest := 0
	for _, a := range sortedAreas(order, most) {
		if len(parts) == 8 && !p.style.All {
			rest++
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s", Safe(a), count(most[a])))
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%s more", count(rest)))
	}
	p.line("          changes by subsystem, modules: %s", strings.Join(parts, ", "))
}
