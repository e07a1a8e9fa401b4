// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
)

func TestBuffer(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	budget := NewBudget(2 * chunkSize)
	b := NewBuffer(budget, t.TempDir())
	defer b.Close()
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, keepChunks*chunkSize + 5, 6 * chunkSize, 6*chunkSize + 1, 9*chunkSize + 77, 12} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(100000))
			if got, err := b.Write(rest[:n]); got != n || err != nil {
				t.Fatalf("size %d: Write: %d, %v", size, got, err)
			}
			rest = rest[n:]
		}
		if b.Size() != int64(size) {
			t.Fatalf("Size is %d, want %d", b.Size(), size)
		}
		if inMemory := min(int64(size), 6*chunkSize); b.n != inMemory {
			t.Errorf("size %d: %d bytes in memory, want %d", size, b.n, inMemory)
		}
		if err := iotest.TestReader(io.NewSectionReader(b, 0, b.Size()), data); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		for range 20 {
			off := rnd.IntN(size + 1)
			n := rnd.IntN(size - off + 1)
			var out bytes.Buffer
			if err := b.WriteRange(&out, int64(off), int64(n)); err != nil || !bytes.Equal(out.Bytes(), data[off:off+n]) {
				t.Fatalf("size %d: WriteRange(%d, %d): %v", size, off, n, err)
			}
		}
		if err := b.WriteRange(&bytes.Buffer{}, int64(size), 1); err == nil {
			t.Error("range beyond the end: no error")
		}
		b.Reset()
		if n := budget.left + len(budget.spare); n != 2 {
			t.Fatalf("%d chunks to be had after Reset", n)
		}
	}
}

func TestBufferSharedBudget(t *testing.T) {
	budget := NewBudget(chunkSize)
	a, b := NewBuffer(budget, t.TempDir()), NewBuffer(budget, t.TempDir())
	data := make([]byte, (keepChunks+1)*chunkSize)
	a.Write(data)
	b.Write(data)
	if a.over != nil || b.over == nil {
		t.Errorf("first in memory: %v, second in memory: %v; want the first only", a.over == nil, b.over == nil)
	}
	a.Close()
	b.Close()
	if n := budget.left + len(budget.spare); n != 1 {
		t.Errorf("%d chunks to be had after Close", n)
	}
}

func TestBufferNoFolder(t *testing.T) {
	b := NewBuffer(NewBudget(0), filepath.Join(t.TempDir(), "absent"))
	n, err := b.Write(make([]byte, keepChunks*chunkSize+1))
	if !errors.Is(err, os.ErrNotExist) || n != keepChunks*chunkSize {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if !errors.Is(b.Err(), os.ErrNotExist) {
		t.Errorf("Err: %v", b.Err())
	}
	b.Reset()
	if b.Err() != nil || b.Size() != 0 {
		t.Error("Reset keeps the error")
	}
}
