// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"encoding/asn1"
	"math/big"
	"os"
	"testing"
)

// TestOpenSSL compares the answers to changed messages with those of another
// program, by the path in MODHASH_CMS: testdata/oracle/cms.c, which does what
// "openssl cms" does. A kernel takes much that OpenSSL refuses, and the reverse:
// what must be equal is the core. Of each message that counts as valid here, the
// value of one signer, in a message as sign-file writes it, with the certificates
// that came along, is a valid signature of the same payload there.
func TestOpenSSL(t *testing.T) {
	program := os.Getenv("MODHASH_CMS")
	if program == "" {
		t.Skip("MODHASH_CMS is not set")
	}
	rings, args := oracleRings(t)
	const n = 200_000
	var (
		valid []sample
		asked []sample
		of    []int // the valid message that an asked one was made of
	)
	mutants(t, n, func(_ int, s sample) {
		if _, err := rings[0].Check(s.der, payloadOf(s.payload)); err != nil {
			return
		}
		for _, der := range plainly(t, rings[0], s.der) {
			asked, of = append(asked, sample{s.payload, der}), append(of, len(valid))
		}
		valid = append(valid, s)
	})
	taken := make([]bool, len(valid))
	for i, answer := range askOracle(t, program, args[0], asked) {
		taken[of[i]] = taken[of[i]] || answer == 0
	}
	refused := 0
	for i, s := range valid {
		if taken[i] {
			continue
		}
		if refused++; refused <= 10 {
			t.Errorf("valid here, refused there: %x", s.der)
		}
	}
	t.Logf("%d messages, %d valid, %d of them refused by OpenSSL", n, len(valid), refused)
	if len(valid) < n/100 {
		t.Error("messages are too much alike")
	}
}

// plainly are the message itself, and those that sign-file would write around the
// values of its signers, each for every key that could be the signer's: without
// certificates, with those that came along, and with those of testdata/chain.
func plainly(t *testing.T, ring *Keyring, der []byte) [][]byte {
	m, err := ring.Kernel().ParseMessage(der)
	if err != nil {
		t.Fatal(err)
	}
	var own, chain []byte
	for _, k := range m.Keys {
		own = append(own, k.Raw...)
	}
	for _, name := range []string{"leaf-inter", "byname"} {
		_, data := messageNodes(t, name)
		for _, c := range data.kids[3].kids {
			chain = c.append(chain)
		}
	}
	list := [][]byte{der}
	for _, key := range append(ring.Keys(), m.Keys...) {
		for _, s := range m.Signers {
			f := &messageForm{cert: key, hash: s.Digest, algorithm: "ecdsa-with-" + s.Digest, value: inDER(s.Value)}
			if key.Algorithm == "rsa" {
				f.algorithm, f.value = oidRSA, s.Value
			}
			der, err := f.marshal()
			if err != nil {
				continue // a digest without a name
			}
			list = append(list, der)
			for _, certs := range [][]byte{own, chain} {
				if len(m.Keys) > 0 {
					root := parseNodes(der)[0].clone()
					data := root.kids[1].kids[0]
					data.kids = append(data.kids[:3:3], &node{tag: contextOf + 0, leaf: certs}, data.kids[3])
					list = append(list, root.append(nil))
				}
			}
		}
	}
	return list
}

// inDER is an ECDSA value whose numbers may have zeros in front, without them. The
// kernel does not look whether the first tag says that there are others within.
func inDER(value []byte) []byte {
	if len(value) > 0 {
		value = append([]byte{tagSequence}, value[1:]...)
	}
	if n := parseNodes(value); len(n) > 0 && len(n[0].kids) > 1 {
		r, s := new(big.Int).SetBytes(n[0].kids[0].leaf), new(big.Int).SetBytes(n[0].kids[1].leaf)
		der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err == nil {
			return der
		}
	}
	return value
}
