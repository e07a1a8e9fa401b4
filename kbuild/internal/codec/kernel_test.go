// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// kernelFiles are the golden files of all formats that kernels have.
func kernelFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"small.*", "sample.*", "zeros.*", "repeat.*"} {
		for name, want := range goldenFiles(t, pattern) {
			files[name] = want
		}
	}
	files["small.legacy.lz4"] = golden(t, "small.bin")
	return files
}

func decodeKernel(src []byte, f Format, limit int64) ([]byte, error) {
	var out bytes.Buffer
	whole, n, err := NewDecoder().DecodeKernel(&out, src, f, -1, limit)
	if whole != nil {
		if out.Len() > 0 || err != nil {
			return nil, errors.New("DecodeKernel wrote what it returns, or failed and returned it")
		}
		out.Write(whole)
	}
	if err == nil && n != int64(out.Len()) {
		return nil, errors.New("DecodeKernel does not return how much it decoded")
	}
	return out.Bytes(), err
}

// TestDecodeKernel: what other programs packed comes out, once.
func TestDecodeKernel(t *testing.T) {
	seen := map[Format]bool{}
	for name, want := range kernelFiles(t) {
		src, f := golden(t, name), formatOf(t, name)
		seen[f] = true
		got, err := decodeKernel(src, f, int64(len(want)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
		if len(want) == 0 {
			continue
		}
		if _, err := decodeKernel(src, f, int64(len(want))-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s, limit one below: %v", name, err)
		}
		if _, err := decodeKernel(append(bytes.Clone(src), src...), f, 1<<30); !isFormatError(err, f) {
			t.Errorf("%s twice: %v", name, err)
		}
		if whole, _, err := NewDecoder().DecodeKernel(&failing{len(want) / 2}, src, f, -1, 1<<30); whole == nil && err != errDisk {
			t.Errorf("%s: %v, want the writer's error", name, err)
		}
	}
	if len(seen) != 6 {
		t.Errorf("formats %v, want all 6", seen)
	}
}

// TestKernelTruncated cuts each file at every byte: never accepted.
func TestKernelTruncated(t *testing.T) {
	for name := range kernelFiles(t) {
		if !strings.HasPrefix(name, "small.") {
			continue
		}
		src, f := golden(t, name), formatOf(t, name)
		for n := range src {
			if out, err := decodeKernel(src[:n], f, 1<<20); !isFormatError(err, f) {
				t.Errorf("%s cut at %d of %d: %d bytes, %v", name, n, len(src), len(out), err)
			}
		}
	}
}

func TestKernelRefused(t *testing.T) {
	legacy := golden(t, "small.legacy.lz4")
	put := func(at int, v uint32) []byte {
		b := bytes.Clone(legacy)
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
	tests := []struct {
		name   string
		src    []byte
		f      Format
		reason string
	}{
		{"standard frame", golden(t, "small.lz4"), LZ4, "not the legacy frame"},
		{"no frame", []byte("abcdefgh"), LZ4, "no lz4 frame"},
		{"block too long", put(4, lz4Bound+1), LZ4, "above the limit"},
		{"absurd block", put(4, 1<<32-1), LZ4, "above the limit"},
		{"empty block", put(4, 0), LZ4, "block of 0 bytes"},
		{"block leaves the input", put(4, uint32(len(legacy))), LZ4, "ends within a block"},
		{"block cut", put(4, uint32(len(legacy)-8-3)), LZ4, "ends early"},
		{"second frame", append(bytes.Clone(legacy), legacy...), LZ4, "second frame"},
		{"block behind a short one", append(bytes.Clone(legacy), legacy[4:]...), LZ4, "not full"},
		{"bytes behind", append(bytes.Clone(legacy), 1, 2), LZ4, "ends early"},
		{"lzo", []byte("\x89LZO\x00\r\n\x1a\n"), LZO, "not supported"},
		{"unknown", nil, Format(99), "not a compression of kernels"},
	}
	for _, tt := range tests {
		_, err := decodeKernel(tt.src, tt.f, 1<<20)
		if !isFormatError(err, tt.f) || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.reason)
		}
	}
}

// TestKernelDictionary: kernels are packed with a dictionary that modules may
// not have.
func TestKernelDictionary(t *testing.T) {
	src := golden(t, "small.dict128m.xz")
	if got, err := decodeKernel(src, XZ, 1<<20); err != nil || !bytes.Equal(got, golden(t, "small.bin")) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := NewDecoder().DecodeBytes(nil, src, XZ, 1<<20); !isFormatError(err, XZ) {
		t.Errorf("as a module: %v", err)
	}
}

// TestLZ4Blocks: more than one block, made by another implementation's
// compressor.
func TestLZ4Blocks(t *testing.T) {
	data := make([]byte, 2*lz4Block+12345)
	r := rand.NewChaCha8([32]byte{3})
	for i := 0; i < len(data); i += 4096 {
		r.Read(data[i:min(i+100, len(data))])
	}
	src := binary.LittleEndian.AppendUint32(nil, lz4Legacy32)
	var c lz4.Compressor
	for at := 0; at < len(data); at += lz4Block {
		buf := make([]byte, lz4.CompressBlockBound(lz4Block))
		n, err := c.CompressBlock(data[at:min(at+lz4Block, len(data))], buf)
		if err != nil {
			t.Fatal(err)
		}
		src = append(binary.LittleEndian.AppendUint32(src, uint32(n)), buf[:n]...)
	}
	if got, err := decodeKernel(src, LZ4, 1<<30); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(data))
	}
	if _, err := decodeKernel(src, LZ4, lz4Block+1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

// TestZstdWithoutSize: the build pipes the kernel into zstd, which then does not
// know its size; and a frame whose blocks can hold more than any window.
func TestZstdWithoutSize(t *testing.T) {
	data := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{4}).Read(data[:1<<20])
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	if size, _, err := walkFrame(b.Bytes()); err != nil || size >= 0 {
		t.Fatalf("size %d, %v: the frame states its size", size, err)
	}
	if got, err := decodeKernel(b.Bytes(), Zstd, 1<<30); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(data))
	}
	if _, err := decodeKernel(b.Bytes(), Zstd, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}

	// With the size that the build appends, it is decoded in one piece; a size
	// that is not right is not believed.
	for _, size := range []int64{0, 1, int64(len(data)) - 1, int64(len(data)), int64(len(data)) + 1, 1 << 40} {
		whole, n, err := NewDecoder().DecodeKernel(io.Discard, b.Bytes(), Zstd, size, 1<<30)
		switch {
		case size < int64(len(data)):
			if !isFormatError(err, Zstd) {
				t.Errorf("size %d: %v", size, err)
			}
		case err != nil || n != int64(len(data)) || whole != nil && !bytes.Equal(whole, data):
			t.Errorf("size %d: %d bytes, %v", size, n, err)
		}
	}

	// Blocks of 128 KiB of one byte, 130 MiB: more than is decoded at once.
	const blocks = 1040
	bomb := []byte("\x28\xb5\x2f\xfd\x00\x88") // no size, window of 128 MiB
	for i := range blocks {
		h := uint32(128<<10)<<3 | 1<<1
		if i == blocks-1 {
			h |= 1
		}
		bomb = append(bomb, byte(h), byte(h>>8), byte(h>>16), 'x')
	}
	whole, n, err := NewDecoder().DecodeKernel(io.Discard, bomb, Zstd, -1, 1<<30)
	if err != nil || whole != nil || n != blocks*128<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, _, err := NewDecoder().DecodeKernel(io.Discard, bomb, Zstd, -1, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

// FuzzDecodeKernel: errors are FormatErrors, limits are kept, nothing may follow,
// and what modules are decoded with agrees.
func FuzzDecodeKernel(f *testing.F) {
	for name := range kernelFiles(f) {
		if strings.HasPrefix(name, "small.") {
			f.Add(uint8(formatOf(f, name)), golden(f, name))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, in []byte) {
		const limit = 1 << 16
		format := Format(kind % 9)
		out, err := decodeKernel(in, format, limit)
		if err != nil {
			if !isFormatError(err, format) {
				t.Fatalf("%v", err)
			}
			return
		}
		if len(out) > limit {
			t.Fatalf("%d bytes, limit %d", len(out), limit)
		}
		if format == Plain {
			return
		}
		if _, err := decodeKernel(append(bytes.Clone(in), in...), format, limit); !isFormatError(err, format) {
			t.Fatalf("accepted twice the same: %v", err)
		}
		switch format {
		case Gzip, XZ, Zstd:
			if same, err := NewDecoder().DecodeBytes(nil, in, format, limit); err != nil || !bytes.Equal(same, out) {
				t.Fatalf("DecodeBytes: %d bytes, %v; want %d", len(same), err, len(out))
			}
		}
	})
}
