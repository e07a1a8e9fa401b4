// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/verify"
)

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"kernel/fs/ext4.ko":      "kernel/fs/ext4.ko",
		"two words, ünï":         "two words, ünï",
		`say "hi"`:               `say "hi"`,
		"a\nidentical: b":        `a\nidentical: b`,
		"\x1b[2J":                `\x1b[2J`,
		"\xff\xfe":               `\xff\xfe`,
		"a\u202eb":               `a\u202eb`,
		"a\u200bb":               `a\u200bb`,
		"a\u00a0b":               `a\u00a0b`,
		"a\u2028b":               `a\u2028b`,
		"tab\there":              `tab\there`,
		"nul\x00":                `nul\x00`,
		"replacement \ufffd":     `replacement \ufffd`,
		`back\slash "and quote"`: `back\slash "and quote"`,
	} {
		if got := Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\nb")
	f.Add("\x1b[31m\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Safe(s) {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
				t.Fatalf("Safe(%q) holds %U", s, r)
			}
		}
	})
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":             `""`,
		"kernel/ünï":   `"kernel/ünï"`,
		"a\xff":        `"a\\xff"`,
		"a\xfe":        `"a\\xfe"`,
		`a\xff`:        `"a\\\\xff"`,
		"a\ufffd":      `"a\ufffd"`,
		"\xe2\x82":     `"\\xe2\\x82"`,
		"\xed\xa0\x80": `"\\xed\\xa0\\x80"`, // a surrogate, not UTF-8
		"a\nb\x00<":    `"a\nb\u0000<"`,
	} {
		var b bytes.Buffer
		if err := writeJSON(&b, text(in)); err != nil {
			t.Fatal(err)
		}
		// encoding/json may write U+FFFD either way.
		if got := strings.ReplaceAll(strings.TrimSpace(b.String()), "\ufffd", `\ufffd`); got != want {
			t.Errorf("%q is written %s, want %s", in, got, want)
		}
	}
}

// unescape undoes what [text] does, the slow way.
func unescape(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case s[i+1] == '\\':
			out = append(out, '\\')
			i++
		default:
			b, err := hex.DecodeString(s[i+2 : i+4])
			if err != nil {
				panic(err)
			}
			out = append(out, b...)
			i += 3
		}
	}
	return string(out)
}

// FuzzText: whatever the bytes, they come back.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\xff", `a\xff`, `\\`, "\ufffd", "\xf0\x9f\x98", "\x00\n\"<"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		if err := writeJSON(&b, text(s)); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if unescape(got) != s {
			t.Fatalf("%q is written %s and read %q", s, b.Bytes(), unescape(got))
		}
	})
}

