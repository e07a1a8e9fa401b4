// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	ulikunitz "github.com/ulikunitz/xz"
)

// moduleFormats are what a module can be compressed with.
var moduleFormats = []Format{Gzip, XZ, Zstd}

// inputs are made to meet every part of the encoders: both kinds of chunks, more
// than a window, matches at all distances and of all lengths.
func inputs() map[string][]byte {
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	src := sample()
	var text []byte // words and records, with long and short distances
	for len(text) < 2300<<10 {
		switch rng.IntN(40) {
		case 0:
			n := rng.IntN(min(len(text)+1, 1<<21))
			text = append(text, text[len(text)-n:][:rng.IntN(min(n, 5000)+1)]...)
		case 1:
			n := rng.IntN(200_000)
			text = append(text, noise[n:n+rng.IntN(3000)]...)
		default:
			text = append(text, src[rng.IntN(2000):][:rng.IntN(60)]...)
		}
	}
	far := append(bytes.Clone(noise), make([]byte, xzDict-len(noise))...)
	return map[string][]byte{
		"empty":     nil,
		"one":       {'x'},
		"few":       []byte("abcabcd"),
		"small":     small(),
		"sample":    sample(),
		"dense":     dense(),
		"noise":     noise,
		"text":      text,
		"zeros":     make([]byte, 5<<19),
		"repeat":    bytes.Repeat(sample(), 300),
		"at dict":   append(bytes.Clone(far), far...),            // at the farthest distance
		"too far":   append(append(bytes.Clone(far), 1), far...), // one farther
		"in noise":  append(append(bytes.Clone(noise), sample()...), noise...),
		"2 MiB":     text[:zstdEncoderWindow],
		"2 MiB + 1": text[:zstdEncoderWindow+1],
	}
}

