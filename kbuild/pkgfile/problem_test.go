// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTarProblems builds tar archives that are lawful and dangerous, reads each
// plain, compressed and within a deb, and expects the same rows and findings.
func TestTarProblems(t *testing.T) {
	long := strings.Repeat("n/", 2100) + "f"
	for _, tc := range []struct {
		name  string
		files []tf
		want  []string // names
		find  []string
	}{
		{"nothing wrong", []tf{dir("./"), dir("./lib/"), reg("./lib/a", "x"), link("./lib/l", "/etc/passwd")}, []string{".", "lib", "lib/a", "lib/l"}, nil},
		{"absolute", []tf{reg("/etc/passwd", "x"), reg("//a//b/./c", "y")}, []string{"etc/passwd", "a/b/c"}, []string{"0 absolute-name", "1 absolute-name"}},
		{"parent", []tf{reg("../a", "x"), reg("a/../b", "x"), reg("./../../c", "x"), reg("a..b/..c", "x"), reg("..", "")},
			[]string{"", "b", "", "a..b/..c", ""}, []string{"0 parent-name", "1 parent-name", "2 parent-name", "4 parent-name"}},
		{"absolute and parent", []tf{reg("/../a", "x")}, []string{""}, []string{"0 absolute-name", "0 parent-name"}},
		{"duplicates", []tf{reg("a", "first"), reg("./a", "second"), reg("b", ""), reg("/a", "third")}, []string{"a", "a", "b", "a"},
			[]string{"1 duplicate-name", "3 absolute-name", "3 duplicate-name"}},
		{"under a link", []tf{link("lib", "usr/lib"), reg("lib/modules/a.ko", "x"), reg("library", "x"), dir("lib")}, []string{"lib", "lib/modules/a.ko", "library", "lib"},
			[]string{"1 under-link", "3 duplicate-name"}},
		{"under a hard link to a link", []tf{link("a", "/etc"), hard("b", "a"), reg("b/x", "")}, []string{"a", "b", "b/x"}, []string{"2 under-link"}},
		{"devices", []tf{{tar.Header{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, ""}, {tar.Header{Name: "sda", Typeflag: tar.TypeBlock, Devmajor: 8}, ""}, {tar.Header{Name: "pipe", Typeflag: tar.TypeFifo}, ""}},
			[]string{"null", "sda", "pipe"}, []string{"0 special-file", "1 special-file", "2 special-file"}},
		{"control bytes", []tf{reg("a\nb", ""), reg("\x1b[31m", ""), reg("c\x7f", ""), reg("ü", "")}, []string{"a\nb", "\x1b[31m", "c\x7f", "ü"},
			[]string{"0 bad-name", "1 bad-name", "2 bad-name"}},
		{"long name", []tf{reg(long, "")}, []string{long}, []string{"0 bad-name"}},
		{"hard links", []tf{reg("./a", "x"), hard("b", "./a"), hard("c", "b"), hard("/d", "/a")}, []string{"a", "b", "c", "d"},
			[]string{"3 absolute-name", "3 bad-link"}},
		{"hard links to nothing", []tf{hard("a", "a"), hard("b", "later"), reg("later", "x"), hard("c", "../x"), hard("d", "x/../later"), dir("dir"), hard("e", "dir")},
			[]string{"a", "b", "later", "c", "d", "dir", "e"}, []string{"0 bad-link", "1 bad-link", "3 bad-link", "4 bad-link", "6 bad-link"}},
		{"unknown type", []tf{{tar.Header{Name: "v", Typeflag: 'V'}, ""}, {tar.Header{Name: "z", Typeflag: 'Z', Size: 3}, "abc"}, reg("a", "x")},
			[]string{"v", "z", "a"}, []string{"0 unsupported", "1 unsupported"}},
		{"contiguous file", []tf{{tar.Header{Name: "c", Typeflag: tar.TypeCont}, "abc"}}, []string{"c"}, []string{"0 unsupported"}},
		{"global comment", []tf{{tar.Header{Name: "g", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "id"}}, ""}, reg("a", "")},
			[]string{"header pax_global_header", "a"}, nil},
		{"global owner", []tf{{tar.Header{Name: "g", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"mtime": "1", "uname": "x"}}, ""}, reg("a", "")},
			[]string{"header pax_global_header", "a"}, []string{"0 unsupported"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i := range tc.files {
				if tc.files[i].Typeflag == tar.TypeXGlobalHeader {
					tc.files[i].Header.Name = "pax_global_header"
				}
			}
			data := tarballRaw(t, tc.files...)
			if !isTarHeader(data) { // the long name's block is one too
				t.Fatal("no tar header")
			}
			for how, archive := range map[string][]byte{"plain": data, "gzip": gz(t, data)} {
				a := mustOpen(t, archive)
				if diff := cmp.Diff(tc.want, names(a)); diff != "" {
					t.Errorf("%s: names: %s", how, diff)
				}
				if diff := cmp.Diff(tc.find, findings(a)); diff != "" {
					t.Errorf("%s: findings: %s\n%v", how, diff, a.Problems())
				}
			}
			const before = 4 // rows of a deb that precede those of data.tar
			a := mustOpen(t, debOf(t, data))
			if diff := cmp.Diff(tc.want, names(a)[before:]); diff != "" {
				t.Errorf("deb: names: %s", diff)
			}
			if len(findings(a)) != len(tc.find) {
				t.Errorf("deb: %v", a.Problems())
			}
		})
	}
}

