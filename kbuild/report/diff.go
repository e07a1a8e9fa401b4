// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
)

// Diff writes a comparison as text.
func Diff(w io.Writer, c *compare.Comparison, s Style) error {
	p := &page{style: s}
	p.line("%s: %s", s.paint(verdictTone(c.Verdict), c.Verdict.String()), diffSummary(c))
	p.line("  A  %s", side(&c.A))
	p.line("  B  %s", side(&c.B))
	p.diffRecords(c)
	p.diffCauses(c)
	p.diffProblems(c)
	p.diffModules(c)
	p.diffImage(c)
	p.diffRoot(c)
	p.diffFiles(c)
	p.diffPackages(c)
	p.diffExpected(c)
	for i, n := range c.Notes {
		if i == 0 {
			p.line("")
		}
		p.line("note: %s", Safe(n))
	}
	return p.writeTo(w)
}

func (p *page) diffProblems(c *compare.Comparison) {
	if len(c.Problems) == 0 {
		return
	}
	p.line("")
	p.line("findings, of which a manifest tells nothing (%d):", len(c.Problems))
	p.items(len(c.Problems), func(i int) string {
		return strings.ToUpper(string(c.Problems[i].Side)) + ": " + Safe(c.Problems[i].Problem.String())
	})
	for _, k := range kbuild.Kinds() {
		of := func(sp compare.SideProblem) bool { return sp.Problem.Kind == k }
		if hint := k.Hint(); hint != "" && slices.ContainsFunc(c.Problems, of) {
			p.line("  hint: %s: %s", k, hint)
		}
	}
}

func verdictTone(v compare.Verdict) tone {
	return [...]tone{good, fair, bad}[v]
}

func side(s *compare.Side) string {
	what := s.Kind
	if s.Release != "" {
		what += ", " + s.Release
	}
	return fmt.Sprintf("%s (%s)", Safe(strings.Join(s.Paths, ", ")), Safe(what))
}

// diffSummary says in one line what each part comes to.
func diffSummary(c *compare.Comparison) string {
	var parts []string
	n := &c.Count
	if n.A+n.B > 0 {
		total := n.Identical + n.PayloadIdentical() + n.Different + n.OnlyA + n.OnlyB
		parts = append(parts, fmt.Sprintf("%s, %s", plural(total, "module"), moduleWords(n)))
	}
	if c.Image != nil {
		parts = append(parts, "kernel image "+imageWords(c.Image))
	}
	if c.Root != nil {
		parts = append(parts, "root "+c.Root.Verdict.String())
	}
	if c.FilesCompared > 0 || len(c.Files) > 0 {
		if len(c.Files) == 0 {
			parts = append(parts, plural(c.FilesCompared, "other file")+" identical")
		} else {
			parts = append(parts, plural(len(c.Files), "file")+" with differences")
		}
	}
	if n := differingPackages(c); n > 0 {
		what := " different"
		if c.MembersEqual() {
			what += " in the container only"
		}
		parts = append(parts, plural(n, "package file")+what)
	}
	if n := len(c.Problems); n > 0 {
		parts = append(parts, plural(n, "finding"))
	}
	for _, note := range c.Notes {
		if strings.HasPrefix(note, "kernel image NOT compared") {
			parts = append(parts, "kernel image NOT compared")
		}
	}
	if len(parts) == 0 {
		return "nothing to compare"
	}
	return strings.Join(parts, "; ")
}

func differingPackages(c *compare.Comparison) int {
	n := 0
	for _, p := range c.Packages {
		if p.Verdict != compare.Identical {
			n++
		}
	}
	return n
}

func moduleWords(n *compare.ModuleCount) string {
	var w []string
	add := func(k int, what string) {
		if k > 0 {
			w = append(w, count(k)+" "+what)
		}
	}
	if n.Different+n.OnlyA+n.OnlyB+n.Moved+n.PayloadIdentical() == 0 {
		return "all identical"
	}
	add(n.Different, "different")
	add(n.OnlyA, "only in A")
	add(n.OnlyB, "only in B")
	add(n.Moved, "moved")
	add(n.PayloadIdentical(), "payload-identical")
	add(n.Identical, "identical")
	return strings.Join(w, ", ")
}

func imageWords(i *compare.ImagePair) string {
	switch {
	case i.Only == compare.OnlyA:
		return "only in A"
	case i.Only == compare.OnlyB:
		return "only in B"
	case i.Verdict == compare.Different && i.DigestsEqual:
		return "different (equal without its signature)"
	}
	return i.Verdict.String()
}

