// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestLargePairs: the pairs that are compared one by one, with both sides read at once
// where there are processors to spare, give what they give otherwise; errors of either
// side too.
func TestLargePairs(t *testing.T) {
	noise := func(seed string) []byte { // does not compress
		b := make([]byte, 2<<20)
		rand.NewChaCha8([32]byte([]byte(strings.Repeat(seed, 32)[:32]))).Read(b)
		return b
	}
	var dirs [2]string
	for i, seed := range []string{"one", "two"} {
		dirs[i] = t.TempDir()
		folder := filepath.Join(dirs[i], "lib/modules/6.1.0-large/kernel")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{
			"large.ko.zst":  ko.Compress(ko.Module{Name: "large", Text: noise(seed)}.Bytes(), ".zst"),
			"small.ko.zst":  ko.Compress(ko.Module{Name: "small", Text: ko.Code(seed, 1000)}.Bytes(), ".zst"),
			"broken.ko.zst": append(ko.Compress(ko.Module{Name: "broken", Text: noise(seed)}.Bytes(), ".zst"), seed[:1+2*i]...),
		} {
			if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	compare := func(workers int) *Comparison {
		var open [2]*kbuild.Build
		for i, dir := range dirs {
			var err error
			if open[i], err = kbuild.Open(context.Background(), []string{dir}, &kbuild.Options{NoImage: true, AllFiles: true}); err != nil {
				t.Fatal(err)
			}
			defer open[i].Close()
		}
		pairs := pairModules(open[0], open[1])
		if _, large := bySize(pairs); large != 2 {
			t.Fatalf("%d of %d pairs are large, want 2; the first has %d bytes", large, len(pairs), pairs[0].decoded())
		}
		c, err := Builds(context.Background(), open[0], open[1], &Options{Workers: workers, Explain: func(*Pair) {}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := compare(1)
	if len(one.Modules) != 3 {
		t.Errorf("%d modules differ, want 3", len(one.Modules))
	}
	for _, m := range one.Modules {
		if broken := filepath.Base(m.Name) == "broken.ko"; broken != (m.A.Problem != "" && m.B.Problem != "") {
			t.Errorf("%s: %q, %q", m.Name, m.A.Problem, m.B.Problem)
		}
	}
	if diff := cmp.Diff(one.Modules, compare(3).Modules); diff != "" {
		t.Errorf("with three workers:\n%s", diff)
	}
}
