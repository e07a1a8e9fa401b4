// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

// chunkSize is the unit in which a Buffer takes memory.
const chunkSize = 256 << 10

// keepChunks is what a Buffer may always hold, whatever the budget, and what it
// keeps when it is reset: enough for almost every module.
const keepChunks = 4

// DefaultBudget is the memory in bytes that Buffers share unless told
// otherwise. It holds the largest module that distributions ship.
const DefaultBudget = 48 << 20

// Budget bounds the memory of all Buffers that share it. What a Buffer gives
// back is kept for the next one: a large module now and then would otherwise
// leave the garbage collector with several times its size.
type Budget struct {
	mu    sync.Mutex
	left  int // chunks that may still be made
	spare [][]byte
}

// NewBudget returns a budget of n bytes.
func NewBudget(n int64) *Budget { return &Budget{left: int(n / chunkSize)} }

// take returns a chunk, or nil if the budget is used up.
func (b *Budget) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.spare); n > 0 {
		c := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return c
	}
	if b.left == 0 {
		return nil
	}
	b.left--
	return make([]byte, chunkSize)
}

func (b *Budget) giveBack(chunks [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = append(b.spare, chunks...)
}

// Buffer holds the bytes of one file: in memory as long as the budget lasts,
// after that in an unlinked temporary file. It is an [io.Writer] to fill it and
// an [io.ReaderAt] to read it, and is reused by Reset.
type Buffer struct {
	budget *Budget
	dir    string
	chunks [][]byte // all but the last one in use are full
	n      int64    // bytes in memory
	over   *Spool   // what came after them; nil while memory lasts
	err    error
}

// NewBuffer returns an empty Buffer. A nil budget is one of [DefaultBudget] for
// this Buffer alone; dir is where the temporary file goes, "" the system's
// folder.
func NewBuffer(b *Budget, dir string) *Buffer {
	if b == nil {
		b = NewBudget(DefaultBudget)
	}
	return &Buffer{budget: b, dir: dir}
}

// Size is the number of bytes written since the last Reset.
func (b *Buffer) Size() int64 {
	if b.over == nil {
		return b.n
	}
	return b.n + b.over.Size()
}

// Err is the error that made a Write fail, if any.
func (b *Buffer) Err() error { return b.err }

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && b.over == nil {
		i, off := int(b.n/chunkSize), int(b.n%chunkSize)
		if i == len(b.chunks) {
			c := b.chunk(i)
			if c == nil {
				b.over = New(b.dir, math.MaxInt64)
				break
			}
			b.chunks = append(b.chunks, c)
		}
		n := copy(b.chunks[i][off:], p)
		b.n += int64(n)
		p = p[n:]
	}
	if len(p) > 0 {
		if _, b.err = b.over.Write(p); b.err != nil {
			return total - len(p), b.err
		}
	}
	return total, nil
}

// chunk makes the chunk with number i: the first ones are the Buffer's own.
func (b *Buffer) chunk(i int) []byte {
	if i < keepChunks {
		return make([]byte, chunkSize)
	}
	return b.budget.take()
}

// ReadAt implements [io.ReaderAt].
func (b *Buffer) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	done := 0
	for done < len(p) && off < b.n {
		c := b.chunks[off/chunkSize]
		c = c[:min(chunkSize, b.n-off/chunkSize*chunkSize)]
		n := copy(p[done:], c[off%chunkSize:])
		done += n
		off += int64(n)
	}
	if done < len(p) && b.over != nil {
		n, err := b.over.ReadAt(p[done:], off-b.n)
		return done + n, err
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// WriteRange writes n bytes from offset off to w, in pieces that are not copied
// where they are in memory.
func (b *Buffer) WriteRange(w io.Writer, off, n int64) error {
	if off < 0 || n < 0 || off+n > b.Size() {
		return fmt.Errorf("range %d+%d outside the %d bytes", off, n, b.Size())
	}
	for n > 0 && off < b.n {
		c := b.chunks[off/chunkSize][off%chunkSize:]
		c = c[:min(int64(len(c)), b.n-off, n)]
		if _, err := w.Write(c); err != nil {
			return err
		}
		off += int64(len(c))
		n -= int64(len(c))
	}
	if n == 0 {
		return nil
	}
	_, err := io.Copy(w, b.over.Section(off-b.n, n))
	return err
}

// Reset empties the Buffer, gives back what it holds above a small share, and
// makes it ready for use again.
func (b *Buffer) Reset() {
	if len(b.chunks) > keepChunks {
		b.budget.giveBack(b.chunks[keepChunks:])
		clear(b.chunks[keepChunks:])
		b.chunks = b.chunks[:keepChunks]
	}
	if b.over != nil {
		b.over.Close() // its error cannot lose anything: the bytes are not wanted any more
		b.over = nil
	}
	b.n, b.err = 0, nil
}

// Close frees the Buffer.
func (b *Buffer) Close() error {
	b.Reset()
	b.chunks = nil
	return nil
}
