// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func thinLTO(name string) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return testFile(t, "thinlto", name+".ko") }
}

// TestPromoted: names that ThinLTO made are no change by themselves, and hide none of
// what has them.
func TestPromoted(t *testing.T) {
	a, b, code := thinLTO("base")(t), thinLTO("folder")(t), thinLTO("code")(t)
	follows := []string{"build-id", "layout.offsets", "layout.padding", "layout.symbol", "thinlto.name"}
	for _, tt := range []struct {
		name      string
		a, b      []byte
		want      []string
		explained bool
	}{
		{"another folder", a, b, follows, true},
		{"another folder, mirrored", b, a, follows, true},
		{"other code", a, code, []string{"build-id", "change.code", "thinlto.name"}, false},
	} {
		acc := explained(t, tt.a, tt.b)
		got := slices.Sorted(slices.Values(ids(acc)))
		if diff := cmp.Diff(tt.want, got); diff != "" || acc.Explained() != tt.explained {
			t.Errorf("%s: explained %v, causes (-want +got):\n%s", tt.name, acc.Explained(), diff)
		}
	}
}

// TestPromotedTampered: a hash stands for one of the other side everywhere or nowhere.
func TestPromotedTampered(t *testing.T) {
	a, b := thinLTO("base")(t), thinLTO("folder")(t)
	first, second := []byte("2635350165686687845"), []byte("6163886686688356390")
	swap := func(where string) []byte {
		x := bytes.Clone(b)
		for at := range x {
			if n := len(where) + len(".llvm."); bytes.HasPrefix(x[at:], []byte(where+".llvm.")) {
				switch h := x[at+n : at+n+len(first)]; {
				case bytes.Equal(h, first):
					copy(h, second)
				case bytes.Equal(h, second):
					copy(h, first)
				}
			}
		}
		return x
	}
	for _, where := range []string{"hidden", "\x00hidden", "only_first", "only_second", ".text.hidden", ".rela.text.only_first"} {
		x := swap(where)
		if bytes.Equal(x, b) {
			t.Fatalf("%s: no hash", where)
		}
		for _, way := range [][2][]byte{{a, x}, {x, a}} {
			if acc := explained(t, way[0], way[1]); acc.Explained() {
				t.Errorf("hashes of %q are swapped: only %q", where, found(acc))
			}
		}
	}
	x := bytes.ReplaceAll(b, first, []byte("2635350165686687840"))
	if acc := explained(t, b, x); acc.Explained() {
		t.Errorf("another hash everywhere, under one build id: only %q", found(acc))
	}
}

// TestPromotedMany: a hostile table may give one name any number of hashes.
func TestPromotedMany(t *testing.T) {
	const many = 500_000
	var names []fullName
	for range 2 {
		for i := range many {
			names = append(names, fullName{"hidden.llvm", strconv.Itoa(i)})
		}
	}
	start := time.Now()
	if got := len(hashesByName(names)["hidden.llvm"]); got != many {
		t.Errorf("%d hashes, want %d", got, many)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}
