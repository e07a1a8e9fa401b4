// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/keys"
)

// built reads a module that a compiler made; see testdata/README.md.
func built(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".ko"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBuilt: modules that were built with one thing changed have that cause, what
// follows from it, and nothing else; and local causes leave nothing open.
func TestBuilt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		want  []string // beside build-id, which always differs
		local bool
	}{
		{"path", []string{"path.string", "layout.offsets", "layout.padding", "layout.relocation"}, true},
		{"path-equal", []string{"path.string"}, true},
		{"salt", []string{"build-salt", "layout.offsets", "layout.padding", "layout.symbol"}, true},
		{"crc", []string{"modversions.crc"}, true},
		{"srcversion", []string{"modinfo.srcversion"}, true},
		{"release", []string{"version.release", "layout.offsets", "layout.padding", "layout.symbol"}, true},
		{"flags", []string{"modinfo.vermagic-flags", "layout.offsets", "layout.padding", "layout.symbol"}, true},
		{"randstruct", []string{"randstruct", "layout.offsets", "layout.padding", "layout.symbol"}, true},
		{"time", []string{"timestamp.string"}, true},
		{"reorder", []string{"modinfo.order", "layout.string-order", "layout.symbol"}, true},
		{"debug", []string{"strip", "layout.offsets", "layout.padding", "layout.relocation", "layout.symbol"}, true},
		{"outoftree", []string{"change.name", "change.symbol", "modinfo.flag", "layout.offsets", "layout.padding", "layout.relocation", "layout.symbol"}, false},
		{"changed", []string{"change.code", "change.relocation", "layout.offsets", "layout.symbol"}, false},
		{"extra", []string{"change.code", "change.name", "change.relocation", "change.string", "change.symbol",
			"layout.offsets", "layout.padding", "layout.relocation", "layout.symbol"}, false},
	} {
		for _, mirrored := range []bool{false, true} {
			a, b := built(t, "base"), built(t, tt.name)
			if mirrored {
				a, b = b, a
			}
			acc := explained(t, a, b)
			got := slices.DeleteFunc(ids(acc), func(id string) bool { return id == "build-id" })
			if diff := cmp.Diff(tt.want, got); diff != "" || acc.Explained() != tt.local {
				t.Errorf("%s, mirrored %v: explained %v, causes (-want +got):\n%s", tt.name, mirrored, acc.Explained(), diff)
			}
		}
	}
}

// TestNamed: a change of code is told with the function, and a function that came
// with its name.
func TestNamed(t *testing.T) {
	for name, want := range map[string]string{"changed": "function init_module in .text", "extra": "function added in .text"} {
		acc := explained(t, built(t, "base"), built(t, name))
		if !slices.ContainsFunc(acc.Items, func(it compare.Item) bool { return it.ID() == "change.code" && it.Subject == want }) {
			t.Errorf("%s: no change of %q", name, want)
		}
	}
}

// TestWrapped: signatures and compressions around one payload.
func TestWrapped(t *testing.T) {
	base := built(t, "base")
	key := func(k, c []byte) *ko.Key {
		key, err := ko.ParseKey(k, c)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	signA, signB := key(keys.AKey, keys.ACert).Sign(base), key(keys.BKey, keys.BCert).Sign(base)
	for _, tt := range []struct {
		name string
		a, b []byte
		want []string
	}{
		{"another key", signA, signB, []string{"signature.key"}},
		{"signed or not", base, signB, []string{"signature.presence"}},
		{"signed twice", signA, key(keys.BKey, keys.BCert).Sign(signA), []string{"signature.key", "signature.stacked"}},
		{"compressed or not", base, ko.Compress(base, ".xz"), []string{"compression.format"}},
		{"xz or zstd", ko.Compress(base, ".zst"), ko.Compress(base, ".xz"), []string{"compression.format"}},
		{"key under xz", ko.Compress(signA, ".xz"), ko.Compress(signB, ".xz"), []string{"signature.key", "compression.content", "compression.sums"}},
	} {
		acc := explained(t, tt.a, tt.b)
		if diff := cmp.Diff(tt.want, ids(acc)); diff != "" || !acc.Explained() {
			t.Errorf("%s: explained %v, causes (-want +got):\n%s", tt.name, acc.Explained(), diff)
		}
	}
	// A deterministic signature that is another one over the same payload is
	// either not valid or something else.
	spoilt := slices.Clone(signA)
	spoilt[len(spoilt)-60] ^= 1
	if acc := explained(t, signA, spoilt); acc.Explained() {
		t.Errorf("a spoilt signature is explained: %v", ids(acc))
	}
}

// TestVermagic: a release and the words behind it are two things, each with its own cause;
// words that no build writes so are content.
func TestVermagic(t *testing.T) {
	base := built(t, "base")
	with := func(text string) []byte {
		x := bytes.Clone(base)
		at, n := sectionRange(t, x, ".note.gnu.build-id")
		x[at+n-1] ^= 1
		old := []byte("6.12.0-sample SMP preempt mod_unload modversions ")
		if at := bytes.Index(x, old); at < 0 || len(text) != len(old) {
			t.Fatalf("%q cannot be put there", text)
		} else {
			copy(x[at:], text)
		}
		return x
	}
	for text, want := range map[string][]string{
		"6.13.0-sample SMP preempt mod_unload modversions ":  {"version.release"},
		"6.13.0-samples12 SMP  mod_unload modversions 686 ":  {"change.modinfo", "version.release"},
		"6.13.0-samples12 SMP mod_unload modversions 686  ":  {"change.modinfo", "version.release"},
		"6.13.0-samples123 SMP mod_unload modversions 686 ":  {"modinfo.vermagic-flags", "version.release"},
		"6.12.0-sample SMP SMP SMP mod_unload modversions ":  {"change.modinfo"},
		"6.12.0-sample SMP preempt\tmod_unload modversions ": {"change.modinfo"},
		"6.12.0;sample SMP preempt mod_unload modversions ":  {"change.modinfo"},
		"6.12.0-sample mod_unload modversions SMP preempt ":  {"modinfo.vermagic-flags"},
	} {
		got := slices.DeleteFunc(ids(explained(t, base, with(text))), func(id string) bool { return id == "build-id" })
		slices.Sort(got)
		if !cmp.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestHelperPath: a path that is no source's, as that of a program which the kernel
// starts, is content, also if all of it that there is differs in one folder.
func TestHelperPath(t *testing.T) {
	base := built(t, "base")
	b := bytes.Clone(base)
	at, n := sectionRange(t, b, ".note.gnu.build-id")
	b[at+n-1] ^= 1
	path := bytes.Index(b, []byte("/build/"))
	end := path + bytes.IndexByte(b[path:], 0)
	with := func(text string) []byte {
		x := bytes.Clone(b)
		copy(x[path:end], append([]byte(text), make([]byte, end-path)...))
		return x
	}
	for _, text := range []string{"/sbin/helper", "/sbin/a.c/helper"} {
		old := with(text)
		copy(old[at:at+n], base[at:])
		acc := explained(t, old, with("/temp"+text[5:]))
		if want := []string{"build-id", "change.string string in .rodata.str1.1"}; !cmp.Equal(found(acc), want) {
			t.Errorf("%s: %q, want %q", text, found(acc), want)
		}
	}
}
