// SPDX-License-Identifier: Apache-2.0

package xz

import "encoding/binary"

const (
	maxChunkIn  = 1 << 16 // compressed bytes of one LZMA2 chunk
	maxChunkOut = 1 << 21 // decoded bytes of one LZMA2 chunk
	maxMatch    = 273

	// inSlack is how far run may read past the end of the input it was given
	// before it notices. A symbol is at most 48 bits and a bit takes at most
	// one byte.
	inSlack = 64
)

// Where each group of probabilities starts in lzma.p. Groups that are indexed
// by state and position bits have 16 places for each of the 12 states.
const (
	pMatch    = 0
	pRep      = pMatch + 256
	pRep0     = pRep + 16
	pRep1     = pRep0 + 16
	pRep2     = pRep1 + 16
	pRep0Long = pRep2 + 16
	pLen      = pRep0Long + 256
	pRepLen   = pLen + lenSize
	pSlot     = pRepLen + lenSize
	pSpecial  = pSlot + 4*64
	pAlign    = pSpecial + 128
	pLiteral  = pAlign + 16
	pSize     = pLiteral + 0x300<<maxLiteralBits

	// Within a length coder: two choice bits, then the three trees.
	lenLow  = 2
	lenMid  = lenLow + 16*8
	lenHigh = lenMid + 16*8
	lenSize = lenHigh + 256

	maxLiteralBits = 4 // lc + lp; LZMA2 allows no more, and xz reads no more in .lzma
)

const endMarker = 1<<32 - 1 // the distance that means "no more data"

// lzma is the state of one LZMA decoder. Input is what lies in in, output goes
// to a window.
type lzma struct {
	rng, code  uint32
	ip         uint // next byte of in
	state      uint
	rep        [4]uint // last four distances, minus one
	lc, lp, pb uint
	marker     bool // the end marker was met
	in         [maxChunkIn + inSlack]byte
	p          [pSize]uint16
}

// setProps takes the byte that holds lc, lp and pb as (pb*5 + lp)*9 + lc.
func (z *lzma) setProps(b byte) bool {
	v := uint(b)
	if v >= 9*5*5 {
		return false
	}
	z.lc, z.lp, z.pb = v%9, v/9%5, v/45
	return z.lc+z.lp <= maxLiteralBits
}

func (z *lzma) resetState() {
	z.state, z.rep, z.marker = 0, [4]uint{}, false
	p := z.p[:pLiteral+0x300<<(z.lc+z.lp)]
	for i := range p {
		p[i] = probInit
	}
}

// start loads the range decoder from the first five bytes of in. The first is
// always zero.
func (z *lzma) start() bool {
	z.rng, z.code, z.ip = 1<<32-1, binary.BigEndian.Uint32(z.in[1:]), 5
	return z.in[0] == 0
}

// finish takes in the last byte if one is due and reports whether the range
// decoder is where an encoder leaves it.
func (z *lzma) finish() bool {
	if z.rng < topValue {
		z.rng <<= 8
		z.code = z.code<<8 | uint32(z.in[z.ip])
		z.ip++
	}
	return z.code == 0
}

