// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"
	"slices"
	"strings"
)

// The page is one file: style and script are in it, it loads nothing, and a policy
// in its head keeps it from running or loading anything else.
var (
	//go:embed html/page.tmpl
	pageTemplate string
	//go:embed html/page.css
	pageStyle string
	//go:embed html/page.js
	pageScript string

	htmlTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"count": count, "bytes": func(n int64) string { return count(int(n)) }, "plural": plural}).Parse(pageTemplate))
)

// The limits of a page, which bound its size whatever the input is: about 16 MB. One of
// 5,000 modules that differ in many sections has 6 to 10 MB, in a manifest 1 MB.
const (
	htmlRows    = 20_000  // modules; those that ask for most attention are kept
	htmlList    = 500     // entries of any other list
	htmlString  = 300     // bytes of a string from the input
	htmlBlocks  = 40      // of a module
	htmlItems   = 12      // of a module
	htmlDetails = 8 << 20 // bytes of all that is shown of modules on request
)

// htmlPage is what a page shows. All strings are visible text.
type htmlPage struct {
	Verb, Verdict, Summary string
	Tone                   string // "good", "fair", "bad"
	Facts                  []htmlFact
	Groups                 []htmlGroup
	Causes                 []htmlCause
	Lists                  []htmlSection
	Rows                   []htmlRow
	Left                   int  // modules that are not shown
	Bytes                  bool // sizes and differing bytes are known
	Areas                  []htmlArea
	MapW, MapH             int64

	Style       template.CSS
	Script      template.JS
	Details     template.JS
	StyleHash   string
	ScriptHash  string
	DetailsLeft int // modules whose details did not fit
}

type htmlFact struct{ Label, Value string }

// htmlGroup is a colour of the map, with what it stands for. Groups are ordered by
// how much they ask for attention.
type htmlGroup struct {
	Class, Title string
	Modules      int
}

type htmlCause struct {
	ID, Class, Title, Values, Mend string
	Modules                        int
	A, B, Moved                    int64
}

type htmlSection struct {
	Title string
	Items []string
	Left  int
}

type htmlRow struct {
	Name, Verdict, Cause string
	Group                string // the class of its colour
	Size, A, B           int64
	At                   rect
	order                int
	area                 string
	details              *htmlDetail
}

// htmlArea is a part of the tree on the map.
type htmlArea struct {
	Name string // "" if there is no room for it
	At   rect
}

// htmlDetail is what is shown of one module on request.
type htmlDetail struct {
	Blocks []htmlBlock `json:"b,omitempty"`
	Items  []htmlItem  `json:"i,omitempty"`
	Notes  []string    `json:"n,omitempty"`
	// Left counts the blocks and items that are not shown.
	BlocksLeft int `json:"bl,omitempty"`
	ItemsLeft  int `json:"il,omitempty"`
}

type htmlBlock struct {
	Name  string `json:"n"`
	LenA  int64  `json:"la"`
	LenB  int64  `json:"lb"`
	A     int64  `json:"a,omitempty"`
	B     int64  `json:"b,omitempty"`
	Moved int64  `json:"m,omitempty"`
	Class string `json:"c,omitempty"`
}

type htmlItem struct {
	ID      string `json:"id"`
	Class   string `json:"c"`
	Title   string `json:"t,omitempty"`
	Layer   string `json:"l"`
	Subject string `json:"s,omitempty"`
	ValueA  string `json:"va,omitempty"`
	ValueB  string `json:"vb,omitempty"`
	A       int64  `json:"a"`
	B       int64  `json:"b"`
	Moved   int64  `json:"m,omitempty"`
	Regions int    `json:"r"`
	More    int    `json:"more,omitempty"`
}

// add adds a list, if it is not empty.
func (p *htmlPage) add(title string, n int, item func(i int) string) {
	if n == 0 {
		return
	}
	l := htmlSection{Title: title, Left: max(0, n-htmlList)}
	for i := range min(n, htmlList) {
		l.Items = append(l.Items, item(i))
	}
	p.Lists = append(p.Lists, l)
}

// write lays out the map and writes the page.
func (p *htmlPage) write(w io.Writer) error {
	slices.SortStableFunc(p.Rows, func(x, y htmlRow) int {
		return cmp.Or(cmp.Compare(x.order, y.order), cmp.Compare(x.Name, y.Name))
	})
	if n := len(p.Rows); n > htmlRows {
		p.Rows, p.Left = p.Rows[:htmlRows], n-htmlRows
	}
	p.layMap()
	if err := p.packDetails(); err != nil {
		return err
	}
	p.Style, p.StyleHash = template.CSS(pageStyle), hashSource(pageStyle)
	p.Script, p.ScriptHash = template.JS(pageScript), hashSource(pageScript)
	b := bufio.NewWriter(w)
	if err := htmlTemplate.Execute(b, p); err != nil {
		return err
	}
	return b.Flush()
}

// hashSource is the source expression of Content-Security-Policy for an inline
// element.
func hashSource(s string) string {
	h := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(h[:])
}

// layMap gives each row its place: parts of the tree first, in them the modules.
func (p *htmlPage) layMap() {
	p.MapW, p.MapH = 2400, 1000
	sizes := make([]int64, len(p.Rows))
	for i := range p.Rows {
		sizes[i] = p.Rows[i].Size
	}
	ws := weights(sizes)
	byArea := map[string][]tile{}
	var names []string
	for i := range p.Rows {
		r := &p.Rows[i]
		if byArea[r.area] == nil {
			names = append(names, r.area)
		}
		byArea[r.area] = append(byArea[r.area], tile{r.Name, ws[i], &r.At})
	}
	slices.Sort(names)
	p.Areas = make([]htmlArea, len(names))
	areas := make([]tile, len(names))
	for i, n := range names {
		p.Areas[i].Name = clip(n, htmlString)
		areas[i] = tile{n, 0, &p.Areas[i].At}
		for _, t := range byArea[n] {
			areas[i].weight += t.weight
		}
	}
	layTiles(areas, rect{0, 0, p.MapW, p.MapH})
	for i, n := range names {
		layTiles(byArea[n], p.Areas[i].At)
	}
	// Labels are for areas that have room for one.
	for i := range p.Areas {
		if a := &p.Areas[i]; a.At.H < 50 || a.At.W < int64(len(a.Name))*13+16 {
			a.Name = ""
		}
	}
}

// packDetails writes the details of the rows as one JSON array, 0 for a row
// without and 1 for one whose did not fit. In JSON as it is written here nothing can end a script element.
func (p *htmlPage) packDetails() error {
	var b strings.Builder
	b.WriteString("[")
	for i := range p.Rows {
		if i > 0 {
			b.WriteString(",")
		}
		d := p.Rows[i].details
		if d == nil {
			b.WriteString("0")
			continue
		}
		text, err := json.Marshal(d)
		if err != nil {
			return err
		}
		if b.Len()+len(text) > htmlDetails {
			p.DetailsLeft++
			b.WriteString("1")
			continue
		}
		b.WriteString("\n")
		b.Write(text)
	}
	b.WriteString("]")
	p.Details = template.JS(b.String())
	return nil
}
