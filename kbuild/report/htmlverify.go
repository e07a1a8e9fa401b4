// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"
	"strconv"
	"strings"

	"github.com/modhash/modhash/kbuild/verify"
)

// VerifyHTML writes a verification as one page of HTML that needs nothing beside it,
// as [DiffHTML] does. A kind of finding has the place of a cause.
func VerifyHTML(w io.Writer, r *verify.Result, manifest string) error {
	verdict := VerdictOf(r)
	p := &htmlPage{Verb: "verify", Verdict: verdict, Tone: verifyTone(verdict).String(), Summary: verifySummary(r, verdict)}
	fact := func(label, value string) { p.Facts = append(p.Facts, htmlFact{label, value}) }
	if m := r.Manifest; m != nil {
		fact("manifest", clip(manifest, htmlString)+" ("+m.Release+", "+m.Arch+", "+plural(len(m.Entries), "module")+")")
		fact("modules", count(r.Equal)+" of "+count(len(m.Entries))+" are as stated")
		fact("root", rootWords(r))
		fact("image", imageState(r))
	}
	if k := r.Kernel; k != nil {
		fact("kernel", clip(k.Path, htmlString))
		fact("hashset", kernelHashset(k))
		fact("admits", count(k.Admitted)+" of "+plural(r.Given, "module"))
		fact("trusts", plural(k.Certificates, "certificate")+", "+count(k.Foreign)+" not named")
	}
	if x := r.Proofs; x != nil {
		fact("proofs", count(x.Agree)+" of "+count(r.Given)+" lead to root "+strconv.Itoa(int(x.Root.Levels))+" "+x.Root.Hash.String())
	}
	if x := r.Signatures; x != nil {
		fact("signed", count(x.Valid)+" of "+plural(len(x.List), "module"))
	}
	fact("trailers", census(r))
	p.verifyRows(r)
	var whole []verify.Finding
	for _, f := range r.Findings {
		if f.Name == "" {
			whole = append(whole, f)
		}
	}
	p.add("Findings about the whole", len(whole), func(i int) string { return findingVisible(&whole[i]) })
	p.add("Notes", len(r.Notes), func(i int) string { return clip(r.Notes[i].String(), 2*htmlString) })
	return p.write(w)
}

// verifyRows makes a row of each module that the manifest states or whose signature
// was checked, and of whatever else has a finding.
func (p *htmlPage) verifyRows(r *verify.Result) {
	at := map[string]int{}
	row := func(name string) *htmlRow {
		i, known := at[name]
		if !known {
			i = len(p.Rows)
			at[name] = i
			p.Rows = append(p.Rows, htmlRow{Name: clip(name, htmlString), Verdict: "no finding", Group: "same", Size: -1, area: moduleArea(name)})
		}
		return &p.Rows[i]
	}
	if r.Manifest != nil {
		for _, e := range r.Manifest.Entries {
			row(e.Name)
		}
	}
	if r.Signatures != nil {
		for i := range r.Signatures.List {
			row(r.Signatures.List[i].Name)
		}
	}
	titles := map[string]string{"same": "no finding", "moved": "accepted", "rest": "other findings"}
	colors := map[verify.Kind]string{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Name == "" {
			continue
		}
		group := "moved"
		if !f.Accepted {
			if group = colors[f.Kind]; group == "" {
				group = kindGroup(f.Kind, len(colors))
				colors[f.Kind], titles[group] = group, string(f.Kind)
				if group == "rest" {
					titles[group] = "other findings"
				}
			}
		}
		row(f.Name).finding(f, group)
	}
	p.group(titles)
}

// kindGroup is the colour of the n-th kind of finding.
func kindGroup(k verify.Kind, n int) string {
	switch {
	case k == verify.Changed:
		return "unexplained"
	case n < mostColors:
		return "c" + strconv.Itoa(n)
	}
	return "rest"
}

// finding notes a finding in a row. One that was not accepted outweighs others.
func (row *htmlRow) finding(f *verify.Finding, group string) {
	switch {
	case row.Group == "same":
		row.Group, row.Cause = group, string(f.Kind)
	case row.Group == "moved":
		row.Group = group
		fallthrough
	default:
		if !strings.Contains(row.Cause, string(f.Kind)) && len(row.Cause) < htmlString {
			row.Cause += ", " + string(f.Kind)
		}
	}
	if row.Verdict = "finding"; row.Group == "moved" {
		row.Verdict = "accepted"
	}
	if row.details == nil {
		row.details = &htmlDetail{}
	}
	if len(row.details.Notes) < htmlItems {
		row.details.Notes = append(row.details.Notes, findingVisible(f))
	}
}

func findingVisible(f *verify.Finding) string {
	s := clip(f.String(), 2*htmlString)
	if f.Accepted {
		s += " (accepted)"
	}
	return s
}
