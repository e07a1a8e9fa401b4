// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"fmt"
	"io/fs"
	"sort"
	"strings"
)

// maxTable bounds the memory of the table in bytes, strings included: a pax
// header can make each name a megabyte long, and compress well.
const maxTable = 512 << 20

// rowCost is about what a row takes besides its strings: Member, content and
// the entries in the maps.
const rowCost = 384

// problemCost is about what a Problem takes besides its text.
const problemCost = 64

// table collects rows and finds the problems that show in names and types.
type table struct {
	path     string
	max      int
	members  []Member
	contents []content
	problems []Problem
	last     map[areaName]int  // the last row of that name
	symlinks map[areaName]bool // names that are symbolic links
	linkSums map[uint64]bool   // fnv of the names in symlinks
	shared   map[string]string // user and group names, which repeat
	cost     int64
}

type areaName struct{ area, name string }

func newTable(path string, maxMembers int) *table {
	return &table{
		path:     path,
		max:      maxMembers,
		last:     make(map[areaName]int),
		symlinks: make(map[areaName]bool),
		linkSums: make(map[uint64]bool),
		shared:   make(map[string]string),
	}
}

// add appends a row, fills in its Name, and returns its index.
func (t *table) add(m Member, c content) (int, error) { return t.append(m, c, false) }

// addRooted is add for names that are absolute by the rules of the format.
func (t *table) addRooted(m Member, c content) (int, error) { return t.append(m, c, true) }

func (t *table) append(m Member, c content, rooted bool) (int, error) {
	if len(t.members) >= t.max {
		return 0, &LimitError{Path: t.path, What: "members", Max: int64(t.max), Option: "MaxMembers"}
	}
	m.Name = clean(m.Raw)
	m.User, m.Group = t.share(m.User), t.share(m.Group)
	m.MTime = m.MTime.UTC()
	sort.Slice(m.Xattrs, func(i, j int) bool { return m.Xattrs[i].Name < m.Xattrs[j].Name })

	t.cost += rowCost + int64(len(m.Raw)+len(m.Name)+len(m.Link))
	for _, x := range m.Xattrs {
		t.cost += 32 + int64(len(x.Name)+len(x.Value))
	}
	if t.cost > maxTable {
		return 0, &LimitError{Path: t.path, What: "bytes of names and metadata", Max: maxTable}
	}

	i := len(t.members)
	t.members = append(t.members, m)
	t.contents = append(t.contents, c)
	t.checkName(i, rooted)
	t.place(i)
	if m.Mode&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		t.problem(i, SpecialFile, "%s", special(m))
	}
	return i, nil
}

// place enters row i under its name and reports what is already there or in the
// way.
func (t *table) place(i int) {
	m := t.members[i]
	if m.Name == "" {
		return
	}
	if p := t.linkAbove(m.Area, m.Name); p != "" {
		t.problem(i, UnderLink, "%q is a symbolic link in this archive", clip(p))
	}
	key := areaName{m.Area, m.Name}
	if first, dup := t.last[key]; dup {
		t.problem(i, DuplicateName, "same name as member %d", first)
	}
	t.last[key] = i
	if m.Mode.Type() == fs.ModeSymlink {
		t.symlinks[key] = true
		sum := uint64(fnvBasis)
		for i := range len(m.Name) {
			sum = fnvAdd(sum, m.Name[i])
		}
		t.linkSums[sum] = true
	}
}

// linkAbove returns the first folder on the way to name that is a symbolic
// link, or "". Looking up every prefix would take time in the square of the
// length of a name, so a running checksum says first which could be one.
func (t *table) linkAbove(area, name string) string {
	if len(t.linkSums) == 0 {
		return ""
	}
	sum := uint64(fnvBasis)
	for i := range len(name) {
		if name[i] == '/' && t.linkSums[sum] && t.symlinks[areaName{area, name[:i]}] {
			return name[:i]
		}
		sum = fnvAdd(sum, name[i])
	}
	return ""
}

// FNV-1a with 64 bits.
const fnvBasis = 14695981039346656037

func fnvAdd(sum uint64, b byte) uint64 { return (sum ^ uint64(b)) * 1099511628211 }

// problem records a finding about row i, or about the archive if i is -1.
func (t *table) problem(i int, k ProblemKind, format string, args ...any) {
	p := Problem{Member: i, Kind: k, Text: fmt.Sprintf(format, args...)}
	t.problems = append(t.problems, p)
	t.cost += problemCost + int64(len(p.Text))
}

// link makes row i a hard link to row to.
func (t *table) link(i, to int) {
	m, holder := &t.members[i], t.members[to]
	if holder.Hard { // so that Link names the row with the content, not another link
		m.Link = holder.Link
	} else {
		m.Link = holder.Name
	}
	m.Hard = true
	m.Size = holder.Size
	m.Mode = m.Mode&^fs.ModeType | holder.Mode.Type()
	t.contents[i] = t.contents[to]
}

// share returns s, in the same memory for equal strings while they are few.
func (t *table) share(s string) string {
	if got, ok := t.shared[s]; ok {
		return got
	}
	s = strings.Clone(s)
	if len(t.shared) < 1024 {
		t.shared[s] = s
	} else {
		t.cost += int64(len(s))
	}
	return s
}

// sorted brings the findings into the order of the rows, those about the whole
// archive last.
func (t *table) sorted() []Problem {
	sort.SliceStable(t.problems, func(i, j int) bool {
		a, b := t.problems[i].Member, t.problems[j].Member
		return uint(a) < uint(b) // -1 becomes the largest
	})
	return t.problems
}

func special(m Member) string {
	switch {
	case m.Mode&fs.ModeCharDevice != 0:
		return fmt.Sprintf("character device %d:%d", m.Major, m.Minor)
	case m.Mode&fs.ModeDevice != 0:
		return fmt.Sprintf("block device %d:%d", m.Major, m.Minor)
	case m.Mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "named pipe"
}

// unixMode translates a mode word as stat(2) has it: S_IFMT 0170000, and so on.
func unixMode(mode uint32) fs.FileMode {
	m := permBits(int64(mode))
	switch mode & 0o170000 {
	case 0o100000:
	case 0o040000:
		m |= fs.ModeDir
	case 0o120000:
		m |= fs.ModeSymlink
	case 0o060000:
		m |= fs.ModeDevice
	case 0o020000:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case 0o010000:
		m |= fs.ModeNamedPipe
	case 0o140000:
		m |= fs.ModeSocket
	default:
		m |= fs.ModeIrregular
	}
	return m
}

// permBits translates the lower 12 bits of a mode word.
func permBits(mode int64) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}
