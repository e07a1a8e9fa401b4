// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func readAll(r io.Reader, limit int64) ([]byte, error) { return io.ReadAll(io.LimitReader(r, limit)) }

const plain = "twenty-one bytes here"

func TestSpecIsValid(t *testing.T) {
	for _, kind := range []byte{checkNone, checkCRC32, checkCRC64, checkSHA256} {
		s := newSpec(plain)
		s.setCheck(kind, plain)
		if out, err := decodeAll(t, s.encode()); err != nil || string(out) != plain {
			t.Errorf("check %d: %q, %v", kind, out, err)
		}
	}
	s := newSpec(plain)
	s.blockFlags = 0xc0
	s.sizes = vli(vli(nil, uint64(len(s.chunks))), uint64(len(plain)))
	s.pad()
	s.setRecord(uint64(len(plain)))
	if out, err := decodeAll(t, s.encode()); err != nil || string(out) != plain {
		t.Errorf("sizes: %q, %v", out, err)
	}
	s.headerPad = append(s.headerPad, make([]byte, 1000)...)
	s.setRecord(uint64(len(plain)))
	if out, err := decodeAll(t, s.encode()); err != nil || string(out) != plain {
		t.Errorf("long block header: %q, %v", out, err)
	}
	s = newSpec("")
	s.chunks = []byte{0}
	s.pad()
	s.setRecord(0)
	if out, err := decodeAll(t, s.encode()); err != nil || len(out) != 0 {
		t.Errorf("empty block: %q, %v", out, err)
	}
}

