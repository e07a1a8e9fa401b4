// SPDX-License-Identifier: Apache-2.0

package load

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// patchLines are the lines that the patch's own files log, as expressions: the format
// strings of pr_err and pr_notice, behind what pr_fmt puts before them.
func patchLines(t *testing.T) []*regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile("../linux/module-hashes-6.12.patch")
	if err != nil {
		t.Fatal(err)
	}
	var out []*regexp.Regexp
	call := regexp.MustCompile(`pr_(?:err|warn|notice|info)\("([^"]*)\\n"`)
	for _, file := range strings.Split(string(text), "\n--- ")[1:] {
		if !strings.HasPrefix(file, "/dev/null\n") {
			continue
		}
		prefix := ""
		if m := regexp.MustCompile(`#define pr_fmt\(fmt\) "([^"]*)" fmt`).FindStringSubmatch(file); m != nil {
			prefix = m[1]
		}
		for _, m := range call.FindAllStringSubmatch(file, -1) {
			e := regexp.QuoteMeta(prefix + m[1])
			e = strings.ReplaceAll(strings.ReplaceAll(e, "%u", "[0-9]+"), "%s", ".+")
			out = append(out, regexp.MustCompile("^"+e+"$"))
		}
	}
	return out
}

// TestPatchWords: what is said of a kernel with the patch is what the patch logs, and
// all that it logs is predicted of some module.
func TestPatchWords(t *testing.T) {
	lines := patchLines(t)
	if len(lines) < 3 {
		t.Fatalf("only %d lines found in the patch", len(lines))
	}
	seen := map[int]bool{}
	for _, row := range table(t, "hashes/kernel-results.tsv") {
		flags, err := strconv.Atoi(row["flags"])
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"sig+hashes", "hashes"} {
			k := small(t, kind, row["root"])
			k.Words = PatchWords
			r := check(t, k, vector(t, "hashes/cases/"+row["file"]), Request{Call(row["call"]), Flags(flags)}, Permissive, Enforcing)
			log := slices.Concat(r.Answers[0].Log, r.Answers[1].Log)
			for _, line := range log {
				if !strings.Contains(line, "railer of type") && !strings.Contains(line, "Loading of") && !strings.Contains(line, "expected signature") {
					continue // of another file
				}
				i := slices.IndexFunc(lines, func(e *regexp.Regexp) bool { return e.MatchString(line) })
				if i < 0 {
					t.Errorf("%s: the patch does not log %q", row["file"], line)
				}
				seen[i] = true
			}
		}
	}
	for i, e := range lines {
		if !seen[i] {
			t.Errorf("never predicted: %s", e)
		}
	}
	one := func(k *Kernel, file string) string {
		return strings.Join(check(t, k, vector(t, "hashes/cases/"+file), Request{}, Enforcing).Answers[0].Log, "\n")
	}
	k := small(t, "hashes", "main")
	if got := one(k, "b1-unsigned"); got != "Loading of unsigned module is rejected" {
		t.Errorf("version 5: %q", got)
	}
	if got := one(k, "f1-algo-1"); got != "" {
		t.Errorf("version 5 of a field: %q", got)
	}
	k.Words = PatchWords
	if got := one(k, "f1-algo-1"); got != "module: trailer of type 3: a field that must be zero is not" {
		t.Errorf("the patch of a field: %q", got)
	}
}

// TestWordsOfImage: which text a kernel has is seen in it.
func TestWordsOfImage(t *testing.T) {
	for text, want := range map[string]Words{"": "", patchFormat: PatchWords, seriesFormat: SeriesWords} {
		f := vmlinux.Kernel{Hashes: vector(t, "hashes/roots/main.bin")}.File()
		f.Sections = append(f.Sections, vmlinux.Section{Name: ".text.more", Type: 1, Flags: 2, Addr: 0x91000000, Data: []byte("\x00\x013module: " + text + "\x00")})
		if got := kernelOf(t, f, Sources{}).Words; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
