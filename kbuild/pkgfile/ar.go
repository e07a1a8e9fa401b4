// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"
)

// The ar format as deb(5) and ar(5) have it: the magic, then per member a
// header of 60 bytes of text and the content, padded with one "\n" to an even
// length. Fields are left-aligned and padded with spaces:
//
//	 0 name   16
//	16 mtime  12  decimal, seconds
//	28 uid     6  decimal
//	34 gid     6  decimal
//	40 mode    8  octal
//	48 size   10  decimal
//	58 "`\n"   2
const (
	arMagic     = "!<arch>\n"
	arHeaderLen = 60
)

// arReader walks over the members of an ar archive.
type arReader struct {
	r    io.ReaderAt
	size int64 // of the archive
	next int64 // offset of the next header
}

// arMember is a row of the archive and the place of its content.
type arMember struct {
	Member
	off int64
	pad byte // the padding byte, '\n' if there is none
}

// arError is what is wrong with an ar archive, and where.
type arError struct {
	off    int64
	reason string
	err    error
}

func (e *arError) Error() string { return e.reason }

// member returns the next member, or nil at the end.
func (a *arReader) member() (*arMember, error) {
	if a.next == a.size {
		return nil, nil
	}
	var h [arHeaderLen]byte
	if a.size-a.next < arHeaderLen {
		return nil, &arError{a.next, fmt.Sprintf("%d bytes where a member header of %d has to be", a.size-a.next, arHeaderLen), nil}
	}
	if _, err := a.r.ReadAt(h[:], a.next); err != nil {
		return nil, &arError{a.next, "reading member header", err}
	}
	m, err := parseArHeader(h[:])
	if err != nil {
		return nil, &arError{a.next, "bad member header", err}
	}
	m.off = a.next + arHeaderLen
	if m.Size > a.size-m.off {
		return nil, &arError{a.next, fmt.Sprintf("member of %d bytes, but the archive ends %d bytes after its header", m.Size, a.size-m.off), nil}
	}
	a.next = m.off + m.Size
	if m.Size%2 == 0 {
		return m, nil
	}
	pad := []byte{0}
	if _, err := a.r.ReadAt(pad, a.next); err != nil || a.next == a.size {
		return nil, &arError{a.next, "padding byte is missing", err}
	}
	m.pad = pad[0]
	a.next++
	return m, nil
}

func parseArHeader(h []byte) (*arMember, error) {
	if h[58] != '`' || h[59] != '\n' {
		return nil, fmt.Errorf("it ends in %q and not in %q", h[58:60], "`\n")
	}
	m := &arMember{pad: '\n'}
	m.Area = "ar"
	m.Raw = string(bytes.TrimRight(h[:16], " "))
	fields := []struct {
		name string
		text []byte
		base int
		need bool
		set  func(int64)
	}{
		{"mtime", h[16:28], 10, false, func(v int64) { m.MTime = time.Unix(v, 0) }},
		{"uid", h[28:34], 10, false, func(v int64) { m.UID = int(v) }},
		{"gid", h[34:40], 10, false, func(v int64) { m.GID = int(v) }},
		{"mode", h[40:48], 8, false, func(v int64) { m.Mode = arMode(uint32(v)) }},
		{"size", h[48:58], 10, true, func(v int64) { m.Size = v }},
	}
	for _, f := range fields {
		v, err := arNumber(f.text, f.base, f.need)
		if err != nil {
			return nil, fmt.Errorf("%s field: %w", f.name, err)
		}
		f.set(v)
	}
	return m, nil
}

// arMode is unixMode, except that GNU ar may leave out the type.
func arMode(v uint32) fs.FileMode {
	if v&0o170000 == 0 {
		v |= 0o100000
	}
	return unixMode(v)
}

// arNumber reads digits followed by nothing but spaces. The longest field has
// 12 decimal digits, so nothing overflows.
func arNumber(text []byte, base int, need bool) (int64, error) {
	digits := string(bytes.TrimRight(text, " "))
	if digits == "" && !need {
		return 0, nil
	}
	v, err := strconv.ParseUint(digits, base, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is no number in base %d", text, base)
	}
	return int64(v), nil
}
