// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
)

const testRelease = "6.1.0-test"

// testModule is module i with the sections that a compiler leaves.
func testModule(i int, stripped bool) []byte {
	return ko.Module{Name: fmt.Sprintf("m%d", i), Release: testRelease, Symbols: !stripped, Debug: !stripped}.Bytes()
}

func testName(i int) string { return fmt.Sprintf("kernel/m%d.ko", i) }

// writeTree installs modules, given with their names in the order of
// modules.order.
func writeTree(t *testing.T, names []string, files [][]byte) string {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, "lib/modules", testRelease)
	if err := os.MkdirAll(filepath.Join(folder, "kernel"), 0o755); err != nil {
		t.Fatal(err)
	}
	order := ""
	for i, name := range names {
		order += name + "\n"
		if files[i] == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(folder, name), files[i], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "modules.order"), []byte(order), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// proven returns modules 0 to n-1 with their proofs, and the root.
func proven(n int) (names []string, files [][]byte, root hashset.Root) {
	leaves := make([]hashset.Digest, n)
	for i := range n {
		h := hashset.NewLeafHasher(uint32(i))
		h.Write(testModule(i, false))
		_, leaves[i] = h.Sum()
	}
	tree := hashset.NewTree(leaves)
	for i := range n {
		names = append(names, testName(i))
		files = append(files, tree.Proof(i).AppendSidecar(testModule(i, false)))
	}
	return names, files, tree.Root()
}

// kernelOf is an image with a hashset.
func kernelOf(section []byte) *Kernel {
	return &Kernel{Path: "vmlinuz", Image: &image.Image{
		Layers: []image.Layer{{Kind: image.ELF}}, Order: binary.LittleEndian,
		Hashset: &image.Hashset{Data: section, Order: binary.LittleEndian},
	}}
}

func merkleKernel(r hashset.Root) *Kernel { return kernelOf(r.AppendTo(nil, binary.LittleEndian)) }

