// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/sample"
	"github.com/modhash/modhash/testdata/keys"
)

func builds(t *testing.T, a, b string) *Comparison {
	t.Helper()
	var open [2]*kbuild.Build
	for i, dir := range []string{a, b} {
		var err error
		if open[i], err = kbuild.Open(context.Background(), []string{dir}, &kbuild.Options{AllFiles: true}); err != nil {
			t.Fatal(err)
		}
		defer open[i].Close()
	}
	c, err := Builds(context.Background(), open[0], open[1], &Options{Workers: 1 + rand.IntN(4)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// want describes, independently of the package, what was done to a build.
type want struct {
	different, onlyA, onlyB, signature, compression, both []string
}

// mutateBuild changes some modules of a copied sample build and says what must
// be found.
func mutateBuild(t *testing.T, rnd *rand.Rand, dir string) want {
	t.Helper()
	folder := filepath.Join(dir, "usr/lib/modules", sample.Release)
	key, err := ko.ParseKey(keys.BKey, keys.BCert)
	if err != nil {
		t.Fatal(err)
	}
	var w want
	order := slices.Clone(sample.Modules)
	for _, name := range sample.Modules {
		path := filepath.Join(folder, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(suffix string, data []byte) {
			os.Remove(path)
			if err := os.WriteFile(path+suffix, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		switch rnd.IntN(12) {
		case 0:
			data[100+rnd.IntN(500)] ^= 1 << rnd.IntN(8)
			write("", data)
			w.different = append(w.different, name)
		case 1:
			os.Remove(path)
			order = slices.DeleteFunc(order, func(s string) bool { return s == name })
			w.onlyA = append(w.onlyA, name)
		case 2:
			write("", key.Sign(sample.Payload(name)))
			w.signature = append(w.signature, name)
		case 3:
			suffix := []string{".gz", ".xz", ".zst"}[rnd.IntN(3)]
			write(suffix, ko.Compress(data, suffix))
			w.compression = append(w.compression, name)
		case 4:
			write(".zst", ko.Compress(key.Sign(sample.Payload(name)), ".zst"))
			w.both = append(w.both, name)
		case 5:
			added := strings.TrimSuffix(name, ".ko") + "_new.ko"
			if err := os.WriteFile(filepath.Join(folder, added), ko.Module{Name: added}.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			order = append(order, added)
			w.onlyB = append(w.onlyB, added)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "modules.order"), []byte(strings.Join(order, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

func found(c *Comparison) want {
	var w want
	for _, m := range c.Modules {
		switch {
		case m.Only == OnlyA:
			w.onlyA = append(w.onlyA, m.Name)
		case m.Only == OnlyB:
			w.onlyB = append(w.onlyB, m.Name)
		case m.Verdict == Different:
			w.different = append(w.different, m.Name)
		case m.Signature && m.Compression:
			w.both = append(w.both, m.Name)
		case m.Signature:
			w.signature = append(w.signature, m.Name)
		case m.Compression:
			w.compression = append(w.compression, m.Name)
		}
	}
	return w
}

// TestBuilds changes modules at random and expects exactly these changes, and
// the mirror image with the sides swapped.
func TestBuilds(t *testing.T) {
	src := t.TempDir()
	if err := sample.Write(src); err != nil {
		t.Fatal(err)
	}
	a := filepath.Join(src, "a")
	unexported := cmp.AllowUnexported(want{})
	for round := range 25 {
		rnd := rand.New(rand.NewPCG(uint64(round), 5))
		b := filepath.Join(t.TempDir(), "b")
		if err := os.CopyFS(b, os.DirFS(a)); err != nil {
			t.Fatal(err)
		}
		w := mutateBuild(t, rnd, b)
		c := builds(t, a, b)
		if diff := cmp.Diff(norm(w), norm(found(c)), unexported); diff != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, diff)
		}
		if diff := cmp.Diff(c.Mirror(), builds(t, b, a), cmp.FilterPath(isOpaque, cmp.Ignore())); diff != "" {
			t.Fatalf("round %d: swapped sides do not mirror:\n%s", round, diff)
		}
	}
}

func norm(w want) want {
	for _, s := range []*[]string{&w.different, &w.onlyA, &w.onlyB, &w.signature, &w.compression, &w.both} {
		*s = slices.Sorted(slices.Values(*s))
	}
	return w
}

// isOpaque: open files are not part of the result.
func isOpaque(p cmp.Path) bool { return p.Last().String() == ".File" }

func TestMirrorTwice(t *testing.T) {
	src := t.TempDir()
	if err := sample.Write(src); err != nil {
		t.Fatal(err)
	}
	c := builds(t, filepath.Join(src, "a"), filepath.Join(src, "c"))
	if diff := cmp.Diff(c, c.Mirror().Mirror(), cmp.FilterPath(isOpaque, cmp.Ignore())); diff != "" {
		t.Errorf("mirrored twice:\n%s", diff)
	}
	if c.Count.Different != 1 || len(c.Modules) != 1 || c.Modules[0].Name != sample.Changed {
		t.Errorf("%+v", c.Modules)
	}
}

// TestManifestsMirror does the same for manifests, moved lines included.
func TestManifestsMirror(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 9))
	make := func() *hashset.Manifest {
		m := &hashset.Manifest{Release: "6.12.0", Arch: "x86_64 elf64 little", Scheme: hashset.None}
		for _, i := range rnd.Perm(12) {
			if rnd.IntN(5) > 0 {
				m.Entries = append(m.Entries, hashset.Entry{Name: fmt.Sprintf("kernel/m%d.ko", i), Digest: hashset.Digest{byte(i), byte(rnd.IntN(2))}})
			}
		}
		return m
	}
	for range 200 {
		a, b := make(), make()
		c, d := Manifests(a, b, "a", "b"), Manifests(b, a, "b", "a")
		if diff := cmp.Diff(c.Mirror(), d); diff != "" {
			t.Fatalf("swapped sides do not mirror:\n%s", diff)
		}
		n := c.Count
		if n.Identical+n.Different+n.OnlyA != len(a.Entries) || n.Identical+n.Different+n.OnlyB != len(b.Entries) {
			t.Fatalf("counts do not add up: %+v for %d and %d", n, len(a.Entries), len(b.Entries))
		}
		if (c.Verdict == Identical) != slices.Equal(a.Entries, b.Entries) {
			t.Fatalf("verdict %v", c.Verdict)
		}
	}
}