func (p *page) diffModules(c *compare.Comparison) {
	n := &c.Count
	if n.A+n.B == 0 {
		return
	}
	p.line("")
	p.line("modules: %s (%s in A, %s in B)", p.style.paint(verdictTone(c.ModulesVerdict), c.ModulesVerdict.String()), count(n.A), count(n.B))
	row := func(k int, what string) {
		if k > 0 {
			p.line("%8s  %s", count(k), what)
		}
	}
	list := func(want func(*compare.Module) bool, text func(*compare.Module) string) {
		var ms []*compare.Module
		for i := range c.Modules {
			if want(&c.Modules[i]) {
				ms = append(ms, &c.Modules[i])
			}
		}
		p.items(len(ms), func(i int) string { return text(ms[i]) })
	}
	same := "identical"
	if c.ManifestLevel {
		same = "with equal payload"
	}
	row(n.Identical, same)
	row(n.Signature, "payload-identical: other trailer (signature or proof)")
	signature := func(m *compare.Module) bool { return m.Signature && !m.Compression }
	p.trailers(c, signature)
	p.few(c, signature)
	row(n.Compression, "payload-identical: other compression")
	compression := func(m *compare.Module) bool { return m.Compression && !m.Signature }
	p.compressions(c, compression)
	p.few(c, compression)
	row(n.SignatureAndCompression, "payload-identical: other trailer and other compression")
	both := func(m *compare.Module) bool { return m.Signature && m.Compression }
	p.trailers(c, both)
	p.compressions(c, both)
	p.few(c, both)
	row(n.Different, "different payload")
	list(func(m *compare.Module) bool { return m.Only == compare.Both && m.Verdict == compare.Different }, differentText)
	row(n.OnlyA, "only in A")
	list(func(m *compare.Module) bool { return m.Only == compare.OnlyA }, func(m *compare.Module) string { return onlyText(m, m.TwinA, "B") })
	row(n.OnlyB, "only in B")
	list(func(m *compare.Module) bool { return m.Only == compare.OnlyB }, func(m *compare.Module) string { return onlyText(m, m.TwinB, "A") })
	row(n.Moved, "moved in modules.order")
	list(func(m *compare.Module) bool { return m.Moved }, movedText)
	row(n.Shifted, "at another line of modules.order only because of those above")
}

func differentText(m *compare.Module) string {
	s := Safe(m.Name)
	for _, f := range []*compare.ModuleFile{m.A, m.B} {
		if f != nil && f.Problem != "" {
			s += fmt.Sprintf(" (%s: %s)", Safe(f.Path), Safe(f.Problem))
		}
	}
	for i, f := range []*compare.ModuleFile{m.A, m.B} {
		if f != nil && (f.Trailer == "stacked" || f.Trailer == "junk" || f.Trailer == "malformed") {
			s += fmt.Sprintf(" (%s ends in a %s trailer)", [...]string{"A", "B"}[i], f.Trailer)
		}
	}
	if m.TwinA != "" {
		s += fmt.Sprintf(" (its payload in A is that of %s in B)", Safe(m.TwinA))
	}
	if m.TwinB != "" {
		s += fmt.Sprintf(" (its payload in B is that of %s in A)", Safe(m.TwinB))
	}
	return s
}

func onlyText(m *compare.Module, twin, other string) string {
	s := Safe(m.Name)
	for _, f := range []*compare.ModuleFile{m.A, m.B} {
		if f != nil && f.Problem != "" {
			s += fmt.Sprintf(" (%s: %s)", Safe(f.Path), Safe(f.Problem))
		}
	}
	if twin != "" {
		s += fmt.Sprintf(" (renamed: %s in %s has its payload)", Safe(twin), other)
	}
	return s
}

func movedText(m *compare.Module) string {
	at := func(pos int) string {
		if pos < 0 {
			return "not listed"
		}
		return fmt.Sprintf("line %d", pos+1)
	}
	return fmt.Sprintf("%s (A: %s, B: %s)", Safe(m.Name), at(m.PosA), at(m.PosB))
}

// trailers folds the modules by what their trailers are on the two sides.
func (p *page) trailers(c *compare.Comparison, want func(*compare.Module) bool) {
	p.fold(c, want, func(f *compare.ModuleFile) string { return f.Trailer })
}

func (p *page) compressions(c *compare.Comparison, want func(*compare.Module) bool) {
	p.fold(c, want, func(f *compare.ModuleFile) string { return "compression " + f.Compression })
}

