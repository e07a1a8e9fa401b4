// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestStates goes through every state of a file and everything that can be
// wanted of it, in every compression.
func TestStates(t *testing.T) {
	body := payload("states")
	legacy := func() []byte {
		b := append([]byte("Signer"), "keyid"...)
		b = append(b, 0, 4, 1, 2, 3, 4)
		b = trailer.Block{Algo: 1, Hash: 4, Type: trailer.X509, SignerLen: 6, KeyIDLen: 5, SigLen: 6}.AppendTo(b)
		return append(b, trailer.Marker...)
	}()
	ends := []struct {
		name string
		tail []byte
		bad  bool // never touched
	}{
		{name: "none"},
		{name: "proof", tail: proof(1)},
		{name: "signature", tail: signature(1)},
		{name: "legacy", tail: legacy},
		{name: "stacked", tail: join(signature(1), proof(1))},
		{name: "thrice", tail: join(signature(1), signature(2), proof(1))},
		{name: "wanted beneath", tail: join(proof(2), signature(1))},
		{name: "wanted above", tail: join(signature(1), proof(2))},
		{name: "wanted", tail: proof(2)},
		{name: "junk", tail: append(proof(1), '\n'), bad: true},
		{name: "marker only", tail: []byte(trailer.Marker), bad: true},
		{name: "junk beneath", tail: join(proof(1), []byte("x"), proof(1)), bad: true},
		{name: "malformed beneath", tail: join([]byte("xxxxxxxxxxxxxxxxxxxxxx"+trailer.Marker), proof(1)), bad: true},
	}
	wants := []struct {
		name   string
		change Change
	}{
		{"proof", Change{Trailer: proof(2)}},
		{"signature", Change{Trailer: signature(9)}},
		{"replace", Change{Trailer: proof(2), Replace: true}},
		{"remove", Change{Replace: true}},
		{"nothing", Change{}},
		{"keep", Change{Trailer: proof(2), Replace: true, Keep: true}},
	}
	for _, suffix := range suffixes {
		for _, end := range ends {
			stored := ko.Compress(join(body, end.tail), suffix)
			for _, want := range wants {
				t.Run(fmt.Sprintf("%s%s/%s", end.name, suffix, want.name), func(t *testing.T) {
					tr := newTree(t)
					name := "kernel/a.ko" + suffix
					tr.putRaw(name, stored)
					before := tr.snapshot()

					res, err := Run(t.Context(), tr.root, files(name), always(want.change), &Options{Unsynced: true})
					outcome, wantErr := expect(end.tail, end.bad, want.change)
					if !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) || res[0].Outcome != outcome {
						t.Fatalf("%v, %v; want %v, %v", res[0].Outcome, err, outcome, wantErr)
					}
					if outcome == Failed || outcome == Unchanged {
						if tr.snapshot() != before {
							t.Fatal("touched")
						}
						return
					}
					if got := tr.get(name); !bytes.Equal(got, join(body, want.change.Trailer)) {
						t.Fatalf("%d bytes: %.40q", len(got), got[min(len(got), len(body)):])
					}
					checkResult(t, res[0], stored, tr.raw(name))
					// Once more: nothing to do.
					before = tr.snapshot()
					if res := tr.run(always(want.change), nil, name); res[0].Outcome != Unchanged || tr.snapshot() != before {
						t.Errorf("second run: %v", res[0].Outcome)
					}
					if len(tr.list()) != 1 {
						t.Errorf("files: %v", tr.list())
					}
				})
			}
		}
	}
}

func checkResult(t *testing.T, r Result, before, after []byte) {
	t.Helper()
	if r.Before != int64(len(before)) || r.After != int64(len(after)) {
		t.Errorf("before %d, after %d; want %d, %d", r.Before, r.After, len(before), len(after))
	}
}

// expect is what the documentation says, in another form.
func expect(tail []byte, bad bool, c Change) (Outcome, error) {
	switch {
	case bad:
		return Failed, ErrMalformed
	case c.Keep || bytes.Equal(tail, c.Trailer):
		return Unchanged, nil
	case len(tail) == 0:
		return Added, nil
	case !c.Replace:
		return Failed, ErrTrailer
	case len(c.Trailer) == 0:
		return Removed, nil
	}
	return Replaced, nil
}

