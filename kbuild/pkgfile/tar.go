// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
)

// readTar reads a tar archive to the end of its layer into the given area.
//
// The format itself is archive/tar's matter. What that package lets pass is
// checked here: an archive that just stops, at a header or in padding; an
// extended header that belongs to nothing; and what follows the end.
func (o *opener) readTar(l *layer, area string) error {
	// archive/tar looks for a Seek method to move over contents, which only a
	// layer in the file can offer.
	var in io.Reader = l
	if l.plain() {
		in = seekLayer{l}
	}
	tr := tar.NewReader(in)
	for next := int64(0); ; {
		hdr, err := tr.Next()
		if err == io.EOF {
			return l.endTar(next)
		}
		// ErrInsecurePath comes with a good header, and only in an environment
		// that asks for it; names are judged elsewhere.
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return l.broken(next, tarReason(err), err)
		}
		left, err := o.tarMember(l, tr, hdr, area)
		if err != nil {
			return err
		}
		next = (l.pos + left + tarBlock - 1) / tarBlock * tarBlock
	}
}

// endTar checks the end of an archive whose last member ends at byte end: two
// blocks of zeros directly there, and no data after them.
func (l *layer) endTar(end int64) error {
	const mark = 2 * tarBlock
	switch {
	case l.pos < end+mark:
		return l.broken(l.pos, "no end mark of two blocks of zeros", io.ErrUnexpectedEOF)
	case l.pos > end+mark, l.zeros < mark:
		return l.broken(end, "extended header that no member follows", nil)
	}
	return l.rest("the end mark")
}

func tarReason(err error) string {
	if errors.Is(err, tar.ErrHeader) {
		return "bad header or wrong checksum"
	}
	return "header cannot be read"
}

// tarMember adds the row for hdr. It returns how many bytes of the content are
// still to come in the layer.
func (o *opener) tarMember(l *layer, tr *tar.Reader, hdr *tar.Header, area string) (left int64, err error) {
	c, left, err := o.tarContent(l, tr, hdr)
	if err != nil {
		return 0, err
	}
	m := Member{
		Area:   area,
		Raw:    strings.Clone(hdr.Name),
		Mode:   permBits(hdr.Mode) | tarType(hdr.Typeflag),
		UID:    hdr.Uid,
		GID:    hdr.Gid,
		User:   hdr.Uname,
		Group:  hdr.Gname,
		MTime:  hdr.ModTime,
		Size:   c.size,
		Xattrs: tarXattrs(hdr),
	}
	var devOK bool
	m.Major, m.Minor, devOK = tarDevice(hdr)
	target := -1
	var linkProblem string
	switch hdr.Typeflag {
	case tar.TypeSymlink:
		m.Link = strings.Clone(hdr.Linkname)
	case tar.TypeLink:
		// Looked up before this row is there, so that a link to itself leads
		// nowhere.
		m.Link, m.Hard = strings.Clone(hdr.Linkname), true
		if target, linkProblem = o.linkTarget(area, hdr.Linkname); target >= 0 {
			m.Mode |= o.members[target].Mode.Type()
		}
	case tar.TypeXGlobalHeader:
		m.Area = "header"
	}
	i, err := o.add(m, c)
	if err != nil {
		return 0, err
	}
	if target >= 0 {
		o.link(i, target)
	}
	if linkProblem != "" {
		o.problem(i, BadLink, "%s", linkProblem)
	}
	if !devOK {
		o.problem(i, Inconsistent, "device numbers %d:%d are out of range", hdr.Devmajor, hdr.Devminor)
	}
	o.tarTypeProblems(i, hdr)
	return left, nil
}

// tarContent finds or copies the content of a regular file and moves over that
// of an entry of unknown type.
func (o *opener) tarContent(l *layer, tr *tar.Reader, hdr *tar.Header) (c content, left int64, err error) {
	cut := func(err error) error {
		return l.broken(l.pos, fmt.Sprintf("content of %q, %d bytes", clip(hdr.Name), hdr.Size), err)
	}
	regular := tarType(hdr.Typeflag) == 0 && hdr.Typeflag != tar.TypeLink
	known := tarType(hdr.Typeflag) != fs.ModeIrregular
	sparse := isSparse(hdr)
	switch {
	case !regular && known, hdr.Typeflag == tar.TypeXGlobalHeader:
		return content{}, 0, nil
	case l.plain() && !sparse:
		if hdr.Size > l.size-l.pos {
			return content{}, 0, cut(io.ErrUnexpectedEOF)
		}
		if regular {
			c = content{inFile, l.base + l.pos, hdr.Size}
		}
		return c, hdr.Size, nil
	case !regular:
		if _, err := io.Copy(io.Discard, tr); err != nil {
			return content{}, 0, cut(err)
		}
		return content{}, 0, nil
	}
	if hdr.Size > o.maxUnpacked-o.spool.Size() {
		return content{}, 0, o.tooLarge() // before a disk is filled with a hole
	}
	if c, err = o.copy(tr, hdr.Size, nil); err != nil {
		return content{}, 0, cut(err)
	}
	// A sparse file that stores more than its map takes shows only now.
	if _, err := tr.Read(o.buf[:1]); err != nil && err != io.EOF {
		return content{}, 0, cut(err)
	}
	return c, 0, nil
}

