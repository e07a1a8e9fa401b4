// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Part is a piece of a compressed file: of its framing, or a compressed stream.
type Part struct {
	Name     string
	Off, Len int64
	Stream   bool
}

// ErrFrame says that a file's framing cannot be followed.
var ErrFrame = errors.New("framing that cannot be followed")

// Frame lists the parts of a compressed module, which partition its size bytes.
// The file should be one that [Decoder.Decode] takes: nothing is verified here,
// and what cannot be followed is [ErrFrame]. The names are stable:
//
//	xz     magic, flags, header crc; of each block header size, block flags, packed
//	       size, unpacked size, filter, dictionary, header padding, block crc,
//	       stream, padding, check; index, footer crc, index size, footer flags,
//	       footer magic
//	gzip   magic, flags, time, xfl, os, name, stream, crc, size
//	zstd   magic, descriptor, window, content size, stream, checksum
func Frame(r io.ReaderAt, size int64, f Format) ([]Part, error) {
	p := &framer{r: r, size: size}
	switch f {
	case Gzip:
		p.gzip()
	case XZ:
		p.xz()
	case Zstd:
		p.zstd()
	default:
		p.part("stream", size, true)
	}
	switch {
	case p.err == io.EOF || p.err == nil && p.at != size:
		return nil, fmt.Errorf("%w: %v, at offset %d of %d", ErrFrame, f, p.at, size)
	case p.err != nil:
		return nil, p.err
	}
	return p.parts, nil
}

type framer struct {
	r     io.ReaderAt
	size  int64
	at    int64
	parts []Part
	err   error
}

// part takes the next n bytes; those of the framing are returned, up to a limit
// that no framing reaches.
func (p *framer) part(name string, n int64, stream bool) []byte {
	zero := make([]byte, 16)
	if p.err != nil {
		return zero
	}
	if n < 0 || n > p.size-p.at {
		p.err = io.EOF
		return zero
	}
	if n == 0 {
		return zero
	}
	p.parts = append(p.parts, Part{name, p.at, n, stream})
	p.at += n
	if stream {
		return zero
	}
	b := make([]byte, max(min(n, 4096), 16))
	if got, err := p.r.ReadAt(b[:min(n, 4096)], p.at-n); int64(got) < min(n, 4096) {
		p.err = err
	}
	return b
}

func (p *framer) field(name string, n int64) []byte { return p.part(name, n, false) }

// peek returns up to n bytes from here on without taking them.
func (p *framer) peek(n int64) []byte {
	b := make([]byte, max(min(n, p.size-p.at), 0))
	if got, err := p.r.ReadAt(b, p.at); got < len(b) && p.err == nil {
		p.err = err
	}
	return b
}

func (p *framer) gzip() {
	p.field("magic", 3)
	flags := p.field("flags", 1)[0]
	p.field("time", 4)
	p.field("xfl", 1)
	p.field("os", 1)
	if flags&8 != 0 {
		n := bytes.IndexByte(p.peek(64<<10), 0)
		if n < 0 {
			p.err = io.EOF
		}
		p.field("name", int64(n)+1)
	}
	p.part("stream", p.size-p.at-8, true)
	p.field("crc", 4)
	p.field("size", 4)
}

func (p *framer) zstd() {
	p.field("magic", 4)
	d := p.field("descriptor", 1)[0]
	single := d&0x20 != 0
	if !single {
		p.field("window", 1)
	}
	size := [...]int64{0, 2, 4, 8}[d>>6]
	if size == 0 && single {
		size = 1
	}
	p.field("dictionary id", [...]int64{0, 1, 2, 4}[d&3])
	p.field("content size", size)
	sum := int64(d>>2&1) * 4
	p.part("stream", p.size-p.at-sum, true)
	p.field("checksum", sum)
}

func (p *framer) xz() {
	p.field("magic", 6)
	check := p.field("flags", 2)[1] & 15
	p.field("header crc", 4)
	blocks, index := p.xzIndex()
	for _, unpadded := range blocks {
		p.xzBlock(unpadded, [...]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[check])
	}
	p.field("index", index)
	p.field("footer crc", 4)
	p.field("index size", 4)
	p.field("footer flags", 2)
	p.field("footer magic", 2)
}

// xzIndex reads the sizes of the blocks without their padding, and the size of
// the index.
func (p *framer) xzIndex() (blocks []int64, size int64) {
	foot := &framer{r: p.r, size: p.size, at: p.size - 8}
	b := foot.field("", 4)
	size = (int64(binary.LittleEndian.Uint32(b)) + 1) * 4
	idx := &framer{r: p.r, size: p.size, at: p.size - 12 - size}
	if foot.err != nil || idx.at < p.at || size > 1<<20 {
		p.err = io.EOF
		return nil, 0
	}
	b = idx.peek(size)
	if idx.err != nil {
		p.err = idx.err
		return nil, 0
	}
	b = b[1:]
	number := func() int64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<62 {
			p.err = io.EOF
			return 0
		}
		b = b[n:]
		return int64(v)
	}
	for range number() {
		if p.err != nil {
			return nil, 0
		}
		blocks = append(blocks, number())
		number()
	}
	return blocks, size
}

// xzBlock takes one block, of a header, a stream, padding and a check.
func (p *framer) xzBlock(unpadded, check int64) {
	end := p.at + unpadded // behind the check, without the padding
	n := int64(p.field("header size", 1)[0])*4 + 4
	header := p.at - 1 + n - 4 // where its CRC is
	flags := p.field("block flags", 1)[0]
	number := func(name string) uint64 {
		v, k := binary.Uvarint(p.peek(9))
		if k <= 0 {
			p.err = io.EOF
		}
		p.field(name, int64(max(k, 0)))
		return v
	}
	if flags&0x40 != 0 {
		number("packed size")
	}
	if flags&0x80 != 0 {
		number("unpacked size")
	}
	for range int(flags&3) + 1 {
		id := number("filter")
		props := number("filter")
		name := "filter"
		if id == 0x21 {
			name = "dictionary"
		}
		if p.field(name, int64(props&0xff)); p.err != nil {
			return
		}
	}
	p.field("header padding", header-p.at)
	p.field("block crc", 4)
	p.part("stream", end-check-p.at, true)
	p.field("padding", -unpadded&3)
	p.field("check", check)
}