// TestTarget: an Edit sees the payload beneath all trailers.
func TestTarget(t *testing.T) {
	tr := newTree(t)
	body := payload("target")
	tr.put("a.ko", join(body, signature(1), proof(1)))
	tr.put("b.ko.xz", join(body, proof(1)))
	tr.put("c.ko.zst", body)
	tr.run(func(_ context.Context, target *Target) (Change, error) {
		var w bytes.Buffer
		if err := target.WritePayload(&w); err != nil || !bytes.Equal(w.Bytes(), body) {
			t.Errorf("%s: WritePayload: %d bytes, %v", target.Name, w.Len(), err)
		}
		b, err := io.ReadAll(target.Payload())
		if err != nil || !bytes.Equal(b, body) {
			t.Errorf("%s: Payload: %d bytes, %v", target.Name, len(b), err)
		}
		if want := 2 - target.Index; len(target.Layers) != want || target.Name[0] != "abc"[target.Index] {
			t.Errorf("%s: index %d, %d layers, want %d", target.Name, target.Index, len(target.Layers), want)
		}
		return Change{Keep: true}, nil
	}, nil, "a.ko", "b.ko.xz", "c.ko.zst")
}

// TestBadTrailer: what is no trailer, or stacks, never gets into a file.
func TestBadTrailer(t *testing.T) {
	for name, bad := range map[string][]byte{
		"text":          []byte("no trailer"),
		"marker":        []byte(trailer.Marker),
		"two":           join(proof(1), proof(2)),
		"cut":           proof(1)[1:],
		"data behind":   append(proof(1), 0),
		"data in front": append([]byte{0}, proof(1)...),
		"takes payload": trailer.Append(nil, nil, trailer.PKCS7)[:0:0],
		"too long":      append(trailer.Block{Type: trailer.Merkle, SigLen: 1 << 30}.AppendTo(nil), trailer.Marker...),
	} {
		if len(bad) == 0 {
			continue
		}
		for _, suffix := range suffixes {
			tr := newTree(t)
			tr.put("a.ko"+suffix, payload("bad"))
			before := tr.snapshot()
			res, err := Run(t.Context(), tr.root, files("a.ko"+suffix), always(Change{Trailer: bad}), nil)
			if !errors.Is(err, ErrVerify) || res[0].Outcome != Failed || tr.snapshot() != before {
				t.Errorf("%s%s: %v, %v", name, suffix, res[0].Outcome, err)
			}
		}
	}
}

// TestErrors: files that fail are left alone, the others are done; the error is
// that of the first one.
func TestErrors(t *testing.T) {
	body := payload("errors")
	for _, workers := range []int{1, 4} {
		tr := newTree(t)
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprintf("m%02d.ko.gz", i))
			tr.put(names[i], body)
		}
		tr.putRaw("m07.ko.gz", []byte("text"))
		tr.putRaw("m03.ko.gz", ko.Compress(body, ".gz")[:500])
		if err := os.Remove(tr.path("m12.ko.gz")); err != nil {
			t.Fatal(err)
		}
		tr.put("m15.ko.gz", join(body, signature(1)))
		refused := errors.New("refused")
		edit := func(_ context.Context, target *Target) (Change, error) {
			if target.Index == 17 {
				return Change{}, refused
			}
			return Change{Trailer: proof(1)}, nil
		}
		done := make([]int, len(names))
		o := &Options{Workers: workers, Done: func(i int, r *Result) {
			if r.Name != names[i] || r.Outcome == Untried {
				t.Errorf("Done(%d) with %+v", i, r)
			}
			done[i]++
		}}
		res, err := Run(t.Context(), tr.root, files(names...), edit, o)
		if err == nil || !strings.HasPrefix(err.Error(), "m03.ko.gz: ") {
			t.Errorf("error %v", err)
		}
		for i, r := range res {
			want := Added
			switch i {
			case 3, 7, 12, 15, 17:
				want = Failed
			}
			if r.Outcome != want || (r.Err != nil) != (want == Failed) || done[i] != 1 {
				t.Errorf("%s: %v, %v, done %d times; want %v", r.Name, r.Outcome, r.Err, done[i], want)
			}
		}
		var fe *kmod.FormatError
		if !errors.As(res[3].Err, &fe) || !errors.As(res[7].Err, &fe) || !errors.Is(res[12].Err, fs.ErrNotExist) ||
			!errors.Is(res[15].Err, ErrTrailer) || res[17].Err != refused {
			t.Errorf("errors: %v; %v; %v; %v; %v", res[3].Err, res[7].Err, res[12].Err, res[15].Err, res[17].Err)
		}
	}
}