func encode(t testing.TB, e *Encoder, b []byte, f Format) []byte {
	t.Helper()
	var w bytes.Buffer
	if err := e.Encode(&w, bytes.NewReader(b), int64(len(b)), f); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// library decodes with a decoder that is not this package's.
func library(f Format, b []byte) ([]byte, error) {
	var r io.Reader
	var err error
	switch f {
	case Gzip:
		r, err = gzip.NewReader(bytes.NewReader(b))
	case XZ:
		r, err = ulikunitz.ReaderConfig{SingleStream: true}.NewReader(bytes.NewReader(b))
	case Zstd:
		r, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// TestEncode: two decoders read back what was encoded, in whatever pieces it was
// read and whatever was encoded before.
func TestEncode(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	for name, in := range inputs() {
		for _, f := range moduleFormats {
			if strings.HasPrefix(name, "2 MiB") && f != Zstd {
				continue // a limit of that format only
			}
			out := encode(t, e, in, f)
			if got, err := d.DecodeBytes(nil, out, f, int64(len(in))); err != nil || !bytes.Equal(got, in) {
				t.Fatalf("%s: %v: %d bytes, %v, want %d", name, f, len(got), err, len(in))
			}
			if got, err := library(f, out); err != nil || !bytes.Equal(got, in) {
				t.Errorf("%s: %v: library: %d bytes, %v, want %d", name, f, len(got), err, len(in))
			}
			// Noise must not grow by more than the headers of its pieces.
			if most := len(in) + len(in)/1000 + 200; len(out) > most {
				t.Errorf("%s: %v: %d bytes became %d", name, f, len(in), len(out))
			}
			var w bytes.Buffer
			if len(in) > 1<<20 && name != "text" {
				continue
			}
			src := iotest.DataErrReader(&pieces{in, 4093})
			if err := NewEncoder().Encode(&w, src, int64(len(in)), f); err != nil || !bytes.Equal(w.Bytes(), out) {
				t.Errorf("%s: %v: a fresh encoder, reading in pieces, makes something else (%v)", name, f, err)
			}
		}
	}
	var w bytes.Buffer
	if err := e.Encode(&w, bytes.NewReader(small()), int64(len(small())), Plain); err != nil || !bytes.Equal(w.Bytes(), small()) {
		t.Errorf("plain: %v", err)
	}
}

// pieces reads b in pieces of n bytes.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.b)
	p.b = p.b[n:]
	return n, nil
}

// TestEncodeGolden pins the output: it must be the same on every machine and
// from every version that does not say otherwise, since it ends in signed and
// published packages.
func TestEncodeGolden(t *testing.T) {
	var got strings.Builder
	in := inputs()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for i, name := range []string{"empty", "small", "sample", "noise", "text", "repeat"} {
		runtime.GOMAXPROCS(1 + i%4)
		for _, f := range moduleFormats {
			sum := sha256.Sum256(encode(t, NewEncoder(), in[name], f))
			got.WriteString(hex.EncodeToString(sum[:]) + "  " + name + "." + f.String() + "\n")
		}
	}
	if got.String() != encoded {
		t.Errorf("got\n%swant\n%s", got.String(), encoded)
	}
}

// encoded has the SHA-256 of what is written for inputs, as sha256sum prints it.
const encoded = `59869db34853933b239f1e2219cf7d431da006aa919635478511fabbfc8849d2  empty.gzip
a59afee16f97700f89a3cc81740058a0e64fc9e06d176450b44aff3d70716c4f  empty.xz
6fb8543883dafcc2ed0934866b8b3f775231f5b0933add08bf502e9e84944cbd  empty.zstd
ddb74d3ca378de8fb1089cb4c34e6a9255a7499a502c9349559d28c889667ae5  small.gzip
779883f3250b3bf80e45f82a1a48b7aec73bb57590346c022bc87e34730f7053  small.xz
92e7bda944b39df640f7cafca25a67c2f12e0a7d408dfb1f045b3c65fcf96bf9  small.zstd
9b9e23c469f1ef93c0bc37c517e9dcd2e07765a60963fed43a1c3630191f6546  sample.gzip
9276218016a282ef300a565e0a5f75aa8c52fbbfd85da6070f9e46760a75f614  sample.xz
ebb34983852ca20302703568b5515cd45968a6ea4f806340d9a62b195166bb8b  sample.zstd
604a34c0d94b07fd5dc0114e71ee5bdb52063e42914e55189be78fccca16a20b  noise.gzip
6e2dba3ec9b579ad8969a9fe1a186156496f542d5c3ec16af5946967bc1e3139  noise.xz
3458618001298aa043a600ee31511904d0a7cd567a8ca33f472c2c801a975660  noise.zstd
18411a9e0868ac000bb16c2cff91da1fb0110da41c024c598fc113c54ba530e3  text.gzip
391593661b7dc9f8007fc8de90d60270226dd2ea462c955b11c89bfb87bf965a  text.xz
42d0c4afc4cc7918f157b1ff81ad0475a1b541d488dcbefc0214c8e0268554cd  text.zstd
0d03e665045f07d7f880ff2b3a6b6b481fd7e849b3495bfebe215f1443e53f39  repeat.gzip
097fbf19622f09d9dec1f7edb2fef0f47e1694ab04b77d500e18dc5e370ea8fe  repeat.xz
545bd228bd31cc31f0375ecd21053f41abdc55216faf4fa3536086cd931d95f9  repeat.zstd
`

// TestEncodeForm: the headers are those of the kernel's build.
func TestEncodeForm(t *testing.T) {
	e := NewEncoder()
	in := sample()
	// All of the headers are what the real programs write.
	if got, want := encode(t, e, in, Gzip), golden(t, "sample.gz"); !bytes.Equal(got[:10], want[:10]) {
		t.Errorf("gzip: % x, want % x", got[:10], want[:10])
	}
	got, want := encode(t, e, in, XZ), golden(t, "sample.crc32.xz")
	if !bytes.Equal(got[:24], want[:24]) || !bytes.Equal(got[len(got)-4:], want[len(want)-4:]) {
		t.Errorf("xz: % x, want % x", got[:24], want[:24])
	}
	if got, want := encode(t, e, in, Zstd), golden(t, "sample.19.zst"); !bytes.Equal(got[:7], want[:7]) {
		t.Errorf("zstd: % x, want % x", got[:7], want[:7])
	}
	for name, in := range inputs() {
		if len(in) == 0 {
			continue // the library leaves the checksum out; no module is empty
		}
		out := encode(t, e, in, Zstd)
		size, _, err := walkFrame(out)
		single := out[4]&0x20 != 0
		if err != nil || size != int64(len(in)) || out[4]&4 == 0 || single != (len(in) <= zstdEncoderWindow) {
			t.Errorf("%s: size %d, single %v, %v", name, size, single, err)
		}
		// The exponent of 2 MiB, no mantissa.
		if !single && out[5] != (21-10)<<3 {
			t.Errorf("%s: window %#x", name, out[5])
		}
	}
}

// TestEncodeRatio: xz's own output is the measure.
func TestEncodeRatio(t *testing.T) {
	for _, tt := range []struct {
		f    Format
		name string
		most float64
	}{{XZ, "sample.crc32.xz", 1.01}, {Gzip, "sample.gz", 1.04}, {Zstd, "sample.1.zst", 1.02}} {
		got, want := len(encode(t, NewEncoder(), sample(), tt.f)), len(golden(t, tt.name))
		if float64(got) > tt.most*float64(want) {
			t.Errorf("%v: %d bytes, the program writes %d", tt.f, got, want)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	broken := errors.New("broken")
	in := inputs()["text"][:2<<20+1] // for zstd more than one segment
	e := NewEncoder()
	for _, f := range append(moduleFormats, Plain) {
		for _, n := range []int{0, 1000, len(in)} {
			src := io.MultiReader(bytes.NewReader(in[:n]), iotest.ErrReader(broken))
			if err := e.Encode(io.Discard, src, int64(len(in)), f); err != broken {
				t.Errorf("%v: source fails after %d bytes: %v", f, n, err)
			}
			src = io.MultiReader(bytes.NewReader(in[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
			if err := e.Encode(io.Discard, src, int64(len(in)), f); err != io.ErrUnexpectedEOF {
				t.Errorf("%v: source ends after %d bytes: %v", f, n, err)
			}
			if err := e.Encode(&limited{left: n / 100, err: broken}, bytes.NewReader(in), int64(len(in)), f); err != broken {
				t.Errorf("%v: destination fails after %d bytes: %v", f, n/100, err)
			}
		}
		for _, size := range []int{-1, 0, 1, len(in) - 1, len(in) + 1} {
			if err := e.Encode(io.Discard, bytes.NewReader(in), int64(size), f); !errors.Is(err, ErrSize) {
				t.Errorf("%v: %d bytes for %d: %v", f, len(in), size, err)
			}
		}
		// Nothing is left over from any of these.
		if got, want := encode(t, e, small(), f), encode(t, NewEncoder(), small(), f); !bytes.Equal(got, want) {
			t.Errorf("%v: other output after errors", f)
		}
	}
	for _, f := range []Format{Bzip2, LZMA, LZ4, LZO, 99} {
		if err := e.Encode(io.Discard, bytes.NewReader(in), int64(len(in)), f); err == nil {
			t.Errorf("%v was encoded", f)
		}
	}
	if err := e.Encode(io.Discard, bytes.NewReader(nil), xzMaxSize+1, XZ); err == nil {
		t.Error("xz takes more than it can")
	}
}

// limited fails after some bytes.
type limited struct {
	left int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, l.err
	}
	return len(p), nil
}

// FuzzEncode: what was encoded is decoded to the same, by two decoders.
func FuzzEncode(f *testing.F) {
	for name, in := range inputs() {
		if len(in) < 100<<10 {
			f.Add(in, uint16(len(name)))
		}
	}
	e, d := NewEncoder(), NewDecoder()
	f.Fuzz(func(t *testing.T, in []byte, repeat uint16) {
		// Some of it again, so that there are matches.
		n := int(repeat) % (len(in) + 1)
		in = append(append(bytes.Clone(in), in[n:]...), in[:n]...)
		for _, format := range moduleFormats {
			out := encode(t, e, in, format)
			if got, err := d.DecodeBytes(nil, out, format, int64(len(in))); err != nil || !bytes.Equal(got, in) {
				t.Fatalf("%v: %d bytes, %v, want %d", format, len(got), err, len(in))
			}
			if got, err := library(format, out); err != nil || !bytes.Equal(got, in) {
				t.Fatalf("%v: library: %d bytes, %v, want %d", format, len(got), err, len(in))
			}
		}
	})
}

// BenchmarkEncode is the speed on bytes like those of modules.
func BenchmarkEncode(b *testing.B) {
	in := bytes.Repeat(sample(), 8)
	for _, f := range moduleFormats {
		b.Run(f.String(), func(b *testing.B) {
			e := NewEncoder()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if err := e.Encode(io.Discard, bytes.NewReader(in), int64(len(in)), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