// TestNamesStayDifferent: wherever a string of the input can be in a report, two
// that differ in a byte that is no UTF-8 make two reports.
func TestNamesStayDifferent(t *testing.T) {
	diff := func(s string) *compare.Comparison {
		p := kbuild.Problem{Kind: kbuild.Unlisted, Name: s, Detail: s}
		f := &compare.ModuleFile{Path: s, Trailer: s, Problem: s}
		return &compare.Comparison{
			A: compare.Side{Paths: []string{s}, Release: s, Arch: s}, B: compare.Side{Paths: []string{s}},
			Modules:  []compare.Module{{Name: s, TwinA: s, TwinB: s, A: f, B: f}},
			Image:    &compare.ImagePair{A: &kbuild.Image{Path: s}},
			Files:    []compare.File{{Name: s, Changes: []compare.Change{{Field: "link", A: s, B: s}}}},
			Packages: []compare.Package{{A: s, B: s}},
			Problems: []compare.SideProblem{{Side: compare.OnlyA, Problem: p}},
			Notes:    []string{s},
		}
	}
	result := func(s string) *verify.Result {
		return &verify.Result{
			Manifest: manifest(), Census: []verify.TrailerCount{{Name: s, Count: 1}},
			Findings: []verify.Finding{{Kind: verify.Extra, Name: s, Detail: s}},
			Notes:    []kbuild.Problem{{Kind: kbuild.OutOfTree, Name: s, Detail: s}},
		}
	}
	for name, tt := range map[string]struct {
		strings int // that hold s
		write   func(w io.Writer, s string) error
	}{
		"diff":   {22, func(w io.Writer, s string) error { return DiffJSON(w, diff(s)) }},
		"verify": {6, func(w io.Writer, s string) error { return VerifyJSON(w, result(s), s) }},
	} {
		var a, b bytes.Buffer
		if err := errors.Join(tt.write(&a, "x\xfe"), tt.write(&b, "x\xff")); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(a.String(), "\ufffd") || strings.Contains(a.String(), `\ufffd`) {
			t.Errorf("%s: something is lost:\n%s", name, a.String())
		}
		na, nb := strings.Count(a.String(), `x\\xfe`), strings.Count(b.String(), `x\\xff`)
		if na != tt.strings || nb != tt.strings {
			t.Errorf("%s: %d and %d strings, want %d:\n%s", name, na, nb, tt.strings, a.String())
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
}

func manifest(names ...string) *hashset.Manifest {
	m := &hashset.Manifest{Release: "6.12.0", Arch: "x86_64 elf64 little", Scheme: hashset.None}
	for _, n := range names {
		e := hashset.Entry{Name: "kernel/" + n + ".ko"}
		copy(e.Digest[:], n)
		m.Entries = append(m.Entries, e)
	}
	return m
}

// TestDiffFolds: long lists end with a line that says how many are left out,
// unless all are wanted; the JSON form always has all.
func TestDiffFolds(t *testing.T) {
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("m%03d", i))
	}
	c := compare.Manifests(manifest(names...), manifest("other"), "a", "b")
	text := func(s Style) string {
		var b bytes.Buffer
		if err := Diff(&b, c, s); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	short, long := text(Style{}), text(Style{All: true})
	if !strings.HasPrefix(short, "different: 101 modules, 100 only in A, 1 only in B; root identical\n") {
		t.Errorf("first line of %.200s", short)
	}
	if strings.Count(short, "kernel/m") != most || !strings.Contains(short, "… and 80 more (--all lists them)") {
		t.Errorf("short form:\n%s", short)
	}
	if strings.Count(long, "kernel/m") != 100 {
		t.Errorf("%d names in the long form", strings.Count(long, "kernel/m"))
	}
	if strings.Contains(short, "\x1b") || !strings.HasPrefix(text(Style{Color: true}), "\x1b[1;31mdifferent\x1b[0m: ") {
		t.Error("colour without being asked for, or none when asked for")
	}
	var b bytes.Buffer
	if err := DiffJSON(&b, c); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema, Verdict string
		Modules         struct {
			List []struct{ Name, Only string }
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != DiffSchema || doc.Verdict != "different" || len(doc.Modules.List) != 101 || doc.Modules.List[0].Only != "a" {
		t.Errorf("%.300s", b.String())
	}
}

// TestVerdictOf holds the words that scripts may look for.
func TestVerdictOf(t *testing.T) {
	find := func(fs ...verify.Finding) *verify.Result { return &verify.Result{Findings: fs} }
	partial := verify.Finding{Kind: verify.Partial, Accepted: true}
	own := verify.Finding{Kind: verify.SelfConsistent}
	changed := verify.Finding{Kind: verify.Changed}
	tree := verify.Finding{Kind: "out-of-tree", Accepted: true}
	for want, r := range map[string]*verify.Result{
		"verified":        find(tree),
		"partial":         find(partial, tree),
		"self-consistent": find(own),
		"NOT verified":    find(partial, changed),
	} {
		if got := VerdictOf(r); got != want {
			t.Errorf("%v: %q, want %q", r.Findings, got, want)
		}
	}
}

// TestCausesRoom: however many causes can be mended, the summary has lines for changes, and
// the other way round.
func TestCausesRoom(t *testing.T) {
	for _, tt := range []struct{ roots, changes, wantRoots, wantChanges, more int }{
		{12, 9, 6, 4, 11},
		{12, 2, 8, 2, 4},
		{3, 9, 3, 7, 2},
		{12, 0, 10, 0, 2},
		{5, 5, 5, 5, 0},
	} {
		acc := &compare.Account{}
		for i := range tt.roots + tt.changes {
			c := &compare.Cause{ID: "root." + string(rune('a'+i)), Class: compare.Root, Title: "a root"}
			if i >= tt.roots {
				c = &compare.Cause{ID: "change." + string(rune('a'+i)), Class: compare.CodeChange, Title: "a change"}
			}
			acc.Items = append(acc.Items, compare.Item{Layer: compare.LayerUnit, Owner: compare.Owner{Cause: c}})
		}
		c := &compare.Comparison{Modules: []compare.Module{{Name: "m.ko", Verdict: compare.Different, A: &compare.ModuleFile{}, B: &compare.ModuleFile{}, Account: acc}}}
		var out bytes.Buffer
		if err := Diff(&out, c, Style{}); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		roots, changes := strings.Count(text, ": a root"), strings.Count(text, ": a change")
		more := ""
		if tt.more > 0 {
			more = fmt.Sprintf("… and %d more cause", tt.more)
		}
		if roots != tt.wantRoots || changes != tt.wantChanges || !strings.Contains(text, more) || more == "" && strings.Contains(text, "more cause") {
			t.Errorf("%d roots and %d changes: %d and %d are listed:\n%s", tt.roots, tt.changes, roots, changes, text)
		}
	}
}

// TestApart: what differs of two long texts is in what is shown of them.
func TestApart(t *testing.T) {
	long := strings.Repeat("x", 50)
	for _, tt := range []struct{ a, b, wantA, wantB string }{
		{"one", "two", "one", "two"},
		{"", long, "", long[:30] + "…"},
		{"(somebody@example.org) #1 SMP Debian 6.1-1", "(somebody@example.org) #1 SMP Debian 6.1-2", "…6.1-1", "…6.1-2"},
		{"/build/" + long + "/one/a.c", "/build/" + long + "/two/a.c", "…one/a.c", "…two/a.c"},
		{long + "1", long + "2", "…" + long[:15] + "1", "…" + long[:15] + "2"},
		{long + "ää1", long + "ää2", "…" + long[:11] + "ää1", "…" + long[:11] + "ää2"},
		{"a " + long, "a b", "a " + long[:28] + "…", "a b"},
		{"a\n" + long, "a\x1b" + long, Safe("a\n" + long)[:30] + "…", Safe("a\x1b" + long)[:30] + "…"},
		{"somebody called the signer, serial 1", "somebody called the signer, serial 2", "…1", "…2"},
	} {
		if a, b := apart(tt.a, tt.b, 30); a != tt.wantA || b != tt.wantB {
			t.Errorf("%q, %q: %q, %q, want %q, %q", tt.a, tt.b, a, b, tt.wantA, tt.wantB)
		}
	}
}
