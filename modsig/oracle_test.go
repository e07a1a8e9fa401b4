// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/modhash/modhash/modsig/trailer"
)

// The kernel that testdata/oracle is made of: no SM3 or GOST.
var oracleKernel = func() Kernel {
	k := Kernel{Major: 7, Minor: 2, Has: func(a string) bool {
		return hashes[a] != 0 || a == "rsa" || strings.HasPrefix(a, "mldsa") || strings.HasPrefix(a, "ecdsa-") && a != "ecdsa-nist-p192"
	}}
	if os.Getenv("MODHASH_ORACLE_RELEASE") == "6.12" {
		k.Major, k.Minor = 6, 12
	}
	return k
}()

const oracleAnswers = "testdata/oracle/answers.gz"

// errnos are the numbers of x86, as the oracle answers.
var errnos = map[byte]Errno{0: success, 2: errNoEnt, 22: EINVAL, 65: ENOPKG, 74: EBADMSG, 90: errMsgSize, 126: ENOKEY, 129: EKEYREJECTED}

type sample struct{ payload, der []byte }

// oracleSeeds are the messages of the vectors that a kernel can read a part of.
func oracleSeeds(t testing.TB) []sample {
	files, err := filepath.Glob(vectorFolder + "*/*")
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(files)
	var list []sample
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := trailer.Split(bytes.NewReader(b), int64(len(b)))
		if err != nil || tr.State != trailer.Valid || tr.Block.Type != trailer.PKCS7 || strings.Contains(f, "mldsa87") || strings.Contains(f, "mldsa65") {
			continue
		}
		list = append(list, sample{b[:tr.Payload], b[tr.SignatureOffset():][:tr.Block.SigLen]})
	}
	payload := vector(t, "cases/00-payload")
	files, err = filepath.Glob("testdata/chain/*.p7s")
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, sample{payload, b})
	}
	list = append(list, sample{payload, sequenceOfAttributes(t, "a1-rsa-good")})
	for _, d := range directed(t) {
		list = append(list, sample{payload, d.der})
	}
	if len(list) < 50 {
		t.Fatalf("%d seeds", len(list))
	}
	return list
}

// sequenceOfAttributes is a message with signed attributes, signing time among
// them, in the [2] form of the kernel's grammar, which the signature does not
// cover.
func sequenceOfAttributes(t testing.TB, name string) []byte {
	t.Helper()
	signer := func(name string) (root, si *node) {
		b := vector(t, "cases/"+name)
		root = parseNodes(b[61 : len(b)-40])[0].clone() // without payload, block and marker
		set := root.kids[1].kids[0].kids
		return root, set[len(set)-1].kids[0]
	}
	root, si := signer(name)
	_, other := signer("c04-signed-attrs-no-smimecap")
	sequence := other.kids[3].clone()
	sequence.tag = tagSequence
	attrs := &node{tag: contextOf + 2, kids: []*node{sequence}}
	si.kids = append(si.kids[:3:3], append([]*node{attrs}, si.kids[3:]...)...)
	return root.append(nil)
}

