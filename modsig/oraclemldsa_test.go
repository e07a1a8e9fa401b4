// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"
)

const oracleAnswersMLDSA = "testdata/oracle/answers-mldsa.gz"

// mutantsMLDSA are changed messages with signatures by ML-DSA of both forms and some
// by RSA, one in eight over a changed payload.
func mutantsMLDSA(t testing.TB, n int, f func(i int, s sample)) {
	payload := vector(t, "payload.bin")
	changed := bytes.Clone(payload)
	changed[len(changed)/2] ^= 1
	var ders [][]byte
	for _, name := range []string{"mldsa44.attrs", "mldsa44.noattr", "mldsa65.attrs", "mldsa65.noattr", "mldsa87.attrs", "mldsa87.noattr", "rsa2048.sha256"} {
		b := vector(t, "signed/"+name+".signed")
		ders = append(ders, b[len(payload):len(b)-40])
	}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		p := payload
		if r.IntN(8) == 0 {
			p = changed
		}
		der := mutate(r, ders)
		if i < 2*len(ders) { // first each as it is, over either payload
			p, der = [][]byte{payload, changed}[i%2], ders[i/2]
		}
		f(i, sample{p, der})
	}
}

// TestOracleMLDSA is as TestOracle for ML-DSA, and for two kernels: without
// CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA, and with it. MODHASH_ORACLE is an
// oracle of Linux 7.0 or later, MODHASH_ORACLE_WAIVED one that was built with WAIVED
// set.
func TestOracleMLDSA(t *testing.T) {
	var args []string
	var rings []*Keyring
	for _, waived := range []bool{false, true} {
		k := oracleKernel
		k.Major, k.Minor, k.WaivesAttributes = 7, 2, waived
		rings = append(rings, NewKeyring(k))
	}
	for _, name := range []string{"mldsa44", "mldsa65", "mldsa87", "rsa2048"} {
		args = append(args, vectorFolder+name+".der")
		for _, r := range rings {
			if _, err := r.Add(vector(t, name+".der")); err != nil {
				t.Fatal(err)
			}
		}
	}
	const recorded = 5_000 // per kernel
	n := recorded
	var answers []byte
	if waived := os.Getenv("MODHASH_ORACLE_WAIVED"); waived != "" {
		n = 100_000
		for _, oracle := range []string{os.Getenv("MODHASH_ORACLE"), waived} {
			answers = append(answers, runOracle(t, oracle, args, n, mutantsMLDSA)...)
		}
		if os.Getenv("MODHASH_ORACLE_RECORD") != "" {
			writeAnswers(t, oracleAnswersMLDSA, answers[:recorded], answers[n:][:recorded])
		}
	} else {
		answers = readAnswers(t, oracleAnswersMLDSA)
	}
	counts := compareAnswers(t, rings, answers, n, mutantsMLDSA)
	for _, e := range []Errno{success, ENOKEY, EKEYREJECTED, EINVAL, ENOPKG} {
		if counts[e] < n/500 {
			t.Errorf("answers are too much alike: %v", counts)
		}
	}
}
