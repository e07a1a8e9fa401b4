// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto/ecdsa"
	"math/big"
	"sync"
	"sync/atomic"

	"filippo.io/nistec"
)

// P-384 is what distributions sign modules with, thousands by one key. crypto/ecdsa
// hides what it computes with and begins anew each time, which is what verifying a
// whole tree would mostly consist of. Signatures and public keys are public, and of a
// key that is used often, multiples can be kept.

// A scalar of 384 bits is cut into windows. Of a point P, table[i][j-1] is
// j·2^(8i)·P.
const (
	windowBits = 8
	windows    = 384 / windowBits
)

// multiples have 1.8 MB.
type multiples [windows][1<<windowBits - 1]*nistec.P384Point

func newMultiples(p *nistec.P384Point) *multiples {
	table := new(multiples)
	base := nistec.NewP384Point().Set(p)
	for i := range table {
		row := &table[i]
		row[0] = nistec.NewP384Point().Set(base)
		for j := 1; j < len(row); j++ {
			row[j] = nistec.NewP384Point().Add(row[j-1], base)
		}
		base.Add(row[len(row)-1], base)
	}
	return table
}

// addTo adds k·P to the point sum, in a time that tells k.
func (m *multiples) addTo(sum *nistec.P384Point, k *big.Int) {
	for i := range m {
		window := 0
		for bit := windowBits - 1; bit >= 0; bit-- {
			window = window<<1 | int(k.Bit(i*windowBits+bit))
		}
		if window != 0 {
			sum.Add(sum, m[i][window-1])
		}
	}
}

var generatorMultiples = sync.OnceValue(func() *multiples {
	return newMultiples(nistec.NewP384Point().SetGenerator())
})

// keyMultiples are those of a key, once it is used often enough to pay for them. It
// may be used concurrently.
type keyMultiples struct {
	used  atomic.Uint32
	table func() *multiples
}

// enough is how many signatures are verified the slow way first. To make the tables
// takes about as long as that.
const enough = 24

func newKeyMultiples(pub *ecdsa.PublicKey) *keyMultiples {
	return &keyMultiples{table: sync.OnceValue(func() *multiples {
		b, err := pub.Bytes()
		if err != nil {
			return nil
		}
		p, err := nistec.NewP384Point().SetBytes(b)
		if err != nil {
			return nil
		}
		return newMultiples(p)
	})}
}

// verifyECDSA is ecdsa.Verify for r and s between 0 and the curve's order, both
// excluded.
func verifyECDSA(pub *publicKey, digest []byte, r, s *big.Int) bool {
	k := pub.multiples
	if k == nil || k.used.Load() < enough && k.used.Add(1) <= enough {
		return ecdsa.Verify(pub.ec, digest, r, s)
	}
	table := k.table()
	if table == nil {
		return ecdsa.Verify(pub.ec, digest, r, s)
	}
	return verifyP384(table, pub.ec.Params().N, digest, r, s)
}

// verifyP384 verifies as FIPS 186-5, section 6.4.2, has it: with w = 1/s, the x
// coordinate of (digest·w)·G + (r·w)·Q is r modulo the order n.
func verifyP384(key *multiples, n *big.Int, digest []byte, r, s *big.Int) bool {
	const size = 384 / 8
	e := new(big.Int).SetBytes(digest[:min(len(digest), size)])
	w := new(big.Int).ModInverse(s, n)
	if w == nil {
		return false
	}
	u1, u2 := e.Mul(e, w), new(big.Int).Mul(r, w)
	u1.Mod(u1, n)
	u2.Mod(u2, n)
	sum := nistec.NewP384Point()
	generatorMultiples().addTo(sum, u1)
	key.addTo(sum, u2)
	x, err := sum.BytesX()
	if err != nil {
		return false // the point at infinity
	}
	v := new(big.Int).SetBytes(x)
	v.Mod(v, n)
	var have, want [size]byte
	return bytes.Equal(v.FillBytes(have[:]), r.FillBytes(want[:]))
}
