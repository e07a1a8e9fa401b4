// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/testdata/gen/sample"
)

func TestCheckOptions(t *testing.T) {
	for _, good := range []Options{
		{}, {RequireTrailer: "none"}, {RequireTrailer: "proof"}, {RequireTrailer: "any"}, {RequireTrailer: "signature"},
		{RequireTrailer: "signature:000000ff"}, {RequireTrailer: "signature:375FF50AAFD53aa9"}, {Accept: Acceptable()},
	} {
		if err := good.CheckOptions(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []Options{
		{RequireTrailer: "some"}, {RequireTrailer: "signature:"}, {RequireTrailer: "signature:FF"}, {RequireTrailer: "signature:375ff50aa"},
		{RequireTrailer: "signature:37:5f:f5:0a"}, {RequireTrailer: "signature:0x375ff50a"}, {RequireTrailer: "Signature:375ff50a"},
		{Accept: []string{"changed"}}, {Accept: []string{"partial", "root"}}, {Accept: []string{"shadow"}}, {Accept: []string{""}},
	} {
		if err := bad.CheckOptions(); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

// TestKinds: each kind is listed once and explained, and comes with advice where
// there is some.
func TestKinds(t *testing.T) {
	seen := map[Kind]bool{}
	for _, k := range Kinds() {
		if seen[k] || k.Meaning() == "" || (k.Hint() == "") != (k == Root || k == "unsupported") {
			t.Errorf("%s (seen %v): %q, hint %q", k, seen[k], k.Meaning(), k.Hint())
		}
		seen[k] = true
	}
	for _, a := range Acceptable() {
		if !seen[Kind(a)] {
			t.Errorf("%s can be accepted and is no kind", a)
		}
	}
}

func TestIsSigner(t *testing.T) {
	serial := &modsig.Signer{Serial: big.NewInt(0x1ff)}
	key := &modsig.Signer{KeyID: []byte{0x00, 0xAB, 0xCD, 0xEF}}
	for _, tt := range []struct {
		s    *modsig.Signer
		id   string
		want bool
	}{
		{serial, "000001ff", true}, {serial, "000001FF", true}, {serial, "000001fe", false}, {serial, "00000000", false},
		{&modsig.Signer{Serial: new(big.Int)}, "00000000", true},
		{key, "00abcdef", true}, {key, "00ABCDEF", true}, {key, "0000abcdef", false}, {key, "abcdef", false},
	} {
		if got := isSigner(tt.s, tt.id); got != tt.want {
			t.Errorf("%v is %s: %v", tt.s, tt.id, got)
		}
	}
}

func open(t *testing.T, dir string) *kbuild.Build {
	t.Helper()
	b, err := kbuild.Open(context.Background(), []string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestEveryByte flips a bit in bytes all over a build's modules and image. Each
// flip in a payload or in the image is found; one in signature data is not,
// because it is not covered, and one in a block or marker is found too.
func TestEveryByte(t *testing.T) {
	src := t.TempDir()
	if err := sample.Write(src); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(src, "a")
	sum, err := open(t, dir).Summarize(context.Background(), hashset.Merkle, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := sum.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "usr/lib/modules", sample.Release)
	name := "kernel/fs/xfs/xfs.ko"
	payload := len(sample.Payload(name))
	for _, tt := range []struct {
		file     string
		from, to int
		step     int
		found    bool
	}{
		{name, 0, payload, 97, true},
		{name, payload, -40, 29, false},
		{name, -40, 0, 1, true},
		{"vmlinuz", 0x200, 0, 4999, true},
	} {
		path := filepath.Join(folder, tt.file)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if tt.from < 0 {
			tt.from += len(good)
		}
		if tt.to <= 0 {
			tt.to += len(good)
		}
		for i := tt.from; i < tt.to; i += tt.step {
			bad := append([]byte{}, good...)
			bad[i] ^= 0x08
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			r, err := Build(context.Background(), open(t, dir), Against{Manifest: m}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if (r.Failed() > 0) != tt.found {
				t.Errorf("%s: byte %d of %d (payload %d): findings %v", tt.file, i, len(good), payload, r.Findings)
			}
		}
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFlippedSigLen: a trailer that lies about its length moves the end of the
// payload, and that is found.
func TestFlippedSigLen(t *testing.T) {
	src := t.TempDir()
	if err := sample.Write(src); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(src, "a")
	sum, err := open(t, dir).Summarize(context.Background(), hashset.Flat, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := sum.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "usr/lib/modules", sample.Release, "kernel/fs/xfs/xfs.ko")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-29]-- // last byte of sig_len
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Build(context.Background(), open(t, dir), Against{Manifest: m}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Has(Changed) || !r.Has(Root) || !strings.Contains(r.Findings[0].Name, "xfs") {
		t.Errorf("findings %v", r.Findings)
	}
}
