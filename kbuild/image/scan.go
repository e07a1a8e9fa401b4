// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

const (
	scanChunk   = 1 << 20
	scanOverlap = 64 // longer than what is looked for

	// maxFinds is the most places that are looked at closely, of each kind. A
	// kernel has two or three.
	maxFinds = 1 << 12
)

// finds are the places in a kernel that start like something that is wanted.
type finds struct {
	banners, configs, certs []int64
	dropped                 bool // there were more than maxFinds
}

// scan looks through what a kernel without symbols has beside code.
func (k *kernel) scan() (*finds, error) {
	f := new(finds)
	var buf []byte
	for _, s := range k.dataRanges() {
		for off := s.off; off < s.end; off += scanChunk {
			n := min(scanChunk+scanOverlap, s.end-off)
			if m, ok := k.r.(elfview.Memory); ok {
				f.look(m.Slice(off, n), off)
				continue
			}
			if buf == nil {
				buf = make([]byte, scanChunk+scanOverlap)
			}
			if got, err := k.r.ReadAt(buf[:n], off); int64(got) < n {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return nil, fmt.Errorf("reading kernel at offset %d: %w", off, err)
			}
			f.look(buf[:n], off)
		}
	}
	return f, nil
}

// dataRanges returns the parts of the kernel that can hold data, in order and
// without overlap; each starts at a multiple of 8. Sections with code that is
// not written to are left out, half of a kernel.
func (k *kernel) dataRanges() []span {
	whole := []span{{0, k.size}}
	if k.elf == nil {
		return whole
	}
	var ranges []span
	for i := range k.elf.Sections {
		s := &k.elf.Sections[i]
		if s.Type == 0 || s.Type == elfview.SHTNobits || s.Flags&elfview.SHFAlloc == 0 ||
			s.Flags&elfview.SHFExec != 0 && s.Flags&elfview.SHFWrite == 0 ||
			s.Offset > uint64(k.size) || s.Size > uint64(k.size)-s.Offset {
			continue
		}
		ranges = append(ranges, span{int64(s.Offset) &^ 7, int64(s.Offset + s.Size)})
	}
	if len(ranges) == 0 {
		return whole
	}
	slices.SortFunc(ranges, func(a, b span) int { return cmp.Or(cmp.Compare(a.off, b.off), cmp.Compare(a.end, b.end)) })
	merged := ranges[:1]
	for _, r := range ranges[1:] {
		if last := &merged[len(merged)-1]; r.off <= last.end {
			last.end = max(last.end, r.end)
		} else {
			merged = append(merged, r)
		}
	}
	return merged
}

// texts are what is looked for beside certificates, at any offset.
var texts = [...]string{bannerStart, configStart}

// gramBits is the logarithm of the size of a table.
const gramBits = 10

// grams holds, for every run of four bytes that begins in the first four of a
// text, its [gram]: wherever the text is, one of them is at a multiple of 4. So
// that a kernel is looked through four bytes at a time, and for everything at
// once, several times faster than by [bytes.Index].
var grams = func() (table [1 << gramBits]bool) {
	for _, text := range texts {
		for i := range 4 {
			table[gram(binary.LittleEndian.Uint32([]byte(text[i:])))] = true
		}
	}
	return table
}()

// gram maps four bytes to an index of grams.
func gram(v uint32) uint32 { return v * 0x9e3779b1 >> (32 - gramBits) }

// look adds what begins in the first scanChunk bytes of b, which is at offset
// off, a multiple of 8.
func (f *finds) look(b []byte, off int64) {
	// A certificate's length and that of its first part take two bytes, and its
	// version is 3: 30 82 LL LL 30 82 LL LL a0 03 02 01 02.
	const mask, certificate = 0x0000ffff0000ffff, 0x0000823000008230
	at := 0
	for ; at+8 <= len(b); at += 8 {
		v := binary.LittleEndian.Uint64(b[at:])
		if grams[gram(uint32(v))] || grams[gram(uint32(v>>32))] {
			f.textsAt(b, at, off)
			f.textsAt(b, at+4, off)
		}
		if v&mask == certificate && at < scanChunk && at+certHead <= len(b) && string(b[at+8:at+certHead]) == certVersion {
			f.certs = f.add(f.certs, off+int64(at))
		}
	}
	f.textsAt(b, at, off)
	f.textsAt(b, at+4, off)
}

// textsAt adds the texts that have the byte at b[at] among their first four.
func (f *finds) textsAt(b []byte, at int, off int64) {
	for start := max(at-3, 0); start <= at && start < scanChunk && start < len(b); start++ {
		switch {
		case bytes.HasPrefix(b[start:], []byte(bannerStart)):
			f.banners = f.add(f.banners, off+int64(start))
		case bytes.HasPrefix(b[start:], []byte(configStart)):
			f.configs = f.add(f.configs, off+int64(start))
		}
	}
}

func (f *finds) add(found []int64, off int64) []int64 {
	if len(found) == maxFinds {
		f.dropped = true
		return found
	}
	return append(found, off)
}
