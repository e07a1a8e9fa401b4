// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// many is a build of n modules of all forms, with findings among them.
func many(t testing.TB, n int) []file {
	key := testKey(t, 'a')
	suffixes := []string{"", ".gz", ".xz", ".zst"}
	var files []file
	var order strings.Builder
	for i := range n {
		name := fmt.Sprintf("kernel/d%d/m%d.ko", i*7%n, i)
		b := payload(name)
		switch i % 10 {
		case 3:
			b = key.Sign(b)
		case 5:
			b = key.Sign(key.Sign(b))
		case 7:
			b = b[:len(b)/2]
		case 8:
			b = ko.Module{Name: "x", Release: "5.0"}.Bytes()
		}
		order.WriteString(name + "\n")
		if i%10 != 9 {
			suffix := suffixes[i%4]
			files = append(files, file{name: modulesDir + name + suffix, data: string(ko.Compress(b, suffix))})
		}
		if i%10 == 4 {
			files = append(files, file{name: modulesDir + "updates/m" + fmt.Sprint(i) + ".ko", data: string(b)})
		}
	}
	return append(files, file{name: modulesDir + "modules.order", data: order.String()}, file{name: "boot/vmlinuz-" + release, data: string(bootImage)})
}

// everything writes down all that a Summary says, but for the path of the build.
func everything(t testing.TB, b *Build, path string) string {
	t.Helper()
	s, err := b.Summarize(t.Context(), hashset.Merkle, nil)
	if err != nil {
		t.Fatal(err)
	}
	var w strings.Builder
	fmt.Fprintln(&w, s.Release, s.Arch, s.Listed, s.ImageDigest())
	for _, x := range s.Sums {
		member := ""
		if x.File != nil {
			member = x.File.Member().Name
		}
		fmt.Fprintln(&w, x.Pos, x.Name, member, x.Problem, x.Payload, x.Leaf, x.Compression, x.Stored, x.Decoded, x.Trailer, x.Stacked, x.Signer, x.TrailerName, x.Info, x.InfoErr)
	}
	for _, p := range s.Problems {
		fmt.Fprintln(&w, p, p.Note)
	}
	fmt.Fprintf(&w, "%+v\n", s.Stated())
	return strings.ReplaceAll(strings.ReplaceAll(w.String(), path+": ", ""), path+"/", "")
}

// TestDeterminism: no number of workers, order of members, time zone or working
// directory makes a difference.
func TestDeterminism(t *testing.T) {
	files := many(t, 60)
	first := writeDir(t, files)
	want := everything(t, openBuild(t, &Options{Workers: 1}, first), first)
	for _, k := range []ProblemKind{Missing, Corrupt, StackedTrailer, OtherRelease, Shadow} {
		if !strings.Contains(want, string(k)) {
			t.Fatalf("the build has no %s", k)
		}
	}
	check := func(how string, o *Options, path string) {
		t.Helper()
		if got := everything(t, openBuild(t, o, path), path); got != want {
			t.Errorf("%s: another summary:\n%s\nwant:\n%s", how, got, want)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	old := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(old)
	for _, n := range []int{1, 2, 7} {
		check(fmt.Sprintf("%d workers", n), &Options{Workers: n}, first)
		runtime.GOMAXPROCS(n)
		check(fmt.Sprintf("GOMAXPROCS %d", n), nil, first)
		runtime.GOMAXPROCS(old)
		r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		check("shuffled tar", &Options{Workers: n}, writeTar(t, "a.tar.gz", files))
		check("shuffled directory", &Options{Workers: n}, writeDir(t, files))
	}

	local := time.Local
	defer func() { time.Local = local }()
	for _, zone := range []*time.Location{time.FixedZone("east", 14*3600), time.FixedZone("west", -12*3600)} {
		time.Local = zone
		check("zone "+zone.String(), nil, first)
		for _, m := range openBuild(t, nil, first).Sources()[0].Members() {
			if m.MTime.Location() != time.UTC {
				t.Fatalf("%s: time in zone %v", m.Name, m.MTime.Location())
			}
		}
	}
	time.Local = local

	t.Chdir(filepath.Dir(first))
	check("relative path", nil, filepath.Base(first))
	b := openBuild(t, nil, filepath.Base(first))
	t.Chdir(t.TempDir())
	if got := everything(t, b, filepath.Base(first)); got != want {
		t.Errorf("with the working directory changed after Open:\n%s", got)
	}
}

// TestFirstError: of several modules that cannot be read, the first by position
// is told.
func TestFirstError(t *testing.T) {
	files := many(t, 40)
	for _, workers := range []int{1, 2, 7, 40} {
		dir := writeDir(t, files)
		b := openBuild(t, &Options{Workers: workers}, dir)
		modules := b.Modules()
		for _, i := range []int{6, 11, 12, 30, 38} {
			if err := os.Remove(modules[i].File.Path()); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			sums, err := b.Sums(t.Context(), hashset.Merkle, nil)
			if sums != nil || !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "reading "+modules[6].File.Path()) {
				t.Fatalf("%d workers: %v, want the error of %s", workers, err, modules[6].Name)
			}
		}
	}
}

// TestCancel ends in the midst of things, and leaves no goroutine.
func TestCancel(t *testing.T) {
	before := runtime.NumGoroutine()
	files := many(t, 60)
	for _, path := range []string{writeDir(t, files), writeTar(t, "a.tar.xz", files)} {
		b := openBuild(t, &Options{Workers: 7}, path)
		for _, after := range []int64{0, 1, 20} {
			ctx, cancel := context.WithCancel(t.Context())
			var read atomic.Int64
			if after == 0 {
				cancel()
			}
			s, err := b.Summarize(ctx, hashset.Merkle, func(int64) {
				if read.Add(1) == after {
					cancel()
				}
			})
			cancel()
			if s != nil || !errors.Is(err, context.Canceled) {
				t.Fatalf("%v, want context.Canceled", err)
			}
			if n := read.Load(); n > after+7 {
				t.Errorf("%d modules were read after %d", n-after, after)
			}
		}
	}
	for i := 0; runtime.NumGoroutine() > before; i++ {
		if i == 100 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestConcurrentUse reads one build from several goroutines; the race detector
// watches.
func TestConcurrentUse(t *testing.T) {
	path := writeTar(t, "a.tar.zst", many(t, 20))
	b := openBuild(t, &Options{Workers: 3}, path)
	want := everything(t, b, path)
	got := make(chan string)
	for range 3 {
		go func() { got <- everything(t, b, path) }()
	}
	for range 3 {
		if s := <-got; s != want {
			t.Errorf("another summary:\n%s", s)
		}
	}
}
