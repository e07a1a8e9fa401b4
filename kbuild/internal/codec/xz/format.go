// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"encoding/binary"
	"hash"
	"hash/crc32"
)

const (
	headerMagic = "\xfd7zXZ\x00"
	footerMagic = "YZ"
	headerSize  = 12 // of the stream header, and of the footer
)

// A multibyte integer has seven bits to the byte, least significant first; all
// bytes but the last have bit 7 set. It is at most nine bytes long and does
// not end in a zero byte. uvarint returns its value and length, 0 if it is
// malformed or cut off.
func uvarint(p []byte) (uint64, int) {
	var v uint64
	for i, b := range p {
		if i == 9 || b == 0 && i > 0 {
			return 0, 0
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// parseStreamHeader reads the 12 bytes magic, two bytes of flags, and their
// CRC32. It returns the flags.
func parseStreamHeader(p []byte, off int64) ([2]byte, error) {
	flags := [2]byte(p[6:8])
	switch {
	case string(p[:6]) != headerMagic:
		return flags, failf(off, "no stream header")
	case crc32.ChecksumIEEE(p[6:8]) != binary.LittleEndian.Uint32(p[8:]):
		return flags, failf(off+8, "bad checksum of the stream header")
	case flags[0] != 0 || flags[1]&0xf0 != 0:
		return flags, failf(off+6, "unknown stream flags %x", flags)
	}
	return flags, nil
}

// checkFooter checks the 12 bytes CRC32 of the next six, size of the index in
// units of four bytes minus one, flags, and magic.
func checkFooter(p []byte, off int64, flags [2]byte, indexSize int64) error {
	switch {
	case string(p[10:]) != footerMagic:
		return failf(off+10, "no stream footer")
	case crc32.ChecksumIEEE(p[4:10]) != binary.LittleEndian.Uint32(p):
		return failf(off, "bad checksum of the stream footer")
	case (int64(binary.LittleEndian.Uint32(p[4:]))+1)*4 != indexSize:
		return failf(off+4, "wrong index size in the stream footer")
	case [2]byte(p[8:10]) != flags:
		return failf(off+8, "stream footer and header differ")
	}
	return nil
}

// blockHeader is what a block says about itself. Sizes are -1 where it does
// not say.
type blockHeader struct {
	packed, unpacked int64
	dict             uint
	filters          []filter // in the order of decoding, LZMA2 left out
}

// parseBlockHeader reads a whole block header: size in units of four bytes
// minus one, flags, optional sizes, filters, zeros, CRC32.
func parseBlockHeader(p []byte, off int64, maxDict uint) (h blockHeader, err error) {
	n := len(p) - 4
	if crc32.ChecksumIEEE(p[:n]) != binary.LittleEndian.Uint32(p[n:]) {
		return h, failf(off+int64(n), "bad checksum of the block header")
	}
	flags := p[1]
	if flags&0x3c != 0 {
		return h, failf(off+1, "unknown block flags %#x", flags)
	}
	h.packed, h.unpacked = -1, -1
	rest := p[2:n]
	at := func() int64 { return off + int64(n-len(rest)) }
	number := func() (int64, error) {
		v, k := uvarint(rest)
		if k == 0 {
			return 0, failf(at(), "malformed number in the block header")
		}
		rest = rest[k:]
		return int64(v), nil
	}
	if flags&0x40 != 0 {
		if h.packed, err = number(); err != nil {
			return h, err
		}
	}
	if flags&0x80 != 0 {
		if h.unpacked, err = number(); err != nil {
			return h, err
		}
	}
	for last := int(flags & 3); last >= 0; last-- {
		start := at()
		id, err := number()
		if err != nil {
			return h, err
		}
		size, err := number()
		if err != nil {
			return h, err
		}
		if size > int64(len(rest)) {
			return h, failf(start, "filter properties exceed the block header")
		}
		props := rest[:size]
		rest = rest[size:]
		if (id == idLZMA2) != (last == 0) {
			return h, failf(start, "%s filter in the wrong place", filterName(id))
		}
		if id != idLZMA2 {
			f, err := newFilter(id, props, start)
			if err != nil {
				return h, err
			}
			h.filters = append([]filter{f}, h.filters...)
			continue
		}
		if h.dict, err = dictSize(props, start, maxDict); err != nil {
			return h, err
		}
	}
	if len(bytes.TrimLeft(rest, "\x00")) != 0 {
		return h, failf(at(), "block header padding is not zero")
	}
	return h, nil
}

// dictSize reads the one property of LZMA2: 2 or 3 times a power of two.
func dictSize(props []byte, off int64, maxDict uint) (uint, error) {
	if len(props) != 1 || props[0] > 40 {
		return 0, failf(off, "malformed lzma2 properties")
	}
	b := uint(props[0])
	size := uint64(2|b&1) << (b/2 + 11)
	if b == 40 {
		size = 1<<32 - 1
	}
	if size > uint64(maxDict) {
		return 0, failf(off, "dictionary of %d bytes is above the limit of %d", size, maxDict)
	}
	return uint(size), nil
}

// indexSum adds up the sizes of blocks. Two of them are made, one from the
// blocks as they were decoded and one from the index, and must agree. A digest
// instead of a list keeps memory bounded whatever the number of blocks.
type indexSum struct {
	blocks uint64
	hash   hash.Hash
	record [16]byte
}

func (s *indexSum) add(unpadded, unpacked uint64) {
	s.blocks++
	binary.LittleEndian.PutUint64(s.record[:], unpadded)
	binary.LittleEndian.PutUint64(s.record[8:], unpacked)
	s.hash.Write(s.record[:])
}
