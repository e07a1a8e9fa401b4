// SPDX-License-Identifier: Apache-2.0

package kmod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/testdata/gen/ko"
)

// TestRefused: files that are no module by their first bytes.
func TestRefused(t *testing.T) {
	elf := ko.Module{Name: "m"}.Bytes()
	tests := []struct{ name, file, reason string }{
		{"empty", "", "the file is empty"},
		{"one byte", "\x7f", "neither an ELF file nor compressed"},
		{"text", "kernel/fs/ext4/ext4.ko\n", "neither an ELF file nor compressed"},
		{"zeros", strings.Repeat("\x00", 5000), "neither an ELF file nor compressed"},
		{"byte before", "\x00" + string(elf), "neither an ELF file nor compressed"},
		{"bzip2", "BZh91AY&SY" + string(elf), "bzip2, which kernels do not use"},
		{"lz4", "\x04\x22\x4d\x18" + string(elf), "lz4, which kernels do not use"},
		{"lzo", "\x89LZO\x00\r\n\x1a\n" + string(elf), "lzo, which kernels do not use"},
		{"lzma", "\x5d\x00\x00\x80\x00" + strings.Repeat("\xff", 8) + "\x00\x00\x00\x00", "lzma, which kernels do not use"},
		{"gzip magic", "\x1f\x8b", "gzip"},
		{"xz magic", "\xfd7zXZ\x00", "xz"},
		{"zstd magic", "\x28\xb5\x2f\xfd", "zstd"},
	}
	op := opener(t, nil)
	for _, tt := range tests {
		m, err := open(op, []byte(tt.file))
		if m != nil || !isFormat(err) || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want a FormatError with %q", tt.name, err, tt.reason)
		}
		// Sniff sees the first bytes only.
		err = Sniff(strings.NewReader(tt.file), int64(len(tt.file)))
		if !strings.HasSuffix(tt.name, "magic") && (!isFormat(err) || !strings.Contains(err.Error(), tt.reason)) {
			t.Errorf("Sniff, %s: %v, want %q", tt.name, err, tt.reason)
		}
	}
	for _, suffix := range suffixes {
		b := ko.Compress(elf, suffix)
		if err := Sniff(bytes.NewReader(b), int64(len(b))); err != nil {
			t.Errorf("Sniff, %q: %v", suffix, err)
		}
	}
}

// TestTruncated cuts compressed modules at every byte.
func TestTruncated(t *testing.T) {
	op := opener(t, nil)
	plain := ko.Module{Name: "m"}.Bytes()
	for _, suffix := range suffixes[1:] {
		b := ko.Compress(plain, suffix)
		for n := range b {
			if m, err := open(op, b[:n]); m != nil || !isFormat(err) {
				t.Fatalf("%s, cut at %d of %d: %v", suffix, n, len(b), err)
			}
		}
	}
}

// TestCorrupt flips every bit of compressed modules: each flip is found, or it
// makes no difference for the payload, as in the time in a gzip header, in
// padding bits, or where a match may lie at several distances.
func TestCorrupt(t *testing.T) {
	op := opener(t, nil)
	plain := ko.Module{Name: "m", Text: ko.Code("m", 50)}.Bytes()
	for suffix, most := range map[string]int{".gz": 10 * 8, ".xz": 0, ".zst": 40} {
		b := ko.Compress(plain, suffix)
		accepted := 0
		for i := range 8 * len(b) {
			b[i/8] ^= 1 << (i % 8)
			m, err := open(op, b)
			switch {
			case err == nil:
				accepted++
				if !bytes.Equal(payload(t, m), plain) {
					t.Fatalf("%s, bit %d of byte %d: another payload", suffix, i%8, i/8)
				}
			case !isFormat(err):
				t.Fatalf("%s, bit %d of byte %d: %v", suffix, i%8, i/8, err)
			}
			b[i/8] ^= 1 << (i % 8)
		}
		if accepted > most {
			t.Errorf("%s: %d flips are accepted, want at most %d", suffix, accepted, most)
		}
	}
}

