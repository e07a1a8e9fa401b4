// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"math/big"
	"os"
	"testing"
)

func p192File(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/p192/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestP192: kernels outside FIPS mode take P-192, and what OpenSSL signs with it is
// valid here and nothing near it is.
func TestP192(t *testing.T) {
	ring := NewKeyring(Kernel{})
	if _, err := ring.Add(p192File(t, "p192.der")); err != nil {
		t.Fatal(err)
	}
	payload := vector(t, "cases/00-payload")
	for _, h := range []string{"sha1", "sha224", "sha256", "sha384", "sha512"} {
		der := p192File(t, h+".p7s")
		if got := answer(ring, der, payload); got != success {
			t.Errorf("%s: %q", h, got)
		}
		if got := answer(ring, der, append([]byte{1}, payload...)); got != EKEYREJECTED {
			t.Errorf("%s, other payload: %q", h, got)
		}
	}
	der := p192File(t, "sha256.p7s")
	for i := range 8 * 24 { // in s, which is last
		b := bytes.Clone(der)
		b[len(b)-1-i/8] ^= 1 << (i % 8)
		if got := answer(ring, b, payload); got == success {
			t.Errorf("bit %d of the signature does not matter", i)
		}
	}
	without := Kernel{Has: func(a string) bool { return a != "ecdsa-nist-p192" }}
	if _, err := without.ParseKey(p192File(t, "p192.der")); errnoOf(err) != errNoEnt {
		t.Errorf("without the curve: %v", err)
	}
}

// TestP192Curve: the order of the generator, and points that are none.
func TestP192Curve(t *testing.T) {
	c := p192()
	if p := c.multiply(c.g, c.n); p.x != nil {
		t.Errorf("n·G is %v", p)
	}
	p := c.multiply(c.g, new(big.Int).Sub(c.n, big.NewInt(1)))
	if p.x.Cmp(c.g.x) != 0 || p.y.Cmp(new(big.Int).Sub(c.p, c.g.y)) != 0 {
		t.Errorf("(n-1)·G is %v", p)
	}
	point := append([]byte{4}, append(c.g.x.FillBytes(make([]byte, 24)), c.g.y.FillBytes(make([]byte, 24))...)...)
	if _, e := p192Key(point); e != success {
		t.Errorf("the generator: %q", e)
	}
	for i := range point {
		b := bytes.Clone(point)
		b[i] ^= 1
		if _, e := p192Key(b); e != EINVAL {
			t.Errorf("byte %d changed: %q", i, e)
		}
	}
	for _, n := range []int{0, 1, 2, 33, 47, 48, 51} {
		if _, e := p192Key(append(point, 0, 0)[:n]); e != EINVAL {
			t.Errorf("%d bytes: %q", n, e)
		}
	}
}

// TestDoubtful: of a certificate whose own signature is not checked here nobody knows
// whether the kernel takes it, so whatever its key may have signed is unknown, and
// what it cannot matter for is not.
func TestDoubtful(t *testing.T) {
	k := Kernel{Major: 6, Minor: 1}
	sm2 := p192File(t, "sm2.der")
	payload, der := signedFile(t, "cases/a1-rsa-good")
	_, ec := signedFile(t, "cases/a2-ec-good")
	for name, add := range map[string]func(*Keyring, []byte) (*Key, error){"trusted": (*Keyring).Add, "revoked": (*Keyring).Revoke} {
		for _, with := range [][]string{nil, {"rsa2048"}} {
			ring := ringOf(t, k, with...)
			if _, err := add(ring, sm2); errnoOf(err) != Unknown {
				t.Fatalf("%v", err)
			}
			if got := answer(ring, der, payload); got != Unknown {
				t.Errorf("%s beside %v: %q, want %q", name, with, got, Unknown)
			}
			if got := answer(ring, ec, payload); got != ENOKEY {
				t.Errorf("%s beside %v, another signer: %q, want %q", name, with, got, ENOKEY)
			}
		}
	}
	// A kernel without the algorithm does not take it, for certain.
	ring := NewKeyring(Kernel{Major: 6, Minor: 12})
	if _, err := ring.Add(sm2); errnoOf(err) != ENOPKG {
		t.Errorf("%v", err)
	}
	if got := answer(ring, der, payload); got != ENOKEY {
		t.Errorf("SM2, not there: %q", got)
	}
}
