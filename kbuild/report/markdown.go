// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/verify"
)

// mostMarkdown is how many entries a list has in Markdown unless all are wanted. With
// strings as short as they are here, a summary stays far below the 1 MiB that GitHub
// takes.
const mostMarkdown = 50

// quoted writes text from the input as code in Markdown, which nothing in it can end.
// Whatever means something in Markdown, HTML or to a site that shows them is a
// character reference, and sites look for names and links outside of code only.
func quoted(s string) string {
	return "<code>" + literal(clip(s, 400)) + "</code>"
}

// literal writes visible text so that it means nothing but itself in Markdown.
func literal(s string) string {
	var b strings.Builder
	for i, r := range s {
		word := func(k int) bool {
			return k >= 0 && k < len(s) && (s[k] >= '0' && s[k] <= '9' || s[k]|0x20 >= 'a' && s[k]|0x20 <= 'z')
		}
		switch {
		case r == '.' && (i == 0 || s[i-1]|0x20 != 'w'), r == '_' && word(i-1) && word(i+1),
			r == ' ', r == '/', r == ',', r == '-', r >= 0x80, word(i):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

// table writes a table of n rows, or nothing if there is none.
func (p *page) table(title string, head []string, n int, row func(i int) []string) {
	if n == 0 {
		return
	}
	p.line("")
	p.line("### %s", title)
	p.line("")
	p.line("| %s |", strings.Join(head, " | "))
	p.line("|%s", strings.Repeat("---|", len(head)))
	for i := range n {
		if i == mostMarkdown && !p.style.All && n > mostMarkdown+1 {
			p.line("")
			p.line("… and %s more", count(n-i))
			return
		}
		p.line("| %s |", strings.Join(row(i), " | "))
	}
}

// mark is a sign for a tone that can be seen in a list of jobs.
func (t tone) mark() string { return [...]string{"✅", "⚠️", "❌"}[t] }

// DiffMarkdown writes a comparison as Markdown, for the summary of a CI job.
func DiffMarkdown(w io.Writer, c *compare.Comparison, s Style) error {
	p := &page{style: s}
	p.line("## %s modhash diff: %s", verdictTone(c.Verdict).mark(), c.Verdict)
	p.line("")
	p.line("%s", diffSummary(c))
	p.line("")
	p.line("- A: %s", sideMarkdown(&c.A))
	p.line("- B: %s", sideMarkdown(&c.B))
	if n, explained, _ := c.Accounted(); n > 0 {
		p.line("- %s of %s explained without any change of content", count(explained), plural(n, "module"))
	}
	p.wholesMarkdown(c)
	sums := c.Causes()
	p.table("Why", []string{"modules", "cause", "kind", "what differs", "A / B"}, len(sums), func(i int) []string {
		s := &sums[i]
		title, values := "no rule explains these bytes", ""
		if s.Cause != nil {
			title = s.Cause.Title
		}
		if v := valuesVisible(s); v != "" {
			values = "<code>" + literal(v) + "</code>"
		}
		return []string{count(s.Modules), quoted(s.ID()), string(s.Class()), literal(title), values}
	})
	p.table("On record", []string{"cause", "field", "A", "B"}, len(c.Records), func(i int) []string {
		r := &c.Records[i]
		return []string{quoted(r.Cause.ID), quoted(r.Field), quoted(orNone(r.A)), quoted(orNone(r.B))}
	})
	p.table("Modules", []string{"module", "verdict", "causes"}, len(c.Modules), func(i int) []string {
		m := &c.Modules[i]
		verdict, causes := moduleVerdict(m), ""
		if c.Expected.Module(i) {
			verdict += ", expected"
		}
		if m.Account != nil {
			causes = accountCauses(m.Account)
		}
		return []string{quoted(m.Name), verdict, causes}
	})
	p.table("Other files", []string{"file", "what differs"}, len(c.Files), func(i int) []string {
		f := &c.Files[i]
		what := map[compare.Only]string{compare.OnlyA: "only in A", compare.OnlyB: "only in B"}[f.Only]
		var fields []string
		for _, ch := range f.Changes {
			fields = append(fields, ch.Field)
		}
		if what == "" {
			what = strings.Join(fields, ", ")
		}
		if f.Moved {
			what = strings.TrimPrefix(what+", at another place in the archive", ", ")
		}
		return []string{quoted(f.Name), literal(what)}
	})
	p.table("Package files", []string{"A", "B", "verdict"}, len(c.Packages), func(i int) []string {
		pk := &c.Packages[i]
		return []string{quoted(pk.A), quoted(pk.B), packageWords(c, pk)}
	})
	p.table("Findings, of which a manifest tells nothing", []string{"side", "finding"}, len(c.Problems), func(i int) []string {
		return []string{strings.ToUpper(string(c.Problems[i].Side)), quoted(c.Problems[i].Problem.String())}
	})
	p.notes(len(c.Notes), func(i int) string { return c.Notes[i] })
	return p.writeTo(w)
}

// wholesMarkdown says what image and root come to.
func (p *page) wholesMarkdown(c *compare.Comparison) {
	if i := c.Image; i != nil {
		p.line("- kernel image: %s", imageWords(i))
		for _, side := range []struct {
			name   string
			image  *kbuild.Image
			digest hashset.ImageDigest
		}{{"A", i.A, i.DigestA}, {"B", i.B, i.DigestB}} {
			switch {
			case side.image != nil:
				p.line("  - %s: %s, sha256 %s without signature", side.name, quoted(side.image.Path), side.image.Digest)
			case c.ManifestLevel:
				p.line("  - %s: %s", side.name, side.digest)
			}
		}
	}
	if r := c.Root; r != nil {
		p.line("- hashset root: %s", r.Verdict)
	}
}

// notes lists what was not checked or compared.
func (p *page) notes(n int, note func(i int) string) {
	for i := range min(n, mostMarkdown) {
		if i == 0 {
			p.line("")
		}
		p.line("- note: %s", quoted(note(i)))
	}
}

func sideMarkdown(s *compare.Side) string {
	what := s.Kind
	if s.Release != "" {
		what += ", " + quoted(s.Release)
	}
	return quoted(strings.Join(s.Paths, ", ")) + " (" + what + ")"
}

// VerifyMarkdown writes a verification as Markdown, for the summary of a CI job.
func VerifyMarkdown(w io.Writer, r *verify.Result, manifest string, s Style) error {
	p := &page{style: s}
	verdict := VerdictOf(r)
	p.line("## %s modhash verify: %s", verifyTone(verdict).mark(), verdict)
	p.line("")
	p.line("%s", literal(verifySummary(r, verdict)))
	p.line("")
	if m := r.Manifest; m != nil {
		p.line("- manifest: %s (%s, %s)", quoted(manifest), quoted(m.Release), quoted(m.Arch))
		p.line("- modules: %s of %s are as stated", count(r.Equal), count(len(m.Entries)))
		p.line("- root: %s", literal(rootWords(r)))
		p.line("- image: %s", literal(imageState(r)))
	}
	if k := r.Kernel; k != nil {
		p.line("- kernel: %s admits %s of %s", quoted(k.Path), count(k.Admitted), plural(r.Given, "module"))
	}
	if x := r.Signatures; x != nil {
		p.line("- signed: %s of %s", count(x.Valid), plural(len(x.List), "module"))
	}
	p.table("Findings", []string{"kind", "where", "what"}, len(r.Findings), func(i int) []string {
		f := &r.Findings[i]
		kind := quoted(string(f.Kind))
		if f.Accepted {
			kind += " (accepted)"
		}
		where, what := "", ""
		if f.Name != "" {
			where = quoted(f.Name)
		}
		if f.Detail != "" {
			what = quoted(f.Detail)
		}
		return []string{kind, where, what}
	})
	p.notes(len(r.Notes), func(i int) string { return r.Notes[i].String() })
	return p.writeTo(w)
}
