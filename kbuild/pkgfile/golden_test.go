// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// samples returns the sample archives, and fails if there are none: an empty
// glob must not pass for success.
func samples(tb testing.TB, glob string) []string {
	tb.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", glob))
	if err != nil {
		tb.Fatal(err)
	}
	var files []string
	for _, f := range all {
		switch filepath.Ext(f) {
		case ".mtree", ".list", ".sh", ".md", ".spec":
		default:
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		tb.Fatalf("no files match %s", glob)
	}
	return files
}

func openSample(tb testing.TB, path string) *Archive {
	tb.Helper()
	a, err := Open(context.Background(), path, &Options{TempDir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := a.Close(); err != nil {
			tb.Error(err)
		}
	})
	checkArchive(tb, a)
	return a
}

// row is what two readers of an archive have to agree on.
type row struct {
	Mode, Owner, Time, Link, Device, Sum string
	Size                                 int64
}

// rows describes the members of an area the way an mtree file can. A name that
// is there twice fails the test.
func rows(t *testing.T, a *Archive, area string) map[string]row {
	t.Helper()
	got := map[string]row{}
	for i, m := range a.Members() {
		if m.Area != area {
			continue
		}
		r := row{Mode: lsMode(m.Mode), Owner: fmt.Sprintf("%d:%d %s:%s", m.UID, m.GID, m.User, m.Group), Time: m.MTime.Format(time.RFC3339Nano)}
		switch {
		case m.Mode.IsRegular():
			r.Size, r.Sum = m.Size, contentSum(t, a, i)
		case m.Mode.Type() == fs.ModeSymlink:
			r.Link = m.Link
		case m.Mode&fs.ModeDevice != 0:
			r.Device = fmt.Sprintf("%d,%d", m.Major, m.Minor)
		}
		if _, dup := got[m.Name]; dup || m.Name == "" {
			t.Errorf("name %q is there twice or empty", m.Name)
		}
		got[m.Name] = r
	}
	return got
}

func contentSum(t *testing.T, a *Archive, i int) string {
	t.Helper()
	r, err := a.Content(i)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// lsMode is a mode in the words of mtree: type and octal permissions.
func lsMode(m fs.FileMode) string {
	perm := uint32(m.Perm())
	for bit, v := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			perm |= v
		}
	}
	kind := map[fs.FileMode]string{
		0: "file", fs.ModeDir: "dir", fs.ModeSymlink: "link", fs.ModeNamedPipe: "fifo",
		fs.ModeDevice: "block", fs.ModeDevice | fs.ModeCharDevice: "char", fs.ModeSocket: "socket",
	}[m.Type()]
	return fmt.Sprintf("%s %o", kind, perm)
}

// readMtree parses what libarchive says is in an archive. It has no contents
// for hard links; what they lead to is filled in from links.
func readMtree(t *testing.T, path string, links map[string]string) map[string]row {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]row{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		words := strings.Fields(lines.Text())
		kv := map[string]string{}
		for _, w := range words[1:] {
			k, v, _ := strings.Cut(w, "=")
			kv[k] = v
		}
		r := row{
			Mode:  kv["type"] + " " + kv["mode"],
			Owner: kv["uid"] + ":" + kv["gid"] + " " + kv["uname"] + ":" + kv["gname"],
			Time:  mtreeTime(t, kv["time"]),
			Link:  kv["link"],
			Sum:   kv["sha256digest"],
		}
		_, r.Device, _ = strings.Cut(kv["device"], ",")
		if kv["type"] == "file" {
			r.Size, _ = strconv.ParseInt(kv["size"], 10, 64)
		}
		want[clean(words[0])] = r
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 {
		t.Fatalf("%s is empty", path)
	}
	for name, to := range links {
		r := want[name]
		r.Size, r.Sum = want[to].Size, want[to].Sum
		want[name] = r
	}
	return want
}

func mtreeTime(t *testing.T, s string) string {
	sec, nsec, _ := strings.Cut(s, ".")
	a, err1 := strconv.ParseInt(sec, 10, 64)
	b, err2 := strconv.ParseInt(nsec, 10, 64)
	if err1 != nil || err2 != nil {
		t.Fatalf("time %q", s)
	}
	return time.Unix(a, b).UTC().Format(time.RFC3339Nano)
}

// hardLinks returns the hard links of an area and what they lead to.
func hardLinksOf(a *Archive, area string) map[string]string {
	links := map[string]string{}
	for _, m := range a.Members() {
		if m.Hard && m.Area == area {
			links[m.Name] = m.Link
		}
	}
	return links
}

// TestAgainstLibarchive compares the table of each sample, contents included,
// with that of another reader.
func TestAgainstLibarchive(t *testing.T) {
	n := 0
	for _, path := range samples(t, "*") {
		for area, suffix := range map[string]string{"": ".mtree", "control": ".control.mtree"} {
			if _, err := os.Stat(path + suffix); err != nil {
				continue
			}
			n++
			t.Run(filepath.Base(path)+" "+area, func(t *testing.T) {
				a := openSample(t, path)
				want := readMtree(t, path+suffix, hardLinksOf(a, area))
				if diff := cmp.Diff(want, rows(t, a, area)); diff != "" {
					t.Errorf("libarchive (-) and this package (+) differ:\n%s", diff)
				}
			})
		}
	}
	if n < 20 {
		t.Errorf("only %d listings", n)
	}
}

