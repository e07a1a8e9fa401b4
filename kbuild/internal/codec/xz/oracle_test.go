// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	oracle "github.com/ulikunitz/xz"
	oraclelzma "github.com/ulikunitz/xz/lzma"
)

// The oracle is another implementation of the format, from other hands. It
// knows no filters but LZMA2.

// contents have something for each kind of chunk: mixed, incompressible (which
// becomes stored chunks), long (several chunks), and a block's edges.
func contents(t testing.TB) map[string][]byte {
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 150<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	sample := golden(t, "sample.bin")
	var long []byte
	for len(long) < 5<<20 {
		i, j := rng.IntN(len(sample)), rng.IntN(len(sample))
		long = append(long, sample[min(i, j):max(i, j)]...)
	}
	return map[string][]byte{
		"empty":  nil,
		"byte":   {7},
		"sample": sample,
		"noise":  noise,
		"long":   long,
		"mixed":  bytes.Join([][]byte{sample, noise, sample, noise[:70<<10], long[:1<<20]}, nil),
	}
}

func TestOracleEncodes(t *testing.T) {
	data := contents(t)
	for name, want := range data {
		for _, cfg := range []oracle.WriterConfig{
			{DictCap: 1 << 20, CheckSum: oracle.CRC32},
			{DictCap: 1 << 13, BufSize: 1 << 17, CheckSum: oracle.CRC64, BlockSize: 100_000, Properties: &oraclelzma.Properties{LC: 0, LP: 4, PB: 0}},
			{DictCap: 1 << 16, CheckSum: oracle.SHA256, Properties: &oraclelzma.Properties{LC: 4, LP: 0, PB: 4}},
		} {
			if name == "long" && cfg.DictCap == 1<<16 {
				continue // slow, and nothing new
			}
			var buf bytes.Buffer
			w, err := cfg.NewWriter(&buf)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(want); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := decodeAll(t, buf.Bytes())
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, dictionary %d: %d bytes, %v", name, cfg.DictCap, len(got), err)
			}
		}
	}
}

func TestOracleEncodesLZMA(t *testing.T) {
	data := contents(t)
	for name, want := range data {
		for _, cfg := range []oraclelzma.WriterConfig{
			{DictCap: 1 << 20, EOSMarker: true},
			{DictCap: 1 << 16, Size: int64(len(want)), SizeInHeader: true},
			{DictCap: 4096, Size: int64(len(want)), SizeInHeader: true, EOSMarker: true, Properties: &oraclelzma.Properties{LC: 2, LP: 2, PB: 1}},
		} {
			if name == "long" && cfg.DictCap == 1<<20 {
				continue
			}
			if len(want) == 0 && !cfg.EOSMarker {
				continue // the oracle writes neither size nor marker
			}
			in := encodeLZMA(t, cfg, want)
			got, err := io.ReadAll(NewLZMAReader(bytes.NewReader(in), 1<<20))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %+v: %d bytes, %v, want %d", name, cfg, len(got), err, len(want))
			}
		}
	}
}

func encodeLZMA(t testing.TB, cfg oraclelzma.WriterConfig, p []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := cfg.NewWriter(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// hasFilter says whether the first block has a filter the oracle lacks.
func hasFilter(in []byte) bool { return len(in) > 13 && in[13]&3 != 0 }

// FuzzDecode tries whatever input: what the Decoder accepts, the Reader (see
// decodeAll) and the oracle accept too, with the same result.
func FuzzDecode(f *testing.F) {
	names, err := filepath.Glob("../testdata/*.xz")
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		if in := golden(f, filepath.Base(name)); len(in) < 1<<10 { // the others are slow to mutate
			f.Add(in)
		}
	}
	f.Add(newSpec(plain).encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := decodeAll(t, in)
		if err != nil || hasFilter(in) {
			return
		}
		r, err := oracle.NewReader(bytes.NewReader(in))
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		want, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("oracle: %d bytes, %v; got %d", len(want), err, len(got))
		}
	})
}

// FuzzChunks puts whatever chunks into a valid stream, where no checksum of
// the container stands in the way.
func FuzzChunks(f *testing.F) {
	for _, name := range []string{"small.none.xz", "sample.crc32.xz", "sample.lc1lp3pb4.xz", "stored.xz"} {
		in := golden(f, name)
		f.Add(in[24:len(in)-28], uint32(len(golden(f, strings.Split(name, ".")[0]+map[bool]string{true: ".xz", false: ".bin"}[name == "stored.xz"]))))
	}
	f.Add([]byte("\x01\x00\x00a\x02\x00\x01bc\x00"), uint32(3))
	f.Fuzz(func(t *testing.T, chunks []byte, n uint32) {
		s := newSpec("")
		s.chunks = chunks
		s.pad()
		s.setRecord(uint64(n))
		in := s.encode()
		got, err := decodeAll(t, in)
		r, oracleErr := oracle.NewReader(bytes.NewReader(in))
		var want []byte
		if oracleErr == nil {
			want, oracleErr = io.ReadAll(r)
		}
		if err == nil && (oracleErr != nil || !bytes.Equal(got, want)) {
			t.Fatalf("oracle: %d bytes, %v; got %d", len(want), oracleErr, len(got))
		}
	})
}

// FuzzEncoded decodes what the oracle encodes.
func FuzzEncoded(f *testing.F) {
	f.Add([]byte("abcabcabcabcabc"), byte(93))
	f.Add(golden(f, "small.bin"), byte(0))
	f.Fuzz(func(t *testing.T, plain []byte, props byte) {
		p := oraclelzma.Properties{LC: int(props % 5), PB: int(props / 45 % 5)}
		p.LP = min(int(props/9%5), 4-p.LC)
		cfg := oracle.WriterConfig{DictCap: 4096, Properties: &p, BlockSize: 1 << 14}
		var buf bytes.Buffer
		w, err := cfg.NewWriter(&buf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := decodeAll(t, buf.Bytes()); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("xz: %d bytes, %v, want %d", len(got), err, len(plain))
		}
		in := encodeLZMA(t, oraclelzma.WriterConfig{DictCap: 4096, Properties: &p}, plain)
		if got, err := io.ReadAll(NewLZMAReader(bytes.NewReader(in), 1<<20)); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("lzma: %d bytes, %v, want %d", len(got), err, len(plain))
		}
	})
}
