// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"strings"
	"time"
)

// rpmPayload joins the members of a payload with the file list of the header,
// which has the better metadata, and sees that both say the same.
type rpmPayload struct {
	o     *opener
	list  *rpmFiles
	names map[string]int // clean path to file
	links map[inode]hardLinks
	rows  []rpmRow
	seen  []bool // per file: it is in the payload
}

// hardLinks is a set of files of the header with one inode.
type hardLinks struct {
	count uint32
	last  int // the file that has the content
}

// rpmRow is a row that came from the payload.
type rpmRow struct {
	row, file int // file is -1 if the header does not list it
	digest    []byte
}

func newRPMPayload(o *opener, list *rpmFiles) *rpmPayload {
	p := &rpmPayload{
		o:     o,
		list:  list,
		names: make(map[string]int, len(list.files)),
		links: make(map[inode]hardLinks),
		seen:  make([]bool, len(list.files)),
	}
	stated := false
	for i := range list.files {
		f := &list.files[i]
		stated = stated || f.digest != ""
		if _, dup := p.names[clean(f.path)]; dup {
			o.problem(-1, Inconsistent, "header lists %q twice", clip(f.path))
		}
		p.names[clean(f.path)] = i
		if unixMode(f.mode).IsRegular() && !f.ghost() {
			l := p.links[f.inode]
			p.links[f.inode] = hardLinks{l.count + 1, i}
		}
	}
	if rpmDigest(list.algo) == nil && stated {
		o.problem(-1, Unsupported, "digests of the files are of unknown kind %d and were not checked", list.algo)
	}
	return p
}

// find returns the index of e in the file list, -1 if it is not there, and
// fills in what a stripped entry lacks.
func (p *rpmPayload) find(l *layer, e *cpioEntry) (int, error) {
	if e.magic != magicStripped {
		if i, ok := p.names[clean(e.name)]; ok {
			return i, nil
		}
		return -1, nil
	}
	if int64(e.index) >= int64(len(p.list.files)) {
		return 0, l.broken(e.off, fmt.Sprintf("member is file %d of the header, which lists %d", e.index, len(p.list.files)), nil)
	}
	i := int(e.index)
	f := &p.list.files[i]
	e.name, e.mode, e.mtime, e.inode = f.path, f.mode, f.mtime, f.inode
	e.major, e.minor = f.rdev>>8, f.rdev&0xff
	switch mode := unixMode(f.mode); {
	case mode.IsRegular():
		links := p.links[f.inode]
		e.nlink = links.count
		if links.count < 2 || links.last == i {
			e.size = f.size
		}
	case mode.Type() == fs.ModeSymlink:
		e.size = f.size
	}
	return i, nil
}

// newDigest returns the hash for the digest that the header states for a file,
// nil if it states none.
func (p *rpmPayload) newDigest(file int) hash.Hash {
	if file < 0 || p.list.files[file].digest == "" {
		return nil
	}
	return rpmDigest(p.list.algo)
}

// add adds the row for e, which is the given file.
func (p *rpmPayload) add(m Member, c content, e *cpioEntry, file int, digest hash.Hash) (int, error) {
	r := rpmRow{file: file}
	if digest != nil {
		r.digest = digest.Sum(nil)
	}
	if file < 0 {
		i, err := p.o.add(m, c)
		if err != nil {
			return 0, err
		}
		p.o.problem(i, Inconsistent, "not in the file list of the header")
		r.row = i
		p.rows = append(p.rows, r)
		return i, nil
	}
	f := &p.list.files[file]
	p.seen[file] = true
	wrong := p.differences(f, e)
	f.describe(&m)
	i, err := p.o.append(m, c, e.magic == magicStripped)
	if err != nil {
		return 0, err
	}
	for _, text := range wrong {
		p.o.problem(i, Inconsistent, "%s", text)
	}
	r.row = i
	p.rows = append(p.rows, r)
	return i, nil
}

// describe fills in the metadata that the header has. Numbers of owners are
// left: rpm goes by names.
func (f *rpmFile) describe(m *Member) {
	m.Mode = unixMode(f.mode)
	m.User, m.Group = f.user, f.group
	m.MTime = time.Unix(int64(f.mtime), 0)
	m.Link = f.link
	m.Xattrs = f.xattrs()
}

// differences compares what header and payload both say about a file, except
// for size and content, which hard links have in another member.
func (p *rpmPayload) differences(f *rpmFile, e *cpioEntry) []string {
	var ts []string
	differ := func(format string, args ...any) { ts = append(ts, fmt.Sprintf(format, args...)) }
	if e.mode != f.mode {
		differ("mode is %#o in the payload, %#o in the header", e.mode, f.mode)
	}
	if e.mtime != f.mtime {
		differ("mtime is %d in the payload, %d in the header", e.mtime, f.mtime)
	}
	if e.target != f.link {
		differ("link target is %q in the payload, %q in the header", clip(e.target), clip(f.link))
	}
	if f.ghost() {
		differ("the header says that it is not in the payload (%%ghost)")
	}
	return ts
}

// finish checks sizes and digests, which takes resolved links, and accounts for
// the files of the header that did not come.
func (p *rpmPayload) finish(links *cpioLinks) error {
	digests := make(map[int][]byte, len(p.rows))
	for _, r := range p.rows {
		digests[r.row] = r.digest
	}
	for _, r := range p.rows {
		m := &p.o.members[r.row]
		if r.file < 0 || !m.Mode.IsRegular() {
			continue
		}
		f := &p.list.files[r.file]
		if m.Size != f.size {
			p.o.problem(r.row, Inconsistent, "size is %d in the payload, %d in the header", m.Size, f.size)
		}
		got := hex.EncodeToString(digests[links.holds(r.row)])
		if f.digest != "" && got != "" && !strings.EqualFold(got, f.digest) {
			p.o.problem(r.row, DigestMismatch, "digest of the content is %s, the header states %s", got, clip(f.digest))
		}
	}
	for i := range p.list.files {
		f := &p.list.files[i]
		switch {
		case p.seen[i]:
		case f.ghost():
			m := Member{Area: "ghost", Raw: f.path}
			f.describe(&m)
			if _, err := p.o.addRooted(m, content{}); err != nil {
				return err
			}
		default:
			p.o.problem(-1, Inconsistent, "%q is in the file list of the header, and not in the payload", clip(f.path))
		}
	}
	return nil
}
