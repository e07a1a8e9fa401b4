// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"encoding/hex"
	"fmt"
)

// Tags of the header with one item per file, and what they depend on.
const (
	tagOldFileNames = 1027 // whole paths, before rpm 4
	tagFileSizes    = 1028
	tagFileModes    = 1030
	tagFileRDevs    = 1033 // 8 bits major, 8 bits minor
	tagFileMTimes   = 1034
	tagFileDigests  = 1035 // hex, "" for what is no regular file
	tagFileLinks    = 1036
	tagFileFlags    = 1037
	tagFileUsers    = 1039
	tagFileGroups   = 1040
	tagFileDevices  = 1095
	tagFileInodes   = 1096
	tagDirIndexes   = 1116
	tagBaseNames    = 1117
	tagDirNames     = 1118
	tagLongSizes    = 5008 // instead of tagFileSizes if one is 4 GiB or more, always in v6
	tagFileCaps     = 5010 // text of cap_to_text(3)
	tagDigestAlgo   = 5011 // of all tagFileDigests; MD5 if it is not there
	tagFileSigs     = 5090 // hex, IMA

	rpmGhost = 1 << 6 // in tagFileFlags
)

// rpmFile is a file as the header describes it.
type rpmFile struct {
	path        string
	mode        uint32
	size        int64
	mtime       uint32
	rdev        uint32
	inode       inode
	flags       uint32
	digest      string
	link        string
	user, group string
	caps, sig   string
}

func (f *rpmFile) ghost() bool { return f.flags&rpmGhost != 0 }

// rpmFiles is the file list of a header.
type rpmFiles struct {
	files []rpmFile
	algo  uint64 // of the digests
}

// rpmFileList reads the file list of the header at byte start.
func (o *opener) rpmFileList(h *rpmHeader, start int64) (*rpmFiles, error) {
	if n := h.fileCount(); n > int64(o.max) {
		return nil, &LimitError{Path: o.path, What: "members", Max: int64(o.max), Option: "MaxMembers"}
	}
	c := &rpmColumns{h: h, n: int(h.fileCount())}
	paths := c.paths()
	l := &rpmFiles{files: make([]rpmFile, len(paths)), algo: 1}
	for i, p := range paths {
		l.files[i].path = p
	}
	c.fill(l.files)
	algo, err := h.numbers(tagDigestAlgo, 1)
	if c.err == nil {
		c.err = err
	}
	if c.tooLong {
		return nil, &LimitError{Path: o.path, What: "bytes of names and metadata", Max: maxTable}
	}
	if c.err != nil {
		return nil, o.broken("rpm header", start, "bad file list", c.err)
	}
	if len(algo) > 0 {
		l.algo = algo[0]
	}
	return l, nil
}

// fileCount returns how many files the header lists.
func (h *rpmHeader) fileCount() int64 {
	if e, ok := h.tags[tagBaseNames]; ok {
		return int64(e.count)
	}
	return int64(h.tags[tagOldFileNames].count)
}

// rpmColumns reads tags with n items each. The first error sticks, and what is
// returned from then on is empty.
type rpmColumns struct {
	h       *rpmHeader
	n       int
	err     error
	tooLong bool
}

// numbers returns the n integers of a tag, or n zeros if it is not there.
func (c *rpmColumns) numbers(tag uint32) []uint64 {
	v, err := c.h.numbers(tag, c.n)
	return column(c, tag, v, err)
}

// strings returns the n strings of a tag, or n empty ones if it is not there.
func (c *rpmColumns) strings(tag uint32) []string {
	v, err := c.h.strings(tag, c.n)
	return column(c, tag, v, err)
}

func column[T any](c *rpmColumns, tag uint32, v []T, err error) []T {
	if c.err == nil && err != nil {
		c.err = err
	}
	if c.err == nil && v != nil && len(v) != c.n {
		c.err = fmt.Errorf("tag %d has %d items for %d files", tag, len(v), c.n)
	}
	if v == nil || c.err != nil {
		return make([]T, c.n)
	}
	return v
}

