// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/keys"
)

// suffixes are the forms that Kbuild installs modules in.
var suffixes = []string{"", ".gz", ".xz", ".zst"}

var formats = map[string]Compression{"": None, ".gz": Gzip, ".xz": XZ, ".zst": Zstd}

func key(t testing.TB) *ko.Key {
	t.Helper()
	k, err := ko.ParseKey(keys.AKey, keys.ACert)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// opener returns an Opener that is closed when the test ends.
func opener(t testing.TB, o *Options) *Opener {
	op := NewOpener(o)
	t.Cleanup(func() {
		if err := op.Close(); err != nil {
			t.Error(err)
		}
	})
	return op
}

func open(op *Opener, b []byte) (*Module, error) {
	return op.Open(bytes.NewReader(b), int64(len(b)))
}

func mustOpen(t testing.TB, op *Opener, b []byte) *Module {
	t.Helper()
	m, err := open(op, b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// payload reads the payload in both ways there are, which must agree.
func payload(t testing.TB, m *Module) []byte {
	t.Helper()
	var w bytes.Buffer
	if err := m.WritePayload(&w); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(m.Payload())
	if err != nil || !bytes.Equal(b, w.Bytes()) {
		t.Fatalf("Payload reads %d other bytes than the %d that WritePayload writes (%v)", len(b), w.Len(), err)
	}
	return b
}

func tail(t testing.TB, m *Module) []byte {
	t.Helper()
	b, err := io.ReadAll(m.Tail())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func isFormat(err error) bool {
	var fe *FormatError
	return errors.As(err, &fe)
}

// failing reads b, but nothing at or behind offset from.
type failing struct {
	b    []byte
	from int64
	err  error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= f.from {
		return bytes.NewReader(f.b).ReadAt(p, off)
	}
	if off >= f.from {
		return 0, f.err
	}
	n, _ := bytes.NewReader(f.b).ReadAt(p[:f.from-off], off)
	return n, f.err
}
