// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// An rpm header, as in the rpm project's docs/manual/format_header.md: the
// magic 8E AD E8, version 01, four bytes 0, number of index entries, number of
// data bytes; index entries of 16 bytes: tag, type, offset into the data,
// count; the data. All numbers are big endian and have 32 bits.
const (
	rpmHeaderMagic = 0x8eade801
	rpmIntroLen    = 16
	rpmEntryLen    = 16

	// Limits per header. rpm itself stops at 65535 entries and 256 MiB; a
	// header of 32 MiB describes some 200,000 files.
	maxRPMEntries = 65535
	maxRPMData    = 32 << 20
)

// Types of index entries that are used here.
const (
	rpmInt8        = 2
	rpmInt16       = 3
	rpmInt32       = 4
	rpmInt64       = 5
	rpmString      = 6
	rpmBin         = 7
	rpmStringArray = 8
	rpmI18NString  = 9
)

// rpmWidths is the least number of bytes of one item by type: nothing for type
// 0, one byte for characters, raw bytes and strings.
var rpmWidths = [...]uint8{0, 1, 1, 2, 4, 8, 1, 1, 1, 1}

// rpmHeader is a parsed header.
type rpmHeader struct {
	tags map[uint32]rpmEntry
	dup  map[uint32]bool // tags that are there twice
	data []byte
}

type rpmEntry struct{ typ, off, count uint32 }

// rpmHeaderSize reads the fixed beginning of a header and returns the length of
// the whole header in bytes.
func rpmHeaderSize(intro []byte) (int64, error) {
	if len(intro) < rpmIntroLen {
		return 0, errors.New("header is cut off")
	}
	if m := binary.BigEndian.Uint32(intro); m != rpmHeaderMagic {
		return 0, fmt.Errorf("magic is %08x and not %08x", m, uint32(rpmHeaderMagic))
	}
	n := int64(binary.BigEndian.Uint32(intro[8:]))
	size := int64(binary.BigEndian.Uint32(intro[12:]))
	switch {
	case n < 1 || n > maxRPMEntries:
		return 0, fmt.Errorf("%d index entries; there have to be 1 to %d", n, maxRPMEntries)
	case size > maxRPMData:
		return 0, fmt.Errorf("%d bytes of data; at most %d are read", size, maxRPMData)
	}
	return rpmIntroLen + n*rpmEntryLen + size, nil
}

// parseRPMHeader parses a whole header and checks that each entry lies within
// the data. It keeps b.
func parseRPMHeader(b []byte) (*rpmHeader, error) {
	size, err := rpmHeaderSize(b)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != size {
		return nil, fmt.Errorf("header of %d bytes in %d", size, len(b))
	}
	n := int(binary.BigEndian.Uint32(b[8:]))
	index := b[rpmIntroLen : rpmIntroLen+n*rpmEntryLen]
	h := &rpmHeader{tags: make(map[uint32]rpmEntry, n), dup: make(map[uint32]bool), data: b[rpmIntroLen+n*rpmEntryLen:]}
	for i := range n {
		raw := index[i*rpmEntryLen:]
		tag := binary.BigEndian.Uint32(raw)
		e := rpmEntry{binary.BigEndian.Uint32(raw[4:]), binary.BigEndian.Uint32(raw[8:]), binary.BigEndian.Uint32(raw[12:])}
		if err := h.check(e); err != nil {
			return nil, fmt.Errorf("index entry %d (tag %d): %w", i, tag, err)
		}
		if _, ok := h.tags[tag]; ok {
			h.dup[tag] = true
		}
		h.tags[tag] = e
	}
	return h, nil
}

// check sees that the least that an entry can take fits into the data. A string
// takes one byte at least.
func (h *rpmHeader) check(e rpmEntry) error {
	if e.typ >= uint32(len(rpmWidths)) {
		return fmt.Errorf("unknown type %d", e.typ)
	}
	width := uint64(rpmWidths[e.typ])
	if uint64(e.off)+width*uint64(e.count) > uint64(len(h.data)) {
		return fmt.Errorf("%d items of type %d at %d are outside the %d bytes of data", e.count, e.typ, e.off, len(h.data))
	}
	return nil
}

// get returns the entry of a tag. It refuses a tag that is there twice: readers
// would disagree on which one counts.
func (h *rpmHeader) get(tag uint32) (e rpmEntry, ok bool, err error) {
	if h.dup[tag] {
		return e, false, fmt.Errorf("tag %d is there twice", tag)
	}
	e, ok = h.tags[tag]
	return e, ok, nil
}

// numbers returns the integers of a tag, nil if it is not there. It refuses
// more than most.
func (h *rpmHeader) numbers(tag uint32, most int) ([]uint64, error) {
	e, ok, err := h.get(tag)
	if !ok || err != nil {
		return nil, err
	}
	if uint64(e.count) > uint64(most) {
		return nil, fmt.Errorf("tag %d has %d items, where %d are the most", tag, e.count, most)
	}
	v := make([]uint64, e.count)
	d := h.data[e.off:]
	for i := range v {
		switch e.typ {
		case rpmInt8:
			v[i] = uint64(d[i])
		case rpmInt16:
			v[i] = uint64(binary.BigEndian.Uint16(d[2*i:]))
		case rpmInt32:
			v[i] = uint64(binary.BigEndian.Uint32(d[4*i:]))
		case rpmInt64:
			v[i] = binary.BigEndian.Uint64(d[8*i:])
		default:
			return nil, fmt.Errorf("tag %d has type %d and not an integer", tag, e.typ)
		}
	}
	return v, nil
}

// strings returns the strings of a tag, nil if it is not there. It refuses more
// than most.
func (h *rpmHeader) strings(tag uint32, most int) ([]string, error) {
	e, ok, err := h.get(tag)
	if !ok || err != nil {
		return nil, err
	}
	switch {
	case e.typ != rpmString && e.typ != rpmStringArray && e.typ != rpmI18NString:
		return nil, fmt.Errorf("tag %d has type %d and not strings", tag, e.typ)
	case e.typ == rpmString && e.count != 1:
		return nil, fmt.Errorf("tag %d is a single string with a count of %d", tag, e.count)
	case uint64(e.count) > uint64(most):
		return nil, fmt.Errorf("tag %d has %d items, where %d are the most", tag, e.count, most)
	}
	v := make([]string, e.count)
	d := h.data[e.off:]
	for i := range v {
		n := bytes.IndexByte(d, 0)
		if n < 0 {
			return nil, fmt.Errorf("string %d of tag %d has no end", i, tag)
		}
		v[i] = string(d[:n])
		d = d[n+1:]
	}
	return v, nil
}

// text returns the first string of a tag, "" if it is not there.
func (h *rpmHeader) text(tag uint32) (string, error) {
	e, ok, err := h.get(tag)
	if !ok || err != nil {
		return "", err
	}
	switch e.typ {
	case rpmString, rpmStringArray, rpmI18NString:
	default:
		return "", fmt.Errorf("tag %d has type %d and not strings", tag, e.typ)
	}
	s, _, ok := bytes.Cut(h.data[e.off:], []byte{0})
	if !ok {
		return "", fmt.Errorf("string of tag %d has no end", tag)
	}
	return string(s), nil
}
