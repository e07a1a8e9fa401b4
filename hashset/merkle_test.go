// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// letters makes module i of the published vectors: the letter a + i mod 26,
// repeated i/26 + 1 times.
func letters(i int) string { return strings.Repeat(string(rune('a'+i%26)), i/26+1) }

func lettersTree(n int) *Tree {
	leaves := make([]Digest, n)
	h := NewHasher(Merkle, 0)
	for i := range leaves {
		h.Reset(uint32(i))
		h.Write([]byte(letters(i)))
		_, leaves[i] = h.Sum()
	}
	return NewTree(leaves)
}

// The roots were made by the generator of the kernel series, version 5.
func TestRoots(t *testing.T) {
	tests := []struct {
		n      int
		levels uint32
		root   string
	}{
		{0, 0, strings.Repeat("0", 64)},
		{1, 1, "71b20050572c5194708697f5bd03d9449beed0d882be1a9f0d802e81c0b7d3e3"},
		{2, 1, "3d3302654d2937770046bc593082761d403cce2b8296a6972c7a204cf338c372"},
		{3, 2, "4438e5251429c09faabf8294e2311e7a3bf4aea2dd63e630a159fab192bb5966"},
		{4, 2, "8e8c3039204ffbfb5c5a623bf55c9da2cff9e3727b5aef44ecfb3d192683766a"},
		{5, 3, "c99b7b92fdd79c8937afbdbc88db16125bb58536317f8320dbb68aba7a551f41"},
		{6, 3, "b9ba89bed3581aad682f08f693564acb533c00b0e32937b9f270f3c9ad1ee61a"},
		{7, 3, "b0bfcc36138735cbea0666a2bf44dd71a2e0751c214073378a702a6913862940"},
		{8, 3, "6c98eaec3107c6b66abaaf33f3f3d5fffaefaf94182679772cf673cb1b9ba148"},
		{9, 4, "daadba219bf25fdccdd29ec9b0af27ce2babcdfdc18d0d4fcb359f91db0b2bda"},
		{16, 4, "b6170b6198bdc21f46ecc08e59129912ac99934dc4c6333c7a40d0fc17b2d17f"},
		{17, 5, "470c9269b0b56e37dfc24658c95e7754655ad192ca982025b9e984d4a726ff31"},
		{4256, 13, "c9b4c9eda0270ceac98f2bdef53c5e20e784d03a931a69d097f7a6353eca9d29"},
	}
	for _, tt := range tests {
		r := lettersTree(tt.n).Root()
		if r.Levels != tt.levels || r.Hash.String() != tt.root {
			t.Errorf("n=%d: levels %d root %v, want %d %s", tt.n, r.Levels, r.Hash, tt.levels, tt.root)
		}
		if Levels(tt.n) != tt.levels {
			t.Errorf("Levels(%d) = %d, want %d", tt.n, Levels(tt.n), tt.levels)
		}
	}
}

func TestProofVectors(t *testing.T) {
	tests := []struct {
		n, i int
		path []string
	}{
		{1, 0, []string{"bdc15d895854982b3798d9176b3865da983133fba5dd7b48b5e59a7c8e80057f"}},
		{3, 0, []string{
			"6ae356d6e6029bf4212c34dd68f897e058b44e0eb2d5aa4ad1bb5bd89023eb40",
			"08b19430c0263b90baba84f322e28300f8bb52b4d149355f95df9cfd90c22490"}},
		{3, 2, []string{
			"49510fd5e688a3bbccb0bd3e7b8bd3d5921fc0a4bf5e7465e4d70e725c1775c4",
			"3d3302654d2937770046bc593082761d403cce2b8296a6972c7a204cf338c372"}},
		{3, 1, []string{
			"bdc15d895854982b3798d9176b3865da983133fba5dd7b48b5e59a7c8e80057f",
			"08b19430c0263b90baba84f322e28300f8bb52b4d149355f95df9cfd90c22490"}},
		{5, 4, []string{ // twice its own sibling, then the root of four
			"a5afe9be298a460fa4a54cab9a3dbc1f7f46bba8f680bd15082f56985ccb8a85",
			"d12970ba0651841cef725664761ebe6dbb0fc55f21ae8b4be7f7db2153291d25",
			"8e8c3039204ffbfb5c5a623bf55c9da2cff9e3727b5aef44ecfb3d192683766a"}},
	}
	for _, tt := range tests {
		p := lettersTree(tt.n).Proof(tt.i)
		var got []string
		for _, d := range p.Path {
			got = append(got, d.String())
		}
		if strings.Join(got, " ") != strings.Join(tt.path, " ") || p.Pos != uint32(tt.i) {
			t.Errorf("n=%d: proof %d is %v at %d, want %v", tt.n, tt.i, got, p.Pos, tt.path)
		}
	}
}

