// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// TestReaderAtGolden: read anywhere or in sequence, the same comes out.
func TestReaderAtGolden(t *testing.T) {
	for name, want := range goldenFiles(t, "*") {
		in := golden(t, name)
		r, err := NewReaderAt(bytes.NewReader(in), int64(len(in)), formatOf(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if _, err := r.Read(make([]byte, 1)); err != errClosed {
			t.Errorf("%s: Read after Close: %v", name, err)
		}
		cut, err := NewReaderAt(bytes.NewReader(in), int64(len(in)-1), formatOf(t, name))
		if err == nil {
			_, err = io.Copy(io.Discard, cut)
			cut.Close()
		}
		if !isFormatError(err, formatOf(t, name)) {
			t.Errorf("%s, one byte short: %v", name, err)
		}
	}
}

// letters makes what letters.xz holds: what half of can be compressed away.
func letters() []byte {
	b := make([]byte, 600_000)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = 'A' + byte(x>>24)&0x0f
	}
	return b
}

// TestReaderAtBlocks decodes what xz made with several threads: blocks large
// enough to be decoded side by side.
func TestReaderAtBlocks(t *testing.T) {
	in, want := golden(t, "letters.xz"), letters()
	read := func(in []byte) ([]byte, error) {
		r, err := NewReaderAt(bytes.NewReader(in), int64(len(in)), XZ)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	if got, err := read(in); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
	}
	for at := 20; at < len(in); at += len(in) / 11 {
		bad := bytes.Clone(in)
		bad[at] ^= 1
		if got, err := read(bad); !isFormatError(err, XZ) || !bytes.HasPrefix(want, got) {
			t.Errorf("byte %d flipped: %d bytes, %v", at, len(got), err)
		}
	}
}

// TestReaderAtSourceError: an error of the source comes through as it is.
func TestReaderAtSourceError(t *testing.T) {
	broken := errors.New("broken")
	for name := range goldenFiles(t, "small.*") {
		in := golden(t, name)
		r, err := NewReaderAt(failingFrom{bytes.NewReader(in), int64(len(in) / 2), broken}, int64(len(in)), formatOf(t, name))
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if err != broken {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// failingFrom fails from a certain byte on.
type failingFrom struct {
	io.ReaderAt
	from int64
	err  error
}

func (f failingFrom) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= f.from {
		return f.ReaderAt.ReadAt(p, off)
	}
	n := max(f.from-off, 0)
	if n, err := f.ReaderAt.ReadAt(p[:n], off); err != nil {
		return n, err
	}
	return int(n), f.err
}
