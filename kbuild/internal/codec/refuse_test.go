// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// skippable is a zstd skippable frame that holds four bytes.
const skippable = "\x5a\x2a\x4d\x18\x04\x00\x00\x00junk"

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// gzipWith makes a member with flags and the fields that belong to them.
func gzipWith(t *testing.T, flags byte, fields string) []byte {
	p := slices.Clone(golden(t, "small.gz"))
	p[3] = flags
	return cat(p[:10], []byte(fields), p[10:])
}

// with returns p with one byte set.
func with(p []byte, at int, b byte) []byte {
	p = slices.Clone(p)
	p[at] = b
	return p
}

func TestDecodeRefuses(t *testing.T) {
	xz, gz, zst := golden(t, "small.crc32.xz"), golden(t, "small.gz"), golden(t, "small.zst")
	empty := golden(t, "empty.xz")
	frame := func(s string) []byte { return []byte("\x28\xb5\x2f\xfd" + s) }
	for _, tt := range []struct {
		name    string
		f       Format
		in      []byte
		off     int
		reason  string
		lenient bool // NewReader accepts it
	}{
		{"second stream", XZ, cat(xz, xz), len(xz), "second stream", true},
		{"second stream, empty", XZ, cat(xz, empty), len(xz), "second stream", true},
		{"second stream after an empty one", XZ, cat(empty, xz), len(empty), "second stream", true},
		{"stream padding", XZ, cat(xz, make([]byte, 4)), len(xz), "stream padding", true},
		{"second stream after padding", XZ, cat(xz, make([]byte, 8), xz), len(xz) + 8, "second stream", true},
		{"padding of odd size", XZ, cat(xz, make([]byte, 5)), len(xz), "trailing data", false},
		{"trailing byte", XZ, cat(xz, []byte{1}), len(xz), "trailing data", false},
		{"trailing module marker", XZ, cat(xz, []byte("~Module signature appended~\n")), len(xz), "trailing data", false},
		{"padding first", XZ, cat(make([]byte, 4), xz), 0, "no stream header", false},
		{"gzip as xz", XZ, gz, 0, "no stream header", false},
		{"ia64", XZ, golden(t, "small.ia64.xz"), 14, "ia64 filter is not supported", false},
		{"dictionary", XZ, golden(t, "small.dict128m.xz"), 14, "dictionary of 134217728 bytes is above the limit", true},

		{"second member", Gzip, cat(gz, gz), len(gz), "second member", true},
		{"second member, empty", Gzip, cat(gz, golden(t, "empty.gz")), len(gz), "second member", true},
		{"zeros", Gzip, cat(gz, make([]byte, 8)), len(gz), "trailing data", false},
		{"trailing byte", Gzip, cat(gz, []byte{0x1f}), len(gz), "trailing data", false},
		{"FTEXT", Gzip, gzipWith(t, 1, ""), 3, "header has flags 0x01,", true},
		{"FHCRC", Gzip, gzipWith(t, 2, "\xf5\x46"), 3, "header has flags 0x02,", false},
		{"FEXTRA", Gzip, gzipWith(t, 4, "\x02\x00ab"), 3, "header has flags 0x04,", true},
		{"FCOMMENT", Gzip, gzipWith(t, 16, "ab\x00"), 3, "header has flags 0x10,", true},
		{"FNAME and FCOMMENT", Gzip, gzipWith(t, 24, "ab\x00cd\x00"), 3, "header has flags 0x18,", true},
		{"reserved flag", Gzip, gzipWith(t, 0x80, ""), 3, "header has flags 0x80,", false},
		{"method", Gzip, with(gz, 2, 7), 2, "unknown compression method 7", false},
		{"endless name", Gzip, cat(with(gz[:10], 3, 8), bytes.Repeat([]byte("n"), 99)), 109, "input ends early", false},
		{"checksum", Gzip, with(gz, len(gz)-8, gz[len(gz)-8]^1), len(gz) - 8, "bad checksum", false},
		{"size", Gzip, with(gz, len(gz)-1, 1), len(gz) - 4, "wrong size", false},
		{"block type", Gzip, with(gz, 10, 7), 11, "corrupt deflate data", false},
		{"xz as gzip", Gzip, xz, 0, "no gzip header", false},

		{"second frame", Zstd, cat(zst, zst), len(zst), "second frame", true},
		{"second frame, empty", Zstd, cat(zst, golden(t, "empty.zst")), len(zst), "second frame", true},
		{"skippable frame after", Zstd, cat(zst, []byte(skippable)), len(zst), "skippable frame", true},
		{"skippable frame before", Zstd, cat([]byte(skippable), zst), 0, "skippable frame", true},
		{"trailing byte", Zstd, cat(zst, []byte{0}), len(zst), "trailing data", false},
		{"gzip as zstd", Zstd, gz, 0, "no zstd frame", false},
		{"reserved flag", Zstd, with(zst, 4, zst[4]|8), 4, "reserved flag", false},
		{"dictionary ID", Zstd, frame("\x21\x07\x00\x01\x00\x00"), 5, "needs dictionary 7", false},
		{"window", Zstd, frame("\x00\x90\x01\x00\x00"), 5, "window of 268435456 bytes is above the limit", false},
		{"reserved block type", Zstd, frame("\x20\x00\x07\x00\x00"), 6, "reserved block type", false},
		{"block size", Zstd, frame("\x20\x01\x11\x00\x00ab"), 6, "block of 2 bytes is above the limit of 1", false},
		{"size too large", Zstd, frame("\x20\x03\x11\x00\x00ab"), 4, "blocks hold less than 3 bytes", false},
		{"size too small", Zstd, frame("\x20\x02\x10\x00\x00ab\x11\x00\x00ab"), 0, "corrupt data", false},
		{"checksum", Zstd, with(zst, len(zst)-1, zst[len(zst)-1]^1), len(zst) - 4, "bad checksum", false},

		{"bzip2", Bzip2, golden(t, "small.bz2"), 0, "not a compression of modules", true},
		{"lzma", LZMA, golden(t, "small.lzma"), 0, "not a compression of modules", true},
		{"lzma trailing byte", LZMA, cat(golden(t, "small.lzma"), []byte{0}), 0, "not a compression of modules", false},
		{"bzip2 trailing byte", Bzip2, cat(golden(t, "small.bz2"), []byte{0}), 0, "not a compression of modules", false},
		{"lz4", LZ4, golden(t, "small.lz4"), 0, "not a compression of modules", false},
		{"lzo", LZO, []byte("\x89LZO\x00\r\n\x1a\n"), 0, "not a compression of modules", false},
	} {
		name := tt.f.String() + ": " + tt.name
		dst := []byte("before")
		out, err := NewDecoder().DecodeBytes(dst, tt.in, tt.f, 1<<20)
		var fe *FormatError
		if !errors.As(err, &fe) || fe.Format != tt.f || fe.Offset != int64(tt.off) || !strings.Contains(fe.Reason, tt.reason) {
			t.Errorf("%s: got %v, want %q at %d", name, err, tt.reason, tt.off)
		}
		if string(out) != "before" {
			t.Errorf("%s: returned %d bytes with an error", name, len(out))
		}
		err = readAll(bytes.NewReader(tt.in), tt.f)
		if tt.lenient && err != nil || !tt.lenient && !errors.As(err, &fe) {
			t.Errorf("%s: NewReader: got %v, accepts: want %t", name, err, tt.lenient)
		}
	}
}

