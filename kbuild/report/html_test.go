// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/verify"
)

// hostile are names that try to become something else than text.
var hostile = []string{
	`<script>alert(1)</script>`, `</script><script>alert(1)//`, `"><img src=x onerror=alert(1)>`, `' onload='alert(1)`, `<!--`, `-->`, `]]>`, `&lt;b&gt;`,
	"`code` **bold** [a](http://evil.example/) ![i](x) | cell", "@someone #1 www.evil.example https://evil.example :smile: __x__", "a\n## heading\n| x |", "\x1b]0;title\a\x00",
	"\xff\xfe.ko", `\xff\xfe.ko`, "a\u202egnp.ok", "\u200b", "\u2028", "\ufffd", "javascript:alert(1)", "{{.}}", "${x}", `\u{202e}`, strings.Repeat("<é", 4000),
}

var testCauses = []*compare.Cause{
	{ID: "signature.key", Class: compare.Root, Title: "signature by another key", Local: true, Mend: "set it"},
	{ID: "layout.offsets", Class: compare.Derived, Title: "offsets"},
	{ID: "change.code", Class: compare.CodeChange, Title: "other code"},
	nil,
}

// large is a comparison of n modules, a tenth of them equal; every string is one of
// names.
func large(n int, names ...string) *compare.Comparison {
	c := &compare.Comparison{Verdict: compare.Different, ModulesVerdict: compare.Different,
		A: compare.Side{Paths: []string{names[0]}, Kind: "directory", Release: names[0]}, B: compare.Side{Paths: []string{names[0]}, Kind: "directory", Release: names[0]}}
	for i := range n {
		s := names[i%len(names)]
		name := fmt.Sprintf("kernel/drivers/area%d/%s/m%05d.ko", i%97, s, i)
		size := int64(8000 + (i*7919)%300_000)
		if i%10 == 0 {
			c.Equal = append(c.Equal, compare.Equal{Name: name, Stored: size})
			continue
		}
		cause := testCauses[0]
		if i%29 == 0 {
			cause = testCauses[i/29%4]
		}
		f := &compare.ModuleFile{Path: s, Stored: size, Compression: "none", Trailer: s}
		acc := &compare.Account{Layers: []compare.LayerTally{{Tally: compare.Tally{ChangedA: 400, ChangedB: 402}}},
			Items: []compare.Item{{Layer: compare.LayerUnit, Owner: compare.Owner{Cause: cause, Subject: s, A: s, B: s}, Regions: 2, Tally: compare.Tally{ChangedA: 400, ChangedB: 402}}}}
		blocks := min(50, 200_000/n)
		for k := range blocks {
			acc.Blocks = append(acc.Blocks, compare.BlockTally{Name: fmt.Sprintf(".section%d", k) + s, A: compare.Range{Len: size / int64(blocks)}, B: compare.Range{Len: size / int64(blocks)}})
		}
		acc.Blocks[blocks-1].Tally, acc.Blocks[blocks-1].Class = compare.Tally{ChangedA: 400, ChangedB: 402}, compare.Root
		if cause == nil {
			acc.Blocks[blocks-1].Class = compare.Unexplained
		}
		c.Modules = append(c.Modules, compare.Module{Name: name, Verdict: compare.Different, A: f, B: f, PosA: i, PosB: i, Account: acc, TwinA: s})
	}
	c.Count = compare.ModuleCount{A: n, B: n, Different: len(c.Modules), Identical: len(c.Equal)}
	for _, s := range names {
		c.Files = append(c.Files, compare.File{Name: s, Changes: []compare.Change{{Field: "link", A: s, B: s}}})
		c.Notes = append(c.Notes, s)
		c.Records = append(c.Records, compare.Record{Cause: testCauses[0], From: "config", Field: s, A: s, B: s})
		c.Problems = append(c.Problems, compare.SideProblem{Side: compare.OnlyA, Problem: kbuild.Problem{Kind: kbuild.Unlisted, Name: s, Detail: s}})
	}
	c.Packages = []compare.Package{{A: names[0], B: names[0], Verdict: compare.Different}}
	return c
}

