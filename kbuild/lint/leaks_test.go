// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/testdata/gen/ko"
)

func scanner(t testing.TB, needles ...Needle) *Scanner {
	t.Helper()
	s, err := NewScanner(needles)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCounts(t *testing.T) {
	for _, c := range []struct {
		needle Needle
		text   string
		want   int
	}{
		{Needle{Host, "vm1"}, "(bob@vm1)", 1},
		{Needle{Host, "vm1"}, "vm1", 1},
		{Needle{Host, "vm1"}, "\x00vm1.example.org\x00", 1},
		{Needle{Host, "vm1"}, "kvm1 vm10 vm1_ x-vm1 vm1-x", 0},
		{Needle{User, "root"}, "(root@vm1)", 1},
		{Needle{User, "root"}, "/root/src", 1},
		{Needle{User, "root"}, "root=/dev/sda1 /root rootfs cgroot@x x.root@y", 0},
		{Needle{User, "bob"}, "/home/bob/linux/a.c:1 /home/bob/linux/b.c:1", 2},
		{Needle{Path, "/home/bob/linux"}, "/home/bob/linux/a.c\x00", 1},
		{Needle{Path, "/home/bob/linux/"}, "DW/home/bob/linux\x00-I/home/bob/linux/include", 2},
		{Needle{Path, "/home/bob/linux"}, "/home/bob/linux-6.12 /home/bob/linux.git /home/bob/linux2 /home/bob/linux_x /home/bob/linux~ /home/bob/linux+", 0},
		{Needle{Path, "/x"}, "/x/x", 2},
		{Needle{Date, "Nov 22 2026"}, "Nov 22 2026\x00", 1},
		{Needle{Date, "2026-11-22"}, "2026-11-22T10:00 2026-11-221 x2026-11-22", 0},
		{Needle{Date, "2026-11-22"}, "(2026-11-22)", 1},
	} {
		leaks, err := scanner(t, c.needle).Scan(strings.NewReader(c.text))
		n := 0
		for _, l := range leaks {
			n += l.Count
		}
		if err != nil || n != c.want || len(leaks) > 1 {
			t.Errorf("%v in %q: %d times, want %d: %v", c.needle, c.text, n, c.want, err)
		}
	}
}

func TestDates(t *testing.T) {
	want := []Needle{{Date, "Nov  2 2026"}, {Date, "Mon Nov  2"}, {Date, "2026-11-02"}}
	if d := cmp.Diff(want, Dates(time.Date(2026, 11, 2, 23, 0, 0, 0, time.UTC))); d != "" {
		t.Error(d)
	}
}

func TestNewScanner(t *testing.T) {
	for _, n := range []Needle{{"", "x"}, {"email", "x"}, {Host, ""}, {User, ""}, {Path, ""}, {Path, "/"}, {Path, "///"}, {Path, "src/linux"}, {Date, "201"}, {Path, "/" + strings.Repeat("x", maxNeedle)}} {
		var ne *NeedleError
		if s, err := NewScanner([]Needle{{Host, "ok"}, n}); s != nil || !errors.As(err, &ne) || !strings.HasPrefix(err.Error(), "cannot look for the ") {
			t.Errorf("%.20v: %v", n, err)
		}
	}
	var many []Needle
	for i := range maxNeedles + 1 {
		many = append(many, Needle{Host, fmt.Sprint("h", i)})
	}
	if _, err := NewScanner(many); err == nil {
		t.Error("too many strings")
	}
	if s := scanner(t, append(many[:maxNeedles], many[0])...); len(s.needles) != maxNeedles {
		t.Error("equal needles count twice")
	}
	if leaks, err := scanner(t).Scan(iotest.ErrReader(io.ErrNoProgress)); leaks != nil || err != nil {
		t.Errorf("without needles: %v, %v", leaks, err)
	}
}

// TestBlocks puts a string at each place around the ends of the blocks that are
// read at once, and reads in several ways.
func TestBlocks(t *testing.T) {
	needles := []Needle{{Host, "builder7"}, {Path, "/srv/" + strings.Repeat("long/", 30) + "path"}}
	s := scanner(t, needles...)
	step := scanBlock + s.longest + maxContext
	base := bytes.Repeat([]byte{'.', 0, '7'}, step)
	for _, n := range needles {
		for at := step - 2*s.longest - 150; at < step+2*s.longest+150; at += 1 + at%3 {
			data := bytes.Clone(base)
			copy(data[at-1:], "\x00"+n.Text+"\x00")
			leaks, err := s.Scan(bytes.NewReader(data))
			if err != nil || len(leaks) != 1 || leaks[0] != (Leak{n, 1, int64(at), n.Text}) {
				t.Fatalf("%d bytes at %d: %+v, %v", len(n.Text), at, leaks, err)
			}
		}
	}
	data := bytes.Clone(base)
	for at := 500; at+100 < len(data); at += 1000 {
		copy(data[at:], "\x00builder7\x00")
	}
	want, err := s.Scan(bytes.NewReader(data))
	if err != nil || len(want) != 1 || want[0].Count != (len(data)-600)/1000+1 {
		t.Fatalf("%+v, %v", want, err)
	}
	for name, r := range map[string]io.Reader{"half": iotest.HalfReader(bytes.NewReader(data)), "data with the error": iotest.DataErrReader(bytes.NewReader(data))} {
		got, err := s.Scan(r)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
	for _, cut := range []error{io.ErrUnexpectedEOF, io.ErrClosedPipe} {
		got, err := s.Scan(io.MultiReader(bytes.NewReader(data[:1000]), iotest.ErrReader(cut)))
		if !errors.Is(err, cut) || len(got) != 1 || got[0].Count != 1 {
			t.Errorf("%v: %+v, %v", cut, got, err)
		}
	}
}

func TestContext(t *testing.T) {
	text := strings.Repeat("a", 100) + " bob@x " + strings.Repeat("b", 100)
	leaks, err := scanner(t, Needle{User, "bob"}).Scan(strings.NewReader("\x00" + text))
	if err != nil || len(leaks) != 1 || leaks[0].Context != strings.Repeat("a", 59)+" bob@x "+strings.Repeat("b", 57) {
		t.Errorf("%+v, %v", leaks, err)
	}
}

// TestFile names the section of an ELF file.
func TestFile(t *testing.T) {
	data := ko.Module{Name: "a", Release: "6.12.0", Text: []byte("xx /home/bob/linux/a.c")}.Bytes()
	s := scanner(t, Needle{Path, "/home/bob/linux"}, Needle{User, "bob"}, Needle{Host, "nowhere"}, Needle{Host, "vermagic"})
	rep, err := s.File("vmlinux", bytes.NewReader(data), int64(len(data)))
	if err != nil || len(rep.Findings) != 3 || !strings.Contains(rep.Findings[2].Found, ` in section ".modinfo": `) {
		t.Fatalf("%+v, %v", rep, err)
	}
	at := bytes.Index(data, []byte("/home/bob"))
	want := Finding{Rule: "leak-path", Severity: Error, File: "vmlinux", Why: leakRules[2].Why, Fix: leakFixes[Path],
		Found: fmt.Sprintf(`"/home/bob/linux" once at offset %d in section ".text": "xx /home/bob/linux/a.c"`, at)}
	if d := cmp.Diff(want, rep.Findings[0]); d != "" {
		t.Error(d)
	}
	if got := rep.Findings[1].String(); !strings.HasPrefix(got, "error: leak-user: vmlinux: \"bob\" once at offset ") {
		t.Error(got)
	}
	if rep, err := s.File("empty", bytes.NewReader(nil), 0); err != nil || len(rep.Findings) != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	if rep, err := s.File("short", bytes.NewReader(nil), 10); err != nil || len(rep.Findings) != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
	if _, err := s.File("broken", failing{}, 10); !errors.Is(err, io.ErrClosedPipe) || !strings.HasPrefix(err.Error(), "reading broken: ") {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

// writeBuild makes an installed build of modules, by name and content.
func writeBuild(t testing.TB, files map[string][]byte, order string) *kbuild.Build {
	t.Helper()
	dir := t.TempDir()
	files["modules.order"] = []byte(order)
	for name, data := range files {
		path := filepath.Join(dir, "lib/modules/6.12.0", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := kbuild.Open(context.Background(), []string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func module(name, text string) []byte {
	return ko.Module{Name: name, Release: "6.12.0", Text: append(ko.Code(name, 300), "\x00"+text+"\x00"...)}.Bytes()
}

func TestBuild(t *testing.T) {
	files := map[string][]byte{
		"kernel/a.ko":     module("a", "nothing"),
		"kernel/b.ko.xz":  ko.Compress(module("b", "/home/bob/linux/b.c /home/bob/linux/c.c"), ".xz"),
		"kernel/c.ko.zst": ko.Compress(module("c", "built on builder7"), ".zst"),
		"kernel/d.ko.gz":  []byte("\x1f\x8b\x08 and then nothing"),
		"updates/e.ko":    module("e", "Nov  2 2026"),
	}
	order := "kernel/c.ko\nkernel/gone.ko\nkernel/b.ko\nkernel/d.ko\nkernel/a.ko\n"
	b := writeBuild(t, files, order)
	s := scanner(t, append(Dates(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)), Needle{Host, "builder7"}, Needle{Path, "/home/bob/linux"})...)
	for _, workers := range []int{1, 0, 7} {
		rep, err := s.Build(context.Background(), b, &kbuild.Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range rep.Findings {
			got = append(got, f.Rule+" "+f.File)
		}
		for _, u := range rep.Unknown {
			got = append(got, "? "+u.File)
		}
		want := []string{"leak-host kernel/c.ko", "leak-path kernel/b.ko", "leak-date updates/e.ko", "? kernel/gone.ko", "? kernel/d.ko"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d workers: (-want +got)\n%s", workers, d)
		}
		if found := rep.Findings[1].Found; !strings.HasPrefix(found, `"/home/bob/linux" 2 times, first at offset `) || !strings.Contains(found, ` in section ".text"`) {
			t.Error(found)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	before := runtime.NumGoroutine()
	if rep, err := s.Build(ctx, b, nil); rep != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", rep, err)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, before %d", n, before)
	}
}

// FuzzScan compares with a search in one piece.
func FuzzScan(f *testing.F) {
	f.Add([]byte("(bob@vm1) /home/bob/x vm1.org"), "vm1", "bob", "/home/bob", 3)
	f.Fuzz(func(t *testing.T, data []byte, host, user, path string, cut int) {
		s, err := NewScanner([]Needle{{Host, host}, {User, user}, {Path, path}})
		if err != nil {
			return
		}
		pad := min(max(cut, 0), 1<<10)
		data = append(bytes.Repeat([]byte{0}, scanBlock-pad), data...)
		leaks, err := s.Scan(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, n := range s.needles {
			for at := range data {
				if bytes.HasPrefix(data[at:], []byte(n.Text)) && n.counts(data, at) {
					want++
				}
			}
		}
		for _, l := range leaks {
			want -= l.Count
		}
		if want != 0 {
			t.Fatalf("%d more in one piece: %+v", want, leaks)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	s := scanner(b, append(Dates(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)), Needle{Host, "builder7"}, Needle{User, "root"}, Needle{Path, "/home/bob/linux"})...)
	data := ko.Code("bench", 16<<20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Scan(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