// check verifies a tree and returns the result with its findings as text.
func check(t *testing.T, dir string, a Against, o *Options) (*Result, string) {
	t.Helper()
	r, err := Build(context.Background(), open(t, dir), a, o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	return r, b.String()
}

// TestKernel: each kind of wrong is called what it is.
func TestKernel(t *testing.T) {
	const n = 7
	names, files, root := proven(n)
	_, eight, rootOf8 := proven(8)
	_, _, rootOf3 := proven(3)
	with := func(i int, b []byte) [][]byte {
		out := append([][]byte(nil), files...)
		out[i] = b
		return out
	}
	payload := testModule(2, false)
	sidecar := files[2][len(payload):]
	changed := bytes.Clone(files[2])
	changed[70] ^= 1
	for _, tt := range []struct {
		name  string
		files [][]byte
		root  hashset.Root
		want  []string // starts of the findings, in their order
	}{
		{"right", files, root, nil},
		{"never written", files, hashset.Root{}, []string{"hashset: vmlinuz: all zero", "proof: kernel/m0.ko: its proof has 3 levels, the root has 0"}},
		{"another depth", files, rootOf3, []string{"hashset: vmlinuz: it is of another build: its root is 2 ", "proof: kernel/m0.ko: its proof has 3 levels, the root has 2"}},
		{"another build", files, rootOf8, []string{"hashset: vmlinuz: it is of another build: its root is 3 ", "proof: kernel/m0.ko: its proof does not lead to the root"}},
		{"covert", eight[:n], rootOf8, []string{"hashset: vmlinuz: every module has a proof that it admits, and yet these modules do not make its root: it admits at least one module more"}},
		{"changed", with(2, changed), root, []string{"hashset: vmlinuz: it is not that of these modules, of which it admits 6", "proof: kernel/m2.ko: its bytes are not those that were hashed"}},
		{"stripped, proof kept", with(2, append(testModule(2, true), sidecar...)), root,
			[]string{"hashset:", "proof: kernel/m2.ko: its bytes are not those that were hashed; probably stripped: it has no symbols"}},
		{"stripped, proof gone", with(2, testModule(2, true)), root, []string{"hashset:", "proof: kernel/m2.ko: no proof (trailer: none); probably stripped: it has no symbols"}},
		{"no proof", with(2, payload), root, []string{"proof: kernel/m2.ko: no proof (trailer: none)"}},
		{"proof of another", with(2, append(bytes.Clone(payload), files[3][len(testModule(3, false)):]...)), root,
			[]string{"proof: kernel/m2.ko: the module is the one that was hashed, its proof is another one's"}},
		{"twice", with(2, append(bytes.Clone(files[2]), sidecar...)), root, []string{"hashset:", "proof: kernel/m2.ko: one trailer upon another", "stacked-trailer:"}},
		{"short proof", with(2, trailer.Append(bytes.Clone(payload), []byte{1, 2, 3}, trailer.Merkle)), root, []string{"proof: kernel/m2.ko: its proof of 3 bytes is none"}},
	} {
		r, got := check(t, writeTree(t, names, tt.files), Against{Kernel: merkleKernel(tt.root)}, nil)
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		if got == "" {
			lines = nil
		}
		bad := len(lines) < len(tt.want) || tt.want == nil && got != ""
		for i, w := range tt.want {
			bad = bad || !strings.HasPrefix(lines[i], w)
		}
		if bad {
			t.Errorf("%s:\n%swant %q", tt.name, got, tt.want)
		}
		if (r.Failed() == 0) != (tt.want == nil) || (r.Kernel.Root == RootMatches) != (tt.root == root && !strings.Contains(got, "hashset")) {
			t.Errorf("%s: %d failed, root %s", tt.name, r.Failed(), r.Kernel.Root)
		}
	}
}

// TestKernelMissing: what is missing is a finding, and the rest is checked.
func TestKernelMissing(t *testing.T) {
	names, files, root := proven(5)
	files[1] = nil
	dir := writeTree(t, names, files)
	r, got := check(t, dir, Against{Kernel: merkleKernel(root)}, nil)
	if r.Kernel.Admitted != 4 || !strings.Contains(got, "root: not recomputed: 1 of 5 modules are missing") || !strings.Contains(got, "missing: kernel/m1.ko") {
		t.Errorf("%d admitted\n%s", r.Kernel.Admitted, got)
	}
	r, got = check(t, dir, Against{Kernel: merkleKernel(root)}, &Options{Partial: true})
	if !r.Has(Partial) || r.Failed() == 0 {
		t.Errorf("partial:\n%s", got)
	}
}

// TestNoOrder: without an order the proofs are checked, and the root is not said
// to be another one.
func TestNoOrder(t *testing.T) {
	names, files, root := proven(4)
	dir := writeTree(t, names, files)
	if err := os.Remove(filepath.Join(dir, "lib/modules", testRelease, "modules.order")); err != nil {
		t.Fatal(err)
	}
	r, got := check(t, dir, Against{Kernel: merkleKernel(root)}, nil)
	if r.Kernel.Admitted != 4 || r.Kernel.Root != RootUnknown || r.Failed() == 0 || strings.Contains(got, "hashset:") || !strings.Contains(got, "the order of the modules is not known") {
		t.Errorf("%+v\n%s", r.Kernel, got)
	}
	r, got = check(t, dir, Against{}, nil)
	if r.Proofs.Agree != 4 || r.Root != RootUnknown || r.Failed() == 0 {
		t.Errorf("%s\n%s", r.Root, got)
	}
}

// TestFlatKernel: the digests are those of whole files.
func TestFlatKernel(t *testing.T) {
	var names []string
	var files [][]byte
	var digests []hashset.Digest
	for i := range 5 {
		h := hashset.NewHasher(hashset.Flat, 0)
		h.Write(testModule(i, false))
		d, _ := h.Sum()
		names, files, digests = append(names, testName(i)), append(files, testModule(i, false)), append(digests, d)
	}
	section := func(d ...hashset.Digest) *Kernel {
		return kernelOf(hashset.Section{Scheme: hashset.Flat, Digests: d}.AppendTo(nil, binary.LittleEndian))
	}
	swapped := []hashset.Digest{digests[1], digests[0], digests[2], digests[3], digests[4]}
	signed := append([][]byte(nil), files...)
	signed[3] = trailer.Append(bytes.Clone(files[3]), []byte("no signature"), trailer.PKCS7)
	for name, tt := range map[string]struct {
		files  [][]byte
		kernel *Kernel
		want   string
	}{
		"right":         {files, section(digests...), ""},
		"one more":      {files, section(append(digests, hashset.Digest{7})...), "hashset: vmlinuz: it admits every module of the build and 1 digests more"},
		"another order": {files, section(swapped...), "hashset: vmlinuz: its digests are those of the modules, but not in the order"},
		"one less":      {files, section(digests[:4]...), "proof: kernel/m4.ko: its digest is not in the list"},
		"signed":        {signed, section(digests...), "proof: kernel/m3.ko: it ends in a trailer: signature that cannot be read, and a kernel with a flat list hashes that too"},
	} {
		r, got := check(t, writeTree(t, names, tt.files), Against{Kernel: tt.kernel}, nil)
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") || (r.Failed() == 0) != (tt.want == "") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestCertificates: what is built in must be named; the hashset alone is not
// enough.
func TestCertificates(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var certs []certlist.Certificate
	for i := range 2 {
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: fmt.Sprintf("key %d", i)}, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, certlist.ParseOne(der))
	}
	certs[1].Offset = int64(len(certs[0].Raw))
	names, files, root := proven(3)
	dir := writeTree(t, names, files)
	for _, named := range []int{0, 1, 2} {
		k := merkleKernel(root)
		k.Image.Trusted = &image.CertificateList{Certificates: certs, ModuleSize: 1}
		r, got := check(t, dir, Against{Kernel: k, Keys: &Keys{Trusted: certs[:named]}}, nil)
		if r.Kernel.Certificates != 2 || r.Kernel.Foreign != 2-named || r.Failed() != 2-named || strings.Count(got, "certificate: key ") != 2-named {
			t.Errorf("%d named:\n%s", named, got)
		}
		if named == 0 && !strings.Contains(got, "certificate: key 0, serial 01, key id : the key that this build made") && !strings.Contains(got, "the key that this build made") {
			t.Errorf("the build's key:\n%s", got)
		}
	}
	// One elsewhere in the kernel is not less foreign, and not the build's.
	elsewhere := certs[0]
	elsewhere.Offset = -64
	k := merkleKernel(root)
	k.Image.Trusted = &image.CertificateList{Certificates: []certlist.Certificate{elsewhere}, Offset: 1000, Size: 10, ModuleSize: 10}
	if r, got := check(t, dir, Against{Kernel: k}, nil); r.Failed() != 1 || !strings.Contains(got, "at offset 936") || strings.Contains(got, "this build made") {
		t.Errorf("elsewhere:\n%s", got)
	}
	k = merkleKernel(root)
	k.Image.Trusted = &image.CertificateList{Certificates: []certlist.Certificate{{Raw: []byte{1}, Err: fmt.Errorf("cut short")}}}
	named := &Keys{Trusted: []certlist.Certificate{{Raw: []byte{1}}}}
	if r, got := check(t, dir, Against{Kernel: k, Keys: named}, nil); r.Failed() != 1 || !strings.Contains(got, "malformed: cut short") {
		t.Errorf("malformed:\n%s", got)
	}
	k = merkleKernel(root)
	k.Image.Problems = []image.Problem{{Offset: 3, Text: "odd"}}
	if r, got := check(t, dir, Against{Kernel: k}, nil); r.Failed() != 1 || !strings.Contains(got, "bad-image: vmlinuz: offset 3: odd") {
		t.Errorf("problem:\n%s", got)
	}
}

// TestNoHashset: that nothing could be checked is a finding of its own.
func TestNoHashset(t *testing.T) {
	names, files, root := proven(3)
	dir := writeTree(t, names, files)
	k := merkleKernel(root)
	k.Image.Hashset = nil
	if r, got := check(t, dir, Against{Kernel: k}, nil); r.Failed() != 1 || !strings.Contains(got, "no-hashset: vmlinuz: it checks no module by its hash") {
		t.Errorf("%s", got)
	}
	k.Image.Layers[0].Kind = image.Flat
	if _, got := check(t, dir, Against{Kernel: k}, nil); !strings.Contains(got, "its System.map does") {
		t.Errorf("%s", got)
	}
	k = kernelOf(make([]byte, 35))
	if _, got := check(t, dir, Against{Kernel: k}, nil); !strings.Contains(got, "hashset: vmlinuz: .module_hashes, offset 35: size of 35 bytes") {
		t.Errorf("%s", got)
	}
	if _, err := Build(t.Context(), open(t, writeTree(t, []string{testName(0)}, [][]byte{testModule(0, false)})), Against{}, nil); err != ErrNothing {
		t.Errorf("nothing to check against: %v", err)
	}
}

// TestProofs: without anything else the odd ones are named.
func TestProofs(t *testing.T) {
	names, files, root := proven(6)
	r, got := check(t, writeTree(t, names, files), Against{}, nil)
	if r.Proofs.Root != root || r.Proofs.Agree != 6 || r.Root != RootMatches || r.Failed() != 1 || !r.Has(SelfConsistent) {
		t.Errorf("%+v\n%s", r.Proofs, got)
	}
	files[4] = testModule(4, false)
	files[1][70] ^= 1
	r, got = check(t, writeTree(t, names, files), Against{}, nil)
	if r.Proofs.Root != root || r.Proofs.Agree != 4 || r.Root != RootDiffers ||
		!strings.Contains(got, "proof: kernel/m1.ko: its bytes are not those that were hashed") || !strings.Contains(got, "proof: kernel/m4.ko: no proof") {
		t.Errorf("%+v\n%s", r.Proofs, got)
	}
}