func (p *page) fold(c *compare.Comparison, want func(*compare.Module) bool, text func(*compare.ModuleFile) string) {
	counts := map[string]int{}
	var order []string
	for i := range c.Modules {
		m := &c.Modules[i]
		if m.Verdict != compare.PayloadIdentical || m.A == nil || m.B == nil || !want(m) {
			continue
		}
		s := fmt.Sprintf("A: %s, B: %s", Safe(text(m.A)), Safe(text(m.B)))
		if counts[s] == 0 {
			order = append(order, s)
		}
		counts[s]++
	}
	p.items(len(order), func(i int) string { return fmt.Sprintf("%6s  %s", count(counts[order[i]]), order[i]) })
}

// few names modules that are folded, if they are few.
func (p *page) few(c *compare.Comparison, want func(*compare.Module) bool) {
	var names []string
	for i := range c.Modules {
		if m := &c.Modules[i]; m.Verdict == compare.PayloadIdentical && want(m) {
			names = append(names, Safe(m.Name))
		}
	}
	if len(names) <= most || p.style.All {
		p.items(len(names), func(i int) string { return names[i] })
	}
}

func (p *page) diffImage(c *compare.Comparison) {
	i := c.Image
	if i == nil {
		return
	}
	p.line("")
	p.line("kernel image: %s", p.style.paint(verdictTone(i.Verdict), imageWords(i)))
	switch {
	case c.ManifestLevel:
		p.line("    A  %s", i.DigestA)
		p.line("    B  %s", i.DigestB)
	default:
		if i.A != nil {
			p.line("    A  %s, sha256 %s without signature (%s)", Safe(i.A.Path), i.A.Digest, i.A.Form)
		}
		if i.B != nil {
			p.line("    B  %s, sha256 %s without signature (%s)", Safe(i.B.Path), i.B.Digest, i.B.Form)
		}
	}
}

func (p *page) diffRoot(c *compare.Comparison) {
	if c.Root == nil {
		return
	}
	p.line("")
	p.line("hashset root: %s", p.style.paint(verdictTone(c.Root.Verdict), c.Root.Verdict.String()))
	if c.Root.Verdict != compare.Identical {
		p.line("    A  %s %d %s", c.Root.SchemeA, c.Root.A.Levels, c.Root.A.Hash)
		p.line("    B  %s %d %s", c.Root.SchemeB, c.Root.B.Levels, c.Root.B.Hash)
	}
}

func (p *page) diffFiles(c *compare.Comparison) {
	if c.FilesCompared == 0 && len(c.Files) == 0 {
		return
	}
	p.line("")
	p.line("other files: %s on both sides, %s identical; %s with differences", count(c.FilesCompared), count(c.FilesEqual), count(len(c.Files)))
	p.items(len(c.Files), func(i int) string { return fileText(&c.Files[i], Safe) })
}

// fileText says of a file how it differs; show writes what comes from the input.
func fileText(f *compare.File, show func(string) string) string {
	name := show(f.Name)
	if f.Area != "" {
		name = f.Area + ": " + name
	}
	switch f.Only {
	case compare.OnlyA:
		return name + ": only in A"
	case compare.OnlyB:
		return name + ": only in B"
	}
	var what []string
	for _, ch := range f.Changes {
		what = append(what, changeText(&ch, show))
	}
	if f.Moved {
		what = append(what, "at another place in the archive")
	}
	return name + ": " + strings.Join(what, "; ")
}

func changeText(ch *compare.Change, show func(string) string) string {
	if ch.Field == "content" {
		return "content (A: " + show(shortContent(ch.A)) + "; B: " + show(shortContent(ch.B)) + ")"
	}
	return fmt.Sprintf("%s %s -> %s", ch.Field, orNone(show(ch.A)), orNone(show(ch.B)))
}

// shortContent leaves out most of a digest: the whole one is in the JSON form.
func shortContent(s string) string {
	head, digest, ok := strings.Cut(s, "sha256 ")
	if ok && len(digest) > 16 {
		return head + "sha256 " + digest[:16] + "…"
	}
	return s
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (p *page) diffPackages(c *compare.Comparison) {
	for i, pk := range c.Packages {
		if i == 0 {
			p.line("")
		}
		p.line("package file: %s", p.style.paint(verdictTone(pk.Verdict), packageWords(c, &pk)))
	}
}

func packageWords(c *compare.Comparison, pk *compare.Package) string {
	word := pk.Verdict.String()
	if pk.Verdict != compare.Identical && c.MembersEqual() {
		word += " (the members are equal, the container differs: compression, padding or the form of headers)"
	}
	return word
}
