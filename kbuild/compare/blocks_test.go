// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/testdata/gen/sample"
)

// TestBlocks: the blocks of a module account for its file and for every byte that
// differs, and those of swapped sides are the mirrored ones.
func TestBlocks(t *testing.T) {
	src := t.TempDir()
	if err := sample.Write(src); err != nil {
		t.Fatal(err)
	}
	between := func(x, y string) *Comparison {
		var open [2]*kbuild.Build
		for i, dir := range []string{x, y} {
			var err error
			if open[i], err = kbuild.Open(context.Background(), []string{filepath.Join(src, dir)}, &kbuild.Options{}); err != nil {
				t.Fatal(err)
			}
			defer open[i].Close()
		}
		c, err := Builds(context.Background(), open[0], open[1], &Options{Workers: 2, Explain: func(*Pair) {}, Blocks: true})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, other := range []string{"b", "c"} {
		c, d := between("a", other), between(other, "a")
		if len(c.Modules)+len(c.Equal) != len(sample.Modules) || len(c.Equal) != c.Count.Identical {
			t.Errorf("%s: %d modules and %d equal ones", other, len(c.Modules), len(c.Equal))
		}
		for _, e := range c.Equal {
			if e.Stored <= 0 {
				t.Errorf("%s: %s of %d bytes", other, e.Name, e.Stored)
			}
		}
		mirrored := c.Mirror()
		for i := range c.Modules {
			acc := c.Modules[i].Account
			checkBlocks(t, c.Modules[i].Name, acc)
			if diff := cmp.Diff(mirrored.Modules[i].Account.Blocks, d.Modules[i].Account.Blocks); diff != "" {
				t.Errorf("swapped sides do not mirror:\n%s", diff)
			}
		}
	}
}

func checkBlocks(t *testing.T, name string, acc *Account) {
	t.Helper()
	var sum Tally
	var end int64
	for _, b := range acc.Blocks {
		if b.A.Len > 0 && b.A.Off != end || b.Name == "" || (b.Class == "") != b.Tally.IsZero() {
			t.Errorf("%s: %+v, behind %d bytes", name, b, end)
		}
		end += b.A.Len
		sum.ChangedA += b.ChangedA
		sum.ChangedB += b.ChangedB
		sum.Moved += b.Moved
	}
	if want := acc.Layers[len(acc.Layers)-1].Tally; len(acc.Blocks) == 0 || sum != want {
		t.Errorf("%s: the blocks come to %+v, the ledger to %+v", name, sum, want)
	}
}
