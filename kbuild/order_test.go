// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/modhash/modhash/hashset"
)

func TestParseOrder(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty file", "", nil},
		{"objects", "fs/ext4/ext4.o\nlib/crc.o\n", []string{"fs/ext4/ext4.o", "lib/crc.o"}},
		{"modules", "fs/ext4/ext4.ko\nlib/crc.ko\n", []string{"fs/ext4/ext4.ko", "lib/crc.ko"}},
		{"installed", "kernel/fs/ext4/ext4.ko\nkernel/lib/crc.ko\n", []string{"kernel/fs/ext4/ext4.ko", "kernel/lib/crc.ko"}},
		{"kernel/ now and then", "kernel/configs.ko\nlib/crc.ko\n", []string{"kernel/configs.ko", "lib/crc.ko"}},
		{"no final LF", "fs/a.o\nfs/b.o", []string{"fs/a.o", "fs/b.o"}},
		{"one line, no LF", "fs/a.ko", []string{"fs/a.ko"}},
		{"listed twice", "fs/a.o\nfs/b.o\nfs/a.o\n", []string{"fs/a.o", "fs/b.o", "fs/a.o"}},
		{"at the top", "a.o\n", []string{"a.o"}},
		{"dots in names", "fs/a.b.o\nfs/...o\n", []string{"fs/a.b.o", "fs/...o"}},
		{"longest name", strings.Repeat("x", 4095-len("kernel/.ko")) + ".o\n", []string{strings.Repeat("x", 4095-len("kernel/.ko")) + ".o"}},
	}
	for _, tt := range tests {
		for how, r := range map[string]io.Reader{
			"": strings.NewReader(tt.text), " by bytes": iotest.OneByteReader(strings.NewReader(tt.text)),
			" with the error": iotest.DataErrReader(strings.NewReader(tt.text)),
		} {
			got, err := ParseOrder("modules.order", r)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%s%s: %q, %v; want %q", tt.name, how, got, err, tt.want)
			}
		}
	}
}

func TestParseOrderRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		reason     string
	}{
		{"CRLF", "fs/a.o\r\nfs/b.o\r\n", 1, "carriage return"},
		{"CRLF at the end", "fs/a.o\nfs/b.o\r\n", 2, "carriage return"},
		{"CR at the very end", "fs/a.o\nfs/b.o\r", 2, "carriage return"},
		{"CR within", "fs/a.o\rfs/b.o\n", 1, "0x0d"},
		{"empty line", "fs/a.o\n\nfs/b.o\n", 2, "empty line"},
		{"empty line first", "\nfs/a.o\n", 1, "empty line"},
		{"empty line last", "fs/a.o\n\n", 2, "empty line"},
		{"LF only", "\n", 1, "empty line"},
		{"absolute", "/fs/a.o\n", 1, "absolute"},
		{"parent", "fs/a.o\nfs/../b.o\n", 2, "clean"},
		{"parent first", "../a.ko\n", 1, "clean"},
		{"out of kernel/", "kernel/../../etc/a.ko\n", 1, "clean"},
		{"dot", "./fs/a.o\n", 1, "clean"},
		{"two slashes", "fs//a.o\n", 1, "clean"},
		{"mixture", "fs/a.o\nfs/b.ko\n", 2, "among lines that end in .o"},
		{"mixture the other way", "fs/a.ko\nfs/b.o\n", 2, "among lines that end in .ko"},
		{"mixture of forms", "kernel/fs/a.ko\nfs/b.o\n", 2, "among lines that end in .ko"},
		{"compressed", "kernel/fs/a.ko.xz\n", 1, "neither"},
		{"folder", "fs/\n", 1, "neither"},
		{"module without a name", "fs/.ko\n", 1, "want kernel/"},
		{"object without a name", ".o\n", 1, "want kernel/"},
		{"blank", "fs/a b.o\n", 1, "0x20"},
		{"blank at the end", "fs/a.o \n", 1, "neither"},
		{"tab", "fs/\ta.o\n", 1, "0x09"},
		{"NUL", "fs/a\x00.o\n", 1, "0x00"},
		{"escape", "fs/\x1b[31ma.o\n", 1, "0x1b"},
		{"UTF-8", "fs/ä.o\n", 1, "0xc3"},
		{"byte order mark", "\ufefffs/a.o\n", 1, "0xef"},
		{"backslash", "fs\\a.o\n", 1, "backslash"},
		{"longer than a path", "fs/a.o\n" + strings.Repeat("x", 4095) + ".o\n", 2, "longer than a path"},
		{"much longer", "fs/a.o\n" + strings.Repeat("x", 1<<20) + ".o\n", 2, "longer than a path"},
		{"no line at all", strings.Repeat("x", 1<<20), 1, "longer than a path"},
	}
	for _, tt := range tests {
		got, err := ParseOrder("some/modules.order", strings.NewReader(tt.text))
		var oe *OrderError
		if got != nil || !errors.As(err, &oe) || !strings.Contains(err.Error(), tt.reason) || !strings.HasPrefix(err.Error(), "some/modules.order: line ") {
			t.Errorf("%s: %.100q, %v; want an OrderError with %q", tt.name, got, err, tt.reason)
		} else if oe.Line != tt.line || errors.Unwrap(oe) == nil {
			t.Errorf("%s: line %d, want %d", tt.name, oe.Line, tt.line)
		}
	}
}

