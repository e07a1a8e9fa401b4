// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// allocated returns how many bytes f allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestBomb decodes little that would become 12 MiB, with a limit of 1 MiB.
func TestBomb(t *testing.T) {
	zeros := make([]byte, 12<<20)
	copy(zeros, "\x7fELF")
	for _, suffix := range suffixes[1:] {
		b := ko.Compress(zeros, suffix)
		op := opener(t, &Options{MaxSize: 1 << 20})
		var err error
		n := allocated(func() { _, err = open(op, b) })
		if !isFormat(err) || !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", suffix, err)
		}
		if n > 8<<20 {
			t.Errorf("%s: %d MiB were allocated", suffix, n>>20)
		}
	}
}

// TestSpill opens modules that do not fit into the memory of the budget.
func TestSpill(t *testing.T) {
	dir := t.TempDir()
	plain := ko.Module{Name: "m", Text: ko.Code("text", 3<<20), Release: "9.9"}.Bytes()
	signed := key(t).Sign(plain)
	files := map[string][]byte{".gz": ko.Compress(signed, ".gz"), ".zst": ko.Compress(signed, ".zst")}
	for _, budget := range []int64{0, 1 << 20, 64 << 20} {
		op := NewOpener(&Options{TempDir: dir, Budget: spool.NewBudget(budget)})
		for suffix, file := range files {
			m := mustOpen(t, op, file)
			if got := payload(t, m); !bytes.Equal(got, plain) {
				t.Errorf("budget %d, %s: another payload, of %d bytes", budget, suffix, len(got))
			}
			if info, err := m.Info(); err != nil || info.Release != "9.9" {
				t.Errorf("budget %d, %s: %v, %v", budget, suffix, info, err)
			}
			if s, err := m.Signer(); err != nil || s == nil {
				t.Errorf("budget %d, %s: no signer, %v", budget, suffix, err)
			}
		}
		if err := op.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%d files are left (%v)", len(left), err)
	}
}

// TestSpillFails: a disk that takes nothing is trouble, not the module's fault.
func TestSpillFails(t *testing.T) {
	op := opener(t, &Options{TempDir: filepath.Join(t.TempDir(), "none"), Budget: spool.NewBudget(0)})
	b := ko.Compress(ko.Module{Name: "m", Text: make([]byte, onePiece+1<<20)}.Bytes(), ".zst")
	if _, err := open(op, b); err == nil || isFormat(err) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that the folder does not exist", err)
	}
	if _, err := open(op, ko.Compress(ko.Module{Name: "m"}.Bytes(), ".zst")); err != nil {
		t.Errorf("a small module after that: %v", err)
	}
}

// TestKept: one large module does not leave its memory with an Opener that goes
// on to small ones.
func TestKept(t *testing.T) {
	small := ko.Compress(ko.Module{Name: "m"}.Bytes(), ".zst")
	var file bytes.Buffer
	w, err := gzip.NewWriterLevel(&file, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(append([]byte("\x7fELF"), make([]byte, 40<<20)...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	op := opener(t, &Options{TempDir: t.TempDir(), Budget: spool.NewBudget(0)})
	before := heap()
	mustOpen(t, op, file.Bytes())
	mustOpen(t, op, small)
	if after := heap(); after > before+20<<20 {
		t.Errorf("%d MiB are kept", (after-before)>>20)
	}
	runtime.KeepAlive(op)
	runtime.KeepAlive(&file)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what a sync.Pool held is freed by the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
