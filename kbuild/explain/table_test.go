// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild/compare"
)

// causeRow is a line of the tables of what was tried of the catalogue in
// testdata/causes.
type causeRow struct {
	numbers                                []string // in the catalogue
	how, causes, outcome, follows, shownBy string
}

// causeTables are the tables, each with who made it.
var causeTables = []struct{ file, shownBy string }{
	{"../../testdata/e2e/causes.tsv", "make e2e"},
	{"../../testdata/e2e-causes/diffs.tsv", "make e2e-causes"},
	{"testdata/causes/other.tsv", ""},
}

func causeRows(t *testing.T) []causeRow {
	t.Helper()
	var rows []causeRow
	for _, table := range causeTables {
		for _, f := range fields(t, table.file, 5) {
			row := causeRow{strings.Fields(f[0]), f[1], f[2], f[3], f[4], table.shownBy}
			if row.shownBy == "" {
				row.follows, row.shownBy = "-", f[4]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// fields reads the lines of a table that are no comments; each has n fields.
func fields(t *testing.T, file string, n int) [][]string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != n {
			t.Fatalf("%s: %d fields, want %d: %q", file, len(f), n, line)
		}
		out = append(out, f)
	}
	return out
}

// TestTable: no cause of the catalogue is left out of the tables, and no root that the
// program names out of both them and TestCases; and what they say is well-formed.
func TestTable(t *testing.T) {
	known := map[string]bool{}
	for _, c := range fields(t, "testdata/causes/catalogue.tsv", 3) {
		known[c[0]] = false
	}
	if len(known) != 51 {
		t.Fatalf("the catalogue has %d causes", len(known))
	}
	words := regexp.MustCompile(`^(-|unexplained|change|package|only-in-[ab]|file:[a-z]+|image\.signature)$`)
	ids := map[string]bool{}
	for _, c := range Causes() {
		ids[c.ID] = true
	}
	for _, row := range causeRows(t) {
		for _, n := range row.numbers {
			if _, ok := known[n]; !ok {
				t.Errorf("%q: no cause is number %s", row.how, n)
			}
			known[n] = true
		}
		for _, id := range strings.Fields(row.causes) {
			if !ids[id] && !words.MatchString(id) {
				t.Errorf("%q: no cause is called %s", row.how, id)
			}
		}
		if !slices.Contains([]string{"identical", "listed", "explained", "changed", "unexplained", "not explained"}, row.outcome) {
			t.Errorf("%q: outcome %q", row.how, row.outcome)
		}
	}
	shown := map[string]bool{}
	for _, row := range causeRows(t) {
		for _, id := range strings.Fields(row.causes) {
			shown[id] = true
		}
	}
	for i := range cases {
		for _, id := range cases[i].want {
			shown[id] = true
		}
	}
	for _, c := range Causes() {
		if c.Class == compare.Root && !shown[c.ID] {
			t.Errorf("nothing shows the cause %s", c.ID)
		}
	}
	for n, seen := range known {
		if !seen {
			t.Errorf("cause %s is in no table", n)
		}
	}
}

// TestTableForReaders: CAUSES.md is made of the tables. To write it again:
//
//	MODHASH_WRITE_CAUSES=1 go test -run TestTableForReaders ./kbuild/explain
func TestTableForReaders(t *testing.T) {
	rows := causeRows(t)
	var b bytes.Buffer
	b.WriteString(tableHead)
	for _, c := range fields(t, "testdata/causes/catalogue.tsv", 3) {
		for _, row := range rows {
			if slices.Contains(row.numbers, c[0]) {
				says := row.causes
				if says == "-" && row.follows != "-" {
					says = "only what follows: " + row.follows
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c[0], c[2], cell(row.how), cell(says), row.outcome, cell(row.shownBy))
			}
		}
	}
	if os.Getenv("MODHASH_WRITE_CAUSES") != "" {
		if err := os.WriteFile("CAUSES.md", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("CAUSES.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("CAUSES.md is not what the tables say (-tables +file):\n%s", diff)
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

const tableHead = `# What modhash diff says of each known cause of differing builds

Two builds of one module or kernel were made with one thing changed, and compared.
Made for real wherever that can be done; what was constructed, and what diff does not
explain yet, says so. This file is made of the tables that the tests write and hold
the program against: see TestTableForReaders.

Causes are the ids that reports and files of expected differences use; "change" stands
for any of change.code, change.data and so on, as they are where a cause reaches the
code. Outcomes:

- explained: every differing byte, without any change of content
- changed: the cause is named, and what it changed in the code is told as a change
- unexplained: there are bytes that nothing accounts for
- listed: not within a module; what differs of the files is listed
- identical: it makes no difference
- not explained: diff says that it differs, but not by what; how it is found otherwise

| number | cause | how it was produced | diff says | outcome | shown by |
|---|---|---|---|---|---|
`