// repeat reads a text again and again.
type repeat struct {
	text string
	off  int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], r.text[r.off:])
		n, r.off = n+k, (r.off+k)%len(r.text)
	}
	return n, nil
}

// TestParseOrderLimits ends on a text without end, of lines short and long.
func TestParseOrderLimits(t *testing.T) {
	for text, reason := range map[string]string{
		"a.o\n": "more than 65536 modules", strings.Repeat("x", 4000) + ".o\n": "", // cut where the limit is
	} {
		got, err := ParseOrder("modules.order", &repeat{text: text})
		var oe *OrderError
		if got != nil || !errors.As(err, &oe) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%d lines, %v; want an OrderError with %q", len(got), err, reason)
		}
	}
	// Lines that end just at the limit.
	line := strings.Repeat("x", 1<<11-3) + ".o\n"
	got, err := ParseOrder("modules.order", io.LimitReader(&repeat{text: line}, maxOrderBytes))
	if err != nil || len(got) != maxOrderBytes/len(line) {
		t.Errorf("%d bytes: %d lines, %v", maxOrderBytes, len(got), err)
	}
	if _, err := ParseOrder("modules.order", io.LimitReader(&repeat{text: line}, maxOrderBytes+1)); err == nil {
		t.Errorf("%d bytes are accepted", maxOrderBytes+1)
	}
}

// rowsOnly is a source of which only the rows are looked at.
type rowsOnly struct {
	Source
	rows []Member
}

func (s rowsOnly) Path() string      { return "some.tar" }
func (s rowsOnly) Members() []Member { return s.rows }

// TestTooManyModules: a small package can hold a million modules, of which each
// would take memory, and links, of which each would be a finding.
func TestTooManyModules(t *testing.T) {
	others := []Member{{Name: modulesDir + "a.txt"}, {Name: "lib/modules/other/a.ko"}, {Area: "ghost", Name: modulesDir + "a.ko"}}
	for _, m := range []Member{{Name: modulesDir + "updates/m.ko.xz"}, {Name: modulesDir + "link", Mode: fs.ModeSymlink}} {
		b := &Build{folders: []folder{{prefix: modulesDir}}}
		rows := append(slices.Repeat([]Member{m}, maxModules), others...)
		b.sources = []Source{rowsOnly{rows: rows}}
		if err := b.checkCount(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		b.sources = []Source{rowsOnly{rows: append(rows, m)}}
		err := b.checkCount()
		if !errors.Is(err, ErrTooManyModules) || !strings.HasPrefix(err.Error(), "some.tar: ") || !strings.Contains(err.Error(), "65537, at most 65536") {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	// And Open looks at it.
	files := []file{{name: modulesDir + "modules.order"}}
	for i := range maxModules + 1 {
		files = append(files, file{name: modulesDir + fmt.Sprintf("m%d.ko", i)})
	}
	if _, err := Open(context.Background(), []string{writeTar(t, "more.tar", files)}, nil); !errors.Is(err, ErrTooManyModules) {
		t.Errorf("opened: %v", err)
	}
}

func TestParseOrderReadError(t *testing.T) {
	disk := errors.New("disk")
	_, err := ParseOrder("modules.order", io.MultiReader(strings.NewReader("fs/a.o\n"), iotest.ErrReader(disk)))
	var oe *OrderError
	if !errors.Is(err, disk) || errors.As(err, &oe) || !strings.Contains(err.Error(), "modules.order") {
		t.Errorf("%v, want the reader's error", err)
	}
}

// FuzzParseOrder: what is accepted is the lines as they stand, and names that a
// manifest can hold.
func FuzzParseOrder(f *testing.F) {
	for _, s := range []string{
		"", "fs/a.o\nfs/b.o\n", "fs/a.ko\nkernel/b.ko", "kernel/fs/a.ko\nkernel/fs/a.ko\n", "a.o\r\n", "a.o\n\nb.o", "/a.o\n", "a/../b.o\n",
		"a.o\nb.ko\n", "\n", ".o", "kernel/.ko\n", strings.Repeat("x/", 2000) + "a.o\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := ParseOrder("modules.order", strings.NewReader(text))
		if err != nil {
			var oe *OrderError
			if lines != nil || !errors.As(err, &oe) || oe.Line < 1 || oe.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("%q, %v", lines, err)
			}
			return
		}
		if strings.Join(lines, "\n") != strings.TrimSuffix(text, "\n") {
			t.Fatalf("%q are not the lines of %q", lines, text)
		}
		for _, s := range lines {
			if err := hashset.CheckName(inTree(s)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
