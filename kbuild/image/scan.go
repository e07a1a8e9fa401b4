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
	certHead    = 5  // bytes that what may be a certificate is recognized by

	// maxFinds is the most places that are looked at closely, of each kind. A
	// kernel has two or three, and some twenty that only begin like one.
	maxFinds = 1 << 12
)

// finds are the places in a kernel that start like something that is wanted.
type finds struct {
	banners, configs, certs []int64
	dropped                 bool // there were more than maxFinds
}

// scan looks through what is loaded of a kernel.
func (k *kernel) scan() (*finds, error) {
	f := new(finds)
	var err error
	if k.ranges, err = k.loadedRanges(); err != nil {
		return nil, err
	}
	var buf []byte
	for _, s := range k.ranges {
		for off := s.off; off < s.end; off += scanChunk {
			n := min(scanChunk+scanOverlap, s.end-off)
			if m, ok := k.r.(elfview.Memory); ok {
				f.look(m.Slice(off, n), off, k.isCode(off, n))
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
			f.look(buf[:n], off, k.isCode(off, n))
		}
	}
	return f, nil
}

// loadedRanges returns the parts of the file that end up in memory, in order and
// without overlap: what program headers load and what sections say is loaded,
// whatever kind of section that is. Only the former counts for who boots the
// file; the latter for who makes a flat kernel of it. It is the whole file if
// nothing is loaded by program headers, or if they are malformed; of a flat
// kernel the whole as well, less a PE signature.
func (k *kernel) loadedRanges() ([]span, error) {
	whole := []span{{0, k.size}}
	if k.elf == nil {
		end, err := k.signature()
		return []span{{0, end}}, err
	}
	segs, err := k.elf.Segments()
	if err != nil {
		return whole, nil // to find fault with them is the business of others
	}
	var ranges []span
	add := func(off, size uint64) {
		if end := uint64(k.size); size > 0 && off < end {
			ranges = append(ranges, span{int64(off), int64(off + min(size, end-off))})
		}
	}
	for _, s := range segs {
		add(s.Offset, s.Filesz)
	}
	if len(ranges) == 0 {
		return whole, nil
	}
	for i := range k.elf.Sections {
		if s := &k.elf.Sections[i]; s.Type != 0 && s.Type != elfview.SHTNobits && s.Flags&elfview.SHFAlloc != 0 {
			add(s.Offset, s.Size)
		}
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
	return merged, nil
}

// maxSignature is the most bytes of a PE signature that are not looked through.
// Real ones have some thousand. What the signature's place was before it was
// there is the end of the kernel's data, and no list is near that.
const maxSignature = 64 << 10

// signature returns where the PE signature of a flat kernel begins, which holds
// certificates of no interest to the kernel, or else the end. It is found only
// where [Digest] finds it, and if it looks like one.
func (k *kernel) signature() (int64, error) {
	parts, form, err := layout(k.r, k.size)
	var fe *FormatError
	if err != nil && !errors.As(err, &fe) {
		return 0, err
	}
	if err != nil || form != PESigned {
		return k.size, nil
	}
	start := parts[len(parts)-1].end
	if k.size-start > maxSignature {
		return k.size, nil
	}
	b, err := k.view(start, k.size-start)
	if err != nil {
		return 0, err
	}
	// WIN_CERTIFICATE: length with these 8 bytes, revision 2.0, and the type of
	// PKCS #7, little-endian; then a sequence. Each is padded to 8 bytes.
	for len(b) > 0 {
		if len(b) < 9 || string(b[4:9]) != "\x00\x02\x02\x00\x30" {
			return k.size, nil
		}
		n := uint64(binary.LittleEndian.Uint32(b))
		if n = (n + 7) &^ 7; n < 16 || n > uint64(len(b)) {
			return k.size, nil
		}
		b = b[n:]
	}
	return start, nil
}

// isCode reports whether the n bytes at off are of sections with code that is not
// written to, half of a kernel, by what the sections say of themselves. No text
// is looked for in them, but certificates are.
func (k *kernel) isCode(off, n int64) bool {
	for i := 0; k.elf != nil && i < len(k.elf.Sections); i++ {
		s := &k.elf.Sections[i]
		if s.Flags&(elfview.SHFExec|elfview.SHFWrite) == elfview.SHFExec && s.Type != elfview.SHTNobits &&
			uint64(off) >= s.Offset && s.Size >= uint64(n) && uint64(off)-s.Offset <= s.Size-uint64(n) {
			return true
		}
	}
	return false
}

// rangeEnd returns the end of the loaded range that off is in.
func (k *kernel) rangeEnd(off int64) int64 {
	for _, s := range k.ranges {
		if off < s.end {
			return s.end
		}
	}
	return k.size
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
// off. In code it looks only for certificates.
func (f *finds) look(b []byte, off int64, code bool) {
	f.certificatesIn(b, off)
	if !code {
		f.textsIn(b, off)
	}
}

// textsIn adds the texts.
func (f *finds) textsIn(b []byte, off int64) {
	at := 0
	for ; at+8 <= len(b); at += 8 {
		v := binary.LittleEndian.Uint64(b[at:])
		if grams[gram(uint32(v))] || grams[gram(uint32(v>>32))] {
			f.textsAt(b, at, off)
			f.textsAt(b, at+4, off)
		}
	}
	f.textsAt(b, at, off)
	f.textsAt(b, at+4, off)
}

// certificatesIn adds the certificates: 30 82, a length of two bytes, and a second
// sequence, which need not have the bit that says that it is constructed (see
// [certlist.Resembles]). Of the two, 30 is the byte that kernels have less of.
func (f *finds) certificatesIn(b []byte, off int64) {
	for at := 0; at+certHead <= len(b) && at < scanChunk; at++ {
		n := bytes.IndexByte(b[at:min(len(b)-certHead+1, scanChunk)], 0x30)
		if n < 0 {
			return
		}
		at += n
		if b[at+1] == 0x82 && b[at+4]|0x20 == 0x30 {
			f.certs = f.add(f.certs, off+int64(at))
		}
	}
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
