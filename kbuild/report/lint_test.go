// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/lint"
)

// lintFinding makes a finding of a rule.
func lintFinding(rule string, sev lint.Severity, file string) lint.Finding {
	return lint.Finding{Rule: rule, Severity: sev, File: file, Found: "found", Why: "why of " + rule, Fix: "fix of " + rule}
}

func TestLintVerdict(t *testing.T) {
	e, w, n := lintFinding("e", lint.Error, ""), lintFinding("w", lint.Warning, ""), lintFinding("n", lint.Note, "")
	u := lint.Unknown{Rule: "u", Reason: "why"}
	for want, r := range map[string]*Linted{
		"nothing found":                     {Report: &lint.Report{}},
		"3 errors, 1 warning, 2 notes":      {Report: &lint.Report{Findings: []lint.Finding{e, w, e, n, n, e}}},
		"1 note, 1 rule could not tell":     {Report: &lint.Report{Findings: []lint.Finding{n}, Unknown: []lint.Unknown{u, u}}},
		"nothing found, 2 ignored":          {Report: &lint.Report{}, Ignored: &lint.Report{Findings: []lint.Finding{e}, Unknown: []lint.Unknown{u}}},
		"1 error, 2 rules could not tell":   {Report: &lint.Report{Findings: []lint.Finding{e}, Unknown: []lint.Unknown{u, {Rule: "v"}}}},
		"\x1b[1;31m1 error\x1b[0m (colour)": {Report: &lint.Report{Findings: []lint.Finding{e}}},
	} {
		want, colour := strings.CutSuffix(want, " (colour)")
		var b bytes.Buffer
		if err := Lint(&b, r, Style{Color: colour}); err != nil {
			t.Fatal(err)
		}
		if got, _, _ := strings.Cut(b.String(), "\n"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestLintText: reasons and advice once for what one rule found, nothing that a
// terminal would act upon, and no more names than anybody reads.
func TestLintText(t *testing.T) {
	l := &Linted{Config: "con\x1bfig", Scanned: 1234, Needles: []lint.Needle{{Kind: lint.Host, Text: "h"}}, Report: &lint.Report{
		Findings: []lint.Finding{lintFinding("leak-host", lint.Error, "a\nb"), lintFinding("leak-host", lint.Error, "c"), lintFinding("w", lint.Warning, "")},
		Unknown:  []lint.Unknown{{Rule: "leak", File: "d\xff", Reason: "because"}},
	}}
	var b bytes.Buffer
	if err := Lint(&b, l, Style{}); err != nil {
		t.Fatal(err)
	}
	const want = `2 errors, 1 warning, 1 rule could not tell
  config  con\x1bfig
  leaks   looked for 1 string in 1,234 files
error: leak-host: a\nb: found
error: leak-host: c: found
  why: why of leak-host
  fix: fix of leak-host
warning: w: found
  why: why of w
  fix: fix of w
unknown: leak: d\xff: because
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	l.Report = &lint.Report{}
	for i := range 100 {
		l.Report.Findings = append(l.Report.Findings, lintFinding("leak-host", lint.Error, fmt.Sprint(i)))
		l.Report.Unknown = append(l.Report.Unknown, lint.Unknown{Rule: "leak", File: fmt.Sprint(i)})
	}
	for all, lines := range map[bool]int{false: 3 + 2 + 2*(most+1), true: 3 + 2 + 200} {
		b.Reset()
		if err := Lint(&b, l, Style{All: all}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(b.String(), "\n"); got != lines {
			t.Errorf("all %t: %d lines, want %d:\n%s", all, got, lines, b.String())
		}
	}
}

func TestLintJSON(t *testing.T) {
	config, err := kconfig.Parse([]byte("CONFIG_MODULE_SIG=y\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]*Linted{
		"empty":   {Report: &lint.Report{}},
		"a check": {Report: lint.Check(&lint.Input{Config: config}), Ignored: &lint.Report{}},
		"all": {Config: "a\xff", Report: &lint.Report{Findings: []lint.Finding{lintFinding("e", lint.Error, "b\xff")}}, Needles: []lint.Needle{{Kind: lint.User, Text: `\`}},
			Ignored: &lint.Report{Findings: []lint.Finding{lintFinding("w", lint.Warning, "")}, Unknown: []lint.Unknown{{Rule: "u"}}}},
	} {
		var b bytes.Buffer
		if err := LintJSON(&b, l); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "null") {
			t.Errorf("%s: a list is null: %s", name, b.String())
		}
		var doc struct {
			Schema   string
			Config   string
			Errors   int
			Warnings int
			Findings []struct {
				File    string
				Ignored bool
			}
			Needles []lint.Needle `json:"looked_for"`
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil || doc.Schema != LintSchema {
			t.Errorf("%s: %v, schema %q", name, err, doc.Schema)
		}
		if name != "all" {
			continue
		}
		if doc.Config != `a\xff` || doc.Errors != 1 || doc.Warnings != 0 || len(doc.Findings) != 2 || doc.Findings[0].File != `b\xff` ||
			doc.Findings[0].Ignored || !doc.Findings[1].Ignored || doc.Needles[0].Text != `\\` {
			t.Errorf("%+v", doc)
		}
	}
}

func TestLintRules(t *testing.T) {
	var text, doc bytes.Buffer
	if err := LintRules(&text, false); err != nil {
		t.Fatal(err)
	}
	if err := LintRules(&doc, true); err != nil {
		t.Fatal(err)
	}
	for _, r := range lint.Rules() {
		if !strings.Contains(text.String(), r.ID+"\n    "+r.Why+"\n") || !strings.Contains(doc.String(), `"id": "`+r.ID+`"`) {
			t.Errorf("%s is not listed", r.ID)
		}
	}
}