// tarballRaw is tarball, with what archive/tar refuses to write made by hand.
func tarballRaw(t *testing.T, files ...tf) []byte {
	t.Helper()
	var out []byte
	for _, f := range files {
		switch f.Typeflag {
		case 'V', 'Z', tar.TypeCont:
			body := make([]byte, (len(f.body)+tarBlock-1)/tarBlock*tarBlock)
			copy(body, f.body)
			out = append(out, rawTar(f.Header.Name, f.Typeflag, int64(len(f.body)), nil)...)
			out = append(out, body...)
		case tar.TypeXGlobalHeader:
			one := tarballGlobal(t, f)
			out = append(out, one...)
		default:
			one := tarball(t, f)
			out = append(out, one[:len(one)-len(tarEnd)]...)
		}
	}
	return append(out, tarEnd...)
}

func tarballGlobal(t *testing.T, f tf) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: f.Header.Name, Typeflag: f.Typeflag, PAXRecords: f.PAXRecords}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHardLinkContent(t *testing.T) {
	a := mustOpen(t, gz(t, tarball(t, reg("a", "one"), hard("b", "a"), reg("a", "two!"), hard("c", "a"), hard("d", "b"), hard("e", "none"))))
	for i, want := range []string{"one", "one", "two!", "two!", "one"} {
		if got := text(t, a, i); got != want {
			t.Errorf("member %d: %q, want %q", i, got, want)
		}
	}
	m := a.Members()
	for i, want := range map[int]string{1: "a", 3: "a", 4: "a", 5: "none"} {
		if !m[i].Hard || m[i].Link != want {
			t.Errorf("member %d: %+v, want link %q", i, m[i], want)
		}
	}
}

func TestTarMetadata(t *testing.T) {
	data := tarball(t, tf{tar.Header{
		Name: "usr/bin/x", Typeflag: tar.TypeReg, Mode: 0o6711, Uid: 1000, Gid: 100000000, Uname: "u", Gname: "g",
		Format: tar.FormatPAX,
		PAXRecords: map[string]string{
			"SCHILY.xattr.user.b": "2\n", "SCHILY.xattr.user.a": "\x01", "comment": "why",
		},
	}, "abc"})
	m := mustOpen(t, data).Members()[0]
	want := []Xattr{{"pax:comment", "why"}, {"user.a", "\x01"}, {"user.b", "2\n"}}
	if diff := cmp.Diff(want, m.Xattrs); diff != "" {
		t.Error(diff)
	}
	if m.Mode != 0o755|fs.ModeSetuid|fs.ModeSetgid || m.UID != 1000 || m.GID != 100000000 || m.User != "u" || m.Group != "g" || m.Size != 3 {
		t.Errorf("%+v", m)
	}
	// A folder that states a size, as some writers do.
	a := mustOpen(t, join(rawTar("d/", tar.TypeDir, 4096, nil), tarEnd))
	if diff := cmp.Diff([]string{"0 inconsistent"}, findings(a)); diff != "" {
		t.Error(diff)
	}
	// Device numbers beyond 32 bits, in base 256.
	big := func(b []byte) { copy(b[329:], "\x80\x01\x00\x00\x00\x00\x00\x00") }
	a = mustOpen(t, join(rawTar("dev", tar.TypeChar, 0, big), tarEnd))
	if diff := cmp.Diff([]string{"0 special-file", "0 inconsistent"}, findings(a)); diff != "" {
		t.Error(diff)
	}
}

