// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestManPages: every verb that help shows has a page, which names every flag,
// and no line of text can be taken for a roff request.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	var errs bytes.Buffer
	if c := run(context.Background(), []string{"man", dir}, nil, &bytes.Buffer{}, &errs); c != 0 {
		t.Fatalf("exit code %d: %s", c, errs.String())
	}
	requests := map[string]bool{".TH": true, ".SH": true, ".B": true, ".BR": true, ".TP": true, ".PP": true, ".nf": true, ".fi": true}
	for _, verb := range []string{"", "-generate", "-verify", "-diff", "-version", "-completion"} {
		page, err := os.ReadFile(filepath.Join(dir, "modhash"+verb+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for line := range strings.Lines(string(page)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.HasPrefix(line, ".") && !requests[word] {
				t.Errorf("modhash%s.1: unknown request in %q", verb, line)
			}
			if strings.HasPrefix(line, "'") {
				t.Errorf("modhash%s.1: control character starts %q", verb, line)
			}
		}
		if verb == "-verify" {
			for _, want := range []string{`\-\-require\-trailer`, ".SH EXIT STATUS", ".SH EXAMPLES", `self\-consistent`} {
				if !strings.Contains(string(page), want) {
					t.Errorf("modhash%s.1 lacks %s", verb, want)
				}
			}
		}
	}
}
