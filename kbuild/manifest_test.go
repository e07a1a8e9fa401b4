// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestManifestRefused: a build that is not complete has no manifest, and what
// is stated of it leaves out what is not known.
func TestManifestRefused(t *testing.T) {
	good := installed(modulesDir, "", nil)
	ext4 := names[0]
	order := func(lines ...string) []file { return with(good, "modules.order", strings.Join(lines, "\n")+"\n") }
	tests := []struct {
		name   string
		files  []file
		reason string
		stated int  // entries of Stated
		root   bool // it has a root
	}{
		{"no order", without(good, "modules.order"), "no-order", 0, true},
		{"missing", without(good, "ext4.ko"), "missing: " + ext4, 4, false},
		{"last one missing", without(good, "kvm.ko"), "missing: kernel/arch/x86/kvm/kvm.ko", 4, false},
		{"all missing", good[:1], "missing: " + ext4, 0, false},
		{"listed twice", order(append(names, ext4)...), "listed-twice: " + ext4, 5, true},
		{"listed twice, first", order(append([]string{ext4}, names...)...), "listed-twice: " + ext4, 5, false},
		{"corrupt", with(good, "ext4.ko", "no module"), "corrupt: " + ext4, 4, false},
		{"no vermagic", with(good, "ext4.ko", string(ko.Module{Name: "ext4", NoMagic: true}.Bytes())), "corrupt: " + ext4, 5, true},
		{"bad image", append(good, file{name: modulesDir + "vmlinuz"}), "bad-image", 5, true},
		{"vermagic of a byte", func() []file {
			var files []file
			for _, n := range names {
				files = append(files, file{name: n, data: string(ko.Module{Name: "x", Release: "6.12\x01"}.Bytes())})
			}
			return append(files, file{name: "modules.order", data: strings.Join(names, "\n")})
		}(), "0x01", 5, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := summarize(t, nil, writeDir(t, tt.files))
			m, err := s.Manifest()
			var ie *IncompleteError
			if m != nil || !errors.As(err, &ie) || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v, %v; want an IncompleteError with %q", m != nil, err, tt.reason)
			}
			stated := s.Stated()
			if len(stated.Entries) != tt.stated || (stated.Root != hashset.Root{}) != (tt.root && tt.stated > 0) {
				t.Errorf("stated: %d entries, root %v", len(stated.Entries), stated.Root)
			}
			for _, e := range stated.Entries {
				if e.Name != ext4 && e.Digest != sha256.Sum256(payload(e.Name)) && tt.reason != "0x01" {
					t.Errorf("stated: another digest of %s", e.Name)
				}
			}
		})
	}
}

// TestManifestInSpite: findings that touch nothing a manifest states leave it to
// the caller whether there is one.
func TestManifestInSpite(t *testing.T) {
	files := append(installed(modulesDir, "", nil),
		file{name: modulesDir + "kernel/unlisted.ko", data: "no module"},
		file{name: modulesDir + "updates/ext4.ko", data: "no module"})
	s := summarize(t, nil, writeDir(t, files))
	if got := told(s.Findings()); got != "corrupt kernel/unlisted.ko\ncorrupt updates/ext4.ko\nshadow updates/ext4.ko\nunlisted kernel/unlisted.ko" {
		t.Errorf("%s", got)
	}
	if len(s.Problems) != len(s.Findings())+1 {
		t.Errorf("%d problems, %d findings", len(s.Problems), len(s.Findings()))
	}
	if got := text(t, s); got != wantManifest("none") {
		t.Errorf("%s", got)
	}
}

// TestStated is the manifest where there is one.
func TestStated(t *testing.T) {
	for _, scheme := range []hashset.Scheme{hashset.Merkle, hashset.Flat, hashset.None} {
		b := openBuild(t, nil, writeDir(t, append(installed(modulesDir, "", nil), file{name: modulesDir + "vmlinuz", data: string(bootImage)})))
		s, err := b.Summarize(t.Context(), scheme, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		st := s.Stated()
		if st.Release != m.Release || st.Arch != m.Arch || st.Image != m.Image || st.Scheme != scheme || st.Root != m.Root || !slices.Equal(st.Entries, m.Entries) {
			t.Errorf("%s: %+v, want %+v", scheme, st, m)
		}
		var flat []byte
		for i, x := range s.Sums {
			flat = append(flat, x.Payload[:]...)
			if (x.Leaf != hashset.Digest{}) != (scheme == hashset.Merkle) || x.Pos != i {
				t.Errorf("%s: position %d, leaf %v", scheme, x.Pos, x.Leaf)
			}
		}
		if want := (hashset.Root{Hash: sha256.Sum256(flat)}); scheme == hashset.Flat && m.Root != want {
			t.Errorf("flat root %v, want %v", m.Root, want)
		}
		if scheme == hashset.None && m.Root != (hashset.Root{}) {
			t.Errorf("root %v of no hashset", m.Root)
		}
	}
}

// TestSum: what one read of a module tells.
func TestSum(t *testing.T) {
	key := testKey(t, 'b')
	files := append(installed(modulesDir, ".zst", key), file{name: modulesDir + "extra/mine.ko", data: string(key.Sign(payload("mine.ko")))})
	var stored int64
	b := openBuild(t, &Options{Workers: 1}, writeTar(t, "a.tar.xz", files))
	sums, err := b.Sums(t.Context(), hashset.Merkle, func(n int64) { stored += n })
	if err != nil {
		t.Fatal(err)
	}
	if len(sums) != len(names)+1 {
		t.Fatalf("%d sums", len(sums))
	}
	var want int64
	for i, s := range sums {
		want += s.Stored
		plain := payload(s.Name)
		if s.Payload != sha256.Sum256(plain) || s.Decoded != int64(len(key.Sign(plain))) || s.Trailer.Payload != int64(len(plain)) || s.Stored != s.File.Member().Size {
			t.Errorf("%s: %+v", s.Name, s)
		}
		if s.Signer == nil || !strings.HasPrefix(s.TrailerName, "signature by modhash throw-away test key b") || s.Info.Release != release || s.InfoErr != nil {
			t.Errorf("%s: %v, %q, %+v", s.Name, s.Signer, s.TrailerName, s.Info)
		}
		pos, comp, leaf := i, "zstd", true
		if i == len(names) {
			pos, comp, leaf = -1, "none", false
		}
		if s.Pos != pos || s.Compression.String() != comp || (s.Leaf != hashset.Digest{}) != leaf {
			t.Errorf("%s: position %d, %v, leaf %v", s.Name, s.Pos, s.Compression, s.Leaf)
		}
		if leaf && s.Leaf != sha256.Sum256(append([]byte{1, 0, 0, 0, byte(pos)}, plain...)) {
			t.Errorf("%s: another leaf", s.Name)
		}
	}
	if stored != want {
		t.Errorf("progress was told %d bytes, want %d", stored, want)
	}
}