func TestCpioProblems(t *testing.T) {
	linked := func(name, body string, ino uint32) cf {
		f := cfile(name, body)
		f.ino, f.nlink = ino, 2
		return f
	}
	crc := func(name, body string, check uint32) cf {
		f := cfile(name, body)
		f.magic, f.check = magicCRC, check
		return f
	}
	mode := func(name string, mode uint32, body string) cf {
		f := cfile(name, body)
		f.mode = mode
		return f
	}
	for _, tc := range []struct {
		name  string
		files []cf
		want  []string
		find  []string
	}{
		{"empty archive", nil, nil, nil},
		{"names", []cf{cfile("/a", ""), cfile("../b", ""), cfile("", ""), cfile("c\x00d", "x"), cfile("./e", "")},
			[]string{"a", "", "", "", "e"}, []string{"0 absolute-name", "1 parent-name", "2 bad-name", "3 bad-name"}},
		{"duplicate", []cf{cfile("a", "1"), cfile("a", "2")}, []string{"a", "a"}, []string{"1 duplicate-name"}},
		{"types", []cf{mode("d", 0o40755, ""), mode("l", 0o120777, "/etc"), mode("c", 0o20600, ""), mode("b", 0o60600, ""), mode("p", 0o10600, ""), mode("s", 0o140600, ""), mode("?", 0o644, ""), mode("l/x", 0o100644, "")},
			[]string{"d", "l", "c", "b", "p", "s", "?", "l/x"},
			[]string{"2 special-file", "3 special-file", "4 special-file", "5 special-file", "6 unsupported", "7 under-link"}},
		{"folder with content", []cf{mode("d", 0o40755, "abc"), cfile("a", "x")}, []string{"d", "a"}, []string{"0 inconsistent"}},
		{"links, content twice", []cf{linked("a", "1", 7), linked("b", "", 7), linked("c", "3", 7), linked("x", "", 8), linked("y", "", 8)},
			[]string{"a", "b", "c", "x", "y"}, []string{"0 inconsistent"}},
		{"checksum", []cf{crc("good", "abc", 'a'+'b'+'c'), crc("bad", "abc", 1)}, []string{"good", "bad"}, []string{"1 digest-mismatch"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data := cpioOf(tc.files...)
			for how, archive := range map[string][]byte{"plain": data, "gzip": gz(t, data), "padded": append(data[:len(data):len(data)], make([]byte, 512)...)} {
				a := mustOpen(t, archive)
				if diff := cmp.Diff(tc.want, names(a)); diff != "" {
					t.Errorf("%s: names: %s", how, diff)
				}
				if diff := cmp.Diff(tc.find, findings(a)); diff != "" {
					t.Errorf("%s: findings: %s\n%v", how, diff, a.Problems())
				}
			}
		})
	}
	a := mustOpen(t, cpioOf(linked("a", "", 7), linked("b", "text", 7), linked("c", "", 8), linked("d", "", 8)))
	for i, want := range []string{"text", "text", "", ""} {
		if got := text(t, a, i); got != want {
			t.Errorf("link %d: %q", i, got)
		}
	}
	if m := a.Members(); m[0].Link != "b" || !m[0].Hard || m[1].Hard || m[2].Link != "d" {
		t.Errorf("links: %+v", m)
	}
}

// rpmSample returns the payload and the tags of an rpm with the given contents
// of a and b, as rpm makes them before v6.
func rpmSample(a, b string) ([]byte, []tag) {
	sum := func(s string) string {
		d := sha256.Sum256([]byte(s))
		return hex.EncodeToString(d[:])
	}
	payload := cpioOf(cfile("./usr/a", a), cfile("./usr/b", b))
	return payload, []tag{
		tagStrings(tagBaseNames, "a", "b"),
		tagInts(tagDirIndexes, 0, 0),
		tagStrings(tagDirNames, "/usr/"),
		tagInts(tagFileSizes, uint32(len(a)), uint32(len(b))),
		tagShorts(tagFileModes, 0o100644, 0o100644),
		tagInts(tagFileMTimes, 0, 0),
		tagInts(tagFileInodes, 1, 2),
		tagStrings(tagFileDigests, sum(a), sum(b)),
		tagInts(tagDigestAlgo, 8),
		tagStrings(tagFileUsers, "root", "root"),
	}
}

// with replaces or adds tags.
func with(tags []tag, more ...tag) []tag {
	out := append([]tag(nil), tags...)
next:
	for _, m := range more {
		for i := range out {
			if out[i].tag == m.tag {
				out[i] = m
				continue next
			}
		}
		out = append(out, m)
	}
	return out
}

