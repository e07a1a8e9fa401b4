// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"
	"strings"

	"github.com/modhash/modhash/kbuild/lint"
)

// LintSchema names the JSON form of a lint and its version.
const LintSchema = "modhash.lint/1"

// Linted is what a lint said, and what it looked at.
type Linted struct {
	Config string // the name of the configuration, for people
	Report *lint.Report
	// Ignored is what rules said that the user does not want to hear.
	Ignored *lint.Report
	// Needles are the strings that were looked for, and Scanned in how many
	// files.
	Needles []lint.Needle
	Scanned int
}

// severities in the order of the verdict.
var severities = [...]lint.Severity{lint.Error, lint.Warning, lint.Note}

func (l *Linted) count(s lint.Severity) (n int) {
	for _, f := range l.Report.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// ignored counts what would have been said.
func (l *Linted) ignored() int {
	if l.Ignored == nil {
		return 0
	}
	return len(l.Ignored.Findings) + len(l.Ignored.Unknown)
}

// verdict is the first line: "3 errors, 1 warning, 2 rules could not tell".
func (l *Linted) verdict(s Style) string {
	var words []string
	for _, sev := range severities {
		if n := l.count(sev); n > 0 {
			words = append(words, plural(n, string(sev)))
		}
	}
	if len(words) == 0 {
		words = append(words, "nothing found")
	}
	if n := l.ignored(); n > 0 {
		words = append(words, count(n)+" ignored")
	}
	if n := l.untold(); n > 0 {
		words = append(words, plural(n, "rule")+" could not tell")
	}
	t := good
	switch {
	case l.count(lint.Error) > 0:
		t = bad
	case l.count(lint.Warning) > 0 || len(l.Report.Unknown) > 0:
		t = fair
	}
	return s.paint(t, strings.Join(words, ", "))
}

// untold counts the rules that could not tell.
func (l *Linted) untold() int {
	rules := map[string]bool{}
	for _, u := range l.Report.Unknown {
		rules[u.Rule] = true
	}
	return len(rules)
}

// Lint writes a lint as text.
func Lint(w io.Writer, l *Linted, s Style) error {
	p := &page{style: s}
	p.line("%s", l.verdict(s))
	p.line("  config  %s", Safe(l.Config))
	if len(l.Needles) > 0 {
		p.line("  leaks   looked for %s in %s", plural(len(l.Needles), "string"), plural(l.Scanned, "file"))
	}
	all := l.Report.Findings
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].Rule == all[i].Rule && all[j].Fix == all[i].Fix {
			j++
		}
		p.lintGroup(all[i:j])
		i = j
	}
	shown := 0
	for _, u := range l.Report.Unknown {
		if shown == most && !s.All && len(l.Report.Unknown) > most+1 {
			p.line("… and %s more (--all lists them)", count(len(l.Report.Unknown)-shown))
			break
		}
		p.line("unknown: %s", Safe(u.String()))
		shown++
	}
	return p.writeTo(w)
}

// lintGroup says what one rule found, and once why it matters.
func (p *page) lintGroup(fs []lint.Finding) {
	for i, f := range fs {
		if i == most && !p.style.All && len(fs) > most+1 {
			p.line("… and %s more of %s (--all lists them)", count(len(fs)-i), f.Rule)
			break
		}
		text := Safe(f.String())
		if t, ok := map[lint.Severity]tone{lint.Error: bad, lint.Warning: fair}[f.Severity]; ok {
			text = p.style.paint(t, string(f.Severity)) + strings.TrimPrefix(text, string(f.Severity))
		}
		p.line("%s", text)
	}
	p.line("  why: %s", Safe(fs[0].Why))
	p.line("  fix: %s", Safe(fs[0].Fix))
}

type lintDoc struct {
	Schema   string           `json:"schema"`
	Config   text             `json:"config"`
	Errors   int              `json:"errors"`
	Warnings int              `json:"warnings"`
	Notes    int              `json:"notes"`
	Findings []lintFindingDoc `json:"findings"`
	Unknown  []lintUnknownDoc `json:"unknown"`
	Needles  []lintNeedleDoc  `json:"looked_for"`
	Scanned  int              `json:"files_scanned"`
}

type lintFindingDoc struct {
	Rule     string        `json:"rule"`
	Severity lint.Severity `json:"severity"`
	Symbol   text          `json:"symbol,omitempty"`
	Line     int           `json:"line,omitempty"`
	File     text          `json:"file,omitempty"`
	Found    text          `json:"found"`
	Why      text          `json:"why"`
	Fix      text          `json:"fix"`
	Ignored  bool          `json:"ignored"`
}

type lintUnknownDoc struct {
	Rule    string `json:"rule"`
	File    text   `json:"file,omitempty"`
	Reason  text   `json:"reason"`
	Ignored bool   `json:"ignored"`
}

type lintNeedleDoc struct {
	Kind lint.Kind `json:"kind"`
	Text text      `json:"text"`
}

// LintJSON writes a lint as JSON. What is ignored is listed, and not counted.
func LintJSON(w io.Writer, l *Linted) error {
	d := lintDoc{
		Schema: LintSchema, Config: text(l.Config), Scanned: l.Scanned,
		Errors: l.count(lint.Error), Warnings: l.count(lint.Warning), Notes: l.count(lint.Note),
		Findings: []lintFindingDoc{}, Unknown: []lintUnknownDoc{}, Needles: []lintNeedleDoc{},
	}
	d.add(l.Report, false)
	d.add(l.Ignored, true)
	for _, n := range l.Needles {
		d.Needles = append(d.Needles, lintNeedleDoc{n.Kind, text(n.Text)})
	}
	return writeJSON(w, d)
}

func (d *lintDoc) add(r *lint.Report, ignored bool) {
	if r == nil {
		return
	}
	for _, f := range r.Findings {
		d.Findings = append(d.Findings, lintFindingDoc{
			f.Rule, f.Severity, text(f.Symbol), f.Line, text(f.File), text(f.Found), text(f.Why), text(f.Fix), ignored,
		})
	}
	for _, u := range r.Unknown {
		d.Unknown = append(d.Unknown, lintUnknownDoc{u.Rule, text(u.File), text(u.Reason), ignored})
	}
}

// LintRules writes the list of rules, as text or as JSON.
func LintRules(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, struct {
			Schema string      `json:"schema"`
			Rules  []lint.Rule `json:"rules"`
		}{"modhash.lint-rules/1", lint.Rules()})
	}
	p := &page{}
	for _, r := range lint.Rules() {
		p.line("%s", r.ID)
		p.line("    %s", r.Why)
	}
	return p.writeTo(w)
}
