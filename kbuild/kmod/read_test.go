// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"

	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestReadError: an error of the disk is never taken for a bad module.
func TestReadError(t *testing.T) {
	small := key(t).Sign(ko.Module{Name: "m"}.Bytes())
	large := key(t).Sign(ko.Module{Name: "m", Text: ko.Code("incompressible", 3<<20)}.Bytes())
	op := opener(t, nil)
	for _, plain := range [][]byte{small, large} {
		for _, suffix := range suffixes {
			if suffix == ".xz" && len(plain) > 1<<20 {
				continue // the test's compressor is slow, and .gz takes the same way
			}
			b := ko.Compress(plain, suffix)
			n := int64(len(b))
			for _, from := range []int64{0, 1, 15, 16, 100, n / 2, n - 65, n - 40, n - 1} {
				err := readAll(op, failing{b, from, syscall.EIO}, n)
				if !errors.Is(err, syscall.EIO) || isFormat(err) {
					t.Errorf("%q of %d bytes, from offset %d: %v, want EIO", suffix, n, from, err)
				}
			}
			if err := Sniff(failing{b, 7, syscall.EIO}, n); !errors.Is(err, syscall.EIO) || isFormat(err) {
				t.Errorf("Sniff, %q: %v, want EIO", suffix, err)
			}
			// A file that was cut after its size was taken.
			for _, left := range []int64{0, 15, 16, n / 2, n - 1} {
				err := readAll(op, bytes.NewReader(b[:left]), n)
				if err == nil || isFormat(err) || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%q, %d of %d bytes: %v, want an unexpected end", suffix, left, n, err)
				}
			}
		}
	}
}

// readAll does everything with a module that can be done.
func readAll(op *Opener, r io.ReaderAt, size int64) error {
	m, err := op.Open(r, size)
	if err != nil {
		return err
	}
	if _, err := m.Info(); err != nil {
		return err
	}
	if _, err := m.Signer(); err != nil {
		return err
	}
	if err := m.WritePayload(io.Discard); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, m.Tail())
	return err
}

// TestWriteError passes the writer's error on, from memory, file and buffer.
func TestWriteError(t *testing.T) {
	full := errors.New("full")
	op := opener(t, nil)
	for _, size := range []int{100, 3 << 20} {
		for _, suffix := range []string{"", ".gz", ".zst"} {
			m := mustOpen(t, op, ko.Compress(ko.Module{Name: "m", Text: make([]byte, size)}.Bytes(), suffix))
			if err := m.WritePayload(writer(func([]byte) (int, error) { return 0, full })); !errors.Is(err, full) {
				t.Errorf("%q of %d bytes: %v", suffix, size, err)
			}
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// breaking reads b until it is broken.
type breaking struct {
	b      []byte
	broken bool
}

func (r *breaking) ReadAt(p []byte, off int64) (int, error) {
	if r.broken {
		return 0, syscall.EIO
	}
	return bytes.NewReader(r.b).ReadAt(p, off)
}

// TestReadErrorLater: the disk fails after the module was opened.
func TestReadErrorLater(t *testing.T) {
	r := &breaking{b: key(t).Sign(ko.Module{Name: "m", Text: make([]byte, 2<<20)}.Bytes())}
	m, err := opener(t, nil).Open(r, int64(len(r.b)))
	if err != nil {
		t.Fatal(err)
	}
	r.broken = true
	_, infoErr := m.Info()
	_, signerErr := m.Signer()
	for what, err := range map[string]error{"Info": infoErr, "Signer": signerErr, "WritePayload": m.WritePayload(io.Discard)} {
		if !errors.Is(err, syscall.EIO) || isFormat(err) {
			t.Errorf("%s: %v, want EIO", what, err)
		}
	}
}
