// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"fmt"
	"io"
	"io/fs"
	"time"
)

// The cpio formats, as in the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst: a header of 110
// bytes of text, the name with its NUL, the content; header with name and
// content are padded with NULs to a multiple of 4. The header is the magic and
// 13 numbers of 8 hexadecimal digits. The member TRAILER!!! ends the archive.
//
// rpm's own form (lib/cpio.c in its source) is the magic 07070X and one number,
// an index into the file list of the rpm header, padded to a multiple of 4, and
// the content.
const (
	magicNewc     = "070701"
	magicCRC      = "070702"
	magicStripped = "07070X"

	cpioHeaderLen = 110
	cpioTrailer   = "TRAILER!!!"

	// maxCpioName bounds names and targets of links, in bytes, far above what
	// Linux takes.
	maxCpioName = 64 << 10
)

// cpioEntry is one header.
type cpioEntry struct {
	off    int64 // of the header in the layer
	magic  string
	inode  inode
	mode   uint32 // as stat(2) has it
	uid    uint32
	gid    uint32
	nlink  uint32
	mtime  uint32 // seconds
	size   int64  // of the content that follows; stripped: not known from here
	major  uint32 // of a device node
	minor  uint32
	sum    uint32 // crc: the sum of all bytes of the content
	name   string
	index  uint32 // stripped: into the file list
	target string // of a symbolic link
}

// inode is what hard links to one file have in common.
type inode struct{ major, minor, number uint32 }

// cpioReader walks over a cpio archive.
type cpioReader struct {
	o     *opener
	l     *layer
	pay   *rpmPayload // nil if this is not the payload of an rpm
	links cpioLinks
}

// readCpio reads a cpio archive to the end of its layer. Metadata of an rpm's
// payload comes from pay where that has better.
func (o *opener) readCpio(l *layer, pay *rpmPayload) error {
	r := &cpioReader{o: o, l: l, pay: pay, links: newCpioLinks()}
	for {
		e, err := r.header()
		if err != nil {
			return err
		}
		if e.magic != magicStripped && e.name == cpioTrailer {
			if e.size != 0 {
				return l.broken(e.off, fmt.Sprintf("%s with a content of %d bytes", cpioTrailer, e.size), nil)
			}
			break
		}
		if err := r.member(e); err != nil {
			return err
		}
	}
	r.links.resolve(o)
	if err := l.rest(cpioTrailer); err != nil {
		return err
	}
	if pay == nil {
		return nil
	}
	return pay.finish(&r.links)
}

// member reads the content of e and adds its row.
func (r *cpioReader) member(e *cpioEntry) error {
	file := -1 // index into the file list of the rpm header
	if r.pay != nil {
		var err error
		if file, err = r.pay.find(r.l, e); err != nil {
			return err
		}
	} else if e.magic == magicStripped {
		return r.l.broken(e.off, "member without metadata, which only an rpm can hold", nil)
	}
	mode := unixMode(e.mode)
	c, sums, err := r.content(e, mode, file)
	if err != nil {
		return err
	}
	m := Member{
		Raw:   e.name,
		Mode:  mode,
		UID:   int(e.uid),
		GID:   int(e.gid),
		MTime: time.Unix(int64(e.mtime), 0),
		Size:  c.size,
		Link:  e.target,
	}
	if mode&fs.ModeDevice != 0 {
		m.Major, m.Minor = e.major, e.minor
	}
	var i int
	if r.pay != nil {
		i, err = r.pay.add(m, c, e, file, sums.digest)
	} else {
		i, err = r.o.add(m, c)
	}
	if err != nil {
		return err
	}
	r.problems(i, e, mode, sums)
	if mode.IsRegular() && e.nlink > 1 {
		r.links.add(e.inode, i)
	}
	return nil
}

func (r *cpioReader) problems(i int, e *cpioEntry, mode fs.FileMode, sums cpioSums) {
	switch {
	case mode&fs.ModeIrregular != 0:
		r.o.problem(i, Unsupported, "unknown file type in mode %#o", e.mode)
	case !mode.IsRegular() && mode.Type() != fs.ModeSymlink && e.size > 0:
		r.o.problem(i, Inconsistent, "header states %d bytes of content, and this type has none", e.size)
	}
	if sums.check != nil && sums.check.sum != e.sum {
		r.o.problem(i, DigestMismatch, "checksum of the content is %08x, the header states %08x", sums.check.sum, e.sum)
	}
}