// run decodes symbols until w.pos reaches stop, z.ip passes n or the end
// marker comes, whichever is first. No match may reach beyond end, which is at
// least stop and at most len(w.buf). It reports false if a distance or length
// is impossible. The caller looks at z.ip and w.pos to see what happened; z.ip
// is never more than n+inSlack.
func (z *lzma) run(w *window, stop, end, n uint) bool {
	buf, low, dict := w.buf, w.low, w.dict
	pos := w.pos
	rng, code, ip := z.rng, z.code, z.ip
	state, rep0 := z.state, z.rep[0]
	posMask, litMask, lc := uint(1)<<z.pb-1, uint(1)<<z.lp-1, z.lc&7
	ok := true
	for pos < stop && ip <= n {
		var one bool
		posState := pos & posMask
		if one, rng, code, ip = z.bit(pMatch+state<<4+posState, rng, code, ip); !one {
			var prev uint
			if pos > low {
				prev = uint(buf[pos-1])
			}
			set := pos&litMask<<lc + prev>>(8-lc)
			t := (*[0x300]uint16)(z.p[pLiteral+0x300*set:])
			var lit uint
			if state < 7 {
				lit, rng, code, ip = z.tree8((*[1 << 8]uint16)(t[:]), rng, code, ip)
			} else {
				if ok = rep0 < pos-low; !ok {
					break
				}
				lit, rng, code, ip = z.matched(t, uint64(buf[pos-rep0-1]), rng, code, ip)
			}
			buf[pos] = byte(lit)
			pos++
			if state < 4 {
				state = 0
			} else if state < 10 {
				state -= 3
			} else {
				state -= 6
			}
			continue
		}

		var length uint
		if one, rng, code, ip = z.bit(pRep+state, rng, code, ip); !one {
			z.rep[3], z.rep[2], z.rep[1] = z.rep[2], z.rep[1], rep0
			length, rng, code, ip = z.length(pLen, posState, rng, code, ip)
			rep0, rng, code, ip = z.distance(length, rng, code, ip)
			if rep0 == endMarker {
				z.marker = true
				break
			}
			if state < 7 {
				state = 7
			} else {
				state = 10
			}
		} else {
			if one, rng, code, ip = z.bit(pRep0+state, rng, code, ip); one {
				rep0, rng, code, ip = z.olderRep(state, rep0, rng, code, ip)
			} else if one, rng, code, ip = z.bit(pRep0Long+state<<4+posState, rng, code, ip); !one {
				if ok = rep0 < pos-low; !ok {
					break
				}
				buf[pos] = buf[pos-rep0-1]
				pos++
				if state < 7 {
					state = 9
				} else {
					state = 11
				}
				continue
			}
			length, rng, code, ip = z.length(pRepLen, posState, rng, code, ip)
			if state < 7 {
				state = 8
			} else {
				state = 11
			}
		}

		if ok = rep0 < pos-low && rep0 < dict && length <= end-pos; !ok {
			break
		}
		src, next := pos-rep0-1, pos+length
		if rep0 >= 7 && next+8 <= uint(len(buf)) {
			// Eight bytes at a time. The last store may go past the match,
			// where nothing lies yet.
			for ; pos < next; pos, src = pos+8, src+8 {
				binary.LittleEndian.PutUint64(buf[pos:pos+8], binary.LittleEndian.Uint64(buf[src:src+8]))
			}
			pos = next
		}
		for pos < next {
			pos += uint(copy(buf[pos:next], buf[src:pos])) // doubles each time
		}
	}
	z.rng, z.code, z.ip = rng, code, ip
	z.state, z.rep[0] = state, rep0
	w.pos = pos
	return ok
}

// length decodes a match length, 2 to 273.
func (z *lzma) length(coder, posState uint, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	one, v := false, uint(0)
	if one, rng, code, ip = z.bit(coder, rng, code, ip); !one {
		v, rng, code, ip = z.tree3((*[1 << 3]uint16)(z.p[coder+lenLow+posState<<3:]), rng, code, ip)
		return v + 2, rng, code, ip
	}
	if one, rng, code, ip = z.bit(coder+1, rng, code, ip); !one {
		v, rng, code, ip = z.tree3((*[1 << 3]uint16)(z.p[coder+lenMid+posState<<3:]), rng, code, ip)
		return v + 2 + 8, rng, code, ip
	}
	v, rng, code, ip = z.tree8((*[1 << 8]uint16)(z.p[coder+lenHigh:]), rng, code, ip)
	return v + 2 + 8 + 8, rng, code, ip
}

// distance decodes the distance, minus one, of a match of the given length.
// Six bits give its magnitude. What is below the top two bits of the distance
// has, for short ones, probabilities of its own; for long ones only the last
// four bits have.
func (z *lzma) distance(length uint, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	slot, rng, code, ip := z.tree6((*[1 << 6]uint16)(z.p[pSlot+min(length-2, 3)<<6:]), rng, code, ip)
	if slot < 4 {
		return slot, rng, code, ip
	}
	extra, dist, v := slot>>1-1, 2|slot&1, uint(0)
	if slot < 14 {
		dist <<= extra
		v, rng, code, ip = z.reverse(z.p[pSpecial+dist-slot:pAlign], extra, rng, code, ip)
		return dist | v, rng, code, ip
	}
	dist, rng, code, ip = z.direct(dist, extra-4, rng, code, ip)
	v, rng, code, ip = z.reverse(z.p[pAlign:pLiteral], 4, rng, code, ip)
	return dist<<4 | v, rng, code, ip
}

// olderRep decodes which of rep[1], rep[2] and rep[3] is used and moves it to
// the front.
func (z *lzma) olderRep(state, rep0 uint, rng, code uint32, ip uint) (uint, uint32, uint32, uint) {
	one, dist := false, z.rep[1]
	if one, rng, code, ip = z.bit(pRep1+state, rng, code, ip); one {
		if one, rng, code, ip = z.bit(pRep2+state, rng, code, ip); one {
			dist, z.rep[3] = z.rep[3], z.rep[2]
		} else {
			dist = z.rep[2]
		}
		z.rep[2] = z.rep[1]
	}
	z.rep[1] = rep0
	return dist, rng, code, ip
}
