// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"compress/gzip"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// large makes more bytes than are decoded in one piece, and their compressed
// forms by other programs' encoders.
func large(t *testing.T) ([]byte, map[Format][]byte) {
	t.Helper()
	data := make([]byte, wholeMax+wholeMax/3)
	r := rand.NewChaCha8([32]byte{7})
	for i := 0; i < len(data); i += 4096 {
		r.Read(data[i : i+100])
	}
	var gz, x bytes.Buffer
	gw := gzip.NewWriter(&gz)
	gw.Write(data)
	gw.Close()
	xw, err := xz.WriterConfig{CheckSum: xz.CRC32, DictCap: 1 << 20}.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	xw.Write(data)
	xw.Close()
	zw, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return data, map[Format][]byte{Gzip: gz.Bytes(), XZ: x.Bytes(), Zstd: zw.EncodeAll(data, nil)}
}

type failing struct{ after int }

var errDisk = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

// TestLarge: what is decoded by windows is what was encoded, and is refused in
// the same cases as what is decoded in one piece.
func TestLarge(t *testing.T) {
	data, packed := large(t)
	for f, src := range packed {
		d := NewDecoder()
		for range 2 { // the second time with used buffers
			var out bytes.Buffer
			n, err := d.Decode(&out, bytes.NewReader(src), f, 1<<30)
			if err != nil || n != int64(len(data)) || !bytes.Equal(out.Bytes(), data) {
				t.Fatalf("%v: %d bytes, %v", f, n, err)
			}
		}
		if cap(d.out) > 2*wholeMax {
			t.Errorf("%v: %d bytes are held", f, cap(d.out))
		}
		if n, err := d.Decode(&bytes.Buffer{}, bytes.NewReader(src), f, int64(len(data))); err != nil || n != int64(len(data)) {
			t.Errorf("%v: at the limit: %d, %v", f, n, err)
		}
		if _, err := d.Decode(&bytes.Buffer{}, bytes.NewReader(src), f, int64(len(data))-1); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v: above the limit: %v", f, err)
		}
		if _, err := d.Decode(&failing{wholeMax}, bytes.NewReader(src), f, 1<<30); err != errDisk {
			t.Errorf("%v: writer's error: %v", f, err)
		}
		bad := map[string][]byte{
			"twice":         append(bytes.Clone(src), src...),
			"trailing byte": append(bytes.Clone(src), 'x'),
			"zeros":         append(bytes.Clone(src), 0, 0, 0, 0),
			"cut":           src[:len(src)-1],
			"cut half":      src[:len(src)/2],
			"flipped":       flipped(src, len(src)/2),
			"flipped check": flipped(src, len(src)-1),
		}
		for name, b := range bad {
			var fe *FormatError
			if _, err := d.Decode(&bytes.Buffer{}, bytes.NewReader(b), f, 1<<30); !errors.As(err, &fe) || fe.Format != f {
				t.Errorf("%v %s: %v", f, name, err)
			}
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x55
	return b
}