// Each case puts one thing wrong.
func TestRefuses(t *testing.T) {
	block := func(change func(*spec)) func(*spec) { // with padding and index to match
		return func(s *spec) {
			change(s)
			s.pad()
			s.setRecord(uint64(len(plain)))
		}
	}
	chunks := func(c string) func(*spec) { return block(func(s *spec) { s.chunks = []byte(c) }) }
	filters := func(flags byte, f string) func(*spec) {
		return block(func(s *spec) { s.blockFlags, s.filters = flags, []byte(f) })
	}
	sizes := func(flags byte, b string) func(*spec) {
		return block(func(s *spec) { s.blockFlags, s.sizes = flags, []byte(b) })
	}
	index := func(count uint64, records ...uint64) func(*spec) {
		return func(s *spec) {
			s.count, s.records = count, nil
			for _, r := range records {
				s.records = vli(s.records, r)
			}
			s.padIndex()
		}
	}
	const unpadded = 12 + 25
	for _, tt := range []struct {
		reason string
		change func(*spec)
	}{
		{"unknown stream flags 0100", func(s *spec) { s.flags[0] = 1 }},
		{"unknown stream flags 0010", func(s *spec) { s.flags[1] = 0x10 }},
		{"unknown check type 2", func(s *spec) { s.flags[1] = 2 }},
		{"unknown check type 15", func(s *spec) { s.flags[1] = 15 }},
		{"bad checksum of the decoded data", func(s *spec) { s.setCheck(checkCRC32, plain); s.sum[0] ^= 1 }},
		{"bad checksum of the decoded data", func(s *spec) { s.setCheck(checkCRC64, plain); s.sum[7] ^= 1 }},
		{"bad checksum of the decoded data", func(s *spec) { s.setCheck(checkSHA256, plain); s.sum[31] ^= 1 }},

		{"unknown block flags 0x4", func(s *spec) { s.blockFlags = 0x04 }},
		{"unknown block flags 0x20", func(s *spec) { s.blockFlags = 0x20 }},
		{"block header padding is not zero", func(s *spec) { s.headerPad[1] = 1 }},
		{"block padding is not zero", func(s *spec) { s.blockPad[1] = 1 }},
		{"block has 25 compressed bytes, its header says 26", sizes(0x40, "\x1a")},
		{"block has 25 compressed bytes, its header says 0", sizes(0x40, "\x00")},
		{"block has 21 decoded bytes, its header says 22", sizes(0x80, "\x16")},
		{"its header says 9223372036854775807", sizes(0x40, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f")},
		{"malformed number in the block header", sizes(0x40, "\x99\x00")}, // not the shortest form of 25
		{"malformed number in the block header", sizes(0x40, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")},

		{"delta filter in the wrong place", filters(0, "\x03\x01\x00")},
		{"lzma2 filter in the wrong place", filters(1, "\x21\x01\x10\x21\x01\x10")},
		{"unknown (0x21a1) filter in the wrong place", filters(0, "\xa1\x43\x00")},
		{"filter properties exceed the block header", filters(0, "\x21\x05\x10")},
		{"filter in the wrong place", filters(2, "\x03\x01\x00\x21\x01\x10")},
		{"malformed delta properties", filters(1, "\x03\x00\x21\x01\x10")},
		{"malformed x86 properties", filters(1, "\x04\x01\x00\x21\x01\x10")},
		{"malformed lzma2 properties", filters(0, "\x21\x00")},
		{"malformed lzma2 properties", filters(0, "\x21\x02\x10\x00")},
		{"malformed lzma2 properties", filters(0, "\x21\x01\x29")},
		{"dictionary of 100663296 bytes is above the limit of 67108864", filters(0, "\x21\x01\x1d")},
		{"dictionary of 4294967295 bytes is above the limit of 67108864", filters(0, "\x21\x01\x28")},
		{"ia64 filter is not supported", filters(1, "\x06\x00\x21\x01\x10")},
		{"riscv filter is not supported", filters(1, "\x0b\x00\x21\x01\x10")},
		{"unknown (0x7f) filter is not supported", filters(1, "\x7f\x00\x21\x01\x10")},
		{"start offset 2 of the arm filter is not a multiple of 4", filters(1, "\x07\x04\x02\x00\x00\x00\x21\x01\x10")},
		{"start offset 1 of the armthumb filter", filters(1, "\x08\x04\x01\x00\x00\x00\x21\x01\x10")},

		{"unknown chunk type 0x3", chunks("\x03")},
		{"unknown chunk type 0x7f", chunks("\x7f")},
		{"first chunk does not reset the dictionary", chunks("\x02\x00\x00a\x00")},
		{"first chunk does not reset the dictionary", chunks("\xc0\x00\x00\x00\x04\x5d\x00\x00\x00\x00\x00\x00")},
		{"chunk lacks lzma properties", chunks("\x01\x00\x00a\x80\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00")},
		{"chunk lacks lzma properties", chunks("\x01\x00\x00a\xa0\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00")},
		{"chunk lacks lzma properties", chunks("\xe0\x00\x00\x00\x05\x5d\x00\x00\x00\x00\x00\x00\x01\x00\x00a" +
			"\xa0\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00")},
		{"lzma properties 0xe1 out of range", chunks("\xe0\x00\x00\x00\x04\xe1\x00\x00\x00\x00\x00\x00")},
		{"lzma properties 0x5 out of range", chunks("\xe0\x00\x00\x00\x04\x05\x00\x00\x00\x00\x00\x00")}, // lc 5
		{"lzma properties 0xd out of range", chunks("\xe0\x00\x00\x00\x04\x0d\x00\x00\x00\x00\x00\x00")}, // lc 4, lp 1
		{"corrupt lzma data", chunks("\xe0\x00\x00\x00\x03\x5d\x00\x00\x00\x00\x00")},                    // 4 bytes
		{"corrupt lzma data", chunks("\xe0\x00\x00\x00\x04\x5d\x01\x00\x00\x00\x00\x00")},                // starts with 1
		{"corrupt lzma data", chunks("\xe0\x00\x00\x00\x04\x5d\x00\x00\x00\x00\x00\x00")},                // a byte too few for 9 bits
		{"corrupt lzma data", chunks("\xe0\x00\x00\x00\x06\x5d\x00\x00\x00\x00\x00\x00\x00\x00")},        // a byte too many
		{"corrupt lzma data", chunks("\xe0\x00\x00\x00\x05\x5d\x00\x00\x00\x00\x00\x01\x00")},            // ends in a wrong code
		{"corrupt lzma data", chunks("\xe0\x00\x00\x00\x04\x5d\x00\xff\xff\xff\xff\x00")},                // no dictionary yet
		{"corrupt lzma data", chunks("\xe0\x00\x63\x00\x05\x5d\x00\x00\x00\x00\x00\x00\x00")},            // too few for 100 literals
		{"input ends early", chunks("\x01\xff\xff abc")},

		{"stream has 1 blocks, its index 0", index(0)},
		{"stream has 1 blocks, its index 2", index(2, unpadded, 21, unpadded, 21)},
		{"stream has 1 blocks, its index 9223372036854775807", index(1<<63-1, unpadded, 21)},
		{"index has other block sizes", index(1, unpadded+1, 21)},
		{"index has other block sizes", index(1, unpadded, 20)},
		{"malformed number in the index", func(s *spec) { s.records = []byte{unpadded, 0x95, 0} }},
		{"malformed number in the index", index(1, unpadded, 1<<63)},
		{"index padding is not zero", func(s *spec) {
			s.chunks = stored(strings.Repeat("a", 200))
			s.pad()
			s.setRecord(200)
			s.indexPad[1] = 1
		}},
		{"bad checksum of the index", func(s *spec) { s.indexSum = 1 }},
		{"wrong index size in the stream footer", func(s *spec) { s.backward = 1 }},
		{"wrong index size in the stream footer", func(s *spec) { s.backward = 1 << 30 }},
		{"stream footer and header differ", func(s *spec) { s.footer[1] = 1 }},
		{"no stream footer", func(s *spec) { s.magic = "ZY" }},
	} {
		s := newSpec(plain)
		tt.change(s)
		_, err := decodeAll(t, s.encode())
		var fe *FormatError
		if !errors.As(err, &fe) || !strings.Contains(fe.Reason, tt.reason) {
			t.Errorf("got %v, want %q", err, tt.reason)
		}
		_, streamErr := readAll(NewReader(strings.NewReader(string(s.encode())), 64<<20), 1<<20)
		if streamErr == nil || err == nil || streamErr.Error() != err.Error() {
			t.Errorf("Reader: got %v, Decoder: %v", streamErr, err)
		}
	}
}

// Checksums of headers.
func TestRefusesHeaderChecksum(t *testing.T) {
	in := newSpec(plain).encode()
	for at, reason := range map[int]string{
		8:            "bad checksum of the stream header",
		20:           "bad checksum of the block header",
		len(in) - 12: "bad checksum of the stream footer",
	} {
		in[at] ^= 1
		if _, err := decodeAll(t, in); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("got %v, want %q", err, reason)
		}
		in[at] ^= 1
	}
}

// A match may not reach beyond the dictionary even where there is older data.
func TestRefusesDistance(t *testing.T) {
	in := golden(t, "sample.crc32.xz")
	if _, err := decodeAll(t, in); err != nil {
		t.Fatal(err)
	}
	const header = 12
	in[header+4] = 0 // 4 KiB instead of 1 MiB
	binary.LittleEndian.PutUint32(in[header+8:], crc32.ChecksumIEEE(in[header:header+8]))
	if _, err := decodeAll(t, in); err == nil || !strings.Contains(err.Error(), "corrupt lzma data") {
		t.Errorf("got %v", err)
	}
}

// Nor beyond a reset of the dictionary. The chunk is one match at distance 1:
// bits 1 1 0 0 for a single byte, or 1 1 0 1 and a length of 2, all with their
// initial probabilities.
func TestRefusesDistanceBeforeReset(t *testing.T) {
	for _, tt := range []struct{ size, code, want string }{
		{"\x00\x00", "\xbf\xff\xfc\x00", "aa"},
		{"\x00\x01", "\xcf\xff\xfc\x00", "aaa"},
	} {
		for _, kind := range []string{"\xc0", "\xe0"} {
			s := newSpec("")
			s.chunks = []byte("\x01\x00\x00a" + kind + tt.size + "\x00\x04\x5d\x00" + tt.code + "\x00")
			s.pad()
			s.setRecord(uint64(len(tt.want)))
			out, err := decodeAll(t, s.encode())
			if kind == "\xc0" && (err != nil || string(out) != tt.want) {
				t.Errorf("no reset: got %q, %v, want %q", out, err, tt.want)
			}
			if kind == "\xe0" && (err == nil || !strings.Contains(err.Error(), "corrupt lzma data")) {
				t.Errorf("reset: got %q, %v", out, err)
			}
		}
	}
}

// An error of the source comes through as it is.
func TestReaderSourceError(t *testing.T) {
	broken := errors.New("broken")
	for _, name := range []string{"small.blocks.xz", "small.lzma"} {
		in := golden(t, name)
		for n := range in {
			src := io.MultiReader(bytes.NewReader(in[:n]), iotest.ErrReader(broken))
			var r io.Reader = NewReader(src, 8<<20)
			if name == "small.lzma" {
				r = NewLZMAReader(src, 8<<20)
			}
			if _, err := io.ReadAll(r); err != broken {
				t.Fatalf("%s: error after %d bytes: got %v", name, n, err)
			}
			if _, err := r.Read(make([]byte, 1)); err != broken {
				t.Fatalf("%s: error after %d bytes: then %v", name, n, err)
			}
		}
	}
	if _, err := io.ReadAll(NewReader(idle{}, 1<<20)); err != io.ErrNoProgress {
		t.Errorf("idle source: got %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// The end marker is for .lzma only.
func TestRefusesEndMarker(t *testing.T) {
	lz := golden(t, "small.lzma")
	body := lz[13:]
	n := len(golden(t, "small.bin"))
	s := newSpec("")
	s.chunks = append([]byte{0xe0, byte((n - 1) >> 8), byte(n - 1), byte((len(body) - 1) >> 8), byte(len(body) - 1), lz[0]}, body...)
	s.chunks = append(s.chunks, 0)
	s.pad()
	s.setRecord(uint64(n))
	if _, err := decodeAll(t, s.encode()); err == nil || !strings.Contains(err.Error(), "corrupt lzma data") {
		t.Errorf("got %v", err)
	}
	s.chunks[2]++ // one byte more than there is before the marker
	if _, err := decodeAll(t, s.encode()); err == nil || !strings.Contains(err.Error(), "corrupt lzma data") {
		t.Errorf("got %v", err)
	}
}

func TestUvarint(t *testing.T) {
	for in, want := range map[string]struct {
		v uint64
		n int
	}{
		"":                                     {0, 0},
		"\x00":                                 {0, 1},
		"\x7f\xff":                             {127, 1},
		"\x80\x01":                             {128, 2},
		"\x80":                                 {0, 0},
		"\x80\x00":                             {0, 0},
		"\xff\xff\xff\xff\xff\xff\xff\xff\x7f": {1<<63 - 1, 9},
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01": {0, 0},
	} {
		if v, n := uvarint([]byte(in)); v != want.v || n != want.n {
			t.Errorf("uvarint(%x) = %d, %d", in, v, n)
		}
	}
}
