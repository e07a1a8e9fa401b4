// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/modhash/modhash/hashset"
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
