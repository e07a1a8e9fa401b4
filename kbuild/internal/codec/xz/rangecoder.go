// SPDX-License-Identifier: Apache-2.0

package xz

import "math/bits"

// The range decoder's state is three values: rng and code, 32 bits each, and
// ip, the index of the next input byte. They travel as arguments and results,
// which Go keeps in registers, and are only stored in the lzma struct between
// calls of run.
//
// Bits whose value steers the program (match or literal, which repeat, which
// length class) are decoded with a branch in run. Bits that only build a
// number (literals, lengths, slots) are decoded here without one: they are
// hard to predict, and a wrong guess costs more than the whole step.

const (
	probBits = 11
	probInit = 1 << (probBits - 1)
	moveBits = 5
	topValue = 1 << 24 // below this the range takes in another byte

	// moveUp turns the update of a probability for a one bit into the one for
	// a zero bit: p - (p-2048+31)>>5 equals p + (2048-p)>>5.
	moveUp = (1<<32 - 1<<probBits + 1<<moveBits - 1) & (1<<32 - 1)
)

// bit decodes the bit with probability p[i].
func (z *lzma) bit(i uint, rng, code uint32, ip uint) (bool, uint32, uint32, uint) {
	if rng < topValue {
		rng <<= 8
		code = code<<8 | uint32(z.in[ip])
		ip++
	}
	p := &z.p[i]
	bound := rng >> probBits * uint32(*p)
	if code < bound {
		*p += (1<<probBits - *p) >> moveBits
		return false, bound, code, ip
	}
	*p -= *p >> moveBits
	return true, rng - bound, code - bound, ip
}

// step decodes one bit of probability p without a branch and returns the new
// range, code and probability, and 1 for a ZERO bit: the borrow of code-bound.
// The select must stay an if on code < bound with ready values: that is the
// form the compiler turns into conditional moves.
func step(p, rng, code uint32) (uint32, uint32, uint16, uint64) {
	bound := rng >> probBits * p
	diff, zero := bits.Sub64(uint64(code), uint64(bound), 0)
	r, c := rng-bound, uint32(diff)
	if code < bound {
		r, c = bound, code
	}
	np := p - uint32(int32(p+uint32(-zero)&moveUp)>>moveBits)
	return r, c, uint16(np), zero
}

// tree3, tree6 and tree8 decode 3, 6 and 8 bits, most significant first, each
// with the probability that the bits before it select. The path is built from
// inverted bits, since that is what step returns and an add-with-carry does it
// in one instruction. A tree is only ever walked by one function, so that the
// inversion merely mirrors the order of the probabilities in memory.

func (z *lzma) tree3(t *[1 << 3]uint16, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	s := uint64(1)
	for s < 1<<3 {
		if rng < topValue {
			rng <<= 8
			code = code<<8 | uint32(z.in[ip])
			ip++
		}
		r, c, np, zero := step(uint32(t[s]), rng, code)
		rng, code, t[s] = r, c, np
		s, _ = bits.Add64(s, s, zero)
	}
	return uint(s ^ (1<<4 - 1)), rng, code, ip
}

func (z *lzma) tree6(t *[1 << 6]uint16, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	s := uint64(1)
	for s < 1<<6 {
		if rng < topValue {
			rng <<= 8
			code = code<<8 | uint32(z.in[ip])
			ip++
		}
		r, c, np, zero := step(uint32(t[s]), rng, code)
		rng, code, t[s] = r, c, np
		s, _ = bits.Add64(s, s, zero)
	}
	return uint(s ^ (1<<7 - 1)), rng, code, ip
}

func (z *lzma) tree8(t *[1 << 8]uint16, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	s := uint64(1)
	for s < 1<<8 {
		if rng < topValue {
			rng <<= 8
			code = code<<8 | uint32(z.in[ip])
			ip++
		}
		r, c, np, zero := step(uint32(t[s]), rng, code)
		rng, code, t[s] = r, c, np
		s, _ = bits.Add64(s, s, zero)
	}
	return uint(s ^ (1<<9 - 1)), rng, code, ip
}

// matched decodes a literal that follows a match. match is the byte at
// distance rep0: as long as the bits agree with it, they use one of two
// further sets of 256 probabilities, chosen by match's bit; from the first
// that differs on, the plain set.
func (z *lzma) matched(t *[0x300]uint16, match uint64, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	s, set := uint64(1), uint64(0x100)
	for s < 1<<8 {
		match <<= 1
		bit := match & set
		i := set + bit + s
		if rng < topValue {
			rng <<= 8
			code = code<<8 | uint32(z.in[ip])
			ip++
		}
		r, c, np, zero := step(uint32(t[i]), rng, code)
		rng, code, t[i] = r, c, np
		set &= bit ^ -zero
		s, _ = bits.Add64(s, s, zero)
	}
	return uint(s ^ (1<<9 - 1)), rng, code, ip
}

// reverse decodes n bits, least significant first.
func (z *lzma) reverse(t []uint16, n uint, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	s, v := uint(1), uint(0)
	for i := range n {
		if rng < topValue {
			rng <<= 8
			code = code<<8 | uint32(z.in[ip])
			ip++
		}
		r, c, np, zero := step(uint32(t[s]), rng, code)
		rng, code, t[s] = r, c, np
		one := 1 - uint(zero)
		s = s<<1 + one
		v |= one << (i & 31)
	}
	return v, rng, code, ip
}

// direct decodes n bits of probability one half, most significant first, and
// appends them to v.
func (z *lzma) direct(v, n uint, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	for ; n > 0; n-- {
		if rng < topValue {
			rng <<= 8
			code = code<<8 | uint32(z.in[ip])
			ip++
		}
		rng >>= 1
		diff, zero := bits.Sub64(uint64(code), uint64(rng), 0)
		c := uint32(diff)
		if code < rng {
			c = code
		}
		code = c
		v = v<<1 + 1 - uint(zero)
	}
	return v, rng, code, ip
}
