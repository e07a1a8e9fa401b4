// SPDX-License-Identifier: Apache-2.0

package report

import "github.com/modhash/modhash/kbuild/compare"

// diffExpected lists what was expected, with the digest of the file that says so.
func (p *page) diffExpected(c *compare.Comparison) {
	e := c.Expected
	if e == nil {
		return
	}
	p.line("")
	p.line("expected by %s (sha256 %s): %s, %s", Safe(e.Path), e.Digest, plural(len(e.Modules), "module"), plural(len(e.Files), "other file"))
	p.items(len(e.Rules), func(i int) string {
		r := &e.Rules[i]
		n := count(r.Modules + r.Files)
		if r.Modules+r.Files == 0 {
			n = "not needed"
		}
		return n + "  " + Safe(r.What+" "+r.Pattern+": "+r.Reason)
	})
}

type expectedDoc struct {
	Path    text      `json:"path"`
	Digest  string    `json:"sha256"`
	Modules int       `json:"modules"`
	Files   int       `json:"files"`
	Image   bool      `json:"image"`
	Rules   []ruleDoc `json:"rules"`
}

type ruleDoc struct {
	What    string `json:"what"`
	Pattern text   `json:"pattern"`
	Reason  text   `json:"reason"`
	Modules int    `json:"modules"`
	Files   int    `json:"files"`
}

func newExpected(e *compare.Expected) *expectedDoc {
	if e == nil {
		return nil
	}
	d := &expectedDoc{text(e.Path), e.Digest.String(), len(e.Modules), len(e.Files), e.Image, make([]ruleDoc, len(e.Rules))}
	for i, r := range e.Rules {
		d.Rules[i] = ruleDoc{r.What, text(r.Pattern), text(r.Reason), r.Modules, r.Files}
	}
	return d
}
