// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

const (
	debMagic = arMagic + "debian-binary"
	rpmMagic = "\xed\xab\xee\xdb"

	tarBlock = 512
)

// Sniff tells the kind of archive from the beginning of a file, 0 if it is
// none that [Open] takes:
//
//	deb   "!<arch>\ndebian-binary"
//	rpm   ED AB EE DB
//	cpio  "070701" or "070702"
//	tar   "ustar" at byte 257, or a right checksum of the first 512 bytes
//
// and the last two also behind a compression. The error is that of r.
func Sniff(r io.ReaderAt) (Kind, error) {
	s, err := sniff(r, 1<<62)
	return s.kind, err
}

// sniffed is what the beginning of a file says.
type sniffed struct {
	kind   Kind
	format codec.Format // compression of the whole file
	err    error        // why nothing could be decoded
}

func sniff(r io.ReaderAt, size int64) (sniffed, error) {
	var buf [tarBlock]byte
	n, err := r.ReadAt(buf[:], 0)
	if err != nil && err != io.EOF {
		return sniffed{}, err
	}
	head := buf[:n]
	switch {
	case bytes.HasPrefix(head, []byte(debMagic)):
		return sniffed{kind: Deb}, nil
	case bytes.HasPrefix(head, []byte(rpmMagic)):
		return sniffed{kind: RPM}, nil
	}
	if k := sniffStream(head); k != 0 {
		return sniffed{kind: k, format: codec.Plain}, nil
	}
	s := sniffed{format: codec.Sniff(head)}
	if s.format == codec.Plain {
		return s, nil
	}
	// An error of r must not pass for one of the decoder.
	in := &errReader{r: io.NewSectionReader(r, 0, size)}
	head, s.err = decodeHead(in, s.format, buf[:])
	if in.err != nil {
		return sniffed{}, in.err
	}
	s.kind = sniffStream(head)
	return s, nil
}

// sniffStream tells a plain tar or cpio archive from its first 512 bytes.
func sniffStream(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte(magicNewc)), bytes.HasPrefix(head, []byte(magicCRC)):
		return Cpio
	case isTarHeader(head):
		return Tar
	}
	return 0
}

// isTarHeader recognizes a first header block. The checksum is there for the v7
// format, which has no magic; a block of zeros does not pass.
func isTarHeader(b []byte) bool {
	if len(b) < tarBlock {
		return false
	}
	if bytes.HasPrefix(b[257:], []byte("ustar")) {
		return true
	}
	want, err := strconv.ParseInt(string(bytes.Trim(b[148:156], " \x00")), 8, 64)
	if err != nil || b[0] == 0 {
		return false
	}
	sum := int64(8 * ' ') // the checksum field itself counts as spaces
	for i, c := range b[:tarBlock] {
		if i < 148 || i >= 156 {
			sum += int64(c)
		}
	}
	return sum == want
}

// decodeHead fills buf from the beginning of a compressed stream as far as
// there is something; the error says why there is not more.
func decodeHead(r io.Reader, f codec.Format, buf []byte) ([]byte, error) {
	d, err := codec.NewReader(r, f)
	if err != nil {
		return nil, err
	}
	n, err := io.ReadFull(d, buf)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
		err = nil // just short
	}
	return buf[:n], errors.Join(err, d.Close())
}

// errReader remembers the error of the reader below, except io.EOF.
type errReader struct {
	r   io.Reader
	err error
}

func (e *errReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && err != io.EOF {
		e.err = err
	}
	return n, err
}
