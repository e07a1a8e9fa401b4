// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/*.bin")

// sample makes 12 KiB that have something for every part of a decoder: words,
// records, branch instructions of several machines, zeros, and noise.
func sample() []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	words := bytes.Fields([]byte("module init exit license author alias depends name vermagic kernel device driver bus probe remove"))
	var b []byte
	for len(b) < 2<<10 {
		b = append(b, words[rng.IntN(len(words))]...)
		b = append(b, "=_ \x00"[rng.IntN(4)])
	}
	for i := range uint32(128) { // symbols: index, value, size, kind
		b = binary.LittleEndian.AppendUint32(b, i)
		b = binary.LittleEndian.AppendUint64(b, 0xffffffff81000000+uint64(i*i*16))
		b = binary.LittleEndian.AppendUint16(b, uint16(rng.IntN(4)*8))
		b = append(b, 0x12, 0)
	}
	for range 300 {
		to := uint32(rng.IntN(64) * 0x40)
		switch rng.IntN(6) {
		case 0: // x86 call and jmp, some of them close together
			b = append(b, 0x48, 0x89, 0xe8, byte(0xe8+rng.IntN(2)))
			b = binary.LittleEndian.AppendUint32(b, to-uint32(len(b))&-uint32(rng.IntN(2)))
		case 1: // arm
			b = binary.LittleEndian.AppendUint32(b, 0xeb<<24|(to-uint32(len(b)))>>2&0xffffff)
		case 2: // thumb
			v := (to - uint32(len(b))) >> 1
			b = binary.LittleEndian.AppendUint16(b, 0xf000|uint16(v>>11)&0x7ff)
			b = binary.LittleEndian.AppendUint16(b, 0xf800|uint16(v)&0x7ff)
		case 3: // arm64 bl and adrp, near and far
			b = binary.LittleEndian.AppendUint32(b, 0x94000000|(to-uint32(len(b)))>>2&0x3ffffff)
			b = binary.LittleEndian.AppendUint32(b, 0x90000003|rng.Uint32()&0x60ffffe0)
		case 4: // powerpc
			b = binary.BigEndian.AppendUint32(b, 0x48000001|(to-uint32(len(b)))&0x3fffffc)
		case 5: // sparc
			b = binary.BigEndian.AppendUint32(b, 0x40000000|(to-uint32(len(b)))>>2&0x3fffff)
			b = binary.BigEndian.AppendUint32(b, 0x7fc00000|rng.Uint32()&0x3fffff)
		}
		for len(b)%8 != 0 {
			b = append(b, 0x90)
		}
	}
	b = append(b, make([]byte, 1500)...)
	b = append(b, b[:2500]...)
	for len(b) < 12<<10 {
		b = append(b, byte(rng.Uint32()))
	}
	return b
}

// small is short enough to try every mutation of its compressed forms.
func small() []byte {
	s := sample()
	return append(append(s[:300:300], make([]byte, 100)...), s[len(s)-150:]...)
}

// dense has x86 opcodes within the operands of others, in all ways there are.
func dense() []byte {
	rng := rand.New(rand.NewPCG(7, 0))
	b := make([]byte, 8<<10)
	for i := range b {
		b[i] = "\xe8\xe9\x00\x00\xff\xff\x48\x8b"[rng.IntN(8)]
		if rng.IntN(8) == 0 {
			b[i] = byte(rng.Uint32())
		}
	}
	return b
}

func TestSample(t *testing.T) {
	for name, data := range map[string][]byte{"sample.bin": sample(), "small.bin": small(), "dense.bin": dense()} {
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(golden(t, name), data) {
			t.Errorf("%s is not what this test generates; run with -update, then testdata/make.sh", name)
		}
	}
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