func pageOf(t *testing.T, c *compare.Comparison) string {
	t.Helper()
	var b bytes.Buffer
	if err := DiffHTML(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tags are the elements of a page with their attributes' names.
var (
	tagPattern  = regexp.MustCompile(`<(/?[a-zA-Z!][^\s>]*)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*/?>`)
	attrPattern = regexp.MustCompile(`\s([a-z-]+)(?:=|\s|$)`)
)

// shape lists what a page is made of, without any text.
func shape(page string) map[string]bool {
	page = strings.ReplaceAll(page, pageStyle, "")
	page = strings.ReplaceAll(page, pageScript, "")
	out := map[string]bool{}
	for _, m := range tagPattern.FindAllStringSubmatch(page, -1) {
		out[m[1]] = true
		for _, a := range attrPattern.FindAllStringSubmatch(m[2], -1) {
			out[m[1]+" "+a[1]] = true
		}
	}
	return out
}

// TestHTMLHostile: whatever the strings are, the page is made of the same elements
// with the same attributes, its policy holds, and its data can be read.
func TestHTMLHostile(t *testing.T) {
	tame, page := pageOf(t, large(300, "plain")), pageOf(t, large(300, hostile...))
	want := shape(tame)
	for s := range shape(page) {
		if !want[s] {
			t.Errorf("the page has a %q", s)
		}
	}
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	for _, r := range page {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == utf8.RuneError {
			t.Fatalf("the page holds %U", r)
		}
	}
	if strings.Contains(page, "ZgotmplZ") || regexp.MustCompile(`(?i)\b(src|href|style|on[a-z]+)=`).MatchString(stripText(page)) {
		t.Error("the page refers to something, or a context was refused")
	}
	for what, s := range map[string]string{"style": pageStyle, "script": pageScript} {
		if !strings.Contains(html.UnescapeString(page), what+"-src '"+hashSource(s)+"'") || !strings.Contains(page, ">"+s+"</"+what+">") {
			t.Errorf("the policy does not allow the %s", what)
		}
	}
	_, data, _ := strings.Cut(page, `id="data">`)
	data, _, _ = strings.Cut(data, "</script>")
	var details []any
	if err := json.Unmarshal([]byte(data), &details); err != nil || len(details) != 300 {
		t.Errorf("%d details: %v", len(details), err)
	}
	if strings.Contains(data, "<") {
		t.Error("the data holds a <")
	}
	if page != pageOf(t, large(300, hostile...)) {
		t.Error("two pages of one comparison differ")
	}
}

// stripText leaves the elements of a page without style and script.
func stripText(page string) string {
	page = strings.ReplaceAll(page, pageStyle, "")
	page = strings.ReplaceAll(page, pageScript, "")
	return strings.Join(tagPattern.FindAllString(page, -1), "\n")
}

// TestHTMLBounded: a page of 5,000 modules is small, and none is large.
func TestHTMLBounded(t *testing.T) {
	for _, tt := range []struct{ modules, rows, mib int }{{5000, 5000, 10}, {21_000, htmlRows, 16}} {
		page := pageOf(t, large(tt.modules, "sub", strings.Repeat("long", 20)))
		rows := strings.Count(page, "<tr class=")
		cells := strings.Count(page, `<rect x=`)
		if rows != tt.rows || cells < rows {
			t.Errorf("%d modules: %d rows and %d cells", tt.modules, rows, cells)
		}
		if len(page) > tt.mib<<20 {
			t.Errorf("%d modules: %d bytes", tt.modules, len(page))
		}
		if (tt.modules > htmlRows) != strings.Contains(page, "more, which ask for less attention, are not on this page") {
			t.Errorf("%d modules: what is left out is not said", tt.modules)
		}
	}
}

// TestMarkdownHostile: nothing from the input ends a line, a cell or the code that it
// stands in.
func TestMarkdownHostile(t *testing.T) {
	write := func(names ...string) string {
		var b bytes.Buffer
		if err := DiffMarkdown(&b, large(300, names...), Style{All: true}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	one, all := write("plain"), write(hostile...)
	code := regexp.MustCompile(`<code>([^<>]*)</code>`)
	for _, m := range code.FindAllStringSubmatch(all, -1) {
		if strings.ContainsAny(m[1], "`*[]()|<>@:~\\!{}\n\"'") || regexp.MustCompile(`(^|[^&])#|(?i)www\.|(^|\W)_|_(\W|$)`).MatchString(m[1]) {
			t.Errorf("%q has a meaning", m[1])
		}
	}
	rest := func(s string) map[string]bool {
		lines := map[string]bool{}
		for line := range strings.Lines(code.ReplaceAllString(s, "")) {
			lines[line] = true
		}
		return lines
	}
	known := rest(one)
	for line := range rest(all) {
		if !known[line] && !strings.HasPrefix(line, "300 modules, ") && !regexp.MustCompile(`^\| +\d`).MatchString(line) {
			t.Errorf("hostile names make the line %q", line)
		}
	}
	var b bytes.Buffer
	if err := DiffMarkdown(&b, large(5000, hostile...), Style{}); err != nil || b.Len() > 1<<20 {
		t.Errorf("%d bytes of Markdown, %v", b.Len(), err)
	}
}

// TestMarkdownWholes: the summary says of image, root and packages what the text does.
func TestMarkdownWholes(t *testing.T) {
	c := large(3, "plain")
	side := func(name string) *kbuild.Image {
		return &kbuild.Image{Path: "boot/" + name, Digest: hashset.Digest{1}}
	}
	c.Image = &compare.ImagePair{Verdict: compare.Different, DigestsEqual: true, A: side("one|"), B: side("two")}
	c.Root = &compare.RootPair{Verdict: compare.Identical}
	c.Packages = []compare.Package{{A: "a|.deb", B: "b.deb", Verdict: compare.Different}, {A: "c.deb", B: "d.deb"}}
	var b bytes.Buffer
	if err := DiffMarkdown(&b, c, Style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"- kernel image: different (equal without its signature)\n",
		"  - A: <code>boot/one&#124;</code>, sha256 01000000",
		"  - B: <code>boot/two</code>, sha256 01000000",
		"- hashset root: identical\n",
		"### Package files\n\n| A | B | verdict |\n|---|---|---|\n| <code>a&#124;.deb</code> | <code>b.deb</code> | different |\n| <code>c.deb</code> | <code>d.deb</code> | identical |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %.800s", want, b.String())
		}
	}
}

// TestVisible: what is written is harmless, and no two strings are written alike.
func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"kernel/fs/ünï.ko": "kernel/fs/ünï.ko", "a\xff": `a\xff`, `a\xff`: `a\\xff`, "\xe2\x82": `\xe2\x82`, "\n\x00": `\u{0a}\u{00}`,
		"\u202e": `\u{202e}`, "\u00a0": `\u{a0}`, "\ufffd": `\u{fffd}`, "<&>": "<&>",
	} {
		if got := visible(in); got != want {
			t.Errorf("visible(%q) = %s, want %s", in, got, want)
		}
	}
	if got := clip("abcé", 4); got != "abc…" {
		t.Errorf("clip: %q", got)
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range hostile[:12] {
		f.Add(s)
	}
	f.Add("\xed\xa0\x80\\")
	undo := regexp.MustCompile(`\\\\|\\x[0-9a-f]{2}|\\u\{[0-9a-f]+\}`)
	f.Fuzz(func(t *testing.T, s string) {
		v := visible(s)
		for _, r := range v {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
				t.Fatalf("visible(%q) holds %U", s, r)
			}
		}
		back := undo.ReplaceAllStringFunc(v, func(e string) string {
			var n rune
			switch e[1] {
			case '\\':
				return `\`
			case 'x':
				fmt.Sscanf(e, `\x%x`, &n)
				return string([]byte{byte(n)})
			}
			fmt.Sscanf(e, `\u{%x}`, &n)
			return string(n)
		})
		if back != s {
			t.Fatalf("%q is written %q and read %q", s, v, back)
		}
		if l := literal(v); html.UnescapeString(l) != v {
			t.Fatalf("%q is %q in Markdown", v, l)
		}
	})
}

// TestMap: cells do not overlap, lie within the map and are about as large as they
// are to be.
func TestMap(t *testing.T) {
	p := &htmlPage{}
	for i := range 700 {
		p.Rows = append(p.Rows, htmlRow{Name: fmt.Sprint(i), Size: int64((i%50 + 10) * 1000), area: fmt.Sprint(i % 13)})
	}
	p.Rows[5].Size = 1 << 60
	p.Rows[6].Size = -1
	p.layMap()
	var area int64
	for i := range p.Rows {
		a := p.Rows[i].At
		area += a.W * a.H
		if a.X < 0 || a.Y < 0 || a.W < 0 || a.H < 0 || a.X+a.W > p.MapW || a.Y+a.H > p.MapH {
			t.Fatalf("%+v is outside", a)
		}
		for k := range i {
			b := p.Rows[k].At
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Fatalf("%+v and %+v overlap", a, b)
			}
		}
	}
	if area != p.MapW*p.MapH {
		t.Errorf("the cells cover %d of %d", area, p.MapW*p.MapH)
	}
}

func TestDiffJUnit(t *testing.T) {
	c := large(60, hostile...)
	c.Image = &compare.ImagePair{Verdict: compare.Different, DigestsEqual: true}
	wrapped := &c.Modules[0]
	wrapped.Verdict, wrapped.Signature = compare.PayloadIdentical, true
	for _, ok := range []bool{false, true} {
		var b bytes.Buffer
		if err := DiffJUnit(&b, c, Accepted{Signature: ok, ImageSignature: ok, Files: ok}); err != nil {
			t.Fatal(err)
		}
		var s junitSuite
		if err := xml.Unmarshal(b.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, jc := range s.Cases {
			if jc.Skipped != nil {
				want++
			}
		}
		modules := len(c.Modules) + len(c.Equal)
		others := 2 + len(c.Files) + len(c.Problems) + 1 // release and image; one package
		if s.Tests != modules+others || s.Tests != len(s.Cases) || s.Skipped != want || s.Failures != s.Tests-want-len(c.Equal)-1 {
			t.Errorf("%d tests of %d modules and %d others, %d failures, %d of %d skipped", s.Tests, modules, others, s.Failures, s.Skipped, want)
		}
		if accepted := 1 + 1 + len(c.Files) + 1; ok && want != accepted || !ok && want != 1 { // the package follows from the rest
			t.Errorf("accepted %v: %d skipped", ok, want)
		}
	}
}

// TestVerifyPages: the page and the Markdown of a verification say all of its findings,
// whatever the names are.
func TestVerifyPages(t *testing.T) {
	r := &verify.Result{Manifest: manifest("a", "b")}
	for _, s := range hostile {
		r.Manifest.Entries = append(r.Manifest.Entries, hashset.Entry{Name: "kernel/" + s + ".ko"})
		r.Findings = append(r.Findings, verify.Finding{Kind: verify.Changed, Name: "kernel/" + s + ".ko", Detail: s}, verify.Finding{Kind: verify.Extra, Name: s, Accepted: true}, verify.Finding{Kind: verify.Root, Detail: s})
	}
	var page, md bytes.Buffer
	if err := VerifyHTML(&page, r, hostile[0]); err != nil {
		t.Fatal(err)
	}
	if err := VerifyMarkdown(&md, r, hostile[0], Style{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(page.String(), "<tr class="); n != 2+2*len(hostile) {
		t.Errorf("%d rows", n)
	}
	if strings.Count(page.String(), "<script") != 2 || !utf8.Valid(page.Bytes()) || strings.Contains(page.String(), "ZgotmplZ") {
		t.Error("a name has become a part of the page")
	}
	if !strings.HasPrefix(md.String(), "## ❌ modhash verify: NOT verified\n") || strings.Contains(md.String(), "<script") {
		t.Errorf("%.300s", md.String())
	}
}