// linkTarget finds the row that a hard link leads to, -1 if there is none, and
// says what is wrong with it.
func (o *opener) linkTarget(area, link string) (row int, problem string) {
	name := clean(link)
	row, ok := o.last[areaName{area, name}]
	switch {
	case name == "":
		return -1, "hard link leads out of the tree"
	case !ok:
		return -1, fmt.Sprintf("hard link to %q, and there is no such member before it", clip(link))
	case o.members[row].Mode.IsDir():
		return -1, fmt.Sprintf("hard link to %q, which is a folder", clip(link))
	case strings.HasPrefix(link, "/"):
		return row, "hard link has an absolute target"
	case hasParent(link):
		return row, `target of hard link holds ".."`
	}
	return row, ""
}

func (o *opener) tarTypeProblems(i int, hdr *tar.Header) {
	switch t := tarType(hdr.Typeflag); {
	case hdr.Typeflag == tar.TypeXGlobalHeader:
		for key := range hdr.PAXRecords {
			if key != "comment" {
				o.problem(i, Unsupported, "global header sets more than a comment; what it sets is not applied to the members")
				return
			}
		}
	case t == fs.ModeIrregular:
		o.problem(i, Unsupported, "unknown entry type %q", hdr.Typeflag)
	case hdr.Typeflag == tar.TypeCont:
		o.problem(i, Unsupported, "contiguous file (type 7), taken for a regular file")
	case hdr.Size != 0 && (t != 0 || hdr.Typeflag == tar.TypeLink):
		o.problem(i, Inconsistent, "header states %d bytes of content, and this type has none", hdr.Size)
	}
}

// tarType returns the type bits for a type flag; 0 stands for regular files and
// hard links.
func tarType(flag byte) fs.FileMode {
	switch flag {
	case tar.TypeReg, tar.TypeLink, tar.TypeCont, tar.TypeGNUSparse:
		return 0
	case tar.TypeDir:
		return fs.ModeDir
	case tar.TypeSymlink:
		return fs.ModeSymlink
	case tar.TypeChar:
		return fs.ModeDevice | fs.ModeCharDevice
	case tar.TypeBlock:
		return fs.ModeDevice
	case tar.TypeFifo:
		return fs.ModeNamedPipe
	}
	return fs.ModeIrregular
}

func tarDevice(hdr *tar.Header) (major, minor uint32, ok bool) {
	if hdr.Typeflag != tar.TypeChar && hdr.Typeflag != tar.TypeBlock {
		return 0, 0, true
	}
	if uint64(hdr.Devmajor) > math.MaxUint32 || uint64(hdr.Devminor) > math.MaxUint32 {
		return 0, 0, false
	}
	return uint32(hdr.Devmajor), uint32(hdr.Devminor), true
}

const (
	paxXattr  = "SCHILY.xattr." // star's, and everybody's
	paxSparse = "GNU.sparse."
)

// isSparse reports whether the content is stored without its holes, in the old
// GNU format or one of the three for pax.
func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, paxSparse) {
			return true
		}
	}
	return false
}

// tarXattrs returns the extended attributes, and the pax records that no field
// of Member holds.
func tarXattrs(hdr *tar.Header) []Xattr {
	var xs []Xattr
	for key, value := range hdr.PAXRecords {
		switch key {
		case "path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime":
			if hdr.Typeflag != tar.TypeXGlobalHeader {
				continue
			}
		}
		if strings.HasPrefix(key, paxSparse) {
			continue
		}
		name, ok := strings.CutPrefix(key, paxXattr)
		if !ok {
			name = "pax:" + key
		}
		// Cloned: archive/tar's strings share the memory of the whole header.
		xs = append(xs, Xattr{strings.Clone(name), strings.Clone(value)})
	}
	return xs
}

// seekLayer lets archive/tar move over contents of a plain layer.
type seekLayer struct{ *layer }

// Seek implements [io.Seeker] as far as archive/tar uses it: forward from the
// current position. Like a file, it does not mind an offset beyond the end.
func (s seekLayer) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || off < 0 || off > math.MaxInt64-s.pos {
		return 0, errors.New("not a move forward")
	}
	if off > 0 {
		s.pos += off
		s.zeros = 0
	}
	return s.pos, nil
}