// The sidecars were made by the generator of the kernel series, version 5.
func TestSidecarVectors(t *testing.T) {
	tests := []struct {
		n, i               int
		sidecar, installed string // SHA-256; sidecar "" if only the other is known
	}{
		{3, 0, "a556c4b5a2a85f97f10a8dffb3373c4f62a17874fca4f1bce21ae2aa241ad6b7",
			"e284f6a4f5a21320b3c073444d160d952f90b04c59d6005617ce1675a106a799"},
		{3, 1, "b99969a3b5217cfcad0f1daadda5f617169dd8342602b40c59f1710d8fd9e293",
			"2425f5628b42aeb4276528e9af9ac912e342b5ed6aa6aa9e1c456438c125b4c4"},
		{3, 2, "ff7e77fe2ff7a091326b69b84753305c2401528ba0439f92e2296e411da85ad5",
			"35c61ea7ad03556c748dd3c4f1cc833f53b12552ab6efee7f470e3bf2e3623df"},
		{1, 0, "", "213d11b9bc11135ecbda4da7ea3b06db33a114d18b94d8fe0b900f3e4a6ce453"},
		{5, 4, "", "46cff69d8d61566c420d8813e897095d7f15cc4fb0030401f354a20dfd0fdf72"},
	}
	for _, tt := range tests {
		tree := lettersTree(tt.n)
		sidecar := tree.Proof(tt.i).AppendSidecar(nil)
		installed := tree.Proof(tt.i).AppendSidecar([]byte(letters(tt.i)))
		if got := Digest(sha256.Sum256(sidecar)).String(); tt.sidecar != "" && got != tt.sidecar {
			t.Errorf("n=%d: sidecar %d is %s:\n%x", tt.n, tt.i, got, sidecar)
		}
		if got := Digest(sha256.Sum256(installed)).String(); got != tt.installed {
			t.Errorf("n=%d: installed module %d is %s", tt.n, tt.i, got)
		}
		if want := 44 + 32*int(tree.Root().Levels); len(sidecar) != want {
			t.Errorf("n=%d: sidecar of %d bytes, want %d", tt.n, len(sidecar), want)
		}
	}
}

func TestFlatVector(t *testing.T) {
	want := []string{
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
		"2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6",
	}
	for i, w := range want {
		h := NewHasher(Flat, uint32(i))
		h.Write([]byte(letters(i)))
		if d, leaf := h.Sum(); d.String() != w || leaf != (Digest{}) {
			t.Errorf("module %d: %v, leaf %v", i, d, leaf)
		}
	}
}

// TestCheck proves every leaf of every small tree, and refuses proofs that are
// longer or shorter. TestFlips changes them.
func TestCheck(t *testing.T) {
	for n := 1; n <= 40; n++ {
		tree := lettersTree(n)
		root := tree.Root()
		for i := range n {
			leaf := tree.rows[0][i]
			p := tree.Proof(i)
			if err := Check(root, p, leaf); err != nil || p.Root(leaf) != root {
				t.Fatalf("n=%d: proof %d: %v, claims %v", n, i, err, p.Root(leaf))
			}
			if err := Check(root, Proof{p.Pos, append(p.Path, Digest{})}, leaf); !errors.Is(err, ErrDepth) {
				t.Fatalf("n=%d: longer proof %d: %v", n, i, err)
			}
			if err := Check(root, Proof{p.Pos, p.Path[1:]}, leaf); !errors.Is(err, ErrDepth) {
				t.Fatalf("n=%d: shorter proof %d: %v", n, i, err)
			}
		}
	}
}

func TestCheckZeroLevels(t *testing.T) {
	leaf := Digest{1, 2, 3}
	if err := Check(Root{0, leaf}, Proof{}, leaf); err != nil {
		t.Errorf("root that is the leaf: %v", err)
	}
	if err := Check(Root{}, Proof{}, leaf); !errors.Is(err, ErrMismatch) {
		t.Errorf("root never set: %v", err)
	}
}

// TestCheckDeep has more rows than a position has bits: from row 32 on, the hash so
// far is the left one.
func TestCheckDeep(t *testing.T) {
	p := Proof{Pos: 0xffffffff, Path: make([]Digest, 40)}
	cur := Digest{1}
	for k := range p.Path {
		p.Path[k] = Digest{2, byte(k)}
		if k < 32 {
			cur = nodeHash(p.Path[k], cur)
		} else {
			cur = nodeHash(cur, p.Path[k])
		}
	}
	if got := p.Root(Digest{1}); got != (Root{40, cur}) {
		t.Errorf("claims %v, want %v", got, cur)
	}
}

func TestHasherChunks(t *testing.T) {
	data := []byte(strings.Repeat("0123456789", 10000))
	whole := NewHasher(Merkle, 7)
	whole.Write(data)
	wantP, wantL := whole.Sum()
	parts := NewHasher(Merkle, 3)
	parts.Write([]byte("something else"))
	parts.Reset(7)
	for i := 0; i < len(data); i += 777 {
		parts.Write(data[i:min(i+777, len(data))])
	}
	if p, l := parts.Sum(); p != wantP || l != wantL {
		t.Error("digests depend on how the bytes were written")
	}
	other := NewHasher(Merkle, 8)
	other.Write(data)
	if p, l := other.Sum(); p != wantP || l == wantL {
		t.Error("payload digest must not depend on the position, the leaf must")
	}
}

func TestParseDigest(t *testing.T) {
	good := strings.Repeat("0f", 32)
	if d, err := ParseDigest(good); err != nil || hex.EncodeToString(d[:]) != good {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), "g" + good[1:], " " + good[1:]} {
		if d, err := ParseDigest(bad); err == nil || d != (Digest{}) {
			t.Errorf("%q: %v, %v", bad, d, err)
		}
	}
}

// TestLeafHasher: the leaf alone is the leaf that comes with the digest.
func TestLeafHasher(t *testing.T) {
	alone := NewLeafHasher(7)
	for _, pos := range []uint32{0, 1, 1 << 31} {
		both := NewHasher(Merkle, pos)
		alone.Reset(pos)
		for range 3 {
			both.Write([]byte("some bytes"))
			alone.Write([]byte("some bytes"))
		}
		_, want := both.Sum()
		if payload, leaf := alone.Sum(); leaf != want || payload != (Digest{}) {
			t.Errorf("position %d: %s, %s", pos, payload, leaf)
		}
	}
}