func TestStop(t *testing.T) {
	tr := newTree(t)
	names := []string{"a.ko", "b.ko", "c.ko"}
	for _, name := range names {
		tr.put(name, payload(name))
	}
	if err := os.Remove(tr.path("b.ko")); err != nil {
		t.Fatal(err)
	}
	res, err := Run(t.Context(), tr.root, files(names...), always(Change{Trailer: proof(1)}), &Options{Stop: true})
	if !errors.Is(err, fs.ErrNotExist) || res[0].Outcome != Added || res[1].Outcome != Failed || res[2].Outcome != Untried {
		t.Errorf("%v, %v", res, err)
	}
}

func TestNames(t *testing.T) {
	tr := newTree(t)
	tr.put("a.ko", payload("a"))
	tr.put("outside/target.ko", payload("outside"))
	before := tr.snapshot()
	inner, err := tr.root.OpenRoot("outside")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	for _, link := range [][2]string{{"a.ko", "link.ko"}, {"../a.ko", "outside/up.ko"}, {"..", "outside/dir"}, {"/", "outside/abs"}} {
		if err := os.Symlink(link[0], tr.path(link[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(tr.path("fifo.ko"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		root *os.Root
		name string
	}{
		{tr.root, "link.ko"}, {tr.root, "fifo.ko"}, {tr.root, "outside"}, {tr.root, "../a.ko"}, {tr.root, tr.path("a.ko")}, {tr.root, ""},
		{inner, "up.ko"}, {inner, "dir/a.ko"}, {inner, "abs/" + tr.path("a.ko")}, {inner, "../a.ko"},
	} {
		res, err := Run(t.Context(), tt.root, files(tt.name), always(Change{Trailer: proof(1)}), nil)
		if err == nil || res[0].Outcome != Failed {
			t.Errorf("%q: %v, %v", tt.name, res[0].Outcome, err)
		}
	}
	for _, link := range []string{"link.ko", "outside/up.ko", "outside/dir", "outside/abs", "fifo.ko"} {
		if err := os.Remove(tr.path(link)); err != nil {
			t.Error(err)
		}
	}
	if tr.snapshot() != before {
		t.Error("something changed")
	}
	// Links within the folder that lead to a file's folder are fine.
	if err := os.Symlink("outside", tr.path("inside")); err != nil {
		t.Fatal(err)
	}
	if res := tr.run(always(Change{Trailer: proof(1)}), nil, "inside/target.ko"); res[0].Outcome != Added {
		t.Error(res[0].Outcome)
	}
	// One name twice.
	res, err := Run(t.Context(), tr.root, files("a.ko", "./a.ko"), always(Change{Trailer: proof(1)}), nil)
	if err == nil || res[0].Outcome != Added || res[1].Outcome != Failed {
		t.Errorf("twice: %v, %v, %v", res[0].Outcome, res[1].Outcome, err)
	}
}

func TestOut(t *testing.T) {
	tr, out := newTree(t), newTree(t)
	tr.put("kernel/a.ko.xz", payload("a"))
	tr.put("kernel/b.ko", join(payload("b"), proof(1)))
	tr.put("c.ko.gz", payload("c"))
	before := tr.snapshot()
	list := files("kernel/a.ko.xz", "kernel/b.ko", "c.ko.gz")
	list[2].Out = "other/name.ko.gz"
	res, err := Run(t.Context(), tr.root, list, always(Change{Trailer: proof(1)}), &Options{Out: out.root})
	if err != nil || res[0].Outcome != Added || res[1].Outcome != Unchanged || res[2].Outcome != Added {
		t.Fatalf("%v, %v", res, err)
	}
	if tr.snapshot() != before {
		t.Error("the source changed")
	}
	if want := []string{"kernel/a.ko.xz", "kernel/b.ko", "other/name.ko.gz"}; !slices.Equal(out.list(), want) {
		t.Errorf("files: %v", out.list())
	}
	for name, want := range map[string][]byte{"kernel/a.ko.xz": payload("a"), "kernel/b.ko": payload("b"), "other/name.ko.gz": payload("c")} {
		if got := out.get(name); !bytes.Equal(got, join(want, proof(1))) {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		st, err := os.Stat(out.path(name))
		if err != nil || !st.ModTime().Equal(oldTime) {
			t.Errorf("%s: %v, %v", name, st.ModTime(), err)
		}
	}
	list[0].Out, list[1].Out = "../x.ko", "kernel/b.ko"
	if _, err := Run(t.Context(), tr.root, list, always(Change{Trailer: proof(1)}), &Options{Out: out.root}); err == nil {
		t.Error("an output name that leads out was accepted")
	}
	if res, err := Run(t.Context(), tr.root, list[2:], always(Change{}), nil); err == nil {
		t.Errorf("an output name without a folder: %v", res)
	}
}
