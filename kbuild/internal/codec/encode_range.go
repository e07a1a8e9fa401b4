// SPDX-License-Identifier: Apache-2.0

package codec

import "math/bits"

// The binary range coder of LZMA: probabilities that a bit is 0 have 11 bits
// and move by 1/32 towards what was coded.
const (
	probBits = 11
	probInit = 1 << (probBits - 1)
	moveBits = 5
	rangeTop = 1 << 24
)

type prob = uint16

// rangeEncoder collects the coded bytes of one chunk. The first one is always
// zero.
type rangeEncoder struct {
	low   uint64
	width uint32
	cache byte
	queue int // bytes that a carry can still change
	out   []byte
}

func (r *rangeEncoder) reset() {
	r.low, r.width, r.cache, r.queue, r.out = 0, 1<<32-1, 0, 1, r.out[:0]
}

// size is how many bytes there are after finish.
func (r *rangeEncoder) size() int { return len(r.out) + r.queue + 4 }

func (r *rangeEncoder) shift() {
	if uint32(r.low) < 0xff000000 || r.low>>32 != 0 {
		carry := byte(r.low >> 32)
		b := r.cache
		for ; r.queue > 0; r.queue-- {
			r.out = append(r.out, b+carry)
			b = 0xff
		}
		r.cache = byte(r.low >> 24)
	}
	r.queue++
	r.low = uint64(uint32(r.low) << 8)
}

func (r *rangeEncoder) finish() {
	for range 5 {
		r.shift()
	}
}

func (r *rangeEncoder) bit(p *prob, b uint32) {
	bound := (r.width >> probBits) * uint32(*p)
	if b == 0 {
		r.width = bound
		*p += (1<<probBits - *p) >> moveBits
	} else {
		r.low += uint64(bound)
		r.width -= bound
		*p -= *p >> moveBits
	}
	if r.width < rangeTop {
		r.width <<= 8
		r.shift()
	}
}

// tree codes the n bits of v, the highest first.
func (r *rangeEncoder) tree(probs []prob, n int, v uint32) {
	m := uint32(1)
	for i := n - 1; i >= 0; i-- {
		b := v >> i & 1
		r.bit(&probs[m], b)
		m = m<<1 | b
	}
}

// reverse codes the n bits of v, the lowest first.
func (r *rangeEncoder) reverse(probs []prob, n int, v uint32) {
	m := uint32(1)
	for range n {
		b := v & 1
		v >>= 1
		r.bit(&probs[m], b)
		m = m<<1 | b
	}
}

// direct codes the n bits of v with equal probabilities, the highest first.
func (r *rangeEncoder) direct(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		r.width >>= 1
		if v>>i&1 != 0 {
			r.low += uint64(r.width)
		}
		if r.width < rangeTop {
			r.width <<= 8
			r.shift()
		}
	}
}

// priceShift: prices are in sixteenths of a bit.
const priceShift = 4

// infinite is above every price.
const infinite = 1 << 30

// prices has the price of a bit of the probability i/128.
var prices = func() (t [1 << (probBits - 4)]uint32) {
	for i := range t {
		// The logarithm, by squaring: integers only, so that every machine gets
		// the same table.
		w := uint32(i<<4 + 8)
		whole := 0
		for range priceShift {
			w *= w
			whole <<= 1
			for w >= 1<<16 {
				w >>= 1
				whole++
			}
		}
		t[i] = uint32(probBits<<priceShift - 15 - whole)
	}
	return t
}()

func price0(p prob) uint32 { return prices[p>>4] }

func price1(p prob) uint32 { return prices[(1<<probBits-1-p)>>4] }

func priceOf(p prob, b uint32) uint32 {
	return prices[((uint32(p)^-b)&(1<<probBits-1))>>4]
}

func treePrice(probs []prob, n int, v uint32) (sum uint32) {
	v |= 1 << n
	for v != 1 {
		b := v & 1
		v >>= 1
		sum += priceOf(probs[v], b)
	}
	return sum
}

func reversePrice(probs []prob, n int, v uint32) (sum uint32) {
	m := uint32(1)
	for range n {
		b := v & 1
		v >>= 1
		sum += priceOf(probs[m], b)
		m = m<<1 | b
	}
	return sum
}

// slotOf returns the slot of a distance, which is the number of its bits and the
// one after the highest.
func slotOf(dist uint32) uint32 {
	if dist < 4 {
		return dist
	}
	n := uint32(bits.Len32(dist) - 1)
	return n<<1 | dist>>(n-1)&1
}
