// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"encoding/binary"
	"fmt"
)

// Filter numbers of the format.
const (
	idDelta    = 0x03
	idX86      = 0x04
	idPowerPC  = 0x05
	idIA64     = 0x06
	idARM      = 0x07
	idARMThumb = 0x08
	idSPARC    = 0x09
	idARM64    = 0x0a
	idRISCV    = 0x0b
	idLZMA2    = 0x21
)

// filterName returns the name that xz(1) uses.
func filterName(id int64) string {
	switch id {
	case idDelta:
		return "delta"
	case idX86:
		return "x86"
	case idPowerPC:
		return "powerpc"
	case idIA64:
		return "ia64"
	case idARM:
		return "arm"
	case idARMThumb:
		return "armthumb"
	case idSPARC:
		return "sparc"
	case idARM64:
		return "arm64"
	case idRISCV:
		return "riscv"
	case idLZMA2:
		return "lzma2"
	}
	return fmt.Sprintf("unknown (%#x)", id)
}

// A filter undoes one of the reversible steps that an encoder may put before
// LZMA2.
type filter interface {
	// undo works in place on as much of p as it can and returns how much that
	// is. The next call starts with the rest, followed by more data. A rest
	// at the end of a block stands as it is.
	undo(p []byte) int
}

func newFilter(id int64, props []byte, off int64) (filter, error) {
	if id == idDelta {
		if len(props) != 1 {
			return nil, failf(off, "malformed delta properties")
		}
		return &delta{dist: int(props[0]) + 1}, nil
	}
	var convert func(f *branch, p []byte) int
	align := uint32(4)
	switch id {
	case idX86:
		convert, align = (*branch).x86, 1
	case idPowerPC:
		convert = (*branch).powerPC
	case idARM:
		convert = (*branch).arm
	case idARMThumb:
		convert, align = (*branch).armThumb, 2
	case idSPARC:
		convert = (*branch).sparc
	case idARM64:
		convert = (*branch).arm64
	default:
		return nil, failf(off, "%s filter is not supported", filterName(id))
	}
	f := &branch{convert: convert}
	switch len(props) {
	case 0:
	case 4:
		f.pos = binary.LittleEndian.Uint32(props)
	default:
		return nil, failf(off, "malformed %s properties", filterName(id))
	}
	if f.pos%align != 0 {
		return nil, failf(off, "start offset %d of the %s filter is not a multiple of %d", f.pos, filterName(id), align)
	}
	return f, nil
}

// delta holds differences to the byte dist before, modulo 256.
type delta struct {
	dist int // 1 to 256
	last [256]byte
	pos  uint8
}

func (d *delta) undo(p []byte) int {
	for i := range p {
		p[i] += d.last[uint8(int(d.pos)-d.dist)]
		d.last[d.pos] = p[i]
		d.pos++
	}
	return len(p)
}

// branch undoes the conversion of relative branch targets of one machine to
// absolute ones. pos is the address of the next byte as the encoder saw it: a
// start offset plus the position in the block, modulo 2^32.
type branch struct {
	convert func(f *branch, p []byte) int
	pos     uint32
	near    uint32 // x86: see there
}

func (f *branch) undo(p []byte) int {
	n := f.convert(f, p)
	f.pos += uint32(n)
	return n
}

// arm: BL, 24 bits of words, from the address plus 8.
func (f *branch) arm(p []byte) int {
	i := 0
	for ; i+4 <= len(p); i += 4 {
		if p[i+3] == 0xeb {
			v := binary.LittleEndian.Uint32(p[i:])
			to := v<<2 - (f.pos + uint32(i) + 8)
			binary.LittleEndian.PutUint32(p[i:], 0xeb<<24|to>>2&(1<<24-1))
		}
	}
	return i
}

// armThumb: a pair of half words, each with 11 bits of half words, from the
// address plus 4.
func (f *branch) armThumb(p []byte) int {
	i := 0
	for ; i+4 <= len(p); i += 2 {
		hi, lo := binary.LittleEndian.Uint16(p[i:]), binary.LittleEndian.Uint16(p[i+2:])
		if hi>>11 != 0x1e || lo>>11 != 0x1f {
			continue
		}
		v := uint32(hi)&0x7ff<<11 | uint32(lo)&0x7ff
		v = (v<<1 - (f.pos + uint32(i) + 4)) >> 1
		binary.LittleEndian.PutUint16(p[i:], 0x1e<<11|uint16(v>>11)&0x7ff)
		binary.LittleEndian.PutUint16(p[i+2:], 0x1f<<11|uint16(v)&0x7ff)
		i += 2
	}
	return i
}

