// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/modhash/modhash/kbuild/compare"
)

// TestCatalogue: ids are unique and well-formed, and every cause says what a
// reader needs.
func TestCatalogue(t *testing.T) {
	id := regexp.MustCompile(`^[a-z]+(-[a-z]+)*(\.[a-z]+(-[a-z]+)*)?$`)
	seen := map[string]bool{}
	for _, c := range Causes() {
		if !id.MatchString(c.ID) || seen[c.ID] {
			t.Errorf("id %q is malformed or there twice", c.ID)
		}
		seen[c.ID] = true
		if c.Title == "" || c.Class == compare.Unexplained {
			t.Errorf("%s: title %q, class %q", c.ID, c.Title, c.Class)
		}
		if c.Class == compare.Root && (c.Mend == "" || c.Doc == "") {
			t.Errorf("%s: does not say what to set, or where that is documented", c.ID)
		}
		if c.Class == compare.CodeChange && c.Local {
			t.Errorf("%s: a change that is local", c.ID)
		}
	}
}

// explained compares two modules that are in memory.
func explained(t testing.TB, a, b []byte) *compare.Account {
	t.Helper()
	return explainedIn(t, t.TempDir(), a, b)
}

// explainedIn uses a folder again, which is faster by far.
func explainedIn(t testing.TB, dir string, a, b []byte) *compare.Account {
	t.Helper()
	pa, pb := filepath.Join(dir, "a.ko"), filepath.Join(dir, "b.ko")
	for p, x := range map[string][]byte{pa: a, pb: b} {
		if err := os.WriteFile(p, x, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := compare.ModuleFiles(context.Background(), pa, pb, &compare.Options{Explain: Run, Detail: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Modules) == 0 {
		return &compare.Account{}
	}
	if f := c.Modules[0].Account.Fault; f != "" {
		t.Fatalf("the ledger fails its check: %s", f)
	}
	return c.Modules[0].Account
}

// ids are those of all items, each once, in their order.
func ids(a *compare.Account) []string {
	var out []string
	seen := map[string]bool{}
	for i := range a.Items {
		if id := a.Items[i].ID(); !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// TestFromBuild: each root is either of what a build id is made of, or of what is done to a
// module that was linked.
func TestFromBuild(t *testing.T) {
	after := regexp.MustCompile(`^(btf\..*|compression\..*|signature\..*|trailer\..*|record\..*|strip|layout\.section-order)$`)
	for _, c := range Causes() {
		if c.Class == compare.Root && fromBuild[c] == after.MatchString(c.ID) {
			t.Errorf("%s: of what is linked: %v", c.ID, fromBuild[c])
		}
	}
}