// paths returns the path of each file.
func (c *rpmColumns) paths() []string {
	if _, ok := c.h.tags[tagBaseNames]; !ok {
		return c.strings(tagOldFileNames)
	}
	base, index := c.strings(tagBaseNames), c.numbers(tagDirIndexes)
	dirs, err := c.h.strings(tagDirNames, c.n)
	if c.err == nil {
		c.err = err
	}
	if c.err != nil {
		return nil
	}
	var total int64
	for i := range base {
		if index[i] >= uint64(len(dirs)) {
			c.err = fmt.Errorf("file %d is in folder %d of %d", i, index[i], len(dirs))
			return nil
		}
		// A thousand files can share one folder name of a megabyte, so the sum
		// is not bounded by the size of the header.
		total += int64(len(dirs[index[i]]) + len(base[i]))
	}
	if total > maxTable {
		c.tooLong = true
		return nil
	}
	for i := range base {
		base[i] = dirs[index[i]] + base[i]
	}
	return base
}

// fill reads all columns but the names.
func (c *rpmColumns) fill(files []rpmFile) {
	if len(files) != c.n {
		return // paths failed
	}
	number := func(tag uint32, set func(f *rpmFile, v uint64)) {
		for i, v := range c.numbers(tag) {
			set(&files[i], v)
		}
	}
	text := func(tag uint32, set func(f *rpmFile, s string)) {
		for i, s := range c.strings(tag) {
			set(&files[i], s)
		}
	}
	sizes := uint32(tagFileSizes)
	if _, ok := c.h.tags[tagLongSizes]; ok {
		sizes = tagLongSizes
	}
	number(sizes, func(f *rpmFile, v uint64) {
		f.size = int64(v)
		if f.size < 0 && c.err == nil {
			c.err = fmt.Errorf("size of %d bytes", v)
		}
	})
	number(tagFileModes, func(f *rpmFile, v uint64) { f.mode = uint32(v) & 0xffff })
	number(tagFileMTimes, func(f *rpmFile, v uint64) { f.mtime = uint32(v) })
	number(tagFileRDevs, func(f *rpmFile, v uint64) { f.rdev = uint32(v) & 0xffff })
	number(tagFileFlags, func(f *rpmFile, v uint64) { f.flags = uint32(v) })
	number(tagFileDevices, func(f *rpmFile, v uint64) { f.inode.major = uint32(v) })
	number(tagFileInodes, func(f *rpmFile, v uint64) { f.inode.number = uint32(v) })
	text(tagFileDigests, func(f *rpmFile, s string) { f.digest = s })
	text(tagFileLinks, func(f *rpmFile, s string) { f.link = s })
	text(tagFileUsers, func(f *rpmFile, s string) { f.user = s })
	text(tagFileGroups, func(f *rpmFile, s string) { f.group = s })
	text(tagFileCaps, func(f *rpmFile, s string) { f.caps = s })
	text(tagFileSigs, func(f *rpmFile, s string) { f.sig = s })
}

// xattrs returns what the header states in text.
func (f *rpmFile) xattrs() []Xattr {
	var xs []Xattr
	if f.caps != "" {
		xs = append(xs, Xattr{"rpm:FILECAPS", f.caps})
	}
	if f.sig != "" {
		xs = append(xs, Xattr{"rpm:FILESIGNATURES", f.sig})
	}
	return xs
}

// binary returns n raw bytes of a tag as hexadecimal digits, "" if the tag is
// not there.
func (h *rpmHeader) binary(tag uint32, n int) (string, error) {
	e, ok, err := h.get(tag)
	if !ok || err != nil {
		return "", err
	}
	if e.typ != rpmBin || e.count != uint32(n) {
		return "", fmt.Errorf("tag %d has type %d and %d bytes, and not %d raw bytes", tag, e.typ, e.count, n)
	}
	return hex.EncodeToString(h.data[e.off:][:n]), nil
}
