// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// stream decodes the parts of one xz stream, one method each; Decoder and
// Reader call them in turn: header, then beginBlock until it reports the
// index, with chunk until it reports the end and then endBlock for each block,
// then index.
type stream struct {
	in      input
	win     window
	lz      lzma
	flags   [2]byte // of the stream header
	check   check
	blocks  indexSum
	limit   uint64 // of decoded bytes, over all blocks
	maxDict uint

	block    blockHeader
	start    int64  // offset of the block
	data     int64  // offset of the block's first chunk
	unpacked uint64 // bytes that the block's chunks held
	total    uint64 // bytes that all chunks held

	// What the next chunk must bring; see chunk.
	needDict, needProps bool
}

func (s *stream) header() error {
	off := s.in.off
	p, err := s.in.next(headerSize)
	if err != nil {
		return err
	}
	if s.flags, err = parseStreamHeader(p, off); err != nil {
		return err
	}
	if err := s.check.reset(s.flags[1], off+7); err != nil {
		return err
	}
	if s.blocks.hash == nil {
		s.blocks.hash = sha256.New()
	}
	s.blocks.blocks = 0
	s.blocks.hash.Reset()
	return nil
}

// beginBlock reads a block header. It reports false if the index comes
// instead.
func (s *stream) beginBlock() (bool, error) {
	s.start = s.in.off
	p, err := s.in.peek(1)
	if err != nil {
		return false, err
	}
	if len(p) == 0 {
		return false, s.in.truncated()
	}
	if p[0] == 0 {
		return false, nil
	}
	if p, err = s.in.next((int(p[0]) + 1) * 4); err != nil {
		return false, err
	}
	if s.block, err = parseBlockHeader(p, s.start, s.maxDict); err != nil {
		return false, err
	}
	s.data, s.unpacked = s.in.off, 0
	s.win.dict = s.block.dict
	s.needDict, s.needProps = true, true
	return true, s.check.reset(s.check.kind, s.start)
}

// chunk decodes one LZMA2 chunk to the window. It reports false at the end
// mark. The first byte of a chunk says what it is:
//
//	0        end mark
//	1, 2     size-1 (2 bytes, big-endian), stored bytes; 1 resets the dictionary
//	80..ff   size-1 (5 low bits of the first byte and 2 bytes), compressed
//	         size-1 (2 bytes), properties (1 byte, if from c0 on), LZMA data;
//	         from a0 on resets the state, from e0 on also the dictionary
//
// A block starts with a dictionary reset, and after one the next LZMA chunk
// has to bring properties.
func (s *stream) chunk() (bool, error) {
	off := s.in.off
	p, err := s.in.next(1)
	if err != nil {
		return false, err
	}
	kind := p[0]
	switch {
	case kind == 0:
		return false, nil
	case kind > 2 && kind < 0x80:
		return false, failf(off, "unknown chunk type %#x", kind)
	case kind == 1 || kind >= 0xe0:
		s.needDict, s.needProps = false, true
		s.win.resetDict()
	case s.needDict:
		return false, failf(off, "first chunk does not reset the dictionary")
	}
	if kind < 0x80 {
		return true, s.stored()
	}
	if p, err = s.in.next(4); err != nil {
		return false, err
	}
	unpacked := (uint(kind&0x1f)<<16 | uint(p[0])<<8 | uint(p[1])) + 1
	packed := (uint(p[2])<<8 | uint(p[3])) + 1
	switch {
	case kind >= 0xc0:
		if p, err = s.in.next(1); err != nil {
			return false, err
		}
		if !s.lz.setProps(p[0]) {
			return false, failf(s.in.off-1, "lzma properties %#x out of range", p[0])
		}
		s.needProps = false
	case s.needProps:
		return false, failf(off, "chunk lacks lzma properties")
	}
	if kind >= 0xa0 {
		s.lz.resetState()
	}
	return true, s.compressed(packed, unpacked)
}

func (s *stream) stored() error {
	p, err := s.in.next(2)
	if err != nil {
		return err
	}
	n := uint(p[0])<<8 + uint(p[1]) + 1
	if err := s.grow(n); err != nil {
		return err
	}
	if p, err = s.in.next(int(n)); err != nil {
		return err
	}
	s.win.pos += uint(copy(s.win.buf[s.win.pos:], p))
	return nil
}

