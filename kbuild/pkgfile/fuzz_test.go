// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// small are limits that keep a run of the fuzzer cheap.
var small = Options{MaxUnpacked: 1 << 20, MaxMembers: 500}

// fuzzOpen opens data as an archive and checks what has to hold whatever it is:
// an archive or an error and never both, and only errors that Open documents.
func fuzzOpen(t *testing.T, data []byte) {
	o := small
	a, err := openBytes(t, data, &o)
	if (a == nil) == (err == nil) {
		t.Fatalf("archive %v and error %v", a, err)
	}
	if err != nil {
		var fe *FormatError
		var le *LimitError
		if !errors.As(err, &fe) && !errors.As(err, &le) {
			t.Fatalf("undocumented error %T: %v", err, err)
		}
		return
	}
	checkArchive(t, a)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func seed(f *testing.F, glob string) {
	for _, path := range samples(f, glob) {
		data := readSample(f, path[len("testdata/"):])
		if len(data) < 32<<10 {
			f.Add(data)
		}
	}
}

// FuzzOpen takes anything, tar archives and compressed ones above all.
func FuzzOpen(f *testing.F) {
	seed(f, "*.tar*")
	seed(f, "*.rpm")
	f.Add(tarball(f, dir("d/"), reg("d/a", "x"), hard("b", "d/a"), link("c", "d")))
	f.Add(gz(f, tarball(f, reg("../a", "x"), reg("/b", "y"))))
	f.Fuzz(fuzzOpen)
}

// FuzzDeb gives control.tar and data.tar to a deb around them, so that the
// fuzzer need not find lengths.
func FuzzDeb(f *testing.F) {
	f.Add([]byte("2.0\n"), "control.tar", tarball(f, reg("./control", "")), "data.tar", tarball(f, reg("./a", "x")))
	f.Add([]byte("2.0\n"), "control.tar.gz", gz(f, tarball(f)), "data.tar.gz", gz(f, tarball(f, reg("./a", "x"))))
	a := mustOpenFuzz(f, readSample(f, "deb-xz.deb"))
	var parts [][]byte
	for i, m := range a.Members() {
		if m.Area == "ar" {
			parts = append(parts, []byte(text(f, a, i)))
		}
	}
	f.Add(parts[0], "control.tar.xz", parts[1], "data.tar.xz", parts[2])
	f.Fuzz(func(t *testing.T, version []byte, controlName string, control []byte, dataName string, data []byte) {
		if len(controlName) > 16 || len(dataName) > 16 {
			return
		}
		fuzzOpen(t, arFrom(arFile{"debian-binary", version}, arFile{controlName, control}, arFile{dataName, data}))
	})
}

func mustOpenFuzz(f *testing.F, data []byte) *Archive {
	a, err := openBytes(f, data, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { a.Close() })
	return a
}

// FuzzAr walks over an ar archive: members lie in the file, in order, without
// overlap, and the walk ends.
func FuzzAr(f *testing.F) {
	seed(f, "*.deb")
	f.Add(arFrom(arFile{"a", []byte("1")}, arFile{"b/", nil}))
	f.Fuzz(func(t *testing.T, data []byte) {
		ar := &arReader{r: bytes.NewReader(data), size: int64(len(data)), next: int64(min(len(arMagic), len(data)))}
		for end := ar.next; ; end = ar.next {
			m, err := ar.member()
			if err != nil {
				var ae *arError
				if !errors.As(err, &ae) || ae.off < 0 || ae.off > int64(len(data)) || ae.reason == "" {
					t.Fatalf("error %#v", err)
				}
				return
			}
			if m == nil {
				if end != int64(len(data)) {
					t.Fatalf("end at %d of %d", end, len(data))
				}
				return
			}
			if m.off != end+arHeaderLen || m.Size < 0 || m.off+m.Size > int64(len(data)) || ar.next < m.off+m.Size || ar.next > int64(len(data)) {
				t.Fatalf("member %+v after %d, next at %d", m, end, ar.next)
			}
		}
	})
}

// FuzzRPMHeader parses a header and the file list in it.
func FuzzRPMHeader(f *testing.F) {
	for _, path := range samples(f, "*.rpm") {
		data := readSample(f, path[len("testdata/"):])
		a := mustOpenFuzz(f, data)
		f.Add([]byte(text(f, a, 1)))
		f.Add([]byte(text(f, a, 2)))
	}
	_, tags := rpmSample("one", "second")
	f.Add(rpmHeaderOf(tags...))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseRPMHeader(data)
		if (h == nil) == (err == nil) {
			t.Fatalf("header %v and error %v", h, err)
		}
		if err != nil {
			return
		}
		o := newOpener(context.Background(), "test", bytes.NewReader(data), int64(len(data)), &small)
		l, err := o.rpmFileList(h, 0)
		if (l == nil) == (err == nil) {
			t.Fatalf("list %v and error %v", l, err)
		}
		if l == nil {
			return
		}
		if int64(len(l.files)) != h.fileCount() {
			t.Fatalf("%d files of %d", len(l.files), h.fileCount())
		}
		for i := range l.files {
			if l.files[i].size < 0 {
				t.Fatalf("size of file %d is %d", i, l.files[i].size)
			}
		}
	})
}

// FuzzCpio reads an archive alone and as the payload of an rpm, whose file list
// it matches or not.
func FuzzCpio(f *testing.F) {
	seed(f, "*.cpio")
	payload, tags := rpmSample("one", "second")
	f.Add(payload)
	a := mustOpenFuzz(f, readSample(f, "rpm6-none.rpm"))
	f.Add([]byte(text(f, a, 3)))
	f.Add(cpioOf(cfile("a", "x"), cf{name: "d", mode: 0o40755, nlink: 2}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.HasPrefix(data, []byte("07070")) {
			fuzzOpen(t, data)
		}
		fuzzOpen(t, rpmOf(data, tags...))
	})
}
