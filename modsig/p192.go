// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"math/big"
	"sync"
)

// P-192 is in no Go library any more, and kernels verify with it still, outside of
// FIPS mode. Here it is for verifying only, slowly: whoever signs thousands of modules
// takes another curve, and all that is computed with is public.

// p192Curve has the parameters of FIPS 186-4, D.1.2.1. The coefficient a is -3.
type p192Curve struct {
	p, n, b *big.Int
	g       p192Point
}

// p192Point is a point by its affine coordinates; x is nil for the one at infinity.
type p192Point struct{ x, y *big.Int }

var p192 = sync.OnceValue(func() *p192Curve {
	hex := func(s string) *big.Int {
		n, ok := new(big.Int).SetString(s, 16)
		if !ok {
			panic("modsig: internal error: " + s)
		}
		return n
	}
	return &p192Curve{
		p: hex("fffffffffffffffffffffffffffffffeffffffffffffffff"),
		n: hex("ffffffffffffffffffffffff99def836146bc9b1b4d22831"),
		b: hex("64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1"),
		g: p192Point{
			hex("188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012"),
			hex("07192b95ffc8da78631011ed6b24cdd573f977a11e794811"),
		},
	}
})

// p192Room is how many bytes the kernel holds a coordinate in.
const p192Room = 24

// p192Key decodes an uncompressed point, which must be on the curve. The order of the
// curve is prime, so that any such point is a key.
func p192Key(b []byte) (*p192Point, Errno) {
	n := (len(b) - 1) / 2
	if len(b)%2 == 0 || n <= p192Room-8 || n > p192Room || b[0] != 4 {
		return nil, EINVAL
	}
	c := p192()
	q := &p192Point{new(big.Int).SetBytes(b[1 : 1+n]), new(big.Int).SetBytes(b[1+n:])}
	if q.x.Cmp(c.p) >= 0 || q.y.Cmp(c.p) >= 0 {
		return nil, EINVAL
	}
	right := new(big.Int).Mul(q.x, q.x)
	right.Sub(right, big.NewInt(3)).Mul(right, q.x).Add(right, c.b).Mod(right, c.p)
	left := new(big.Int).Mul(q.y, q.y)
	if left.Mod(left, c.p).Cmp(right) != 0 {
		return nil, EINVAL
	}
	return q, success
}

// verify verifies as FIPS 186-5, section 6.4.2, has it, for r and s between 0 and the
// order, both excluded.
func (c *p192Curve) verify(q *p192Point, digest []byte, r, s *big.Int) bool {
	e := new(big.Int).SetBytes(digest[:min(len(digest), p192Room)])
	w := new(big.Int).ModInverse(s, c.n)
	u1, u2 := e.Mul(e, w), new(big.Int).Mul(r, w)
	sum := c.add(c.multiply(c.g, u1.Mod(u1, c.n)), c.multiply(*q, u2.Mod(u2, c.n)))
	return sum.x != nil && sum.x.Mod(sum.x, c.n).Cmp(r) == 0
}

// multiply is k·a.
func (c *p192Curve) multiply(a p192Point, k *big.Int) (sum p192Point) {
	for i := k.BitLen() - 1; i >= 0; i-- {
		if sum = c.add(sum, sum); k.Bit(i) != 0 {
			sum = c.add(sum, a)
		}
	}
	return sum
}

// add is a+b. It changes neither.
func (c *p192Curve) add(a, b p192Point) p192Point {
	switch {
	case a.x == nil:
		return b
	case b.x == nil:
		return a
	}
	over, under := new(big.Int).Sub(b.y, a.y), new(big.Int).Sub(b.x, a.x)
	if under.Sign() == 0 {
		if over.Sign() != 0 || a.y.Sign() == 0 {
			return p192Point{} // of a point and its negative
		}
		over.Mul(a.x, a.x).Sub(over, big.NewInt(1)).Mul(over, big.NewInt(3)) // 3x² + a
		under.Lsh(a.y, 1)
	}
	under.Mod(under, c.p)
	slope := over.Mul(over, under.ModInverse(under, c.p))
	slope.Mod(slope, c.p)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, a.x).Sub(x, b.x).Mod(x, c.p)
	y := new(big.Int).Sub(a.x, x)
	y.Mul(y, slope).Sub(y, a.y).Mod(y, c.p)
	return p192Point{x, y}
}
