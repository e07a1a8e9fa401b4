// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryNumber compares all forms of the hashset of 0 to 300 modules with the
// table that the second implementation made, and reads each form back.
func TestEveryNumber(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(string(readVector(t, "every-n.txt")), "\n"), "\n")
	if len(lines) != 301 {
		t.Fatalf("%d lines, want 301", len(lines))
	}
	for n, want := range lines {
		root, rest := allForms(t, n)
		if got := fmt.Sprintf("%d %d %v %x", n, root.Levels, root.Hash, rest); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// allForms returns the root over n modules and the digest over all other forms,
// in the order that the table has.
func allForms(t *testing.T, n int) (Root, []byte) {
	t.Helper()
	tree := lettersTree(n)
	sum := sha256.New()
	full, reserved := letterEntries(n)
	for _, c := range []*CText{
		{Version: CVersion3, Entries: full},
		{Version: CVersion3, Entries: reserved},
		{Version: CVersion4, Root: tree.Root()},
		{Version: CVersion5, Root: tree.Root()},
	} {
		text := mustText(t, c)
		sum.Write(text)
		back, err := ParseCText(text)
		if err != nil {
			t.Fatalf("n=%d: %v", n, err)
		}
		if !reflect.DeepEqual(back, c) {
			t.Fatalf("n=%d: read back (-want +got):\n%s", n, cmp.Diff(c, back))
		}
	}
	writeSection(t, sum, flatSection(full), binary.LittleEndian)
	writeSection(t, sum, Section{Scheme: Merkle, Root: tree.Root()}, binary.LittleEndian)
	writeSection(t, sum, Section{Scheme: Merkle, Root: tree.Root()}, binary.BigEndian)
	for i := range n {
		p := tree.Proof(i)
		car := p.AppendSidecar(nil)
		if back := mustSidecar(t, car); !reflect.DeepEqual(back, p) {
			t.Fatalf("n=%d: sidecar %d read back (-want +got):\n%s", n, i, cmp.Diff(p, back))
		}
		sum.Write(car)
	}
	return tree.Root(), sum.Sum(nil)
}

func writeSection(t *testing.T, sum hash.Hash, s Section, order binary.ByteOrder) {
	t.Helper()
	b := s.AppendTo(nil, order)
	sum.Write(b)
	back, err := ParseSection(b, order)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, s) {
		t.Fatalf("section read back (-want +got):\n%s", cmp.Diff(s, back))
	}
}

// letterEntries are the rows of the C text over n modules, with and without
// digests.
func letterEntries(n int) (full, reserved []Entry) {
	h := NewHasher(Flat, 0)
	for i := range n {
		h.Reset(uint32(i))
		h.Write([]byte(letters(i)))
		d, _ := h.Sum()
		name := fmt.Sprintf("drivers/m%d.ko", i)
		full = append(full, Entry{Name: name, Digest: d})
		reserved = append(reserved, Entry{Name: name})
	}
	return full, reserved
}

func flatSection(entries []Entry) Section {
	s := Section{Scheme: Flat, Digests: make([]Digest, len(entries))}
	for i, e := range entries {
		s.Digests[i] = e.Digest
	}
	s.Root = FlatRoot(s.Digests)
	return s
}

func mustText(t testing.TB, c *CText) []byte {
	t.Helper()
	b, err := c.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refusesFlips changes the bits of mask in every byte of proof (position and
// hashes) and of the root (levels and hash), one byte at a time. The leaf is made
// anew each time, from the position that the changed proof states, as a kernel
// does it.
func refusesFlips(t *testing.T, n, i int, tree *Tree, mask byte) {
	t.Helper()
	payload := []byte(letters(i))
	proof := tree.Proof(i).AppendTo(nil)
	root := tree.Root().AppendTo(nil, binary.LittleEndian)
	accepts := func(proof, root []byte) bool {
		s, err := ParseSection(root, binary.LittleEndian)
		return err == nil && verifyProof(s.Root, proof, payload) == nil
	}
	if !accepts(proof, root) {
		t.Fatalf("n=%d: proof %d refused", n, i)
	}
	for _, b := range [][]byte{proof, root} {
		for k := range b {
			b[k] ^= mask
			if accepts(proof, root) {
				t.Fatalf("n=%d: proof %d (%d bytes) accepted with %02x flipped at offset %d of %d", n, i, len(proof), mask, k, len(b))
			}
			b[k] ^= mask
		}
	}
}

func TestFlips(t *testing.T) {
	for n := 1; n <= 12; n++ {
		tree := lettersTree(n)
		for i := range n {
			for bit := range 8 {
				refusesFlips(t, n, i, tree, 1<<bit)
			}
		}
	}
	for n := 13; n <= 300; n++ {
		tree := lettersTree(n)
		for _, i := range []int{0, n / 2, n - 2, n - 1} {
			refusesFlips(t, n, i, tree, 1<<(n%8))
		}
	}
}

// TestOtherLeaves swaps proofs and payloads: none fits another.
func TestOtherLeaves(t *testing.T) {
	for n := 2; n <= 33; n++ {
		tree := lettersTree(n)
		for i := range n {
			for j := range n {
				err := verifyProof(tree.Root(), tree.Proof(i).AppendTo(nil), []byte(letters(j)))
				if (err == nil) != (i == j) {
					t.Fatalf("n=%d: proof %d with payload %d: %v", n, i, j, err)
				}
			}
		}
	}
}

func TestParseProofLengths(t *testing.T) {
	for n := range 200 {
		p, err := ParseProof(make([]byte, n))
		if good := n >= 4 && n%32 == 4; (err == nil) != good || good && len(p.Path) != n/32 {
			t.Errorf("%d bytes: %d levels, %v", n, len(p.Path), err)
		} else if !good && outcome(t, err) != "ENOPKG" {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestParseSidecarRefuses(t *testing.T) {
	good := lettersTree(5).Proof(4).AppendSidecar(nil)
	mustSidecar(t, good)
	end := len(good) - 40
	for k := end; k < len(good); k++ {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[k] ^= 1 << bit
			if p, err := ParseSidecar(bad); err == nil {
				t.Fatalf("bit %d at offset %d flipped: %v", bit, k, p)
			}
		}
	}
	for n := range good {
		if p, err := ParseSidecar(good[:n]); err == nil {
			t.Fatalf("cut at %d: %v", n, p)
		}
	}
	if p, err := ParseSidecar(append(bytes.Clone(good), '\n')); err == nil {
		t.Fatalf("one byte more: %v", p)
	}
	if p, err := ParseSidecar(append([]byte("m"), good...)); err == nil {
		t.Fatalf("installed module: %v", p)
	}
}

func FuzzParseProof(f *testing.F) {
	f.Add(lettersTree(1).Proof(0).AppendTo(nil))
	f.Add(lettersTree(5).Proof(4).AppendTo(nil))
	f.Add(lettersTree(5).Proof(4).AppendSidecar(nil))
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := ParseProof(data); err == nil {
			if got := p.AppendTo(nil); !bytes.Equal(got, data) {
				t.Fatalf("written as %x", got)
			}
			if r := p.Root(Digest{}); Check(r, p, Digest{}) != nil {
				t.Fatal("a proof does not reach the root that it claims")
			}
		} else if p.Path != nil {
			t.Fatalf("%v with error %v", p, err)
		}
		if p, err := ParseSidecar(data); err == nil {
			if got := p.AppendSidecar(nil); !bytes.Equal(got, data) {
				t.Fatalf("sidecar written as %x", got)
			}
		}
	})
}
