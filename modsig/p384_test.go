// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	mrand "math/rand/v2"
	"sync"
	"testing"

	"filippo.io/nistec"
)

// often is a key of which the multiples are used.
func often(t testing.TB, key *ecdsa.PublicKey) *publicKey {
	t.Helper()
	pub := &publicKey{algorithm: "ecdsa-nist-p384", ec: key, multiples: newKeyMultiples(key)}
	pub.multiples.used.Store(enough)
	if pub.multiples.table() == nil {
		t.Fatal("no multiples")
	}
	return pub
}

// TestP384 holds the verification with multiples against crypto/ecdsa: signatures
// over digests of every length, each changed in a bit of digest, r or s, and pairs of
// numbers at the edges.
func TestP384(t *testing.T) {
	n := elliptic.P384().Params().N
	random := mrand.New(mrand.NewPCG(3, 84))
	valid := 0
	same := func(pub *publicKey, digest []byte, r, s *big.Int) {
		t.Helper()
		want := ecdsa.Verify(pub.ec, digest, r, s)
		if got := verifyECDSA(pub, digest, r, s); got != want {
			t.Fatalf("%v, crypto/ecdsa %v: digest %x, r %x, s %x", got, want, digest, r, s)
		}
		if want {
			valid++
		}
	}
	inside := func(x *big.Int) bool { return x.Sign() > 0 && x.Cmp(n) < 0 }
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		pub := often(t, &key.PublicKey)
		for length := 0; length < 80; length += 1 + random.IntN(5) {
			digest := make([]byte, length)
			for i := range digest {
				digest[i] = byte(random.Uint32())
			}
			r, s, err := ecdsa.Sign(rand.Reader, key, digest)
			if err != nil {
				t.Fatal(err)
			}
			same(pub, digest, r, s)
			same(pub, digest, r, new(big.Int).Sub(n, s)) // valid, too
			bit := random.IntN(384)
			if x := new(big.Int).SetBit(r, bit, r.Bit(bit)^1); inside(x) {
				same(pub, digest, x, s)
			}
			if x := new(big.Int).SetBit(s, bit, s.Bit(bit)^1); inside(x) {
				same(pub, digest, r, x)
			}
			if length > 0 {
				digest[random.IntN(length)] ^= 1 << random.IntN(8)
				same(pub, digest, r, s)
			}
		}
		edges := []*big.Int{big.NewInt(1), big.NewInt(2), big.NewInt(255), big.NewInt(256), new(big.Int).Sub(n, big.NewInt(1)), new(big.Int).Sub(n, big.NewInt(2)), new(big.Int).Rsh(n, 1)}
		for _, r := range edges {
			for _, s := range edges {
				for _, e := range append(edges, new(big.Int), n) {
					same(pub, e.FillBytes(make([]byte, 48)), r, s)
				}
			}
		}
	}
	if valid < 2*2*20 {
		t.Errorf("%d valid signatures", valid)
	}
}

// TestP384Special: keys whose multiples meet those of the generator, so that equal
// and opposite points are added, and the sum is the point at infinity.
func TestP384Special(t *testing.T) {
	n := elliptic.P384().Params().N
	for _, d := range []*big.Int{big.NewInt(1), big.NewInt(2), big.NewInt(256), new(big.Int).Sub(n, big.NewInt(1)), new(big.Int).Sub(n, big.NewInt(256))} {
		b := d.FillBytes(make([]byte, 48))
		q, err := nistec.NewP384Point().ScalarBaseMult(b)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), q.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		pub := often(t, key)
		// With e = -r·d the sum is infinity; with e = r·d both halves are equal.
		for i := range int64(30) {
			r, s := big.NewInt(i+1), big.NewInt(2*i+1)
			for _, sign := range []int64{1, -1} {
				e := new(big.Int).Mul(r, d)
				e.Mul(e, big.NewInt(sign)).Mod(e, n)
				digest := e.FillBytes(make([]byte, 48))
				if got, want := verifyECDSA(pub, digest, r, s), ecdsa.Verify(key, digest, r, s); got != want {
					t.Fatalf("%v, crypto/ecdsa %v: d %x, r %x, s %x", got, want, d, r, s)
				}
			}
		}
	}
}

// TestP384Concurrent: the change to multiples, by several goroutines at once.
func TestP384Concurrent(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub := &publicKey{algorithm: "ecdsa-nist-p384", ec: &key.PublicKey, multiples: newKeyMultiples(&key.PublicKey)}
	digest := make([]byte, 48)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 2 * enough {
				if !verifyECDSA(pub, digest, r, s) || verifyECDSA(pub, []byte{1}, r, s) {
					t.Error("wrong answer")
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkP384(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 48)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("first", func(b *testing.B) {
		pub := &publicKey{ec: &key.PublicKey}
		for b.Loop() {
			verifyECDSA(pub, digest, r, s)
		}
	})
	b.Run("multiples", func(b *testing.B) {
		pub := often(b, &key.PublicKey)
		for b.Loop() {
			verifyECDSA(pub, digest, r, s)
		}
	})
	b.Run("table", func(b *testing.B) {
		g := nistec.NewP384Point().SetGenerator()
		for b.Loop() {
			newMultiples(g)
		}
	})
}
