// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// TestFrame: the parts of what the Encoder writes partition it, under their names.
func TestFrame(t *testing.T) {
	data := bytes.Repeat([]byte("content of a module, "), 5000)
	for f, want := range map[Format][]string{
		Gzip: {"magic", "flags", "time", "xfl", "os", "stream", "crc", "size"},
		XZ: {"magic", "flags", "header crc", "header size", "block flags", "filter", "filter", "dictionary", "header padding", "block crc", "stream",
			"padding", "check", "index", "footer crc", "index size", "footer flags", "footer magic"},
		Zstd:  {"magic", "descriptor", "content size", "stream", "checksum"},
		Plain: {"stream"},
	} {
		var buf bytes.Buffer
		if err := NewEncoder().Encode(&buf, bytes.NewReader(data), int64(len(data)), f); err != nil {
			t.Fatal(err)
		}
		b := buf.Bytes()
		parts, err := Frame(bytes.NewReader(b), int64(len(b)), f)
		if err != nil {
			t.Errorf("%v: %v", f, err)
			continue
		}
		var names []string
		at := int64(0)
		for _, p := range parts {
			if p.Off != at || p.Len <= 0 || p.Stream != (p.Name == "stream") {
				t.Errorf("%v: part %+v, want one at %d", f, p, at)
			}
			at += p.Len
			if p.Name != "padding" || f != XZ { // as the size of the stream has it
				names = append(names, p.Name)
			}
		}
		want = slices.DeleteFunc(want, func(s string) bool { return s == "padding" })
		if at != int64(len(b)) || !slices.Equal(names, want) {
			t.Errorf("%v: %d of %d bytes, parts %q, want %q", f, at, len(b), names, want)
		}
		// Cut anywhere, there is an error or still a partition; never a panic.
		for n := range min(len(b), 400) {
			cut := b[:len(b)-n-1]
			if _, err := Frame(bytes.NewReader(cut), int64(len(cut)), f); err != nil && !errors.Is(err, ErrFrame) {
				t.Errorf("%v, cut to %d bytes: %v", f, len(cut), err)
			}
		}
	}
}

// FuzzFrame: parts partition the input, or there is an error.
func FuzzFrame(f *testing.F) {
	for _, format := range []Format{Gzip, XZ, Zstd} {
		var buf bytes.Buffer
		if err := NewEncoder().Encode(&buf, bytes.NewReader([]byte("module")), 6, format); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(format), buf.Bytes())
	}
	f.Fuzz(func(t *testing.T, format uint8, b []byte) {
		parts, err := Frame(bytes.NewReader(b), int64(len(b)), Format(format%4))
		at := int64(0)
		for _, p := range parts {
			if p.Off != at || p.Len <= 0 {
				t.Fatalf("part %+v, want one at %d", p, at)
			}
			at += p.Len
		}
		if err == nil && at != int64(len(b)) {
			t.Fatalf("parts of %d bytes, the input has %d", at, len(b))
		}
	})
}
