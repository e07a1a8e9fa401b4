// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	// xzDict is the dictionary size in bytes that the kernel's build asks for.
	xzDict     = 1 << 20
	xzDictProp = 0x10 // the same, as the LZMA2 filter has it

	// xzMaxSize is what the positions of the match finder can tell apart.
	xzMaxSize = 4000 << 20

	chunkPacked = 64 << 10 // compressed bytes of an LZMA2 chunk, at most
	chunkMax    = 2 << 20  // bytes that it holds, at most

	// segmentCost is above what any segment is coded to: 7 bytes for a byte.
	segmentCost = 8 << 10
)

// encodeXZ writes one xz stream with one block, as the kernel's decompressor
// reads it: CRC32, LZMA2 alone, no sizes in the block's header. The format is
// that of package xz, which reads it.
func encodeXZ(dst io.Writer, in io.Reader, e *lzmaEncoder) error {
	header := []byte("\xfd7zXZ\x00" + "\x00\x01")
	header = binary.LittleEndian.AppendUint32(header, crc32.ChecksumIEEE(header[6:]))
	block := []byte{2, 0, 0x21, 1, xzDictProp, 0, 0, 0} // size, flags, filter
	block = binary.LittleEndian.AppendUint32(block, crc32.ChecksumIEEE(block))
	if _, err := dst.Write(append(header, block...)); err != nil {
		return err
	}
	packed, size, sum, err := e.encode(dst, in)
	if err != nil {
		return err
	}
	var b []byte
	unpadded := int64(len(block)) + packed + 4
	b = append(b, make([]byte, -packed&3)...)
	b = binary.LittleEndian.AppendUint32(b, sum)

	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(unpadded))
	index = binary.AppendUvarint(index, uint64(size))
	index = append(index, make([]byte, -len(index)&3)...)
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))

	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, 0, 1)
	b = append(b, index...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(footer))
	b = append(append(b, footer...), "YZ"...)
	_, err = dst.Write(b)
	return err
}

// chunker cuts what is coded into LZMA2 chunks.
type chunker struct {
	dst    io.Writer
	packed int64 // bytes written
	size   int   // bytes that the chunk holds so far
	reset  byte  // of the next chunk: 3 all, 2 properties and state, 1 state
	dict   bool  // the dictionary was reset
}

// encode writes all of in as LZMA2 and returns how many bytes these are, how
// many there were, and their CRC32.
func (e *lzmaEncoder) encode(dst io.Writer, in io.Reader) (packed, size int64, sum uint32, err error) {
	e.finder.reset(in)
	e.model.reset()
	e.rc.reset()
	e.start, e.total, e.ready, e.age = 0, 0, false, repriceAfter
	c := &chunker{dst: dst, reset: 3}
	for {
		if e.start, err = e.fill(e.start); err != nil {
			return 0, 0, 0, err
		}
		if e.start == len(e.buf) {
			break
		}
		n := e.parse()
		sum = crc32.Update(sum, crc32.IEEETable, e.buf[e.start:e.start+n])
		e.code()
		size += int64(n)
		c.size += n
		if e.rc.size() > chunkPacked-segmentCost || c.size > chunkMax-2*segmentMax {
			if err := e.flush(c); err != nil {
				return 0, 0, 0, err
			}
		}
	}
	if c.size > 0 {
		if err := e.flush(c); err != nil {
			return 0, 0, 0, err
		}
	}
	_, err = dst.Write([]byte{0})
	return c.packed + 1, size, sum, err
}

// code codes the symbols of a segment and moves behind it.
func (e *lzmaEncoder) code() {
	e.age += len(e.symbols)
	for _, s := range e.symbols {
		pos := e.total & posMask
		switch {
		case s.back < 0:
			var prev, matched byte
			if e.start > 0 {
				prev = e.buf[e.start-1]
			}
			if e.model.state >= 7 {
				matched = e.buf[e.start-int(e.model.reps[0])-1]
			}
			e.model.literal(&e.rc, prev, e.buf[e.start], matched, pos)
		case s.back < 4:
			e.model.rep(&e.rc, int(s.back), s.len, pos)
		default:
			e.model.match(&e.rc, uint32(s.back-4), s.len, pos)
		}
		e.start += int(s.len)
		e.total += s.len
	}
}

// flush writes the chunk that ends at the start of the next segment; as it is, if
// coding did not make it shorter.
func (e *lzmaEncoder) flush(c *chunker) error {
	e.rc.finish()
	out := e.rc.out
	defer e.rc.reset()
	if len(out) >= c.size {
		return e.flushRaw(c)
	}
	if len(out) > chunkPacked || c.size > chunkMax {
		return fmt.Errorf("internal error: chunk of %d bytes for %d", len(out), c.size)
	}
	h := []byte{0x80 | c.reset<<5 | byte((c.size-1)>>16), byte((c.size - 1) >> 8), byte(c.size - 1), byte((len(out) - 1) >> 8), byte(len(out) - 1)}
	if c.reset >= 2 {
		h = append(h, lzmaProps)
	}
	c.reset, c.dict, c.size = 0, true, 0
	return c.write(h, out)
}

// flushRaw writes the bytes of the chunk in chunks that are not coded. The next
// coded one starts with a fresh model.
func (e *lzmaEncoder) flushRaw(c *chunker) error {
	for data := e.buf[e.start-c.size : e.start]; len(data) > 0; {
		n := min(len(data), chunkPacked)
		control := byte(2)
		if !c.dict {
			control = 1
		}
		if err := c.write([]byte{control, byte((n - 1) >> 8), byte(n - 1)}, data[:n]); err != nil {
			return err
		}
		data = data[n:]
		c.dict = true
	}
	e.model.reset()
	e.age = repriceAfter
	c.reset, c.size = max(min(c.reset, 2), 1), 0
	return nil
}

func (c *chunker) write(parts ...[]byte) error {
	for _, p := range parts {
		n, err := c.dst.Write(p)
		c.packed += int64(n)
		if err != nil {
			return err
		}
	}
	return nil
}
