// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"testing"
)

// TestRSAAgainstStandard: checkRSA and crypto/rsa agree on whether a signature is
// valid, for every byte changed in what is signed, and in the signature.
func TestRSAAgainstStandard(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	pub := &publicKey{n: key.N, e: big.NewInt(int64(key.E))}
	sum := sha256.Sum256([]byte("payload"))
	good, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	valid := 0
	check := func(what string, i int, s []byte) {
		ours := checkRSA(pub, &signature{hash: "sha256", m: sum[:], s: s}) == success
		theirs := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], s) == nil
		if ours != theirs {
			t.Errorf("%s %d: %v, crypto/rsa says %v", what, i, ours, theirs)
		}
		if ours {
			valid++
		}
	}
	check("good", 0, good)
	em := new(big.Int).Exp(new(big.Int).SetBytes(good), pub.e, key.N).FillBytes(make([]byte, len(good)))
	raw := func(b []byte) []byte {
		return new(big.Int).Exp(new(big.Int).SetBytes(b), key.D, key.N).FillBytes(make([]byte, len(good)))
	}
	for i := range good {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			s := bytes.Clone(good)
			s[i] ^= flip
			check("signature byte", i, s)
			if em[i]^flip >= 0x80 && i == 0 {
				continue // not below the modulus
			}
			e := bytes.Clone(em)
			e[i] ^= flip
			check("signed byte", i, raw(e))
		}
		// Shorter padding, with what follows moved to the front (Bleichenbacher 2006).
		if i >= 2 && i < len(em)-52 {
			e := append(bytes.Clone(em[:i]), em[len(em)-52:]...)
			check("padding of", i, raw(append(e, make([]byte, len(em)-len(e))...)))
		}
		check("length", i, good[:i])
	}
	check("longer", 0, append([]byte{0}, good...))
	check("plus modulus", 0, new(big.Int).Add(new(big.Int).SetBytes(good), key.N).Bytes())
	if valid != 1 {
		t.Errorf("%d valid, want 1", valid)
	}
}
