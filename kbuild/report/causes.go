// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/modhash/modhash/kbuild/compare"
)

// mostCauses is how many causes the summary lists unless all are wanted; mostChanges of
// them are changes, however many others there are.
const (
	mostCauses  = 10
	mostChanges = 4
)

// mostPlaces is how many places that nothing explains it shows.
const mostPlaces = 3

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
	p.diffOpaque(c)
	var derived []string
	room, left := p.causeRoom(sums)
	hidden := 0
	for i := range sums {
		s := &sums[i]
		cl := s.Class()
		if (cl == compare.Derived || cl == compare.Unverified) && !p.style.All {
			derived = append(derived, fmt.Sprintf("%s (%s)", s.ID(), count(s.Modules)))
			continue
		}
		room := &room
		if cl == compare.CodeChange {
			room = &left
		}
		if *room--; *room < 0 && !p.style.All {
			hidden++
			continue
		}
		p.causeLine(s)
		if cl == compare.Unexplained {
			p.places(c, s)
		}
	}
	if hidden > 0 {
		p.line("    … and %s (--all lists them)", plural(hidden, "more cause"))
	}
	if len(derived) > 0 {
		p.line("          following from these: %s", strings.Join(derived, ", "))
	}
	p.diffAreas(sums)
}

// causeRoom divides the lines of the summary between changes and what else is not derived.
func (p *page) causeRoom(sums []compare.CauseSum) (others, changes int) {
	n := 0
	for i := range sums {
		switch sums[i].Class() {
		case compare.CodeChange:
			changes++
		case compare.Root, compare.Unexplained:
			n++
		}
	}
	others = min(n, max(mostCauses-changes, mostCauses-mostChanges))
	return others, min(changes, mostCauses-others)
}

// diffOpaque says of how many modules the payload could only be compared as bytes.
func (p *page) diffOpaque(c *compare.Comparison) {
	n, first := 0, ""
	for i := range c.Modules {
		if m := &c.Modules[i]; m.Account != nil && m.Account.Opaque != "" {
			if n++; n == 1 {
				first = short(m.Name, 80) + ": " + short(m.Account.Opaque, 120)
			}
		}
	}
	if n > 1 {
		first += fmt.Sprintf(", and %s more", count(n-1))
	}
	if n > 0 {
		p.line("  compared as bytes: %s", first)
	}
}

// places shows bytes that nothing explains: of the places that are in most modules, those
// in the first of these.
func (p *page) places(c *compare.Comparison, s *compare.CauseSum) {
	for i := range s.Values[:min(len(s.Values), mostPlaces)] {
		v := &s.Values[i]
		m := slices.IndexFunc(c.Modules, func(m compare.Module) bool { return m.Name == v.Module })
		if m < 0 {
			continue
		}
		items := c.Modules[m].Account.Items
		k := slices.IndexFunc(items, func(it compare.Item) bool { return it.Cause == nil && it.More == 0 && it.Subject == v.Subject })
		if k < 0 {
			continue
		}
		it := &items[k]
		p.line("          %s of %s, at %s / %s", short(v.Subject, 60), short(v.Module, 80), rangeText(it.First.A), rangeText(it.First.B))
		p.line("            A %s", orNone(it.ContextA))
		p.line("            B %s", orNone(it.ContextB))
	}
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
		a, b := apart(v.A, v.B, 60)
		t = strings.TrimSpace(t + " " + orNone(a) + " / " + orNone(b))
	}
	return t
}

// short makes text from the input harmless and cuts it.
func short(s string, n int) string { return cut(Safe(s), n) }

// cut cuts what is longer than n bytes.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		return s[:n] + "…"
	}
	return s
}

// apart is short for two texts that differ. Where what differs would be cut, the words, or
// the folders, that both begin with are left out.
func apart(a, b string, n int) (string, string) {
	a, b = Safe(a), Safe(b)
	if len(a) <= n && len(b) <= n || a == "" || b == "" {
		return cut(a, n), cut(b, n)
	}
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	if same < n-n/4 {
		return cut(a, n), cut(b, n)
	}
	at := strings.LastIndexAny(a[:same], " /") + 1
	if at == 0 && same > n/2 { // one long word
		for at = same - n/2; !utf8.RuneStart(a[at]); {
			at--
		}
	}
	if at > 0 {
		a, b = "…"+a[at:], "…"+b[at:]
	}
	return cut(a, n), cut(b, n)
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
