// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// row is a member of an archive under test.
type row struct {
	tar.Header
	data string
}

const modDir = "./lib/modules/6.12.0/"

// rows is a small package of one module.
func rows() []row {
	dir := func(name string) row {
		return row{tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, ""}
	}
	file := func(name, data string) row {
		return row{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, data}
	}
	return []row{
		dir("./"), dir("./lib/"), dir("./lib/modules/"), dir(modDir), dir(modDir + "kernel/"),
		file(modDir+"modules.order", "kernel/a.ko\n"),
		file(modDir+"kernel/a.ko", string(ko.Module{Name: "a", Release: "6.12.0"}.Bytes())),
		file("./etc/conf", "one\n"),
		{tar.Header{Typeflag: tar.TypeSymlink, Name: "./etc/link", Linkname: "conf", Mode: 0o777}, ""},
		{tar.Header{Typeflag: tar.TypeChar, Name: "./dev", Mode: 0o600, Devmajor: 1, Devminor: 3}, ""},
	}
}

// at finds the row of a name.
func at(rs []row, name string) *row {
	i := slices.IndexFunc(rs, func(r row) bool { return r.Name == name })
	return &rs[i]
}

func archive(t *testing.T, rs []row) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, r := range rs {
		h := r.Header
		h.Size = int64(len(r.data))
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1e9, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(r.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packed compares builds of packages given by content.
func packed(t *testing.T, a, b [][]byte) *Comparison {
	t.Helper()
	var open [2]*kbuild.Build
	for i, files := range [][][]byte{a, b} {
		dir := t.TempDir()
		var paths []string
		for k, data := range files {
			paths = append(paths, filepath.Join(dir, fmt.Sprint(k)))
			if err := os.WriteFile(paths[k], data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if open[i], err = kbuild.Open(context.Background(), paths, &kbuild.Options{AllFiles: true}); err != nil {
			t.Fatal(err)
		}
		defer open[i].Close()
	}
	c, err := Builds(context.Background(), open[0], open[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// told is what the comparison names, one line each.
func told(c *Comparison) string {
	var lines []string
	for _, f := range c.Files {
		line := f.Name
		for _, ch := range f.Changes {
			line += fmt.Sprintf("; %s %s -> %s", ch.Field, ch.A, ch.B)
		}
		if f.Only != Both {
			line += "; only " + string(f.Only)
		}
		if f.Moved {
			line += "; moved"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestMembers changes one thing of one member, and that is named: nothing that a
// reader of archives can see passes for equal.
func TestMembers(t *testing.T) {
	const link, conf = "./etc/link", "./etc/conf"
	for _, tt := range []struct {
		name   string
		change func(rs []row) []row
		want   string
	}{
		{"stored name", func(rs []row) []row { at(rs, conf).Name = "etc/conf"; return rs }, "etc/conf; stored name ./etc/conf -> etc/conf"},
		{"slashes", func(rs []row) []row { at(rs, conf).Name = "./etc//conf"; return rs }, "etc/conf; stored name ./etc/conf -> ./etc//conf"},
		{"folder without slash", func(rs []row) []row { at(rs, "./lib/").Name = "lib/"; return rs }, "lib; stored name ./lib/ -> lib/"},
		{"root", func(rs []row) []row { at(rs, "./").Name = "././"; return rs }, ".; stored name ./ -> ././"},
		{"of a module", func(rs []row) []row {
			at(rs, modDir+"kernel/a.ko").Name = modDir[2:] + "kernel/a.ko"
			return rs
		}, "{modules}/kernel/a.ko; stored name ./lib/modules/6.12.0/kernel/a.ko -> lib/modules/6.12.0/kernel/a.ko"},
		{"mode of a link", func(rs []row) []row { at(rs, link).Mode = 0o755; return rs }, "etc/link; mode 0777 -> 0755"},
		{"setuid of a link", func(rs []row) []row { at(rs, link).Mode = 0o4777; return rs }, "etc/link; mode 0777 -> 4777"},
		{"target", func(rs []row) []row { at(rs, link).Linkname = "./conf"; return rs }, "etc/link; link conf -> ./conf"},
		{"mode of a folder", func(rs []row) []row { at(rs, "./lib/").Mode = 0o700; return rs }, "lib; mode 0755 -> 0700"},
		{"folder twice", func(rs []row) []row { return slices.Insert(rs, 3, rs[1]) }, "lib (2); only b"},
		{"folder twice, other mode", func(rs []row) []row {
			again := rs[1]
			again.Mode = 0o700
			return append(rs, again)
		}, "lib (2); only b"},
		{"file twice", func(rs []row) []row { return append(rs, *at(rs, conf)) }, "etc/conf (2); only b"},
		{"module twice", func(rs []row) []row { return append(rs, *at(rs, modDir+"kernel/a.ko")) },
			"{modules}/kernel/a.ko; moved\n{modules}/kernel/a.ko (2); only b"},
		{"owner", func(rs []row) []row { at(rs, conf).Uid = 7; return rs }, "etc/conf; owner 0:0 : -> 7:0 :"},
		{"time", func(rs []row) []row { at(rs, conf).ModTime = time.Unix(5, 0); return rs },
			"etc/conf; time 2001-09-09T01:46:40Z -> 1970-01-01T00:00:05Z"},
		{"time of a folder", func(rs []row) []row { at(rs, "./").ModTime = time.Unix(5, 0); return rs },
			".; time 2001-09-09T01:46:40Z -> 1970-01-01T00:00:05Z"},
		{"device", func(rs []row) []row { at(rs, "./dev").Devminor = 4; return rs }, "dev; device 1:3 -> 1:4"},
		{"xattr", func(rs []row) []row {
			at(rs, conf).PAXRecords = map[string]string{"SCHILY.xattr.user.a": "\xff"}
			return rs
		}, `etc/conf; xattrs  -> user.a="\xff"`},
		{"order", func(rs []row) []row { rs[8], rs[9] = rs[9], rs[8]; return rs }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := [][]byte{archive(t, rows())}, [][]byte{archive(t, tt.change(rows()))}
			c := packed(t, a, b)
			got := told(c)
			if tt.name == "order" { // which of the two moved depends on their names
				if len(c.Files) != 1 || !c.Files[0].Moved {
					t.Errorf("told %s", got)
				}
			} else if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if c.Verdict != Different || c.MembersEqual() {
				t.Errorf("verdict %v, members equal %v", c.Verdict, c.MembersEqual())
			}
			if back := packed(t, b, a); len(back.Files) != len(c.Files) {
				t.Errorf("swapped: %s", told(back))
			}
		})
	}
}

// TestContainer changes what is not the members': that the members are equal is
// said, and that the package files are not.
func TestContainer(t *testing.T) {
	plain := archive(t, rows())
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	gnu := rows()
	for i := range gnu {
		gnu[i].Format = tar.FormatGNU
	}
	for name, b := range map[string][]byte{
		"gzip":    z.Bytes(),
		"padding": append(slices.Clip(plain), make([]byte, 5120)...),
		"gnu":     archive(t, gnu),
	} {
		c := packed(t, [][]byte{plain}, [][]byte{b})
		if c.Verdict != Different || !c.MembersEqual() || c.Packages[0].Verdict != Different || told(c) != "" {
			t.Errorf("%s: verdict %v, members equal %v: %s", name, c.Verdict, c.MembersEqual(), told(c))
		}
	}
	if c := packed(t, [][]byte{plain}, [][]byte{plain}); c.Verdict != Identical || !c.MembersEqual() {
		t.Errorf("the same: %v, %s", c.Verdict, told(c))
	}
}

// TestSharedFolders: packages of one build hold the same folders. Package by
// package each entry is compared; where they cannot be matched, that is said.
func TestSharedFolders(t *testing.T) {
	rs := rows()
	one, two := archive(t, rs[:7]), archive(t, append(slices.Clone(rs[:2]), rs[7:]...))
	late := slices.Clone(append(slices.Clone(rs[:2]), rs[7:]...))
	late[1].ModTime = time.Unix(5, 0)
	c := packed(t, [][]byte{one, two}, [][]byte{one, archive(t, late)})
	if want := "lib (2); time 2001-09-09T01:46:40Z -> 1970-01-01T00:00:05Z"; told(c) != want {
		t.Errorf("told %s", told(c))
	}
	c = packed(t, [][]byte{one, two}, [][]byte{archive(t, rs)})
	if told(c) != "" || !slices.ContainsFunc(c.Notes, func(n string) bool { return strings.HasPrefix(n, "of a folder that several packages hold") }) {
		t.Errorf("told %s, notes %q", told(c), c.Notes)
	}
}

// TestUnknownType: nobody knows whether such an entry has a content.
func TestUnknownType(t *testing.T) {
	data := archive(t, append(rows(), row{tar.Header{Typeflag: tar.TypeFifo, Name: "odd"}, ""}))
	i := bytes.LastIndex(data, []byte("odd\x00"))
	data[i+156] = 'Q'
	fixChecksum(data[i : i+512])
	c := packed(t, [][]byte{data}, [][]byte{append(slices.Clip(data), make([]byte, 512)...)})
	if c.MembersEqual() || c.Unread != 1 || c.Verdict != Different {
		t.Errorf("members equal %v, unread %d: %s", c.MembersEqual(), c.Unread, told(c))
	}
}

// fixChecksum makes the checksum of a tar header true: the sum of its bytes with
// the eight of the checksum itself taken for spaces.
func fixChecksum(h []byte) {
	copy(h[148:156], "        ")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
}
