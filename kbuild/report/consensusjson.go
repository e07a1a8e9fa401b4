// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/hashset/attest"
)

// ConsensusSchema names the JSON form of a poll and its version.
const ConsensusSchema = "modhash.consensus/1"

type consensusDoc struct {
	Schema     string         `json:"schema"`
	Verdict    attest.Verdict `json:"verdict"`
	Findings   []string       `json:"findings"`
	Subject    text           `json:"subject"`
	File       text           `json:"file"`
	Threshold  int            `json:"threshold"`
	Rebuilders int            `json:"rebuilders"`
	Groups     []groupDoc     `json:"groups"`
	Silent     []text         `json:"silent"`
	Parts      *partsDoc      `json:"parts"` // null without manifests
	Rejected   []rejectedDoc  `json:"rejected"`
	Surplus    []text         `json:"surplus_manifests"`
}

type groupDoc struct {
	Digest     hashset.Digest `json:"sha256"`
	Rebuilders []text         `json:"rebuilders"`
	Sources    []text         `json:"sources"`
	Manifest   *headerDoc     `json:"manifest"` // null: not available
}

type headerDoc struct {
	Path    text   `json:"path"`
	Error   text   `json:"error,omitempty"` // it is no manifest
	Release string `json:"release,omitempty"`
	Arch    string `json:"arch,omitempty"`
	Modules int    `json:"modules"`
	Image   string `json:"image,omitempty"`
}

type partsDoc struct {
	Rebuilders []text    `json:"rebuilders"`
	Without    []text    `json:"without_manifest"`
	Build      partDoc   `json:"build"`
	Root       partDoc   `json:"root"`
	Image      partDoc   `json:"image"`
	Order      *partDoc  `json:"order,omitempty"` // if all have the same modules
	Modules    int       `json:"modules"`
	Agreed     int       `json:"modules_agreed"`
	Contested  []partDoc `json:"modules_contested"`
}

type partDoc struct {
	Name      text        `json:"name"`
	Contested bool        `json:"contested"`
	Enough    bool        `json:"enough"`
	Choices   []choiceDoc `json:"choices"`
	Outliers  []text      `json:"outliers"`
}

type choiceDoc struct {
	Value      text   `json:"value"`
	Rebuilders []text `json:"rebuilders"`
}

type rejectedDoc struct {
	Source    text          `json:"source"`
	Rebuilder text          `json:"rebuilder,omitempty"`
	Reason    attest.Reason `json:"reason"`
	Detail    text          `json:"detail,omitempty"`
}

func newPartDoc(p *attest.Part) partDoc {
	d := partDoc{Name: text(p.Name), Contested: p.Contested(), Enough: p.Enough, Choices: []choiceDoc{}, Outliers: texts(p.Outliers)}
	for _, ch := range p.Choices {
		d.Choices = append(d.Choices, choiceDoc{text(ch.Value), texts(ch.Rebuilders)})
	}
	return d
}

// ConsensusJSON writes the outcome of a poll as JSON, complete.
func ConsensusJSON(w io.Writer, r *attest.Result) error {
	doc := consensusDoc{
		Schema: ConsensusSchema, Verdict: r.Verdict, Findings: ConsensusFindings(r), Subject: text(r.Subject.String()), File: text(r.Subject.File()),
		Threshold: r.Threshold, Rebuilders: r.Rebuilders, Groups: []groupDoc{}, Silent: texts(r.Silent), Rejected: []rejectedDoc{}, Surplus: texts(r.Surplus),
	}
	if doc.Findings == nil {
		doc.Findings = []string{}
	}
	for _, g := range r.Groups {
		d := groupDoc{Digest: g.Digest, Rebuilders: texts(g.Rebuilders), Sources: texts(g.Sources)}
		if h := g.Manifest; h != nil {
			d.Manifest = &headerDoc{Path: text(h.Source), Release: h.Release, Arch: h.Arch, Modules: h.Modules}
			if h.Err != nil {
				d.Manifest.Error = text(h.Err.Error())
			} else {
				d.Manifest.Image = h.Image.String()
			}
		}
		doc.Groups = append(doc.Groups, d)
	}
	if c := r.Compare(); c != nil {
		doc.Parts = &partsDoc{
			Rebuilders: texts(c.Rebuilders), Without: texts(c.Without), Build: newPartDoc(&c.Build), Root: newPartDoc(&c.Root), Image: newPartDoc(&c.Image),
			Modules: c.Modules, Agreed: c.Agreed, Contested: []partDoc{},
		}
		if c.Order.Name != "" {
			d := newPartDoc(&c.Order)
			doc.Parts.Order = &d
		}
		for i := range c.Contested {
			doc.Parts.Contested = append(doc.Parts.Contested, newPartDoc(&c.Contested[i]))
		}
	}
	for _, x := range r.Rejected {
		doc.Rejected = append(doc.Rejected, rejectedDoc{text(x.Source), text(x.Rebuilder), x.Reason, text(x.Detail)})
	}
	return writeJSON(w, doc)
}
