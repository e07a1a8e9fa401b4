// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"hash/crc64"
	"os"
	"path/filepath"
	"testing"
)

// spec describes an xz stream field by field, so that tests can put any one
// of them wrong. The checksums of headers are always right.
type spec struct {
	flags      [2]byte
	blockFlags byte
	sizes      []byte // as encoded
	filters    []byte // as encoded
	headerPad  []byte
	chunks     []byte
	blockPad   []byte
	sum        []byte
	count      uint64 // of index records
	records    []byte // as encoded
	indexPad   []byte
	indexSum   uint32 // xor
	backward   int64  // added
	footer     [2]byte
	magic      string
}

// lzma2 is the filter entry with a dictionary of 1 MiB.
var lzma2 = []byte{idLZMA2, 1, 16}

// stored makes a block's chunks that hold p as it is.
func stored(p string) []byte {
	b := []byte{1, byte((len(p) - 1) >> 8), byte(len(p) - 1)}
	return append(append(b, p...), 0)
}

// newSpec describes a stream of one stored block and no check.
func newSpec(plain string) *spec {
	s := &spec{filters: lzma2, chunks: stored(plain), count: 1, magic: footerMagic}
	s.pad()
	s.setRecord(uint64(len(plain)))
	return s
}

func (s *spec) pad() {
	s.headerPad = make([]byte, -(len(s.sizes)+len(s.filters)+2)&3)
	s.blockPad = make([]byte, -len(s.chunks)&3)
}

// setRecord makes the one index record from the block as it is now.
func (s *spec) setRecord(unpacked uint64) {
	unpadded := 2 + len(s.sizes) + len(s.filters) + len(s.headerPad) + 4 + len(s.chunks) + len(s.sum)
	s.records = vli(vli(nil, uint64(unpadded)), unpacked)
	s.padIndex()
}

func (s *spec) padIndex() {
	s.indexPad = make([]byte, -(1+len(vli(nil, s.count))+len(s.records))&3)
}

func vli(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func crc(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func (s *spec) encode() []byte {
	out := append([]byte(headerMagic), crc(s.flags[:])...)

	h := append([]byte{0, s.blockFlags}, s.sizes...)
	h = append(append(h, s.filters...), s.headerPad...)
	h[0] = byte(len(h) / 4)
	out = append(out, crc(h)...)
	out = append(append(append(out, s.chunks...), s.blockPad...), s.sum...)

	index := append(vli([]byte{0}, s.count), s.records...)
	index = append(index, s.indexPad...)
	sum := crc32.ChecksumIEEE(index) ^ s.indexSum
	index = binary.LittleEndian.AppendUint32(index, sum)
	out = append(out, index...)

	f := binary.LittleEndian.AppendUint32(nil, uint32(int64(len(index))/4-1+s.backward))
	f = append(f, s.footer[:]...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(f))
	return append(append(out, f...), s.magic...)
}

// setCheck chooses a check and computes it for a block that holds plain.
func (s *spec) setCheck(kind byte, plain string) {
	s.flags[1], s.footer[1] = kind, kind
	switch kind {
	case checkCRC32:
		s.sum = binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(plain)))
	case checkCRC64:
		s.sum = binary.LittleEndian.AppendUint64(nil, crc64.Checksum([]byte(plain), crc64Table))
	case checkSHA256:
		sum := sha256.Sum256([]byte(plain))
		s.sum = sum[:]
	}
	s.setRecord(uint64(len(plain)))
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeAll runs a Decoder and both Readers on the same input. If the Decoder
// accepts it, so must the Readers, with the same result, and what one of these
// accepts the other accepts.
func decodeAll(t testing.TB, in []byte) ([]byte, error) {
	t.Helper()
	const limit = 1 << 24
	out, err := NewDecoder(64<<20).Decode(nil, in, limit)
	got, streamErr := readAll(NewReader(bytes.NewReader(in), 64<<20), limit)
	switch {
	case err != nil && len(out) > 0:
		t.Errorf("%d bytes with an error", len(out))
	case err == nil && (streamErr != nil || !bytes.Equal(got, out)):
		t.Errorf("Reader: %d bytes, %v; Decoder: %d bytes", len(got), streamErr, len(out))
	}
	z := NewReaderAt(bytes.NewReader(in), int64(len(in)), 64<<20, 2)
	z.ahead.min = 0
	side, sideErr := readAll(z, limit)
	if err := z.Close(); err != nil {
		t.Error(err)
	}
	switch {
	case len(got) == limit: // what comes after was not looked at
	case (sideErr == nil) != (streamErr == nil), streamErr == nil && !bytes.Equal(side, got):
		t.Errorf("side by side: %d bytes, %v; in sequence: %d bytes, %v", len(side), sideErr, len(got), streamErr)
	case !bytes.HasPrefix(got, side):
		t.Errorf("side by side: %d bytes that are not those of %d in sequence", len(side), len(got))
	}
	return out, err
}
