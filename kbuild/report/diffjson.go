// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
)

// DiffSchema names the JSON form of a comparison and its version.
const DiffSchema = "modhash.diff/1"

type diffDoc struct {
	Schema        string          `json:"schema"`
	Verdict       compare.Verdict `json:"verdict"`
	Modules       diffModules     `json:"modules"`
	Records       []recordDoc     `json:"records"`
	Causes        []causeDoc      `json:"causes"`
	A             diffSide        `json:"a"`
	B             diffSide        `json:"b"`
	ManifestLevel bool            `json:"manifest_level"`
	Root          *diffRoot       `json:"root,omitempty"`
	Image         *diffImage      `json:"image,omitempty"`
	Files         diffFiles       `json:"files"`
	Packages      []diffPackage   `json:"packages"`
	MembersEqual  *bool           `json:"package_members_equal,omitempty"`
	Problems      []diffProblem   `json:"problems"`
	Expected      *expectedDoc    `json:"expected,omitempty"`
	Notes         []text          `json:"notes"`
}

type diffSide struct {
	Paths   []text `json:"paths"`
	Kind    string `json:"kind"`
	Release text   `json:"release,omitempty"`
	Arch    text   `json:"arch,omitempty"`
}

type diffModules struct {
	Verdict   compare.Verdict `json:"verdict"`
	A         int             `json:"a"`
	B         int             `json:"b"`
	Identical int             `json:"identical"`
	Signature int             `json:"signature"`
	Compress  int             `json:"compression"`
	SigComp   int             `json:"signature_and_compression"`
	Different int             `json:"different"`
	OnlyA     int             `json:"only_a"`
	OnlyB     int             `json:"only_b"`
	Renamed   int             `json:"renamed"`
	Moved     int             `json:"moved"`
	Shifted   int             `json:"shifted"`
	List      []diffModule    `json:"list"`
}

type diffModule struct {
	Name        text            `json:"name"`
	Verdict     compare.Verdict `json:"verdict"`
	Only        compare.Only    `json:"only,omitempty"`
	Signature   bool            `json:"signature,omitempty"`
	Compression bool            `json:"compression,omitempty"`
	Moved       bool            `json:"moved,omitempty"`
	PosA        int             `json:"pos_a"`
	PosB        int             `json:"pos_b"`
	TwinA       text            `json:"twin_a,omitempty"`
	TwinB       text            `json:"twin_b,omitempty"`
	A           *diffModuleFile `json:"a,omitempty"`
	B           *diffModuleFile `json:"b,omitempty"`
	Account     *accountDoc     `json:"account,omitempty"`
}

type diffModuleFile struct {
	Path        text   `json:"path,omitempty"`
	Stored      int64  `json:"stored"`
	Compression string `json:"compression,omitempty"`
	Trailer     text   `json:"trailer,omitempty"`
	Payload     string `json:"payload,omitempty"`
	Problem     text   `json:"problem,omitempty"`
}

type diffRoot struct {
	Verdict compare.Verdict `json:"verdict"`
	A       rootDoc         `json:"a"`
	B       rootDoc         `json:"b"`
}

type rootDoc struct {
	Scheme hashset.Scheme `json:"hashset"`
	Levels uint32         `json:"levels"`
	Hash   hashset.Digest `json:"sha256"`
}

type diffImage struct {
	Verdict      compare.Verdict `json:"verdict"`
	Only         compare.Only    `json:"only,omitempty"`
	DigestsEqual bool            `json:"digests_equal"`
	A            *imageDoc       `json:"a,omitempty"`
	B            *imageDoc       `json:"b,omitempty"`
}

type imageDoc struct {
	Path   text   `json:"path,omitempty"`
	Form   string `json:"form,omitempty"`
	Digest string `json:"digest"`
}

type diffFiles struct {
	Compared int        `json:"compared"`
	Equal    int        `json:"equal"`
	List     []diffFile `json:"list"`
}

type diffFile struct {
	Name    text             `json:"name"`
	Area    string           `json:"area,omitempty"`
	Only    compare.Only     `json:"only,omitempty"`
	Moved   bool             `json:"moved,omitempty"`
	Changes []diffFileChange `json:"changes,omitempty"`
}

