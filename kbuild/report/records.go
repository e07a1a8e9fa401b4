// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
)

// diffRecords says what differs in what the builds left on record, one line for
// each cause, before any module is looked at.
func (p *page) diffRecords(c *compare.Comparison) {
	for i := 0; i < len(c.Records); {
		end := i
		for end < len(c.Records) && c.Records[end].Cause == c.Records[i].Cause {
			end++
		}
		p.recordLine(c.Records[i:end])
		i = end
	}
}

// recordLine folds the records of one cause.
func (p *page) recordLine(rs []compare.Record) {
	var parts []string
	for i := range rs {
		r := &rs[i]
		if i == 3 && !p.style.All {
			parts = append(parts, count(len(rs)-i)+" more")
			break
		}
		a, b := apart(r.A, r.B, 60)
		parts = append(parts, fmt.Sprintf("%s %s / %s", short(r.Field, 40), orNone(a), orNone(b)))
	}
	p.line("build: %s: %s (%s)", rs[0].Cause.ID, rs[0].Cause.Title, strings.Join(parts, "; "))
}

type recordDoc struct {
	ID    string `json:"id"`
	From  string `json:"from"`
	Field text   `json:"field"`
	A     text   `json:"a"`
	B     text   `json:"b"`
}

func newRecords(rs []compare.Record) []recordDoc {
	out := make([]recordDoc, len(rs))
	for i, r := range rs {
		out[i] = recordDoc{r.Cause.ID, r.From, text(r.Field), text(r.A), text(r.B)}
	}
	return out
}