// mutants calls f with n changed messages, always the same ones: first three good
// ones (RSA, ECDSA, RSA by key id) with each of their bits changed.
func mutants(t testing.TB, n int, f func(i int, s sample)) {
	seeds := oracleSeeds(t)
	ders := make([][]byte, len(seeds))
	for i, s := range seeds {
		ders[i] = s.der
	}
	at := 0
	for _, s := range seeds[:3] {
		for bit := range 8 * len(s.der) {
			b := bytes.Clone(s.der)
			b[bit/8] ^= 1 << (bit % 8)
			f(at, sample{s.payload, b})
			at++
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := at; i < n; i++ {
		payload := seeds[r.IntN(len(seeds))].payload
		f(i, sample{payload, mutate(r, ders)})
	}
}

// oracleRings are two keyrings and the oracle's arguments for them: one with the
// root of testdata/chain, one that denies what that signed, and revokes a key.
func oracleRings(t *testing.T) (rings []*Keyring, args [][]string) {
	rsa, ec, ca := vectorFolder+"rsa2048.der", vectorFolder+"ecp384.der", "testdata/chain/ca.der"
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	inter, err := oracleKernel.ParseKey(read("testdata/chain/inter.der"))
	if err != nil {
		t.Fatal(err)
	}
	tbs := fmt.Sprintf("tbs:%x", inter.TBSDigest())
	args = [][]string{{rsa, ec, ca}, {tbs, "revoke:" + ec, rsa, ec, ca}}
	for _, list := range args {
		ring := NewKeyring(oracleKernel)
		for _, arg := range list {
			var err error
			if name, ok := strings.CutPrefix(arg, "revoke:"); ok {
				_, err = ring.Revoke(read(name))
			} else if strings.HasPrefix(arg, "tbs:") {
				ring.Deny(arg)
			} else {
				_, err = ring.Add(read(arg))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		rings = append(rings, ring)
	}
	return rings, args
}

// TestOracle compares the answers to changed messages with those of the kernel's
// own code, run in user space (testdata/oracle). The answers are recorded; with
// MODHASH_ORACLE, the path of the built oracle, they are made anew, and twenty
// times as many; if that is of Linux 6.12, MODHASH_ORACLE_RELEASE must say so.
func TestOracle(t *testing.T) {
	rings, args := oracleRings(t)
	const recorded = 20_000 // per keyring
	n := recorded
	var answers []byte
	if oracle := os.Getenv("MODHASH_ORACLE"); oracle != "" {
		n = 200_000
		for _, a := range args {
			answers = append(answers, runOracle(t, oracle, a, n, mutants)...)
		}
		if os.Getenv("MODHASH_ORACLE_RECORD") != "" {
			writeAnswers(t, oracleAnswers, answers[:recorded], answers[n:][:recorded])
		}
	} else {
		answers = readAnswers(t, oracleAnswers)
	}
	counts := compareAnswers(t, rings, answers, n, mutants)
	for _, e := range []Errno{success, ENOKEY, EKEYREJECTED, EINVAL, ENOPKG} {
		if counts[e] < counts[EBADMSG]/100 {
			t.Errorf("answers are too much alike: %v", counts)
		}
	}
}

// samples calls f with the first n of an endless series, always the same ones.
type samples func(t testing.TB, n int, f func(i int, s sample))

// compareAnswers compares the answers of each keyring to the first n samples, and
// counts them.
func compareAnswers(t *testing.T, rings []*Keyring, answers []byte, n int, of samples) map[Errno]int {
	t.Helper()
	counts := map[Errno]int{}
	failed := 0
	check := func(ring int, s sample, i int) {
		want, ok := errnos[answers[ring*n+i]]
		if !ok {
			t.Fatalf("%d: oracle answered %d", i, answers[i])
		}
		_, err := rings[ring].Check(s.der, payloadOf(s.payload))
		got := errnoOf(err)
		counts[want]++
		if got == want && (err == nil) == (want == success) {
			return
		}
		if failed++; failed <= 10 {
			t.Errorf("%d, keyring %d: %q (%v), the kernel's code answers %q\n%x", i, ring, got, err, want, s.der)
		}
	}
	of(t, n, func(i int, s sample) {
		for ring := range rings {
			check(ring, s, i)
		}
	})
	t.Logf("%d answers, %d wrong: %v", len(answers), failed, counts)
	return counts
}

func runOracle(t *testing.T, oracle string, args []string, n int, of samples) []byte {
	var out []byte
	var batch []sample
	of(t, n, func(i int, s sample) {
		if batch = append(batch, s); len(batch) == 20_000 || i == n-1 {
			out = append(out, askOracle(t, oracle, args, batch)...)
			batch = batch[:0]
		}
	})
	return out
}

func askOracle(t *testing.T, oracle string, args []string, list []sample) []byte {
	t.Helper()
	var in bytes.Buffer
	for _, s := range list {
		in.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s.payload))))
		in.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s.der))))
		in.Write(s.payload)
		in.Write(s.der)
	}
	cmd := exec.Command(oracle, args...)
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil || len(out) != len(list) {
		t.Fatalf("oracle: %d answers of %d, %v", len(out), len(list), err)
	}
	return out
}

func readAnswers(t *testing.T, name string) []byte {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeAnswers(t *testing.T, name string, answers ...[]byte) {
	var buf bytes.Buffer
	z, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	for _, a := range answers {
		if _, err := z.Write(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, buf.Bytes(), 0o666); err != nil {
		t.Fatal(fmt.Errorf("recording: %w", err))
	}
}
