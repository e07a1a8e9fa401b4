// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"fmt"
	"io"
)

// LedgerError says what is wrong with a ledger. It is a bug of the program that
// made the ledger, never a property of the files.
type LedgerError struct {
	Layer  Layer
	Region int // index into Regions, -1 for the ledger as a whole
	Reason string
}

func (e *LedgerError) Error() string {
	if e.Region < 0 {
		return fmt.Sprintf("ledger of layer %v: %s", e.Layer, e.Reason)
	}
	return fmt.Sprintf("ledger of layer %v, region %d: %s", e.Layer, e.Region, e.Reason)
}

// Check replays the ledger over the bytes of both sides, SizeA and SizeB many:
// copying Same and Moved from A and taking Changed from B must give B, and the
// other way round. So the A ranges partition A, and the B ranges B; equal bytes
// are equal; Same regions are in the same order on both sides; what is called
// Changed does differ, by as many bytes as it says; and something is called
// other than Same if and only if the sides differ. What fails is a
// [*LedgerError]; other errors are those of reading.
func (l *Ledger) Check(a, b io.ReaderAt) error { return new(checker).check(l, a, b) }

// checker keeps its memory from ledger to ledger.
type checker struct {
	bufA, bufB []byte
}

func (c *checker) check(l *Ledger, a, b io.ReaderAt) error {
	if err := l.checkA(); err != nil {
		return err
	}
	if err := l.checkB(); err != nil {
		return err
	}
	equal := l.SizeA == l.SizeB // as far as it follows from the regions
	for i := range l.regions {
		if l.regions[i].relation != Same {
			equal = false
		}
		if err := c.region(l, i, a, b); err != nil {
			return err
		}
	}
	if !equal && l.SizeA == l.SizeB {
		n, err := c.differ(a, b, Range{0, l.SizeA}, Range{0, l.SizeB}, true)
		if err == nil && n == 0 {
			err = &LedgerError{l.Layer, -1, "regions differ, but all bytes are equal"}
		}
		return err
	}
	return nil
}

// checkA: the ranges of A partition it, in their order.
func (l *Ledger) checkA() error {
	at := int64(0)
	for i := range l.regions {
		r := &l.regions[i]
		switch {
		case r.a.len == 0 && r.b.len == 0:
			return &LedgerError{l.Layer, i, "without a byte on either side"}
		case r.relation > Changed:
			return &LedgerError{l.Layer, i, r.relation.String()}
		case r.relation == Same && r.who != 0:
			return &LedgerError{l.Layer, i, "a cause for bytes that are the same"}
		case r.a.len == 0:
			continue
		case int64(r.a.off) != at:
			return &LedgerError{l.Layer, i, fmt.Sprintf("begins in A at %d, the one before ends at %d", r.a.off, at)}
		}
		at += int64(r.a.len)
	}
	if at != l.SizeA {
		return &LedgerError{l.Layer, -1, fmt.Sprintf("regions cover %d of %d bytes of A", at, l.SizeA)}
	}
	return nil
}

// checkB: the ranges of B partition it, and Same regions have its order.
func (l *Ledger) checkB() error {
	last := int64(-1)
	left := 0
	for i := range l.regions {
		r := &l.regions[i]
		if r.relation == Same {
			if int64(r.b.off) <= last {
				return &LedgerError{l.Layer, i, fmt.Sprintf("same, but at %d in B, where the one before is at %d", r.b.off, last)}
			}
			last = int64(r.b.off)
		}
		if r.b.len > 0 {
			left++
		}
	}
	at := int64(0)
	for _, i := range l.sortedB() {
		r := &l.regions[i]
		if int64(r.b.off) != at {
			return &LedgerError{l.Layer, int(i), fmt.Sprintf("begins in B at %d, the one before ends at %d", r.b.off, at)}
		}
		at += int64(r.b.len)
		left--
	}
	if at != l.SizeB || left != 0 {
		return &LedgerError{l.Layer, -1, fmt.Sprintf("regions cover %d of %d bytes of B", at, l.SizeB)}
	}
	return nil
}

// region compares the bytes of one region.
func (c *checker) region(l *Ledger, i int, a, b io.ReaderAt) error {
	r := &l.regions[i]
	if r.relation != Changed {
		if r.a.len != r.b.len {
			return &LedgerError{l.Layer, i, fmt.Sprintf("%v, but of %d and %d bytes", r.relation, r.a.len, r.b.len)}
		}
		n, err := c.differ(a, b, r.a.wide(), r.b.wide(), true)
		if err == nil && n != 0 {
			err = &LedgerError{l.Layer, i, r.relation.String() + ", but the bytes differ"}
		}
		return err
	}
	if r.stream() {
		return nil
	}
	if r.a.len == r.b.len {
		n, err := c.differ(a, b, r.a.wide(), r.b.wide(), false)
		if err == nil && (n == 0 || n != int64(r.diff)) {
			err = &LedgerError{l.Layer, i, fmt.Sprintf("changed by %d bytes, but %d differ", r.diff, n)}
		}
		return err
	}
	return c.trimmed(l, i, a, b)
}

// trimmed: regions of unequal lengths have no first or last byte in common.
func (c *checker) trimmed(l *Ledger, i int, a, b io.ReaderAt) error {
	r := &l.regions[i]
	if r.a.len == 0 || r.b.len == 0 {
		return nil
	}
	ra, rb := r.a.wide(), r.b.wide()
	for _, at := range [][2]int64{{ra.Off, rb.Off}, {ra.End() - 1, rb.End() - 1}} {
		n, err := c.differ(a, b, Range{at[0], 1}, Range{at[1], 1}, false)
		if err != nil {
			return err
		}
		if n == 0 {
			return &LedgerError{l.Layer, i, "begins or ends with equal bytes"}
		}
	}
	return nil
}

// memory is a reader whose bytes need not be copied to be looked at.
type memory interface {
	Slice(off, n int64) []byte
}

// piece is how many bytes are read at once from what is not in memory.
const piece = 128 << 10

// differ counts the bytes that differ by position; with stop, it may stop at
// the first.
func (c *checker) differ(a, b io.ReaderAt, ra, rb Range, stop bool) (int64, error) {
	ma, okA := a.(memory)
	mb, okB := b.(memory)
	if okA && okB {
		return unequal(ma.Slice(ra.Off, ra.Len), mb.Slice(rb.Off, rb.Len), stop), nil
	}
	if c.bufA == nil {
		c.bufA, c.bufB = make([]byte, piece), make([]byte, piece)
	}
	var sum int64
	for done := int64(0); done < ra.Len && (sum == 0 || !stop); {
		n := min(piece, ra.Len-done)
		if got, err := a.ReadAt(c.bufA[:n], ra.Off+done); int64(got) < n {
			return 0, readError(ra.Off+done, err)
		}
		if got, err := b.ReadAt(c.bufB[:n], rb.Off+done); int64(got) < n {
			return 0, readError(rb.Off+done, err)
		}
		sum += unequal(c.bufA[:n], c.bufB[:n], stop)
		done += n
	}
	return sum, nil
}

// unequal counts the positions at which a and b, of one length, differ.
func unequal(a, b []byte, stop bool) int64 {
	if bytes.Equal(a, b) {
		return 0
	}
	if stop {
		return 1
	}
	var n int64
	b = b[:len(a)]
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