func (s *stream) compressed(packed, unpacked uint) error {
	off := s.in.off
	p, err := s.in.next(int(packed))
	if err != nil {
		return err
	}
	if err := s.grow(unpacked); err != nil {
		return err
	}
	copy(s.lz.in[:], p)
	end := s.win.pos + unpacked
	ok := packed >= 5 && s.lz.start() && s.lz.run(&s.win, end, end, packed) &&
		s.win.pos == end && s.lz.finish() && s.lz.ip == packed
	if !ok {
		// The chunk's, since where in it the fault shows depends on what an
		// earlier stream left in the window.
		return failf(off, "corrupt lzma data")
	}
	return nil
}

// grow counts n bytes as decoded and makes room for them.
func (s *stream) grow(n uint) error {
	s.unpacked += uint64(n)
	s.total += uint64(n)
	if s.total > s.limit {
		return &FormatError{Offset: s.in.off, Reason: ErrTooLarge.Error(), Err: ErrTooLarge}
	}
	s.win.reserve(n)
	return nil
}

// endBlock checks what follows the end mark, zeros up to a multiple of four
// bytes and the check, and that sizes in the block header were true.
func (s *stream) endBlock() error {
	off := s.in.off
	packed := off - s.data
	if h := s.block.packed; h >= 0 && h != packed {
		return failf(off, "block has %d compressed bytes, its header says %d", packed, h)
	}
	if h := s.block.unpacked; h >= 0 && uint64(h) != s.unpacked {
		return failf(off, "block has %d decoded bytes, its header says %d", s.unpacked, h)
	}
	pad, err := s.in.next(int(-packed & 3))
	if err != nil {
		return err
	}
	for _, b := range pad {
		if b != 0 {
			return failf(off, "block padding is not zero")
		}
	}
	var sum [sha256.Size]byte
	want := s.check.appendSum(sum[:0])
	off = s.in.off
	got, err := s.in.next(len(want))
	if err != nil {
		return err
	}
	if string(got) != string(want) {
		return failf(off, "bad checksum of the decoded data")
	}
	s.blocks.add(uint64(s.data-s.start+packed)+uint64(len(want)), s.unpacked)
	return nil
}

// index reads the index and the stream footer: a zero byte, the number of
// blocks, for each its size without padding and its decoded size, zeros up to
// a multiple of four bytes, and the CRC32 of all that.
func (s *stream) index() error {
	start := s.in.off
	var crc uint32
	take := func(n int) ([]byte, error) {
		p, err := s.in.next(n)
		crc = crc32.Update(crc, crc32.IEEETable, p)
		return p, err
	}
	number := func() (uint64, error) {
		p, err := s.in.peek(9)
		if err != nil {
			return 0, err
		}
		v, n := uvarint(p)
		if n == 0 {
			if len(p) < 9 {
				return 0, s.in.truncated()
			}
			return 0, failf(s.in.off, "malformed number in the index")
		}
		_, err = take(n)
		return v, err
	}
	if _, err := take(1); err != nil {
		return err
	}
	blocks, err := number()
	if err != nil {
		return err
	}
	if blocks != s.blocks.blocks {
		return failf(start, "stream has %d blocks, its index %d", s.blocks.blocks, blocks)
	}
	listed := indexSum{hash: sha256.New()}
	for range blocks {
		unpadded, err := number()
		if err != nil {
			return err
		}
		unpacked, err := number()
		if err != nil {
			return err
		}
		listed.add(unpadded, unpacked)
	}
	if string(listed.hash.Sum(nil)) != string(s.blocks.hash.Sum(nil)) {
		return failf(start, "index has other block sizes than the stream")
	}
	for (s.in.off-start)&3 != 0 {
		if p, err := take(1); err != nil {
			return err
		} else if p[0] != 0 {
			return failf(s.in.off-1, "index padding is not zero")
		}
	}
	p, err := s.in.next(4)
	if err != nil {
		return err
	}
	if crc != binary.LittleEndian.Uint32(p) {
		return failf(s.in.off-4, "bad checksum of the index")
	}
	size := s.in.off - start
	if p, err = s.in.next(headerSize); err != nil {
		return err
	}
	return checkFooter(p, s.in.off-headerSize, s.flags, size)
}
