// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// FuzzDecode holds for any input and format: errors are FormatErrors and leave
// nothing behind; limits are kept; what a Decoder accepts is one part, so that
// twice the same is refused; and NewReader makes the same of it, and so do the
// libraries' own readers.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"small.*", "empty.*", "stored.*"} {
		for name := range goldenFiles(f, pattern) {
			f.Add(uint8(formatOf(f, name)), golden(f, name))
		}
	}
	f.Add(uint8(Zstd), []byte(skippable))
	f.Add(uint8(Zstd), []byte("\x28\xb5\x2f\xfd\x00\x88\x02\x00\x10\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, kind uint8, in []byte) {
		const limit = 1 << 16
		format := Format(kind % 8)
		d := NewDecoder()
		got, err := d.DecodeBytes([]byte("x"), in, format, limit)
		if err != nil {
			if !isFormatError(err, format) || string(got) != "x" {
				t.Fatalf("%q, %v", got, err)
			}
			if _, err := readUpTo(bytes.NewReader(in), format, limit); err != nil && !isFormatError(err, format) {
				t.Fatalf("NewReader: %v", err)
			}
			return
		}
		got = got[1:]
		if len(got) > limit {
			t.Fatalf("%d bytes, limit %d", len(got), limit)
		}
		if len(got) > 0 {
			if _, err := d.DecodeBytes(nil, in, format, int64(len(got))-1); !errors.Is(err, ErrTooLarge) {
				t.Fatalf("limit one below: %v", err)
			}
		}
		if out, err := readUpTo(bytes.NewReader(in), format, limit+1); err != nil || !bytes.Equal(out, got) {
			t.Fatalf("NewReader: %d bytes, %v; Decoder: %d bytes", len(out), err, len(got))
		}
		if format == Plain {
			return
		}
		if _, err := d.DecodeBytes(nil, cat(in, in), format, limit); !isFormatError(err, format) {
			t.Fatalf("accepted twice the same: %v", err)
		}
		var r io.Reader
		switch format {
		case Gzip:
			r, err = gzip.NewReader(bytes.NewReader(in))
		case Zstd:
			r, err = zstd.NewReader(bytes.NewReader(in))
		default:
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if out, err := io.ReadAll(r); err != nil || !bytes.Equal(out, got) {
			t.Fatalf("library: %d bytes, %v; Decoder: %d bytes", len(out), err, len(got))
		}
	})
}
