// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func readSample(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// edit returns data with s at offset off.
func edit(data []byte, off int, s string) []byte {
	b := bytes.Clone(data)
	copy(b[off:], s)
	return b
}

func TestFormatErrors(t *testing.T) {
	version := arFile{"debian-binary", []byte("2.0\n")}
	control := arFile{"control.tar", tarball(t, reg("./control", "Package: x\n"))}
	data := arFile{"data.tar", tarball(t, reg("./a", "x"))}
	deb := arFrom(version, control, data)
	plainTar := tarball(t, reg("a", "content"), reg("b", ""))
	cpio := cpioOf(cfile("a", "content"))
	payload, tags := rpmSample("one", "second")
	rpm := rpmOf(payload, tags...)
	sigEnd := rpmLeadLen + len(rpmHeaderOf(tagText(1007, "x")))
	mainAt := (sigEnd + 7) / 8 * 8
	be32 := func(v uint32) string { return string(binary.BigEndian.AppendUint32(nil, v)) }

	for _, tc := range []struct {
		name   string
		data   []byte
		layer  string
		offset int64
		reason string
	}{
		{"empty file", nil, "file", 0, "no deb, rpm, tar or cpio"},
		{"text", []byte("hello"), "file", 0, "no deb, rpm, tar or cpio"},
		{"gzip of text", gz(t, []byte("hello")), "file", 0, "gzip stream that holds no tar or cpio"},
		{"gzip, broken", []byte("\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "gzip", 0, "cannot be unpacked"},
		{"lz4", []byte("\x04\x22\x4d\x18................"), "lz4", 0, "cannot be unpacked"},

		{"ar: magic of header", edit(deb, 8+58, "xx"), "ar", 8, "bad member header"},
		{"ar: size is no number", edit(deb, 8+48, "4x"), "ar", 8, "size field"},
		{"ar: size is empty", edit(deb, 8+48, "          "), "ar", 8, "size field"},
		{"ar: negative size", edit(deb, 8+48, "-4"), "ar", 8, "size field"},
		{"ar: size lies", edit(deb, 8+48, "9999999999"), "ar", 8, "but the archive ends"},
		{"ar: mode is not octal", edit(deb, 8+40, "9"), "ar", 8, "mode field"},
		{"ar: cut in header", deb[:8+30], "ar", 8, "where a member header"},
		{"ar: padding is missing", arFrom(version, control, data, arFile{"x", []byte("1")})[:len(deb)+61], "ar", int64(len(deb)) + 61, "padding byte is missing"},
		{"deb: version 3", arFrom(arFile{"debian-binary", []byte("3.0\n")}, control, data), "debian-binary", 0, "not a version line"},
		{"deb: version without line end", arFrom(arFile{"debian-binary", []byte("2.0")}, control, data), "debian-binary", 0, "not a version line"},
		{"deb: first member", edit(deb, 8, "debian-binaryx"), "ar", 8, "first member"},
		{"deb: no data", arFrom(version, control), "ar", -1, "no data.tar"},
		{"deb: no control", arFrom(version), "ar", -1, "no control.tar"},
		{"deb: order", arFrom(version, data, control), "ar", 72, "before control.tar"},
		{"deb: second version", arFrom(version, version, control, data), "ar", 72, "second debian-binary"},
		{"deb: second control", arFrom(version, control, control, data), "ar", -1, "second control.tar"},
		{"deb: second data", arFrom(version, control, data, data), "ar", int64(len(deb)), "second data.tar"},
		{"deb: unknown compression", arFrom(version, control, arFile{"data.tar.lz4", nil}), "ar", -1, "compressed in a way"},
		{"deb: bzip2 for control", arFrom(version, arFile{"control.tar.bz2", nil}, data), "ar", 72, "compressed in a way"},
		{"deb: not what the name says", arFrom(version, arFile{"control.tar.xz", gz(t, control.data)}, data), "control.tar.xz", 0, "cannot be unpacked"},
		{"deb: broken stream", arFrom(version, control, arFile{"data.tar.gz", edit(gz(t, data.data), 12, "\xff\xff\xff")}), "data.tar.gz", -1, "cannot be unpacked"},
		{"deb: control.tar", arFrom(version, arFile{"control.tar", edit(control.data, 0, "x")}, data), "control.tar", 0, "checksum"},

		{"tar: checksum", edit(plainTar, 1, "x"), "tar", 0, "checksum"},
		{"tar: checksum of second", edit(plainTar, 1025, "x"), "tar", 1024, "checksum"},
		{"tar: no end mark", plainTar[:len(plainTar)-1024], "tar", 1536, "no end mark"},
		{"tar: half an end mark", plainTar[:len(plainTar)-512], "tar", 2048, "no end mark"},
		{"tar: cut in content", plainTar[:512+3], "tar", 512, "content of \"a\""},
		{"tar: cut in padding", plainTar[:512+100], "tar", 612, "no end mark"},
		{"tar: cut in header", plainTar[:1024+100], "tar", 1024, "cut off"},
		{"tar: size lies", join(rawTar("a", '0', 1<<33-1, nil), tarEnd), "tar", 512, "cut off"},
		{"tar: size lies in gzip", gz(t, join(rawTar("a", '0', 1<<33-1, nil), tarEnd)), "tar", 1536, "cut off"},
		{"tar: largest size", join(rawTar("a", '0', 0, func(b []byte) { copy(b[124:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff") }), tarEnd), "tar", 512, "cut off"},
		{"tar: size below zero", join(rawTar("a", '0', 0, func(b []byte) { copy(b[124:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") }), tarEnd), "tar", 0, "bad header"},
		{"tar: unknown type with a size that lies", join(rawTar("a", 'Z', 1<<20, nil), tarEnd), "tar", 512, "cut off"},
		{"tar: one block of zeros", join(rawTar("a", '0', 0, nil), make([]byte, 512), rawTar("b", '0', 0, nil), tarEnd), "tar", 512, "bad header"},
		{"tar: extended header of nothing", join(rawTar("a", '0', 0, nil), rawTar("x", tar.TypeXHeader, 0, nil), tarEnd), "tar", 512, "extended header"},
		{"tar: extended header and no end", join(rawTar("a", '0', 0, nil), rawTar("x", tar.TypeXHeader, 0, nil), rawTar("x", tar.TypeXHeader, 0, nil)), "tar", 512, "extended header"},

		{"cpio: magic", edit(cpio, 120, "x"), "cpio", 120, "where the magic"},
		{"cpio: old format within", edit(cpio, 120, "070707"), "cpio", 120, "where the magic"},
		{"cpio: number", edit(cpio, 6, "0000000g"), "cpio", 0, "hexadecimal"},
		{"cpio: no name", edit(cpio, 6+11*8, "00000000"), "cpio", 0, "name of 0 bytes"},
		{"cpio: long name", edit(cpio, 6+11*8, "ffffffff"), "cpio", 0, "name of 4294967295 bytes"},
		{"cpio: name without end", edit(cpio, 6+11*8, "00000001"), "cpio", 0, "does not end in a NUL"},
		{"cpio: size lies", edit(cpio, 6+6*8, "ffffffff"), "cpio", -1, "cut off"},
		{"cpio: size lies in gzip", gz(t, edit(cpio, 6+6*8, "ffffffff")), "cpio", -1, "cut off"},
		{"cpio: link target", edit(edit(cpio, 6+8, "0000a1ff"), 6+6*8, "ffffffff"), "cpio", 0, "symbolic link"},
		{"cpio: no trailer", cpio[:120], "cpio", 120, "no TRAILER"},
		{"cpio: trailer with content", cpioOf(cf{name: cpioTrailer, body: "x", size: -1}), "cpio", 0, "TRAILER!!! with a content"},
		{"cpio: member without metadata", join(cpio[:120], []byte("07070X00000000\x00\x00")), "cpio", 120, "only an rpm"},

		{"rpm: lead cut", rpm[:90], "rpm lead", 0, "cut off"},
		{"rpm: signature type", edit(rpm, 78, "\x00\x01"), "rpm lead", 78, "signature type 1"},
		{"rpm: no signature header", rpm[:96], "rpm signature", 96, "cut off"},
		{"rpm: magic of signature", edit(rpm, 96, "x"), "rpm signature", 96, "magic"},
		{"rpm: magic of header", edit(rpm, mainAt, "x"), "rpm header", int64(mainAt), "magic"},
		{"rpm: no entries", edit(rpm, mainAt+8, be32(0)), "rpm header", int64(mainAt), "0 index entries"},
		{"rpm: too many entries", edit(rpm, mainAt+8, be32(1<<31)), "rpm header", int64(mainAt), "2147483648 index entries"},
		{"rpm: entries beyond the file", edit(rpm, mainAt+8, be32(60000)), "rpm header", int64(mainAt), "and the file ends"},
		{"rpm: too much data", edit(rpm, mainAt+12, be32(1<<31)), "rpm header", int64(mainAt), "bytes of data"},
		{"rpm: data beyond the file", edit(rpm, mainAt+12, be32(1<<20)), "rpm header", int64(mainAt), "and the file ends"},
		{"rpm: type", edit(rpm, mainAt+16+4, be32(10)), "rpm header", int64(mainAt), "unknown type 10"},
		{"rpm: offset", edit(rpm, mainAt+16+8, be32(0xffffffff)), "rpm header", int64(mainAt), "outside"},
		{"rpm: count", edit(rpm, mainAt+16+12, be32(0xffffffff)), "rpm header", int64(mainAt), "outside"},
		{"rpm: tag twice", rpmOf(payload, append(tags, tagStrings(tagBaseNames, "a", "b"))...), "rpm header", int64(mainAt), "twice"},
		{"rpm: too few folders", rpmOf(payload, with(tags, tagInts(tagDirIndexes, 0, 1))...), "rpm header", int64(mainAt), "folder 1 of 1"},
		{"rpm: counts differ", rpmOf(payload, with(tags, tagInts(tagFileMTimes, 0))...), "rpm header", int64(mainAt), "1 items for 2 files"},
		{"rpm: more items than files", rpmOf(payload, with(tags, tagInts(tagFileMTimes, 0, 0, 0))...), "rpm header", int64(mainAt), "3 items, where 2"},
		{"rpm: strings for numbers", rpmOf(payload, with(tags, tagStrings(tagFileMTimes, "0", "0"))...), "rpm header", int64(mainAt), "not an integer"},
		{"rpm: numbers for strings", rpmOf(payload, with(tags, tagInts(tagFileUsers, 0, 0))...), "rpm header", int64(mainAt), "not strings"},
		{"rpm: string without end", rpmOf(payload, append(tags, tag{tagFileLinks, rpmStringArray, 2, []byte("abc")})...), "rpm header", int64(mainAt), "has no end"},
		{"rpm: size below zero", rpmOf(payload, with(tags, tag{tagLongSizes, rpmInt64, 2, bytes.Repeat([]byte{0xff}, 16)})...), "rpm header", int64(mainAt), "size of"},
		{"rpm: payload format", rpmOf(payload, append(tags, tagText(tagPayloadFormat, "drpm"))...), "rpm header", int64(mainAt), "only cpio"},
		{"rpm: payload of nothing known", rpmOf([]byte("what is this"), append(tags, tagText(tagPayloadCompressor, "lz4"))...), "rpm header", -1, "neither cpio nor compressed"},
		{"rpm: file index", rpmOf([]byte("07070X00000002\x00\x00"), tags...), "cpio", 0, "file 2 of the header"},
		{"rpm: payload cut", rpm[:len(rpm)-1], "cpio", -1, "cut off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := openBytes(t, tc.data, nil)
			var fe *FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("archive %v, error %v", a, err)
			}
			if fe.Path != "test" || fe.Layer != tc.layer || tc.offset >= 0 && fe.Offset != tc.offset || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("got layer %q, offset %d: %v", fe.Layer, fe.Offset, err)
			}
		})
	}
}

// TestTruncated cuts samples of all kinds at every byte (the larger ones at
// fewer): none may pass for whole. What follows the end mark of a plain tar or
// cpio archive is padding and may be missing.
func TestTruncated(t *testing.T) {
	for _, path := range samples(t, "*") {
		name := filepath.Base(path)
		if name == "PKGBUILD" {
			continue
		}
		data := readSample(t, name)
		end := len(data)
		switch {
		case strings.HasSuffix(name, ".tar"):
			end = len(bytes.TrimRight(data, "\x00"))/tarBlock*tarBlock + 3*tarBlock
		case strings.HasSuffix(name, ".cpio"):
			end = (bytes.LastIndex(data, []byte(cpioTrailer)) + len(cpioTrailer) + 1 + 3) / 4 * 4
		}
		step := max(1, len(data)/100)
		for n := 0; n < end; n += step {
			a, err := openBytes(t, data[:n], nil)
			if err != nil {
				continue
			}
			if len(a.Problems()) == 0 || !strings.HasSuffix(name, ".rpm") {
				t.Errorf("%s: %d of %d bytes pass for an archive: %v", name, n, len(data), a.Problems())
			}
			a.Close()
		}
		if _, err := openBytes(t, data[:end], nil); err != nil {
			t.Errorf("%s, whole: %v", name, err)
		}
	}
}

// TestMutated changes each byte of small archives. Nothing may panic, and what
// opens has to hold together.
func TestMutated(t *testing.T) {
	payload, tags := rpmSample("one", "second")
	for name, data := range map[string][]byte{
		"tar":  tarball(t, reg("a", "x"), hard("b", "a"), link("c", "d")),
		"cpio": cpioOf(cfile("a", "content"), cfile("b", "")),
		"rpm":  rpmOf(payload, tags...),
		"deb":  readSample(t, "deb-gzip.deb"),
	} {
		for i := range data {
			for _, x := range []byte{0x01, 0x80, 0xff} {
				mutant := bytes.Clone(data)
				mutant[i] ^= x
				a, err := openBytes(t, mutant, nil)
				if err != nil {
					continue
				}
				checkArchive(t, a)
				a.Close()
				if t.Failed() {
					t.Fatalf("%s: byte %d xor %#x", name, i, x)
				}
			}
		}
	}
}

func TestLimits(t *testing.T) {
	many := tarball(t, reg("a", ""), reg("b", ""), reg("c", ""))
	bomb := gz(t, tarball(t, reg("zeros", strings.Repeat("\x00", 1<<20))))
	hole := rawTar("sparse", 'S', 512, func(b []byte) {
		copy(b[257:], "ustar  \x00")
		copy(b[386:], "00000000000\x0000000001000\x00") // one piece of 512 bytes at 0
		copy(b[483:], "77777777777\x00")                // in 8 GiB
	})
	payload, tags := rpmSample("one", "second")
	for _, tc := range []struct {
		name   string
		data   []byte
		o      Options
		option string
	}{
		{"members", many, Options{MaxMembers: 2}, "MaxMembers"},
		{"files of an rpm", rpmOf(payload, tags...), Options{MaxMembers: 5}, "MaxMembers"},
		{"list of an rpm", rpmOf(payload, tags...), Options{MaxMembers: 1}, "MaxMembers"},
		{"unpacked", bomb, Options{MaxUnpacked: 1 << 20}, "MaxUnpacked"},
		{"unpacked in a deb", arFrom(arFile{"debian-binary", []byte("2.0\n")}, arFile{"control.tar.gz", gz(t, many)}, arFile{"data.tar.gz", bomb}), Options{MaxUnpacked: 1<<20 + 3000}, "MaxUnpacked"},
		{"hole", join(hole, make([]byte, 512), tarEnd), Options{MaxUnpacked: 1 << 20}, "MaxUnpacked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := openBytes(t, tc.data, &tc.o)
			var le *LimitError
			if !errors.As(err, &le) || le.Option != tc.option || !strings.Contains(err.Error(), tc.option) {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := openBytes(t, bomb, &Options{MaxUnpacked: 1<<20 + 10000, MaxMembers: 1}); err != nil {
		t.Errorf("just below the limits: %v", err)
	}
}

// TestNameBomb is a table whose names alone would fill the memory: pax headers
// compress well.
func TestNameBomb(t *testing.T) {
	name := strings.Repeat("n", 1<<20-64)
	one := tarball(t, reg(name, ""))
	one = one[:len(one)-len(tarEnd)]
	packed := gz(t, bytes.Repeat(one, 8))
	o := newOpener(context.Background(), "test", bytes.NewReader(packed), int64(len(packed)), nil)
	o.cost = maxTable - 4<<20 // as if there had been many before
	_, err := o.read()
	var le *LimitError
	if !errors.As(err, &le) || le.Max != maxTable {
		t.Errorf("error %v", err)
	}
}

func TestCancel(t *testing.T) {
	data := gz(t, tarball(t, reg("zeros", strings.Repeat("\x00", 8<<20))))
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	for _, reads := range []int{0, 1, 2, 3} {
		ctx, cancel := context.WithCancel(context.Background())
		f := &cancelFile{bytesFile{bytes.NewReader(data)}, reads, cancel}
		a, err := openFile(ctx, "test", f, int64(len(data)), &Options{TempDir: dir})
		if !errors.Is(err, context.Canceled) || a != nil {
			t.Errorf("after %d reads: %v", reads, err)
		}
		var fe *FormatError
		if errors.As(err, &fe) {
			t.Errorf("after %d reads: called a broken archive: %v", reads, err)
		}
		cancel()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// cancelFile cancels a context at a read.
type cancelFile struct {
	bytesFile
	reads  int
	cancel func()
}

func (c *cancelFile) ReadAt(p []byte, off int64) (int, error) {
	if c.reads--; c.reads < 0 {
		c.cancel()
	}
	return c.bytesFile.ReadAt(p[:min(len(p), 1024)], off)
}

// TestReadError sees that trouble with the disk is not blamed on the archive.
func TestReadError(t *testing.T) {
	trouble := errors.New("disk on fire")
	for _, data := range [][]byte{tarball(t, reg("a", "x")), gz(t, tarball(t, reg("a", "x"))), readSample(t, "deb-xz.deb"), readSample(t, "rpm4-zstd.rpm"), cpioOf(cfile("a", "x"))} {
		for reads := range 8 {
			_, err := openFile(context.Background(), "test", &failFile{bytesFile{bytes.NewReader(data)}, reads, trouble}, int64(len(data)), &Options{TempDir: t.TempDir()})
			var fe *FormatError
			if err != nil && (!errors.Is(err, trouble) || errors.As(err, &fe)) {
				t.Errorf("after %d reads: %v", reads, err)
			}
			if err == nil && reads == 0 {
				t.Error("first read failed, and nobody noticed")
			}
		}
	}
}

type failFile struct {
	bytesFile
	reads int
	err   error
}

func (f *failFile) ReadAt(p []byte, off int64) (int, error) {
	if f.reads--; f.reads < 0 {
		return 0, f.err
	}
	return f.bytesFile.ReadAt(p, off)
}

func TestOpenPaths(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "a.tar")
	if err := os.WriteFile(whole, tarball(t, reg("a", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	// Nothing is compressed, so no temporary file is needed.
	a, err := Open(context.Background(), whole, &Options{TempDir: filepath.Join(dir, "missing")})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if r, err := a.Content(0); err == nil {
		if _, err := io.ReadAll(r); !errors.Is(err, os.ErrClosed) {
			t.Errorf("reading after Close: %v", err)
		}
	}
	packed := filepath.Join(dir, "a.tar.gz")
	if err := os.WriteFile(packed, gz(t, tarball(t, reg("a", "x"))), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), packed, &Options{TempDir: filepath.Join(dir, "missing")})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--tmpdir") {
		t.Errorf("no temporary folder: %v", err)
	}
	if _, err := Open(context.Background(), filepath.Join(dir, "nothing"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for path, want := range map[string]string{dir: "is a folder", "/dev/null": "not a regular file"} {
		if _, err := Open(context.Background(), path, nil); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSniff(t *testing.T) {
	payload, tags := rpmSample("one", "second")
	for _, tc := range []struct {
		name string
		data []byte
		want Kind
	}{
		{"deb", debOf(t, tarball(t)), Deb},
		{"ar", []byte("!<arch>\nlibx.a/         "), 0},
		{"rpm", rpmOf(payload, tags...), RPM},
		{"tar", tarball(t, reg("a", "")), Tar},
		{"v7 tar", readSample(t, "v7.tar"), Tar},
		{"tar.gz", gz(t, tarball(t, reg("a", ""))), Tar},
		{"tar.xz", readSample(t, "pax-xattr.tar.xz"), Tar},
		{"tar.zst", readSample(t, "bsdtar-pax.tar.zst"), Tar},
		{"tar.bz2", readSample(t, "gnu.tar.bz2"), Tar},
		{"cpio", cpioOf(), Cpio},
		{"cpio.gz", readSample(t, "crc.cpio.gz"), Cpio},
		{"empty", nil, 0},
		{"zeros", make([]byte, 10240), 0},
		{"ELF", append([]byte("\x7fELF"), make([]byte, 600)...), 0},
		{"ELF in gzip", gz(t, append([]byte("\x7fELF"), make([]byte, 600)...)), 0},
		{"gzip of nothing", gz(t, nil), 0},
		{"gzip, cut", gz(t, tarball(t, reg("a", "")))[:20], 0},
		{"zip", []byte("PK\x03\x04"), 0},
	} {
		if got, err := Sniff(bytes.NewReader(tc.data)); got != tc.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", tc.name, got, err, tc.want)
		}
	}
	trouble := errors.New("disk on fire")
	if _, err := Sniff(&failFile{bytesFile{bytes.NewReader(nil)}, 0, trouble}); !errors.Is(err, trouble) {
		t.Errorf("read error: %v", err)
	}
	if _, err := Sniff(&failFile{bytesFile{bytes.NewReader(gz(t, nil))}, 1, trouble}); !errors.Is(err, trouble) {
		t.Errorf("read error in the stream: %v", err)
	}
}

func TestKindString(t *testing.T) {
	got := fmt.Sprint(Deb, RPM, Tar, Cpio, Kind(0))
	if want := "deb rpm tar cpio kind 0"; got != want {
		t.Errorf("%q", got)
	}
}