// TestAgainstRPM compares each sample with what rpm -qp says.
func TestAgainstRPM(t *testing.T) {
	for _, path := range samples(t, "*.rpm") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a := openSample(t, path)
			if p := a.Problems(); len(p) > 0 {
				t.Errorf("problems: %v", p)
			}
			data, err := os.ReadFile(path + ".list")
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
			got := make([]string, len(want))
			for i, line := range want { // in the order of the header, which the payload need not have
				f := strings.Fields(line)
				got[i] = rpmLine(t, a, f[5])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rpm (-) and this package (+) differ:\n%s", diff)
			}
			var names []string
			for _, m := range a.Members()[:4] {
				names = append(names, m.Area+" "+m.Name)
			}
			if diff := cmp.Diff([]string{"header lead", "header signature", "header header", "header payload"}, names); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// rpmLine describes the member of a name as testdata/make.sh makes rpm do it.
func rpmLine(t *testing.T, a *Archive, path string) string {
	t.Helper()
	for i, m := range a.Members() {
		if "/"+m.Name != path || m.Area != "" && m.Area != "ghost" {
			continue
		}
		kind, perm, _ := strings.Cut(lsMode(m.Mode), " ")
		typ := map[string]string{"file": "100", "dir": "40", "link": "120"}[kind]
		size, link, sum, caps, flags := m.Size, "", "", "", 0
		switch {
		case m.Area == "ghost":
			flags, size = rpmGhost, 1
		case m.Mode.IsRegular():
			sum = contentSum(t, a, i)
		case m.Mode.Type() == fs.ModeSymlink:
			link, size = m.Link, int64(len(m.Link))
		}
		for _, x := range m.Xattrs {
			if x.Name == "rpm:FILECAPS" {
				caps = x.Value
			}
		}
		return fmt.Sprintf("%s%04s %s %s %d %d %s link=%s flags=%d digest=%s caps=%s", typ[:len(typ)-1], perm, m.User, m.Group, m.MTime.Unix(), size, path, link, flags, sum, caps)
	}
	return path + " is missing"
}

func TestSampleDetails(t *testing.T) {
	find := func(t *testing.T, a *Archive, name string) Member {
		for _, m := range a.Members() {
			if m.Area == "" && m.Name == name {
				return m
			}
		}
		t.Fatalf("no %s", name)
		return Member{}
	}
	const capNetRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, name := range []string{"pax-xattr.tar.xz", "bsdtar-pax.tar.zst"} {
		m := find(t, openSample(t, "testdata/"+name), "usr/bin/tool")
		got := ""
		for _, x := range m.Xattrs {
			if x.Name == "security.capability" {
				got = x.Value
			}
		}
		if got != capNetRaw {
			t.Errorf("%s: capability is %q", name, got)
		}
	}
	m := find(t, openSample(t, "testdata/gnu.tar.gz"), "usr/bin/tool2")
	if !m.Hard || m.Link != "usr/bin/tool" || m.Size != 4 || m.Raw != "./usr/bin/tool2" {
		t.Errorf("hard link in tar: %+v", m)
	}
	// cpio has the content in the last of the links.
	m = find(t, openSample(t, "testdata/newc.cpio"), "usr/bin/tool")
	if !m.Hard || m.Link != "usr/bin/tool2" || m.Size != 4 {
		t.Errorf("hard link in cpio: %+v", m)
	}
	a := openSample(t, "testdata/ustar.tar")
	var got []string
	for _, p := range a.Problems() {
		got = append(got, a.Members()[p.Member].Name+" "+p.String())
	}
	want := []string{"dev/null special-file: character device 1:3", "dev/pipe special-file: named pipe", "dev/sda special-file: block device 8:1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDebAreas fixes the order of a deb's table and that the outer members are
// as stored.
func TestDebAreas(t *testing.T) {
	path := "testdata/deb-xz.deb"
	a := openSample(t, path)
	var got []string
	for _, m := range a.Members() {
		got = append(got, m.Area+":"+m.Name)
	}
	want := []string{
		"ar:debian-binary", "ar:control.tar.xz",
		"control:.", "control:control", "control:postinst", "ar:data.tar.xz",
	}
	if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
		t.Error(diff)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.Content(1)
	if err != nil {
		t.Fatal(err)
	}
	got1, _ := io.ReadAll(r)
	if !strings.HasPrefix(string(got1), "\xfd7zXZ\x00") || !strings.Contains(string(data), string(got1)) {
		t.Errorf("control.tar.xz is not as stored")
	}
	if k := a.Kind(); k != Deb || a.Path() != path {
		t.Errorf("Kind %v, Path %q", k, a.Path())
	}
}