func TestRPMProblems(t *testing.T) {
	payload, tags := rpmSample("one", "second")
	other, _ := rpmSample("one", "sec0nd")
	payloadSum := func(p []byte) tag {
		d := sha256.Sum256(p)
		return tagText(tagPayloadDigest, hex.EncodeToString(d[:]))
	}
	const rows = 4 // of the area "header"
	for _, tc := range []struct {
		name    string
		payload []byte
		tags    []tag
		find    []string
	}{
		{"nothing wrong", payload, with(tags, payloadSum(payload), tagText(tagPayloadCompressor, "gzip")), nil},
		{"no compressor stated", payload, tags, nil},
		{"payload differs", payload, with(tags, payloadSum(other)), []string{"3 digest-mismatch"}},
		{"unknown payload digest", payload, with(tags, payloadSum(payload), tagInts(tagPayloadDigestAlgo, 99)), []string{"3 unsupported"}},
		{"other compressor", payload, with(tags, tagText(tagPayloadCompressor, "zstd")), []string{"-1 inconsistent"}},
		{"content differs", other, tags, []string{"5 digest-mismatch"}},
		{"unknown file digests", other, with(tags, tagInts(tagDigestAlgo, 99)), []string{"-1 unsupported"}},
		{"size differs", payload, with(tags, tagInts(tagFileSizes, 3, 7)), []string{"5 inconsistent"}},
		{"mode differs", payload, with(tags, tagShorts(tagFileModes, 0o100755, 0o100644)), []string{"4 inconsistent"}},
		{"time differs", payload, with(tags, tagInts(tagFileMTimes, 0, 1)), []string{"5 inconsistent"}},
		{"link differs", payload, with(tags, tagStrings(tagFileLinks, "x", "")), []string{"4 inconsistent"}},
		{"ghost in payload", payload, with(tags, tagInts(tagFileFlags, rpmGhost, 0)), []string{"4 inconsistent"}},
		{"not in header", payload, with(tags, tagStrings(tagBaseNames, "a", "c")), []string{"5 inconsistent", "-1 inconsistent"}},
		{"twice in header", payload, with(tags, tagStrings(tagBaseNames, "a", "a")), []string{"4 digest-mismatch", "4 inconsistent", "5 inconsistent", "-1 inconsistent", "-1 inconsistent"}},
		{"no files", cpioOf(), []tag{tagText(1000, "x")}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := findings(mustOpen(t, rpmOf(gz(t, tc.payload), retag(t, tc.tags, tc.payload)...)))
			if diff := cmp.Diff(sortedCopy(tc.find), sortedCopy(got)); diff != "" {
				t.Errorf("compressed: %s", diff)
			}
			if tc.name == "other compressor" || strings.HasPrefix(tc.name, "nothing") {
				return // their tags are about the compressed payload
			}
			a := mustOpen(t, rpmOf(tc.payload, tc.tags...))
			if diff := cmp.Diff(sortedCopy(tc.find), sortedCopy(findings(a))); diff != "" {
				t.Errorf("plain: %s\n%v", diff, a.Problems())
			}
			if tc.name == "no files" && len(a.Members()) != rows {
				t.Errorf("members: %v", names(a))
			}
		})
	}
}

// retag makes a digest of a plain payload one of the compressed payload.
func retag(t *testing.T, tags []tag, payload []byte) []tag {
	t.Helper()
	plain := sha256.Sum256(payload)
	packed := sha256.Sum256(gz(t, payload))
	out := append([]tag(nil), tags...)
	for i := range out {
		if out[i].tag == tagPayloadDigest && strings.HasPrefix(string(out[i].data), hex.EncodeToString(plain[:])) {
			out[i] = tagText(tagPayloadDigest, hex.EncodeToString(packed[:]))
		}
	}
	return out
}

func sortedCopy(s []string) []string {
	var out []string
	for _, x := range s {
		i := 0
		for i < len(out) && out[i] < x {
			i++
		}
		out = append(out[:i], append([]string{x}, out[i:]...)...)
	}
	return out
}

// TestRPMDigestsOfSample flips a byte in each part of a real package.
func TestRPMDigestsOfSample(t *testing.T) {
	data := readSample(t, "rpm4-none.rpm")
	a := mustOpen(t, data)
	header, payload := a.contents[2], a.contents[3]
	at := header.off + int64(bytes.Index(data[header.off:][:header.size], []byte("usr/src/linux")))
	for _, tc := range []struct {
		name string
		off  int64
		want []string
	}{
		{"link target in the header", at, []string{"2 digest-mismatch", "2 digest-mismatch", "5 inconsistent"}},
		{"content in the payload", payload.off + int64(bytes.Index(data[payload.off:], []byte("module one"))), []string{"3 digest-mismatch", "9 digest-mismatch"}},
	} {
		mutant := bytes.Clone(data)
		mutant[tc.off] ^= 1
		a := mustOpen(t, mutant)
		if diff := cmp.Diff(tc.want, findings(a)); diff != "" {
			t.Errorf("%s: %s\n%v", tc.name, diff, a.Problems())
		}
	}
}