// Concatenated parts come out joined.
func TestReaderConcatenated(t *testing.T) {
	for name, want := range goldenFiles(t, "small.*") {
		f := formatOf(t, name)
		if f == LZMA || f == Plain {
			continue
		}
		r, err := NewReader(bytes.NewReader(cat(golden(t, name), golden(t, name))), f)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, cat(want, want)) {
			t.Errorf("%s twice: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestTruncated(t *testing.T) {
	d := NewDecoder()
	for _, pattern := range []string{"small.*", "empty.*", "stored.*"} {
		for name := range goldenFiles(t, pattern) {
			in := golden(t, name)
			f := formatOf(t, name)
			for n := range in {
				if _, err := d.DecodeBytes(nil, in[:n], f, 1<<20); forModules(f) && !isFormatError(err, f) {
					t.Errorf("%s: first %d of %d bytes: got %v", name, n, len(in), err)
				}
				err := readAll(bytes.NewReader(in[:n]), f)
				if !isFormatError(err, f) || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s: NewReader: first %d of %d bytes: got %v", name, n, len(in), err)
				}
			}
		}
	}
}

func isFormatError(err error, f Format) bool {
	var fe *FormatError
	return errors.As(err, &fe) && fe.Format == f
}

// Every changed bit is either noticed or has no effect on what comes out,
// where there is a checksum.
func TestFlippedBits(t *testing.T) {
	d := NewDecoder()
	for name, want := range goldenFiles(t, "small.*") {
		in := golden(t, name)
		f := formatOf(t, name)
		checked := f != LZMA && name != "small.none.xz" && name != "small.nocheck.zst"
		for i := range 8 * len(in) {
			in[i/8] ^= 1 << (i % 8)
			if forModules(f) {
				out, err := d.DecodeBytes(nil, in, f, 1<<20)
				switch {
				case err != nil && !isFormatError(err, f):
					t.Errorf("%s: bit %d: got %v", name, i, err)
				case checked && err == nil && !bytes.Equal(out, want):
					t.Errorf("%s: bit %d: other data, no error", name, i)
				}
			}
			if i%8 == i/8%8 { // one bit of each byte: making readers takes time
				out, err := readUpTo(bytes.NewReader(in), f, 1<<24)
				switch {
				case err != nil && !isFormatError(err, f):
					t.Errorf("%s: NewReader: bit %d: got %v", name, i, err)
				case checked && err == nil && !bytes.Equal(out, want):
					t.Errorf("%s: NewReader: bit %d: other data, no error", name, i)
				}
			}
			in[i/8] ^= 1 << (i % 8)
		}
	}
}

// What a small file claims or decodes to must not cost more than the limit.
func TestBombs(t *testing.T) {
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write(make([]byte, 16<<20))
	w.Close()
	// 64 MiB, says the header, and the blocks might hold it, but the first is broken.
	claim := cat([]byte("\x28\xb5\x2f\xfd\x80\x00\x00\x00\x00\x04"), bytes.Repeat([]byte("\x0c\x00\x00\x00"), 1<<16), []byte("\x01\x00\x00"))
	many := cat([]byte("\x28\xb5\x2f\xfd\x00\x88"), bytes.Repeat([]byte("\x02\x00\x10\x00"), 1<<16), []byte("\x01\x00\x00"))
	for _, tt := range []struct {
		name string
		f    Format
		in   []byte
	}{
		{"xz", XZ, golden(t, "zeros.xz")},
		{"gzip", Gzip, gz.Bytes()},
		{"zstd", Zstd, golden(t, "zeros.zst")},
		{"zstd of unknown size", Zstd, many},
		{"plain", Plain, make([]byte, 16<<20)},
	} {
		d := NewDecoder()
		for _, limit := range []int64{0, 1, 1 << 20, 16<<20 - 1} {
			allocated := allocs(func() {
				if _, err := d.DecodeBytes(nil, tt.in, tt.f, limit); !errors.Is(err, ErrTooLarge) {
					t.Errorf("%s: limit %d: got %v", tt.name, limit, err)
				}
			})
			// Growing slices costs a few times their last size; the zstd
			// library takes a window of 128 MiB for the last case.
			if most := 8*uint64(limit) + 1<<20; tt.name != "zstd of unknown size" && allocated > most+2<<20 {
				t.Errorf("%s: limit %d: allocated %d bytes", tt.name, limit, allocated)
			}
			var buf bytes.Buffer
			if _, err := d.Decode(&buf, bytes.NewReader(tt.in), tt.f, limit); !errors.Is(err, ErrTooLarge) || buf.Len() > 0 && limit <= wholeMax || int64(buf.Len()) > limit {
				t.Errorf("%s: limit %d: Decode: %d bytes, %v", tt.name, limit, buf.Len(), err)
			}
		}
		if tt.f == Plain || tt.name == "zstd of unknown size" {
			continue
		}
		if out, err := d.DecodeBytes(nil, tt.in, tt.f, math.MaxInt64); err != nil || len(out) != 16<<20 {
			t.Errorf("%s: no limit: %d bytes, %v", tt.name, len(out), err)
		}
	}
	allocated := allocs(func() {
		if _, err := NewDecoder().DecodeBytes(nil, claim, Zstd, 1<<30); !isFormatError(err, Zstd) {
			t.Errorf("claimed size: got %v", err)
		}
	})
	if allocated > 8<<20 {
		t.Errorf("claimed size: allocated %d bytes", allocated)
	}
}

// The compressed side has a limit too.
func TestDecodeEndlessInput(t *testing.T) {
	for _, f := range []Format{Plain, Gzip, XZ, Zstd} {
		_, err := NewDecoder().Decode(io.Discard, zeros{}, f, 1<<20)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: got %v", f, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func allocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A stream whose codes are empty is refused alike by a Decoder that still has
// the codes of another one.
func TestGzipForgetsCodes(t *testing.T) {
	empty := cat(golden(t, "small.gz")[:10], []byte{5, 0, 0, 0}, bytes.Repeat([]byte{0x3c, 0xaa, 0x55}, 20))
	_, want := NewDecoder().DecodeBytes(nil, empty, Gzip, 1<<20)
	used := NewDecoder()
	for name := range goldenFiles(t, "*.gz") {
		_, _ = used.DecodeBytes(nil, golden(t, name), Gzip, 64<<20)
		if _, err := used.DecodeBytes(nil, empty, Gzip, 1<<20); want == nil || err == nil || err.Error() != want.Error() {
			t.Errorf("after %s: %v, else %v", name, err, want)
		}
	}
}