type diffFileChange struct {
	Field string `json:"field"`
	A     text   `json:"a"`
	B     text   `json:"b"`
}

type diffProblem struct {
	Side    compare.Only `json:"side"`
	Problem problemDoc   `json:"problem"`
}

type diffPackage struct {
	A       text            `json:"a"`
	B       text            `json:"b"`
	Verdict compare.Verdict `json:"verdict"`
}

// DiffJSON writes a comparison as JSON, complete.
func DiffJSON(w io.Writer, c *compare.Comparison) error {
	n := &c.Count
	doc := diffDoc{
		Schema: DiffSchema, Verdict: c.Verdict, ManifestLevel: c.ManifestLevel,
		A: newDiffSide(&c.A), B: newDiffSide(&c.B),
		Modules: diffModules{
			Verdict: c.ModulesVerdict, A: n.A, B: n.B, Identical: n.Identical, Signature: n.Signature,
			Compress: n.Compression, SigComp: n.SignatureAndCompression, Different: n.Different,
			OnlyA: n.OnlyA, OnlyB: n.OnlyB, Renamed: n.Renamed, Moved: n.Moved, Shifted: n.Shifted,
			List: make([]diffModule, len(c.Modules)),
		},
		Records:  newRecords(c.Records),
		Causes:   newCauses(c),
		Files:    diffFiles{Compared: c.FilesCompared, Equal: c.FilesEqual, List: make([]diffFile, len(c.Files))},
		Packages: make([]diffPackage, len(c.Packages)),
		Problems: make([]diffProblem, len(c.Problems)),
		Expected: newExpected(c.Expected),
		Notes:    texts(c.Notes),
	}
	for i := range c.Modules {
		m := &c.Modules[i]
		doc.Modules.List[i] = diffModule{
			text(m.Name), m.Verdict, m.Only, m.Signature, m.Compression, m.Moved, m.PosA, m.PosB, text(m.TwinA), text(m.TwinB),
			moduleFileDoc(m.A), moduleFileDoc(m.B), newAccount(m.Account),
		}
	}
	for i, f := range c.Files {
		doc.Files.List[i] = diffFile{Name: text(f.Name), Area: f.Area, Only: f.Only, Moved: f.Moved}
		for _, ch := range f.Changes {
			doc.Files.List[i].Changes = append(doc.Files.List[i].Changes, diffFileChange{ch.Field, text(ch.A), text(ch.B)})
		}
	}
	for i, p := range c.Problems {
		doc.Problems[i] = diffProblem{p.Side, newProblemDoc(p.Problem)}
	}
	for i, p := range c.Packages {
		doc.Packages[i] = diffPackage{text(p.A), text(p.B), p.Verdict}
	}
	if len(c.Packages) > 0 {
		equal := c.MembersEqual()
		doc.MembersEqual = &equal
	}
	if r := c.Root; r != nil {
		doc.Root = &diffRoot{r.Verdict, rootDoc{r.SchemeA, r.A.Levels, r.A.Hash}, rootDoc{r.SchemeB, r.B.Levels, r.B.Hash}}
	}
	if i := c.Image; i != nil {
		doc.Image = &diffImage{i.Verdict, i.Only, i.DigestsEqual, newImageDoc(c, i.A, i.DigestA), newImageDoc(c, i.B, i.DigestB)}
	}
	return writeJSON(w, doc)
}

func newDiffSide(s *compare.Side) diffSide {
	return diffSide{texts(s.Paths), s.Kind, text(s.Release), text(s.Arch)}
}

func moduleFileDoc(f *compare.ModuleFile) *diffModuleFile {
	if f == nil {
		return nil
	}
	d := &diffModuleFile{text(f.Path), f.Stored, f.Compression, text(f.Trailer), "", text(f.Problem)}
	if f.Problem == "" {
		d.Payload = f.Payload.String()
	}
	return d
}

func newImageDoc(c *compare.Comparison, i *kbuild.Image, d hashset.ImageDigest) *imageDoc {
	switch {
	case c.ManifestLevel:
		return &imageDoc{Digest: d.String()}
	case i == nil:
		return nil
	}
	return &imageDoc{text(i.Path), i.Form.String(), "sha256 " + i.Digest.String()}
}
