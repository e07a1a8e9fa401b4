// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	oraclelzma "github.com/ulikunitz/xz/lzma"
)

func TestLZMARefuses(t *testing.T) {
	small := golden(t, "small.bin")
	marked := golden(t, "small.lzma")
	sized := encodeLZMA(t, oraclelzma.WriterConfig{Size: int64(len(small)), SizeInHeader: true}, small)
	for _, tt := range []struct {
		name, reason string
		off          int
		in           []byte
		change       func(p []byte)
	}{
		{"properties", "lzma properties 0xe1 out of range", 0, marked, func(p []byte) { p[0] = 225 }},
		{"lc+lp", "lzma properties 0x5 out of range", 0, marked, func(p []byte) { p[0] = 5 }},
		{"dictionary", "dictionary of 67108865 bytes is above the limit", 1, marked, func(p []byte) { binary.LittleEndian.PutUint32(p[1:], 64<<20+1) }},
		{"first byte", "corrupt lzma data", 13, marked, func(p []byte) { p[13] = 1 }},
		{"size below", "corrupt lzma data", 0, marked, func(p []byte) { binary.LittleEndian.PutUint64(p[5:], uint64(len(small)-1)) }},
		{"size above", "corrupt lzma data", 0, marked, func(p []byte) { binary.LittleEndian.PutUint64(p[5:], uint64(len(small)+1)) }},
		{"no marker, size below", "corrupt lzma data", 0, sized, func(p []byte) { p[5]-- }},
		{"no marker, size above", "input ends early", len(sized), sized, func(p []byte) { p[5]++ }},
		{"no marker, size unknown", "input ends early", len(sized), sized, func(p []byte) { binary.LittleEndian.PutUint64(p[5:], math.MaxUint64) }},
		{"end", "corrupt lzma data", 0, marked, func(p []byte) { p[len(p)-1] ^= 1 }},
	} {
		in := bytes.Clone(tt.in)
		tt.change(in)
		_, err := io.ReadAll(NewLZMAReader(bytes.NewReader(in), 64<<20))
		var fe *FormatError
		if !errors.As(err, &fe) || !strings.Contains(fe.Reason, tt.reason) || tt.off > 0 && fe.Offset != int64(tt.off) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.reason)
		}
	}
	for name, in := range map[string][]byte{"marked": marked, "sized": sized} {
		_, err := io.ReadAll(NewLZMAReader(bytes.NewReader(append(bytes.Clone(in), 0)), 64<<20))
		var fe *FormatError
		if !errors.As(err, &fe) || fe.Reason != "trailing data" || fe.Offset != int64(len(in)) {
			t.Errorf("%s: trailing byte: got %v", name, err)
		}
		for n := range in {
			_, err := io.ReadAll(NewLZMAReader(bytes.NewReader(in[:n]), 64<<20))
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: first %d of %d bytes: got %v", name, n, len(in), err)
			}
		}
	}
}

// A known size bounds memory, so that the dictionary may be declared larger.
func TestLZMALargeDictionary(t *testing.T) {
	small := golden(t, "small.bin")
	in := encodeLZMA(t, oraclelzma.WriterConfig{Size: int64(len(small)), SizeInHeader: true}, small)
	binary.LittleEndian.PutUint32(in[1:], math.MaxUint32)
	got, err := io.ReadAll(NewLZMAReader(bytes.NewReader(in), 1<<20))
	if err != nil || !bytes.Equal(got, small) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// What is accepted the oracle accepts too, with the same result.
func FuzzLZMA(f *testing.F) {
	f.Add(golden(f, "small.lzma"))
	f.Add(golden(f, "sample.lzma"))
	f.Add(encodeLZMA(f, oraclelzma.WriterConfig{Size: 3, SizeInHeader: true}, []byte("abc")))
	f.Add(encodeLZMA(f, oraclelzma.WriterConfig{Size: 3, SizeInHeader: true, EOSMarker: true}, []byte("abc")))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 24
		got, err := readAll(NewLZMAReader(bytes.NewReader(in), 1<<20), limit)
		if len(got) == 0 {
			return // the oracle takes a size of zero for something else; xz does not
		}
		if err != nil || len(got) == limit || binary.LittleEndian.Uint32(in[1:]) > 1<<20 {
			return // the oracle allocates what the header says
		}
		r, err := oraclelzma.NewReader(bytes.NewReader(in))
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		want, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("oracle: %d bytes, %v; got %d", len(want), err, len(got))
		}
	})
}
