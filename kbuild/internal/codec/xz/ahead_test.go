// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// blocks encodes a stream of stored blocks, each with its sizes in the header.
func blocks(t *testing.T, parts ...string) []byte {
	t.Helper()
	var out []byte
	var records []byte
	for i, p := range parts {
		s := newSpec(p)
		s.blockFlags = 0xc0
		s.sizes = vli(vli(nil, uint64(len(s.chunks))), uint64(len(p)))
		s.pad()
		s.setCheck(checkCRC32, p)
		s.setRecord(uint64(len(p)))
		one := s.encode()
		// The index is two bytes and one record, padded, and a CRC32.
		block := one[headerSize : len(one)-headerSize-4-len(s.indexPad)-len(s.records)-2]
		if i == 0 {
			out = append(out, one[:headerSize]...)
		}
		out = append(out, block...)
		records = append(records, s.records...)
	}
	s := newSpec("")
	s.setCheck(checkCRC32, "")
	s.count, s.records = uint64(len(parts)), records
	s.padIndex()
	one := s.encode()
	end := len(one) - headerSize - 4 - len(s.indexPad) - len(records) - len(vli(nil, s.count)) - 1
	return append(out, one[end:]...)
}

// sideBySide decodes with a Reader that decodes even small blocks ahead.
func sideBySide(in []byte) ([]byte, error) {
	z := NewReaderAt(bytes.NewReader(in), int64(len(in)), 1<<20, 2)
	z.ahead.min = 0
	defer z.Close()
	return io.ReadAll(z)
}

// TestAhead: the blocks come in their order, whatever flips in one of them is
// found, and what comes before it is right.
func TestAhead(t *testing.T) {
	var parts []string
	for i := range 5 {
		parts = append(parts, strings.Repeat(string(rune('a'+i)), 40*i+1))
	}
	in, want := blocks(t, parts...), strings.Join(parts, "")
	two := append(bytes.Clone(in), in...)
	if got, err := decodeAll(t, in); err != nil || string(got) != want {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if got, err := sideBySide(two); err != nil || string(got) != want+want {
		t.Errorf("two streams: %d bytes, %v", len(got), err)
	}
	for i := range in {
		bad := bytes.Clone(in)
		bad[i] ^= 0x10
		got, err := sideBySide(bad)
		if err == nil || !strings.HasPrefix(want, string(got)) {
			t.Errorf("byte %d: %d bytes, %v", i, len(got), err)
		}
		if _, err := sideBySide(in[:i]); err == nil {
			t.Errorf("cut to %d bytes: no error", i)
		}
	}
}

// TestAheadLies: sizes in a header that are not true are found, also where more
// is decoded than there is room for.
func TestAheadLies(t *testing.T) {
	chunks := uint64(len(stored(plain)))
	n := uint64(len(plain))
	for reason, sizes := range map[string][2]uint64{
		"its header says 24":                   {24, n},
		"its header says 22":                   {chunks, n + 1},
		"more decoded bytes than the 20":       {chunks, n - 1},
		"more decoded bytes than the 0":        {chunks, 0},
		"input ends early":                     {1 << 40, n},
		"its header says 9223372036854775807":  {chunks, 1<<63 - 1},
		"its header says 4611686018427387904 ": {1 << 62, n},
	} {
		s := newSpec(plain)
		s.blockFlags = 0xc0
		s.sizes = vli(vli(nil, sizes[0]), sizes[1])
		s.pad()
		in := s.encode()
		_, err := sideBySide(in)
		var fe *FormatError
		if !errors.As(err, &fe) || errors.Is(err, ErrTooLarge) {
			t.Errorf("%d and %d: %v", sizes[0], sizes[1], err)
		} else if sizes[0] < 1<<30 && !strings.Contains(err.Error(), reason) {
			t.Errorf("%d and %d: %v, want %q", sizes[0], sizes[1], err, reason)
		}
	}
}

// failAt fails in place of reading a certain byte.
type failAt struct {
	io.ReaderAt
	at  int64
	err error
}

func (f failAt) ReadAt(p []byte, off int64) (int, error) {
	if off <= f.at && f.at < off+int64(len(p)) {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestAheadSourceError: an error of the source comes through as it is.
func TestAheadSourceError(t *testing.T) {
	broken := errors.New("broken")
	in := blocks(t, strings.Repeat("a", 500), strings.Repeat("b", 500), strings.Repeat("c", 500))
	for at := range in {
		z := NewReaderAt(failAt{bytes.NewReader(in), int64(at), broken}, int64(len(in)), 1<<20, 2)
		z.ahead.min = 0
		if _, err := io.ReadAll(z); err != broken {
			t.Fatalf("byte %d: got %v", at, err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAheadClose: a Reader that is not read to its end leaves nothing running,
// and gives nothing any more.
func TestAheadClose(t *testing.T) {
	in := blocks(t, strings.Repeat("a", 500), strings.Repeat("b", 500), strings.Repeat("c", 500))
	z := NewReaderAt(bytes.NewReader(in), int64(len(in)), 1<<20, 2)
	z.ahead.min = 0
	if _, err := io.ReadFull(z, make([]byte, 600)); err != nil {
		t.Fatal(err)
	}
	jobs := z.ahead.jobs
	if len(jobs) == 0 {
		t.Fatal("nothing is decoded ahead")
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		select {
		case <-j.done:
		default:
			t.Error("a block is still being decoded")
		}
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("after Close: %d bytes, %v", n, err)
	}
	if err := NewReader(bytes.NewReader(in), 1<<20).Close(); err != nil {
		t.Error(err)
	}
}

// TestAheadReader: small reads and large ones give the same.
func TestAheadReader(t *testing.T) {
	parts := []string{"a", strings.Repeat("b", 1000), "", strings.Repeat("c", 1000)}
	in := blocks(t, parts[0], parts[1], parts[3])
	z := NewReaderAt(bytes.NewReader(in), int64(len(in)), 1<<20, 2)
	z.ahead.min = 0
	defer z.Close()
	if err := iotest.TestReader(z, []byte(strings.Join(parts, ""))); err != nil {
		t.Error(err)
	}
}