// arm64: BL with 26 bits of words, and ADRP with 21 bits of pages as far as
// they lie within 512 MiB.
func (f *branch) arm64(p []byte) int {
	i := 0
	for ; i+4 <= len(p); i += 4 {
		v := binary.LittleEndian.Uint32(p[i:])
		pc := f.pos + uint32(i)
		switch {
		case v>>26 == 0x25:
			v = 0x25<<26 | (v-pc>>2)&(1<<26-1)
		case v&0x9f000000 == 0x90000000:
			page := v>>29&3 | v>>3&0x1ffffc
			if (page+0x20000)&0x1c0000 != 0 {
				continue
			}
			page -= pc >> 12
			v = v&0x9000001f | page&3<<29 | page&0x3fffc<<3 | -(page&0x20000)&0xe00000
		default:
			continue
		}
		binary.LittleEndian.PutUint32(p[i:], v)
	}
	return i
}

// powerPC: BL without the absolute bit, 24 bits of words, big-endian.
func (f *branch) powerPC(p []byte) int {
	i := 0
	for ; i+4 <= len(p); i += 4 {
		if v := binary.BigEndian.Uint32(p[i:]); v&0xfc000003 == 0x48000001 {
			v -= f.pos + uint32(i)
			binary.BigEndian.PutUint32(p[i:], 0x48000001|v&0x03fffffc)
		}
	}
	return i
}

// sparc: CALL whose 30 bits of words are a sign-extended 23-bit number.
func (f *branch) sparc(p []byte) int {
	i := 0
	for ; i+4 <= len(p); i += 4 {
		v := binary.BigEndian.Uint32(p[i:])
		if v>>22 != 0x100 && v>>22 != 0x1ff {
			continue
		}
		v = (v<<2 - (f.pos + uint32(i))) >> 2
		v = (0x40000000 - v&0x400000) | 0x40000000 | v&0x3fffff
		binary.BigEndian.PutUint32(p[i:], v)
	}
	return i
}

// x86: CALL and JMP, opcodes e8 and e9, whose 32-bit displacement has 00 or ff
// as its top byte. Instructions have no alignment, so an opcode within the
// four bytes after another one is suspect. near has bit k set if there was one
// k+1 bytes before that was not converted; the byte of the displacement that
// such an opcode would have as its top byte then decides.
func (f *branch) x86(p []byte) int {
	extreme := func(b byte) bool { return b == 0 || b == 0xff }
	// Which byte of the displacement, counted from the top one down, belongs
	// to the suspects in near; 3 sorts out all others.
	suspect := [8]uint{0, 1, 2, 2, 3, 3, 3, 3}
	i, prev := 0, -1
	near := f.near
	for ; i+5 <= len(p); i++ {
		if p[i]&0xfe != 0xe8 {
			continue
		}
		dist := i - prev
		prev = i
		if dist > 3 {
			near = 0
		} else {
			near = near << (dist - 1) & 7
			refuse := near == 3 || near > 4
			if near != 0 && (refuse || extreme(p[i+4-int(suspect[near])])) {
				near = near<<1 | 1
				continue
			}
		}
		if !extreme(p[i+4]) {
			near = near<<1 | 1
			continue
		}
		v := binary.LittleEndian.Uint32(p[i+1:])
		for {
			v -= f.pos + uint32(i) + 5
			if near == 0 {
				break
			}
			shift := 8 * suspect[near]
			if !extreme(byte(v >> (24 - shift))) {
				break
			}
			v ^= 1<<(32-shift) - 1
		}
		v = v&0x01ffffff | -(v & 0x01000000)
		binary.LittleEndian.PutUint32(p[i+1:], v)
		i += 4
	}
	if dist := i - prev; dist > 3 {
		f.near = 0
	} else {
		f.near = near << (dist - 1)
	}
	return i
}
