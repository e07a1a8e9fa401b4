// SPDX-License-Identifier: Apache-2.0

//go:build unix

package rewrite

import (
	"os"
	"slices"
	"syscall"
	"testing"
)

// TestRemoveStale: a temporary file goes, unless somebody holds it or its module.
func TestRemoveStale(t *testing.T) {
	tr := newTree(t)
	for _, n := range []string{"a.ko", TempName("a.ko"), "busy.ko", TempName("busy.ko"), TempName("gone.ko"), "other"} {
		tr.putRaw(n, []byte(n))
	}
	busy, err := os.Open(tr.path("busy.ko"))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := syscall.Flock(int(busy.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	names, err := StaleIn(tr.root, []string{"."})
	if err != nil || len(names) != 3 {
		t.Fatalf("%q, %v", names, err)
	}
	if err := RemoveStale(tr.root, []string{"a.ko", "none.ko"}, append(names, "other")); err != nil {
		t.Fatal(err)
	}
	want := []string{TempName("busy.ko"), "a.ko", "busy.ko", "other"}
	if got := tr.list(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