// TestDebProblems is about the outer archive.
func TestDebProblems(t *testing.T) {
	version := arFile{"debian-binary", []byte("2.0\n")}
	control := arFile{"control.tar", tarball(t, reg("./control", "Package: x\n"))}
	data := arFile{"data.tar", tarball(t, reg("./a", "x"))}
	for _, tc := range []struct {
		name string
		data []byte
		want []string
		find []string
	}{
		{"minimal", arFrom(version, control, data), []string{"ar debian-binary", "ar control.tar", "control control", "ar data.tar", "a"}, nil},
		{"newer minor, more lines", arFrom(arFile{"debian-binary", []byte("2.19\nmore\n")}, control, data), []string{"ar debian-binary", "ar control.tar", "control control", "ar data.tar", "a"}, nil},
		{"members of others", arFrom(version, arFile{"_gpgorigin", []byte("sig")}, control, data, arFile{"extra", []byte("x")}),
			[]string{"ar debian-binary", "ar _gpgorigin", "ar control.tar", "control control", "ar data.tar", "a", "ar extra"}, nil},
		{"member in the way", arFrom(version, control, arFile{"extra", nil}, data),
			[]string{"ar debian-binary", "ar control.tar", "control control", "ar extra", "ar data.tar", "a"}, []string{"3 unsupported"}},
		{"bad names", arFrom(version, control, data, arFile{"../x", nil}, arFile{"/", nil}, arFile{"", nil}, arFile{"extra", nil}, arFile{"extra/", nil}),
			[]string{"ar debian-binary", "ar control.tar", "control control", "ar data.tar", "a", "ar", "ar .", "ar", "ar extra", "ar extra"},
			[]string{"5 parent-name", "6 absolute-name", "7 bad-name", "9 duplicate-name"}},
		{"padding", bytes.Replace(arFrom(version, control, data, arFile{"odd", []byte("1")}), []byte("1\n"), []byte("1!"), -1),
			[]string{"ar debian-binary", "ar control.tar", "control control", "ar data.tar", "a", "ar odd"}, []string{"5 trailing-data"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := mustOpen(t, tc.data)
			if diff := cmp.Diff(tc.want, trimmed(names(a))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.find, findings(a)); diff != "" {
				t.Errorf("%s\n%v", diff, a.Problems())
			}
		})
	}
}

func trimmed(s []string) []string {
	for i := range s {
		s[i] = strings.TrimSpace(s[i])
	}
	return s
}

// TestTrailingData puts something behind the end of each kind of archive.
func TestTrailingData(t *testing.T) {
	tarData := tarball(t, reg("a", "x"))
	cpioData := cpioOf(cfile("a", "x"))
	zeros := make([]byte, 700)
	for _, tc := range []struct {
		name string
		data []byte
		want int
	}{
		{"tar, zeros", join(tarData, zeros), 0},
		{"tar", join(tarData, zeros, []byte("x")), 1},
		{"tar, another archive", join(tarData, tarData), 1},
		{"tar in gzip", gz(t, join(tarData, []byte("x"), zeros)), 1},
		{"cpio, zeros", join(cpioData, zeros), 0},
		{"cpio", join(cpioData, zeros, []byte("x"), zeros), 1},
		{"cpio, padding", edit(cpioData, 113, "!"), 1},
		{"cpio, another archive", join(cpioData, cpioData), 1},
		{"tar in deb", debOf(t, join(tarData, []byte("xy"))), 1},
		{"tar in gzip, another of both", join(gz(t, tarData), gz(t, tarData)), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := mustOpen(t, tc.data)
			if got := len(a.Problems()); got != tc.want {
				t.Fatalf("%d problems: %v", got, a.Problems())
			}
			for _, p := range a.Problems() {
				if p.Kind != TrailingData || p.Member != -1 {
					t.Errorf("%+v", p)
				}
			}
		})
	}
	for name, data := range map[string][]byte{
		"gzip": append(gz(t, tarData), 0),
		"deb":  append(debOf(t, tarData), "junk"...),
	} {
		if _, err := openBytes(t, data, nil); err == nil {
			t.Errorf("%s: bytes after the end of the stream are accepted", name)
		}
	}
}
