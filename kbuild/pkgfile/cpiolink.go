// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"hash"
	"io"
)

// cpioSums are the sums that are taken over one content; either may be nil.
type cpioSums struct {
	check  *byteSum  // of the crc format
	digest hash.Hash // of the rpm header
}

// sums returns a writer to feed and what it feeds.
func (r *cpioReader) sums(e *cpioEntry, file int) (io.Writer, cpioSums) {
	var s cpioSums
	if e.magic == magicCRC {
		s.check = new(byteSum)
	}
	if r.pay != nil {
		s.digest = r.pay.newDigest(file)
	}
	switch {
	case s.check == nil:
		return s.digest, s
	case s.digest == nil:
		return s.check, s
	}
	return io.MultiWriter(s.check, s.digest), s
}

// byteSum adds up bytes modulo 1<<32, which is what the crc format calls a crc.
type byteSum struct{ sum uint32 }

func (b *byteSum) Write(p []byte) (int, error) {
	for _, c := range p {
		b.sum += uint32(c)
	}
	return len(p), nil
}

// cpioLinks gathers the members that are links to one file. The format has the
// content in one of them, by custom the last, and empty contents in the others.
type cpioLinks struct {
	rows   map[inode][]int
	order  []inode     // in which the files first came up
	holder map[int]int // from each linked row to the row with its content
}

func newCpioLinks() cpioLinks {
	return cpioLinks{rows: make(map[inode][]int), holder: make(map[int]int)}
}

func (c *cpioLinks) add(n inode, row int) {
	if len(c.rows[n]) == 0 {
		c.order = append(c.order, n)
	}
	c.rows[n] = append(c.rows[n], row)
}

// resolve leads each empty row to the one with the content.
func (c *cpioLinks) resolve(o *opener) {
	for _, n := range c.order {
		rows := c.rows[n]
		holder := rows[len(rows)-1]
		for _, i := range rows {
			if o.members[i].Size > 0 {
				holder = i
			}
		}
		for _, i := range rows {
			switch {
			case i == holder:
			case o.members[i].Size > 0:
				o.problem(i, Inconsistent, "hard-linked with member %d, and both have a content", holder)
			default:
				o.link(i, holder)
				c.holder[i] = holder
			}
		}
	}
}

// holds returns the row with the content of row i, mostly i itself.
func (c *cpioLinks) holds(i int) int {
	if h, ok := c.holder[i]; ok {
		return h
	}
	return i
}
