// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
)

// DiffHTML writes a comparison as one page of HTML that needs nothing beside it. Of
// modules it shows where they differ if the comparison was made with
// [compare.Options.Blocks]. The page is at most about 16 MB; what does not fit is
// counted. Names are written so that no two are alike: a backslash as two, what is
// not printable as \u{HH}, and a byte that is not part of valid UTF-8 as \xHH.
func DiffHTML(w io.Writer, c *compare.Comparison) error {
	p := &htmlPage{
		Verb: "diff", Verdict: c.Verdict.String(), Tone: verdictTone(c.Verdict).String(), Summary: diffSummary(c),
		Facts: []htmlFact{{"A", sideVisible(&c.A)}, {"B", sideVisible(&c.B)}},
		Bytes: !c.ManifestLevel,
	}
	sums := c.Causes()
	if n, explained, _ := c.Accounted(); n > 0 {
		p.Facts = append(p.Facts, htmlFact{"explained", count(explained) + " of " + plural(n, "module") + " without any change of content"})
	}
	p.diffFacts(c)
	p.diffCauses(sums)
	p.diffRows(c, sums)
	p.diffLists(c)
	return p.write(w)
}

// String is what styles call it.
func (t tone) String() string { return [...]string{"good", "fair", "bad"}[t] }

// diffFacts says what image, root and packages come to.
func (p *htmlPage) diffFacts(c *compare.Comparison) {
	fact := func(label, value string) { p.Facts = append(p.Facts, htmlFact{label, value}) }
	if c.Image != nil {
		fact("kernel image", imageWords(c.Image))
	}
	if c.Root != nil {
		fact("hashset root", c.Root.Verdict.String())
	}
	if c.FilesCompared > 0 || len(c.Files) > 0 {
		fact("other files", count(c.FilesCompared)+" on both sides, "+count(c.FilesEqual)+" identical; "+count(len(c.Files))+" with differences")
	}
	for _, pk := range c.Packages {
		fact("package file", clip(path.Base(pk.A), htmlString)+": "+pk.Verdict.String())
	}
	if e := c.Expected; e != nil {
		fact("expected", clip(e.Path, htmlString)+" (sha256 "+e.Digest.String()+"): "+plural(len(e.Modules), "module")+", "+plural(len(e.Files), "other file"))
	}
}

func (p *htmlPage) diffCauses(sums []compare.CauseSum) {
	for i := range sums {
		s := &sums[i]
		h := htmlCause{ID: s.ID(), Class: string(s.Class()), Modules: s.Modules, A: s.Unit.ChangedA, B: s.Unit.ChangedB, Moved: s.Unit.Moved, Values: valuesVisible(s)}
		if s.Unit.IsZero() { // of the stored bytes alone, as a compression
			h.A, h.B, h.Moved = s.Stored.ChangedA, s.Stored.ChangedB, s.Stored.Moved
		}
		if s.Cause != nil {
			h.Title, h.Mend = s.Cause.Title, s.Cause.Mend
		} else {
			h.Title = "no rule explains these bytes"
		}
		p.Causes = append(p.Causes, h)
	}
}

// valuesVisible quotes the value of a cause that is in most modules.
func valuesVisible(s *compare.CauseSum) string {
	if len(s.Values) == 0 {
		return ""
	}
	v := &s.Values[0]
	t := clip(v.Subject, 120)
	if v.A != "" || v.B != "" {
		t = strings.TrimSpace(t + " " + orNone(clip(v.A, 120)) + " / " + orNone(clip(v.B, 120)))
	}
	switch more := len(s.Values) - 1; {
	case s.More:
		t += " and others"
	case more > 0:
		t += " and " + count(more) + " more"
	}
	return strings.TrimSpace(t)
}

// groupOrder is how much a group asks for attention, the most first.
var groupOrder = []string{"unexplained", "change", "onlya", "onlyb", "other", "moved", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "rest", "same"}

// mostColors is how many causes have a colour of their own.
const mostColors = 8