// content reads what follows the header: the content of a regular file, or the
// target of a link into e. Anything else has none, and what is there is skipped.
func (r *cpioReader) content(e *cpioEntry, mode fs.FileMode, file int) (c content, s cpioSums, err error) {
	l := r.l
	switch {
	case mode.IsRegular():
		var sum io.Writer
		sum, s = r.sums(e, file)
		c, err = l.keep(e.size, sum)
	case mode.Type() == fs.ModeSymlink:
		if e.size > maxCpioName {
			return c, s, l.broken(e.off, fmt.Sprintf("target of a symbolic link with %d bytes", e.size), nil)
		}
		b := make([]byte, e.size)
		_, err = io.ReadFull(l, b)
		e.target = string(b)
	default:
		err = l.skip(e.size)
	}
	if err != nil {
		return c, s, l.broken(l.pos, fmt.Sprintf("content of %q, %d bytes", clip(e.name), e.size), err)
	}
	return c, s, l.pad4("content")
}

// header reads the next header and name.
func (r *cpioReader) header() (*cpioEntry, error) {
	l := r.l
	e := &cpioEntry{off: l.pos}
	var b [cpioHeaderLen]byte
	if _, err := io.ReadFull(l, b[:6]); err != nil {
		return nil, l.broken(e.off, "no "+cpioTrailer, err)
	}
	e.magic = string(b[:6])
	fields := b[6:]
	switch e.magic {
	case magicNewc, magicCRC:
	case magicStripped:
		fields = fields[:8]
	default:
		return nil, l.broken(e.off, fmt.Sprintf("%q where the magic of a header has to be", e.magic), nil)
	}
	if _, err := io.ReadFull(l, fields); err != nil {
		return nil, l.broken(e.off, "header", err)
	}
	var v [13]uint32
	for i := range len(fields) / 8 {
		var ok bool
		if v[i], ok = hex32(fields[8*i : 8*i+8]); !ok {
			return nil, l.broken(e.off, fmt.Sprintf("number %d of the header is %q and not 8 hexadecimal digits", i, fields[8*i:8*i+8]), nil)
		}
	}
	if e.magic == magicStripped {
		e.index = v[0]
		return e, l.pad4("header")
	}
	e.inode = inode{v[7], v[8], v[0]}
	e.mode, e.uid, e.gid, e.nlink, e.mtime = v[1], v[2], v[3], v[4], v[5]
	e.size, e.major, e.minor, e.sum = int64(v[6]), v[9], v[10], v[12]
	return e, r.name(e, int64(v[11]))
}

// name reads a name of n bytes, its NUL included.
func (r *cpioReader) name(e *cpioEntry, n int64) error {
	l := r.l
	if n < 1 || n > maxCpioName {
		return l.broken(e.off, fmt.Sprintf("name of %d bytes; it has to be 1 to %d", n, maxCpioName), nil)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(l, b); err != nil {
		return l.broken(e.off, "name", err)
	}
	if b[n-1] != 0 {
		return l.broken(e.off, "name does not end in a NUL", nil)
	}
	e.name = string(b[:n-1])
	return l.pad4("name")
}

// pad4 reads the padding to the next multiple of 4.
func (l *layer) pad4(after string) error {
	var b [3]byte
	pad := b[:-l.pos&3]
	at := l.pos
	if _, err := io.ReadFull(l, pad); err != nil {
		return l.broken(at, "padding after "+after, err)
	}
	for _, c := range pad {
		if c != 0 {
			l.o.problem(-1, TrailingData, "%s: padding after %s is not zero, at byte %d", l.name, after, at)
			break
		}
	}
	return nil
}

// hex32 reads 8 hexadecimal digits of either case.
func hex32(b []byte) (v uint32, ok bool) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint32(c)
	}
	return v, true
}
