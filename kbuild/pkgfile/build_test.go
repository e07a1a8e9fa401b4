// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

// bytesFile is a file in memory.
type bytesFile struct{ *bytes.Reader }

func (bytesFile) Close() error { return nil }

// openBytes opens an archive in memory.
func openBytes(tb testing.TB, data []byte, o *Options) (*Archive, error) {
	tb.Helper()
	return openFile(context.Background(), "test", bytesFile{bytes.NewReader(data)}, int64(len(data)), o)
}

// mustOpen opens an archive in memory that has to be whole.
func mustOpen(tb testing.TB, data []byte) *Archive {
	tb.Helper()
	a, err := openBytes(tb, data, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { a.Close() })
	checkArchive(tb, a)
	return a
}

// checkArchive checks what has to hold for any archive that opens.
func checkArchive(tb testing.TB, a *Archive) {
	tb.Helper()
	for i, m := range a.Members() {
		if m.Name != "" && (!fs.ValidPath(m.Name) && validUTF8(m.Name) || strings.HasPrefix(m.Name, "/") || strings.IndexByte(m.Name, 0) >= 0) {
			tb.Errorf("member %d: name %q is not clean", i, m.Name)
		}
		if m.Name != clean(m.Raw) {
			tb.Errorf("member %d: name %q from %q", i, m.Name, m.Raw)
		}
		if !slices.IsSortedFunc(m.Xattrs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) }) {
			tb.Errorf("member %d: attributes are not sorted", i)
		}
		r, err := a.Content(i)
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) || m.Size != 0 {
				tb.Errorf("member %d (size %d): %v", i, m.Size, err)
			}
			continue
		}
		if n, err := io.Copy(io.Discard, r); n != m.Size || err != nil {
			tb.Errorf("member %d: read %d of %d bytes: %v", i, n, m.Size, err)
		}
	}
	for i, p := range a.Problems() {
		if p.Member < -1 || p.Member >= len(a.Members()) || p.Text == "" || p.Kind == "" {
			tb.Errorf("problem %+v", p)
		}
		if i > 0 && uint(a.Problems()[i-1].Member) > uint(p.Member) {
			tb.Errorf("problem %d is out of order", i)
		}
	}
	for _, i := range []int{-1, len(a.Members())} {
		if _, err := a.Content(i); !errors.Is(err, fs.ErrInvalid) {
			tb.Errorf("Content(%d): %v", i, err)
		}
	}
}

func validUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s }

// findings lists the problems as "INDEX KIND".
func findings(a *Archive) []string {
	var s []string
	for _, p := range a.Problems() {
		s = append(s, fmt.Sprintf("%d %s", p.Member, p.Kind))
	}
	return s
}

// names lists the members as "AREA NAME".
func names(a *Archive) []string {
	var s []string
	for _, m := range a.Members() {
		s = append(s, strings.TrimLeft(m.Area+" "+m.Name, " "))
	}
	return s
}

func text(tb testing.TB, a *Archive, i int) string {
	tb.Helper()
	r, err := a.Content(i)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// tf is a member of a tar archive with the given content.
type tf struct {
	tar.Header
	body string
}

func reg(name, body string) tf { return tf{tar.Header{Name: name, Typeflag: tar.TypeReg}, body} }
func link(name, to string) tf {
	return tf{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}, ""}
}
func hard(name, to string) tf {
	return tf{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to}, ""}
}
func dir(name string) tf { return tf{tar.Header{Name: name, Typeflag: tar.TypeDir}, ""} }

func tarball(tb testing.TB, files ...tf) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := f.Header
		if h.Size == 0 {
			h.Size = int64(len(f.body))
		}
		h.Mode |= 0o644
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1700000000, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, f.body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// rawTar makes one ustar header, for what archive/tar does not write.
func rawTar(name string, flag byte, size int64, edit func(b []byte)) []byte {
	b := make([]byte, tarBlock)
	copy(b, name)
	copy(b[100:], "0000644\x00")
	copy(b[108:], "0000000\x00")
	copy(b[116:], "0000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00", size))
	copy(b[136:], "00000000000\x00")
	b[156] = flag
	copy(b[257:], "ustar\x0000")
	if edit != nil {
		edit(b)
	}
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