// diffRows makes a row of each module, and the groups.
func (p *htmlPage) diffRows(c *compare.Comparison, sums []compare.CauseSum) {
	colors := map[string]string{}
	titles := map[string]string{
		"unexplained": "unexplained", "change": "content changed", "onlya": "only in A", "onlyb": "only in B", "moved": "moved in modules.order",
		"other": "different", "rest": "other causes", "same": "identical",
	}
	if c.ManifestLevel {
		titles["same"] = "with equal payload"
	}
	for i := range sums {
		if cl := sums[i].Class(); len(colors) < mostColors && cl != compare.CodeChange && cl != compare.Unexplained {
			g := "c" + strconv.Itoa(len(colors))
			colors[sums[i].ID()], titles[g] = g, sums[i].ID()
		}
	}
	for i := range c.Modules {
		m := &c.Modules[i]
		r := htmlRow{Name: clip(m.Name, htmlString), Group: moduleGroup(m, colors), Verdict: moduleVerdict(m), Size: moduleSize(m), area: moduleArea(m.Name)}
		if c.Expected.Module(i) {
			r.Verdict += ", expected"
		}
		r.details = newHTMLDetail(m)
		if a := m.Account; a != nil {
			r.Cause = accountCauses(a)
			if len(a.Layers) > 0 {
				t := a.Layers[len(a.Layers)-1].Tally
				if t.IsZero() {
					t = a.Layers[0].Tally
				}
				r.A, r.B = t.ChangedA, t.ChangedB
			}
		}
		p.Rows = append(p.Rows, r)
	}
	for _, e := range c.Equal {
		p.Rows = append(p.Rows, htmlRow{Name: clip(e.Name, htmlString), Group: "same", Verdict: titles["same"], Size: e.Stored, area: moduleArea(e.Name)})
	}
	p.group(titles)
}

// group counts the rows of each group, and orders them.
func (p *htmlPage) group(titles map[string]string) {
	counts := map[string]int{}
	for i := range p.Rows {
		r := &p.Rows[i]
		counts[r.Group]++
		r.order = slices.Index(groupOrder, r.Group)
	}
	for _, g := range groupOrder {
		if counts[g] > 0 {
			p.Groups = append(p.Groups, htmlGroup{g, titles[g], counts[g]})
		}
	}
}

// moduleGroup is the group of what asks for most attention.
func moduleGroup(m *compare.Module, colors map[string]string) string {
	switch {
	case m.Only == compare.OnlyA:
		return "onlya"
	case m.Only == compare.OnlyB:
		return "onlyb"
	case m.Verdict == compare.Identical:
		return "moved"
	case m.Account == nil || m.Account.Fault == "" && len(m.Account.Items) == 0:
		return "other"
	case m.Account.Fault != "":
		return "unexplained"
	}
	switch it := &m.Account.Items[0]; it.Class() {
	case compare.Unexplained:
		return "unexplained"
	case compare.CodeChange:
		return "change"
	default:
		return cmp.Or(colors[it.ID()], "rest")
	}
}

func moduleVerdict(m *compare.Module) string {
	words := []string{m.Verdict.String()}
	switch {
	case m.Only == compare.OnlyA:
		words[0] = "only in A"
	case m.Only == compare.OnlyB:
		words[0] = "only in B"
	}
	if m.Moved {
		words = append(words, "moved")
	}
	return strings.Join(words, ", ")
}

func moduleSize(m *compare.Module) int64 {
	size := int64(-1)
	for _, f := range []*compare.ModuleFile{m.A, m.B} {
		if f != nil {
			size = max(size, f.Stored)
		}
	}
	if m.A == nil && m.B == nil {
		return m.Stored
	}
	return size
}

// moduleArea is the part of the tree that a module is shown in on a map.
func moduleArea(name string) string {
	parts := strings.SplitN(strings.TrimPrefix(path.Dir(name), "kernel/"), "/", 3)
	if len(parts) > 1 && (parts[0] == "drivers" || parts[0] == "arch" || parts[0] == "sound" || parts[0] == "net") {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// accountCauses names the causes of one module, what asks for most attention first.
func accountCauses(a *compare.Account) string {
	var ids []string
	for i := range a.Items {
		if id := a.Items[i].ID(); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) > 3 {
		ids = append(ids[:3], count(len(ids)-3)+" more")
	}
	return strings.Join(ids, ", ")
}

func sideVisible(s *compare.Side) string {
	what := s.Kind
	if s.Release != "" {
		what += ", " + clip(s.Release, htmlString)
	}
	return strings.Join(clips(s.Paths, htmlString), ", ") + " (" + what + ")"
}
