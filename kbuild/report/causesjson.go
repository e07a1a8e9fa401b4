// SPDX-License-Identifier: Apache-2.0

package report

import "github.com/modhash/modhash/kbuild/compare"

// causeDoc is one cause over all modules.
type causeDoc struct {
	ID      string        `json:"id"`
	Class   compare.Class `json:"class"`
	Title   string        `json:"title,omitempty"`
	Local   bool          `json:"local,omitempty"`
	Mend    string        `json:"mend,omitempty"`
	Doc     string        `json:"doc,omitempty"`
	Modules int           `json:"modules"`
	Regions int           `json:"regions"`
	Stored  tallyDoc      `json:"stored"`
	Unit    tallyDoc      `json:"unit"`
	Values  []valueDoc    `json:"values"`
	More    bool          `json:"more_values,omitempty"`
	Areas   []areaDoc     `json:"areas"`
}

type tallyDoc struct {
	A     int64 `json:"changed_a"`
	B     int64 `json:"changed_b"`
	Moved int64 `json:"moved"`
}

type valueDoc struct {
	Subject text `json:"subject,omitempty"`
	A       text `json:"a,omitempty"`
	B       text `json:"b,omitempty"`
	Modules int  `json:"modules"`
	Module  text `json:"module"`
}

type areaDoc struct {
	Area    text `json:"area"`
	Modules int  `json:"modules"`
}

// accountDoc is what the ledgers of one module come to.
type accountDoc struct {
	Explained bool        `json:"explained"`
	Opaque    text        `json:"opaque,omitempty"`
	Fault     text        `json:"fault,omitempty"`
	Layers    []ledgerDoc `json:"layers"`
	Items     []itemDoc   `json:"items"`
}

type ledgerDoc struct {
	Layer compare.Layer `json:"layer"`
	tallyDoc
	Unexplained *tallyDoc `json:"unexplained,omitempty"` // of the layers that are explained
	Changes     *tallyDoc `json:"changes,omitempty"`
}

type itemDoc struct {
	Layer    compare.Layer `json:"layer"`
	ID       string        `json:"id"`
	Class    compare.Class `json:"class"`
	Subject  text          `json:"subject,omitempty"`
	A        text          `json:"a,omitempty"`
	B        text          `json:"b,omitempty"`
	Notes    []text        `json:"notes,omitempty"`
	Regions  int           `json:"regions"`
	More     int           `json:"more,omitempty"`
	Tally    tallyDoc      `json:"bytes"`
	FirstA   rangeDoc      `json:"first_a"`
	FirstB   rangeDoc      `json:"first_b"`
	ContextA string        `json:"context_a,omitempty"`
	ContextB string        `json:"context_b,omitempty"`
}

type rangeDoc struct {
	Off int64 `json:"offset"`
	Len int64 `json:"length"`
}

func newTally(t compare.Tally) tallyDoc { return tallyDoc{t.ChangedA, t.ChangedB, t.Moved} }

func newCauses(c *compare.Comparison) []causeDoc {
	sums := c.Causes()
	out := make([]causeDoc, len(sums))
	for i := range sums {
		s := &sums[i]
		d := causeDoc{ID: s.ID(), Class: s.Class(), Modules: s.Modules, Regions: s.Regions, Stored: newTally(s.Stored), Unit: newTally(s.Unit), More: s.More,
			Values: make([]valueDoc, 0, len(s.Values)), Areas: make([]areaDoc, 0, len(s.Areas))}
		if s.Cause != nil {
			d.Title, d.Local, d.Mend, d.Doc = s.Cause.Title, s.Cause.Local, s.Cause.Mend, s.Cause.Doc
		}
		for _, v := range s.Values {
			d.Values = append(d.Values, valueDoc{text(v.Subject), text(v.A), text(v.B), v.Modules, text(v.Module)})
		}
		for _, a := range s.Areas {
			d.Areas = append(d.Areas, areaDoc{text(a.Area), a.Modules})
		}
		out[i] = d
	}
	return out
}

func newAccount(a *compare.Account) *accountDoc {
	if a == nil {
		return nil
	}
	d := &accountDoc{Explained: a.Explained(), Opaque: text(a.Opaque), Fault: text(a.Fault), Layers: make([]ledgerDoc, len(a.Layers)), Items: make([]itemDoc, len(a.Items))}
	for i, l := range a.Layers {
		d.Layers[i] = ledgerDoc{Layer: l.Layer, tallyDoc: newTally(l.Tally)}
		if l.Layer == compare.LayerStored || l.Layer == compare.LayerUnit {
			u, c := newTally(l.Unexplained), newTally(l.Changes)
			d.Layers[i].Unexplained, d.Layers[i].Changes = &u, &c
		}
	}
	for i := range a.Items {
		it := &a.Items[i]
		d.Items[i] = itemDoc{
			Layer: it.Layer, ID: it.ID(), Class: it.Class(), Subject: text(it.Subject), A: text(it.Owner.A), B: text(it.Owner.B),
			Regions: it.Regions, More: it.More, Tally: newTally(it.Tally),
			FirstA: rangeDoc{it.First.A.Off, it.First.A.Len}, FirstB: rangeDoc{it.First.B.Off, it.First.B.Len},
			ContextA: it.ContextA, ContextB: it.ContextB,
		}
		for _, n := range it.Notes {
			d.Items[i].Notes = append(d.Items[i].Notes, text(n))
		}
	}
	return d
}