// TestOneStream: what follows the one stream, member or frame is refused, with
// the format and the offset at which it starts.
func TestOneStream(t *testing.T) {
	plain := ko.Module{Name: "m"}.Bytes()
	gz, xz, zst := ko.Compress(plain, ".gz"), ko.Compress(plain, ".xz"), ko.Compress(plain, ".zst")
	skippable := "\x50\x2a\x4d\x18\x04\x00\x00\x00skip"
	tests := []struct {
		name   string
		format codec.Format
		file   []byte
		offset int
		reason string
	}{
		{"gzip member", codec.Gzip, append(bytes.Clone(gz), gz...), len(gz), "second member"},
		{"gzip, zeros", codec.Gzip, append(bytes.Clone(gz), 0, 0, 0, 0), len(gz), "trailing data"},
		{"gzip, a byte", codec.Gzip, append(bytes.Clone(gz), '\n'), len(gz), "trailing data"},
		{"gzip, xz", codec.Gzip, append(bytes.Clone(gz), xz...), len(gz), "trailing data"},
		{"gzip, FTEXT", codec.Gzip, gzipFlags(gz, 1, ""), 3, "flags 0x01"},
		{"gzip, FHCRC", codec.Gzip, gzipFlags(gz, 2, "\x00\x00"), 3, "flags 0x02"},
		{"gzip, FEXTRA", codec.Gzip, gzipFlags(gz, 4, "\x04\x00abcd"), 3, "flags 0x04"},
		{"gzip, FCOMMENT", codec.Gzip, gzipFlags(gz, 16, "comment\x00"), 3, "flags 0x10"},
		{"gzip, reserved", codec.Gzip, gzipFlags(gz, 32, ""), 3, "flags 0x20"},
		{"gzip, FEXTRA and FNAME", codec.Gzip, gzipFlags(gz, 12, "\x04\x00abcdname\x00"), 3, "flags 0x0c"},
		{"xz stream", codec.XZ, append(bytes.Clone(xz), xz...), len(xz), "second stream"},
		{"xz, stream padding", codec.XZ, append(bytes.Clone(xz), 0, 0, 0, 0), len(xz), "padding"},
		{"xz, a byte", codec.XZ, append(bytes.Clone(xz), '\n'), len(xz), "trailing data"},
		{"xz, zstd", codec.XZ, append(bytes.Clone(xz), zst...), len(xz), "trailing data"},
		{"zstd frame", codec.Zstd, append(bytes.Clone(zst), zst...), len(zst), "second frame"},
		{"zstd, skippable frame", codec.Zstd, append(bytes.Clone(zst), skippable...), len(zst), "skippable frame"},
		{"zstd, skippable frame first", codec.Zstd, append([]byte(skippable), zst...), 0, "skippable frame"},
		{"zstd, zeros", codec.Zstd, append(bytes.Clone(zst), 0, 0, 0, 0), len(zst), "trailing data"},
		{"zstd, a byte", codec.Zstd, append(bytes.Clone(zst), '\n'), len(zst), "trailing data"},
	}
	op := opener(t, nil)
	for _, tt := range tests {
		m, err := open(op, tt.file)
		var fe *codec.FormatError
		if m != nil || !isFormat(err) || !errors.As(err, &fe) {
			t.Errorf("%s: %v, want a FormatError", tt.name, err)
			continue
		}
		if fe.Format != tt.format || fe.Offset != int64(tt.offset) || !strings.Contains(fe.Reason, tt.reason) {
			t.Errorf("%s: %v; want %v, %q, offset %d", tt.name, err, tt.format, tt.reason, tt.offset)
		}
	}
	if m := mustOpen(t, op, gzipFlags(gz, 8, "m.ko\x00")); !bytes.Equal(payload(t, m), plain) {
		t.Error("a file name in the gzip header changes the payload")
	}
}

// gzipFlags returns a member with header flags and the fields they announce.
func gzipFlags(member []byte, flags byte, fields string) []byte {
	b := append(bytes.Clone(member[:10]), fields...)
	b[3] = flags
	return append(b, member[10:]...)
}

// TestLimit: a module of the largest size that is allowed, and one byte more.
func TestLimit(t *testing.T) {
	plain := ko.Module{Name: "m"}.Bytes()
	for _, suffix := range suffixes {
		b := ko.Compress(plain, suffix)
		if _, err := open(opener(t, &Options{MaxSize: int64(len(plain))}), b); err != nil {
			t.Errorf("%q, at the limit: %v", suffix, err)
		}
		_, err := open(opener(t, &Options{MaxSize: int64(len(plain)) - 1}), b)
		if !isFormat(err) || suffix != "" && !errors.Is(err, codec.ErrTooLarge) {
			t.Errorf("%q, above the limit: %v", suffix, err)
		}
	}
}

// TestLimitUnread: a plain file above the limit is refused before it is read.
func TestLimitUnread(t *testing.T) {
	r := &counting{b: append([]byte("\x7fELF"), make([]byte, 4<<20)...)}
	_, err := opener(t, &Options{MaxSize: 3 << 20}).Open(r, int64(len(r.b)))
	if !isFormat(err) || r.n > 1<<10 {
		t.Errorf("%v, after %d bytes", err, r.n)
	}
}

type counting struct {
	b []byte
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(c.b).ReadAt(p, off)
	c.n += n
	return n, err
}

// TestWrongSize: formats that state the decoded size, and state it wrongly.
func TestWrongSize(t *testing.T) {
	gz := ko.Compress(ko.Module{Name: "m"}.Bytes(), ".gz")
	binary.LittleEndian.PutUint32(gz[len(gz)-4:], 77)
	if _, err := open(opener(t, nil), gz); !isFormat(err) || !strings.Contains(err.Error(), "size") {
		t.Errorf("gzip: %v", err)
	}
}

var _ io.ReaderAt = (*counting)(nil)
