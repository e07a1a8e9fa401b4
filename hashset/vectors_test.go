// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/modhash/modhash/modsig/trailer"
)

// The answers of a kernel with version 5 of the series, and a second
// implementation: see the README there.
const vectors = "../testdata/vectors/hashes/"

func readVector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(vectors + name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// table reads lines of tab-separated fields and wants at least n of them.
func table(t *testing.T, name string, n int) [][]string {
	t.Helper()
	var rows [][]string
	for line := range strings.Lines(string(readVector(t, name))) {
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "root\t") {
			continue
		}
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	if len(rows) < n {
		t.Fatalf("%s: %d rows, want at least %d", name, len(rows), n)
	}
	return rows
}

// rootOf reads a root as a kernel does, sane or not.
func rootOf(t testing.TB, tree string) Root {
	t.Helper()
	s, err := ParseSection(readVector(t, "roots/"+tree+".bin"), binary.LittleEndian)
	var bad *SectionError
	if errors.As(err, &bad) {
		s = bad.Section
	} else if err != nil {
		t.Fatal(err)
	}
	if s.Scheme != Merkle {
		t.Fatalf("%s: scheme %q", tree, s.Scheme)
	}
	return s.Root
}

func leafOf(pos uint32, payload []byte) Digest {
	h := NewHasher(Merkle, pos)
	h.Write(payload)
	_, leaf := h.Sum()
	return leaf
}

// authenticate goes the steps of a kernel that has MODULE_HASHES and not
// MODULE_SIG, in its order, and returns the errno's name or "0".
func authenticate(t testing.TB, root Root, file []byte, flags int) string {
	const ignoreModversions, ignoreVermagic = 1, 2
	body, marked := bytes.CutSuffix(file, []byte(trailer.Marker))
	if flags&(ignoreModversions|ignoreVermagic) != 0 || !marked || len(body) == 0 {
		return "ENODATA"
	}
	if len(body) <= trailer.BlockSize {
		return "EBADMSG"
	}
	rest, block := body[:len(body)-trailer.BlockSize], body[len(body)-trailer.BlockSize:]
	n := uint64(binary.BigEndian.Uint32(block[8:]))
	switch {
	case trailer.Type(block[2]) != trailer.Merkle:
		return "ENOPKG"
	case n >= uint64(len(rest)) || !bytes.Equal(block[:8], []byte{2: byte(trailer.Merkle), 7: 0}):
		return "EBADMSG"
	}
	payload, sig := rest[:len(rest)-int(n)], rest[len(rest)-int(n):]
	return outcome(t, verifyProof(root, sig, payload))
}

// verifyProof is what the kernel does with a proof and a payload.
func verifyProof(root Root, proof, payload []byte) error {
	p, err := ParseProof(proof)
	if err != nil {
		return err
	}
	return Check(root, p, leafOf(p.Pos, payload))
}

func outcome(t testing.TB, err error) string {
	switch {
	case err == nil:
		return "0"
	case errors.Is(err, ErrDepth):
		return "ENOPKG"
	case errors.Is(err, ErrMismatch):
		return "ENOKEY"
	}
	t.Fatalf("unexpected error %v", err)
	return ""
}

// TestKernelAnswers compares with every run of which the kernel's own result of
// the authentication is known and no CMS message decides it.
func TestKernelAnswers(t *testing.T) {
	const root, file, flags, sigAndHashes, hashes = 0, 1, 2, 4, 9 // columns
	seen, compared := map[string]int{}, 0
	for _, row := range table(t, "kernel-results.tsv", 100) {
		want := row[hashes]
		if want == "-" { // not run there; the other kernel agrees unless it has a CMS message
			want = row[sigAndHashes]
		}
		bits, err := strconv.Atoi(row[flags])
		if err != nil {
			t.Fatal(err)
		}
		if want == "-" || bits == 4 { // before the authentication; compressed
			continue
		}
		got := authenticate(t, rootOf(t, row[root]), readVector(t, "cases/"+row[file]), bits)
		if got != want {
			t.Errorf("root %s, %s, flags %d: %s, the kernel says %s", row[root], row[file], bits, got, want)
		}
		seen[want]++
		compared++
	}
	if compared < 100 || seen["0"] < 20 || seen["EBADMSG"] < 15 || seen["ENODATA"] < 8 || seen["ENOKEY"] < 15 || seen["ENOPKG"] < 30 {
		t.Errorf("%d runs compared: %v", compared, seen)
	}
}

// TestNegativeVectors holds the outcomes of the one-byte modules and of the roots
// that no generator makes; those roots load what they were made for.
func TestNegativeVectors(t *testing.T) {
	for _, tt := range []struct{ root, file, want string }{
		{"v41", "v0-installed-0", "0"},
		{"v41", "v0-installed-1", "0"},
		{"v41", "v0-installed-2", "0"},
		{"v41", "v1-first-byte-x", "ENOKEY"},
		{"v41", "v2-other-position", "ENOKEY"},
		{"v41", "v3-last-byte-cut", "ENODATA"},
		{"v41", "v4-sidecar-alone", "EBADMSG"},
		{"v41", "b6-marker-only", "ENODATA"},
		{"v41", "c1-one-byte-and-marker", "EBADMSG"},
		{"v41", "d1-13x-and-marker", "ENOPKG"},
		{"v41", "v5-proof-32-longer", "ENOPKG"},
		{"v41", "v6-padding-1", "EBADMSG"},
		{"v41", "v7-siglen-first-byte-1", "EBADMSG"},
		{"v41", "v8-idtype-2", "ENOPKG"},
		{"zero", "v0-installed-0", "ENOPKG"},
		{"highbit", "hb-m1-position-80000001", "0"},
		{"highbit", "hb-m1-position-1", "ENOKEY"},
		{"levels0", "l0-m0", "0"},
		{"levels0", "l0-m1", "ENOKEY"},
		{"levels33", "l33-m0", "0"},
		{"n8x", "n8x-m7", "0"},
	} {
		if got := authenticate(t, rootOf(t, tt.root), readVector(t, "cases/"+tt.file), 0); got != tt.want {
			t.Errorf("root %s, %s: %s, want %s", tt.root, tt.file, got, tt.want)
		}
	}
}

// payloads are the module bytes that leaves.txt names.
func payloads(t *testing.T) map[string][]byte {
	t.Helper()
	m := map[string][]byte{"a": []byte("a"), "b": []byte("b"), "c": []byte("c")}
	for name, file := range map[string]string{
		"m0": "a0-valid", "m1": "a1-valid", "m2": "a2-valid", "m3": "a3-valid", "m4": "a4-valid",
		"m5": "a5-valid", "m6": "a6-valid", "m7": "n8x-m7", "m8+pkcs7": "n9-m8-pkcs7-in-leaf",
	} {
		b := readVector(t, "cases/"+file)
		tr, err := trailer.Split(bytes.NewReader(b), int64(len(b)))
		if err != nil || tr.State != trailer.Valid {
			t.Fatalf("%s: %v, %v", file, tr.State, err)
		}
		m[name] = b[:tr.Payload]
	}
	return m
}

// TestKernelTrees makes each honest tree from its payloads: leaves, root in both
// byte orders, and the sidecar of each module that there is a case for.
func TestKernelTrees(t *testing.T) {
	files := payloads(t)
	leaves := map[string][]Digest{}
	var order []string
	for _, row := range table(t, "leaves.txt", 30) {
		tree, payload := row[0], files[row[3]]
		pos := len(leaves[tree])
		if pos == 0 {
			order = append(order, tree)
		}
		h := NewHasher(Merkle, uint32(pos))
		h.Write(payload)
		sum, leaf := h.Sum()
		if row[1] != strconv.Itoa(pos) || row[4] != strconv.Itoa(len(payload)) || row[5] != sum.String() || row[6] != leaf.String() {
			t.Errorf("%s position %d: %d bytes, %v, leaf %v; want %v", tree, pos, len(payload), sum, leaf, row)
		}
		leaves[tree] = append(leaves[tree], leaf)
	}
	cases := map[string]func(int) string{
		"main": func(i int) string { return "a" + strconv.Itoa(i) + "-valid" },
		"n8x":  func(i int) string { return "n8x-m" + strconv.Itoa(i) },
		"n1":   func(i int) string { return "n1-m" + strconv.Itoa(i) },
		"n5":   func(i int) string { return "n5-m" + strconv.Itoa(i) },
		"n9":   func(i int) string { return map[int]string{0: "n9-m0", 7: "n9-m7", 8: "n9-m8-pkcs7-in-leaf"}[i] },
		"v41":  func(i int) string { return "v0-installed-" + strconv.Itoa(i) },
	}
	if len(order) != len(cases) {
		t.Errorf("trees %v, want %d", order, len(cases))
	}
	for _, name := range order {
		tree := NewTree(leaves[name])
		if got := tree.Root().AppendTo(nil, binary.LittleEndian); !bytes.Equal(got, readVector(t, "roots/"+name+".bin")) {
			t.Errorf("%s: root %x", name, got)
		}
		for i := range leaves[name] {
			file := cases[name](i)
			if file == "" {
				continue
			}
			b := readVector(t, "cases/"+file)
			car := tree.Proof(i).AppendSidecar(nil)
			if !bytes.HasSuffix(b, car) {
				t.Errorf("%s: sidecar %d is not the end of %s", name, i, file)
			}
			if p := mustSidecar(t, car); p.Root(leaves[name][i]) != tree.Root() {
				t.Errorf("%s: proof %d claims %v", name, i, p.Root(leaves[name][i]))
			}
		}
	}
}

func mustSidecar(t testing.TB, b []byte) Proof {
	t.Helper()
	p, err := ParseSidecar(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
