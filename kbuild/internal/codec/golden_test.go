// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// formatOf goes by the name of a golden file.
func formatOf(t testing.TB, name string) Format {
	t.Helper()
	f, ok := map[string]Format{
		".bin": Plain, ".gz": Gzip, ".xz": XZ, ".zst": Zstd, ".bz2": Bzip2, ".lzma": LZMA, ".lz4": LZ4,
	}[filepath.Ext(name)]
	if !ok {
		t.Fatalf("%s: unknown extension", name)
	}
	return f
}

// goldenFiles returns the compressed files that the given pattern matches and
// what each holds, leaving out those that are to be refused.
func goldenFiles(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, path := range names {
		name := filepath.Base(path)
		switch base, _, _ := strings.Cut(name, "."); base {
		case "sample", "small", "dense":
			files[name] = golden(t, base+".bin")
		case "empty":
			files[name] = nil
		case "stored":
			files[name] = []byte("no compressor makes this shorter")
		case "repeat":
			files[name] = bytes.Repeat(sample()[:4096], 2048)
		case "zeros":
			files[name] = make([]byte, 16<<20)
		case "letters":
			files[name] = letters()
		case "make", "README":
		default:
			t.Fatalf("%s: unknown content", name)
		}
	}
	for _, refused := range []string{
		"sample.bin", "small.bin", "dense.bin", "small.ia64.xz", "small.dict128m.xz", "small.lz4", "small.legacy.lz4",
	} {
		delete(files, refused)
	}
	if len(files) == 0 {
		t.Fatalf("%s: no files", pattern)
	}
	return files
}

// forModules says whether a Decoder takes the format.
func forModules(f Format) bool { return f <= Zstd }

func TestSniff(t *testing.T) {
	for name := range goldenFiles(t, "*") {
		if got, want := Sniff(golden(t, name)[:min(16, len(golden(t, name)))]), formatOf(t, name); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for _, tt := range []struct {
		head string
		want Format
	}{
		{"", Plain},
		{"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", Plain},
		{"070701000002D100", Plain},
		{strings.Repeat("\x00", 16), Plain},
		{strings.Repeat("\xff", 16), Plain},
		{"\x1f\x8b", Gzip},
		{"\x1f", Plain},
		{"\xfd7zXZ", Plain},
		{"\x50\x2a\x4d\x18", Zstd},
		{"\x5f\x2a\x4d\x18", Zstd},
		{"\x60\x2a\x4d\x18", Plain},
		{"BZh91AY&SY", Bzip2},
		{"BZh9\x17\x72\x45\x38\x50\x90", Bzip2}, // empty
		{"BZh01AY&SY", Plain},
		{"\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00", LZMA},
		{"\x5d\x00\x00\xc0\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00", LZMA},
		{"\x5d\x00\x00\xa0\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00", Plain}, // dictionary
		{"\x5d\x00\x00\x80\x00\x10\x00\x00\x00\x00\x01\x00\x00\x00", Plain}, // size
		{"\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01", Plain},
		{"\xe1\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00", Plain}, // properties
		{"\x89LZO\x00\x0d\x0a\x1a\x0a", LZO},
		{string(golden(t, "small.lz4")), LZ4},
		{string(golden(t, "small.legacy.lz4")), LZ4},
	} {
		if got := Sniff([]byte(tt.head)); got != tt.want {
			t.Errorf("Sniff(%q) = %v, want %v", tt.head, got, tt.want)
		}
	}
}

func TestDecodeGolden(t *testing.T) {
	d := NewDecoder() // one for all: nothing may be left over from the file before
	for range 2 {
		for name, want := range goldenFiles(t, "*") {
			f := formatOf(t, name)
			if !forModules(f) {
				continue
			}
			limit := int64(len(want))
			var buf bytes.Buffer
			n, err := d.Decode(&buf, bytes.NewReader(golden(t, name)), f, limit)
			if err != nil || n != limit || !bytes.Equal(buf.Bytes(), want) {
				t.Errorf("%s: Decode: %d bytes, %v, want %d", name, n, err, limit)
			}
			out, err := d.DecodeBytes([]byte("before"), golden(t, name), f, limit)
			if err != nil || string(out[:6]) != "before" || !bytes.Equal(out[6:], want) {
				t.Errorf("%s: DecodeBytes: %d bytes, %v, want %d", name, len(out), err, limit)
			}
			if limit == 0 {
				continue
			}
			buf.Reset()
			n, err = d.Decode(&buf, bytes.NewReader(golden(t, name)), f, limit-1)
			if !errors.Is(err, ErrTooLarge) || n != 0 || buf.Len() != 0 && limit-1 <= wholeMax || int64(buf.Len()) > limit-1 {
				t.Errorf("%s: limit one below: %d bytes, %v", name, n, err)
			}
		}
	}
}

func TestReaderGolden(t *testing.T) {
	for name, want := range goldenFiles(t, "*") {
		f := formatOf(t, name)
		in := golden(t, name)
		for kind, src := range map[string]io.Reader{
			"whole":    bytes.NewReader(in),
			"one byte": iotest.OneByteReader(bytes.NewReader(in)),
			"data+EOF": iotest.DataErrReader(bytes.NewReader(in)),
			"source":   io.MultiReader(bytes.NewReader(in)),
		} {
			if len(want) > 1<<20 && kind != "whole" {
				continue
			}
			r, err := NewReader(src, f)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %s: %d bytes, %v, want %d", name, kind, len(got), err, len(want))
			}
			if err := r.Close(); err != nil {
				t.Errorf("%s: %s: Close: %v", name, kind, err)
			}
			if _, err := r.Read(make([]byte, 1)); err != errClosed {
				t.Errorf("%s: %s: Read after Close: %v", name, kind, err)
			}
		}
		if len(want) <= len(sample()) {
			r, err := NewReader(bytes.NewReader(in), f)
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(r, want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A reader's own error must come through as it is, wherever it happens.
func TestReaderSourceError(t *testing.T) {
	broken := errors.New("broken")
	for name := range goldenFiles(t, "small.*") {
		in := golden(t, name)
		for n := range in {
			err := readAll(io.MultiReader(bytes.NewReader(in[:n]), iotest.ErrReader(broken)), formatOf(t, name))
			if err != broken {
				t.Errorf("%s: error after %d bytes: got %v", name, n, err)
			}
			if !forModules(formatOf(t, name)) {
				continue
			}
			src := io.MultiReader(bytes.NewReader(in[:n]), iotest.ErrReader(broken))
			if _, err := NewDecoder().Decode(io.Discard, src, formatOf(t, name), 1<<20); err != broken {
				t.Errorf("%s: Decode: error after %d bytes: got %v", name, n, err)
			}
		}
	}
}

func readAll(src io.Reader, f Format) error {
	_, err := readUpTo(src, f, 1<<30)
	return err
}

func readUpTo(src io.Reader, f Format, n int64) ([]byte, error) {
	r, err := NewReader(src, f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, n))
}

func TestDecodeSteadyAllocs(t *testing.T) {
	d := NewDecoder()
	buf := make([]byte, 0, 1<<20)
	for name, most := range map[string]float64{"sample.crc32.xz": 6, "sample.gz": 16, "sample.19.zst": 8, "small.bin": 0} {
		in := golden(t, name)
		f := formatOf(t, name)
		n := testing.AllocsPerRun(20, func() {
			if _, err := d.DecodeBytes(buf, in, f, 1<<20); err != nil {
				t.Fatal(err)
			}
		})
		if n > most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, most)
		}
	}
}