var tarEnd = make([]byte, 2*tarBlock)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func gz(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// arFile is a member of an ar archive.
type arFile struct {
	name string
	data []byte
}

func arFrom(files ...arFile) []byte {
	b := bytes.NewBufferString(arMagic)
	for _, f := range files {
		fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", f.name, 1700000000, 0, 0, 0o100644, len(f.data))
		b.Write(f.data)
		if len(f.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// debOf makes a deb of a data archive.
func debOf(tb testing.TB, data []byte) []byte {
	return arFrom(arFile{"debian-binary", []byte("2.0\n")},
		arFile{"control.tar", tarball(tb, reg("./control", "Package: x\n"))},
		arFile{"data.tar", data})
}

// cf is a member of a cpio archive.
type cf struct {
	name, body               string
	mode, ino, nlink, check  uint32
	size                     int64 // stated; -1 for that of body
	major, minor, devMinor   uint32
	magic                    string
	uid, gid, mtime, devMajr uint32
}

func cfile(name, body string) cf {
	return cf{name: name, body: body, mode: 0o100644, nlink: 1, size: -1}
}

func cpioOf(files ...cf) []byte {
	b := &bytes.Buffer{}
	pad := func() {
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	for _, f := range append(files, cf{name: cpioTrailer, nlink: 1}) {
		if f.magic == "" {
			f.magic = magicNewc
		}
		if f.size < 0 {
			f.size = int64(len(f.body))
		}
		b.WriteString(f.magic)
		for _, v := range []uint32{f.ino, f.mode, f.uid, f.gid, f.nlink, f.mtime, uint32(f.size), f.devMajr, f.devMinor, f.major, f.minor, uint32(len(f.name) + 1), f.check} {
			fmt.Fprintf(b, "%08x", v)
		}
		b.WriteString(f.name + "\x00")
		pad()
		b.WriteString(f.body)
		pad()
	}
	return b.Bytes()
}

// tag is an entry of an rpm header.
type tag struct {
	tag, typ, count uint32
	data            []byte
}

func tagStrings(t uint32, v ...string) tag {
	return tag{t, rpmStringArray, uint32(len(v)), []byte(strings.Join(v, "\x00") + "\x00")}
}
func tagText(t uint32, s string) tag { return tag{t, rpmString, 1, []byte(s + "\x00")} }
func tagInts(t uint32, v ...uint32) tag {
	var b []byte
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return tag{t, rpmInt32, uint32(len(v)), b}
}
func tagShorts(t uint32, v ...uint16) tag {
	var b []byte
	for _, n := range v {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return tag{t, rpmInt16, uint32(len(v)), b}
}

func rpmHeaderOf(tags ...tag) []byte {
	var index, data []byte
	for _, t := range tags {
		for len(data)%8 != 0 {
			data = append(data, 0)
		}
		for _, v := range []uint32{t.tag, t.typ, uint32(len(data)), t.count} {
			index = binary.BigEndian.AppendUint32(index, v)
		}
		data = append(data, t.data...)
	}
	b := binary.BigEndian.AppendUint32(nil, rpmHeaderMagic)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(tags)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(append(b, index...), data...)
}

func rpmLeadOf() []byte {
	lead := make([]byte, rpmLeadLen)
	copy(lead, rpmMagic)
	lead[4] = 3
	lead[rpmSigTypeOff+1] = rpmSigType
	return lead
}

// rpmOf makes an rpm of the tags of its header and its payload.
func rpmOf(payload []byte, tags ...tag) []byte {
	b := append(rpmLeadOf(), rpmHeaderOf(tagText(1007, "x"))...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return join(b, rpmHeaderOf(tags...), payload)
}
