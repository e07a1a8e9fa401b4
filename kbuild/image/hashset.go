// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/internal/elfview"
)

const (
	hashesSection = ".module_hashes"
	rootSize      = 4 + len(hashset.Digest{})

	// maxHashes is more than a flat list of all modules that a kernel can have.
	maxHashes = 16 << 20
)

// readHashset finds the hashset: by its section, else by symbols.
func (im *Image) readHashset(k *kernel) error {
	h, err := k.hashesBySection()
	if err != nil {
		return err
	}
	bySymbol, err := k.hashesBySymbol()
	switch {
	case h == nil:
		if err != nil {
			return fmt.Errorf("reading the hashset: %w", err)
		}
		h = bySymbol
	case err != nil:
		im.problem(h.Offset, "the hashset's symbols do not lead to section %s: %v", hashesSection, err)
	case bySymbol != nil && (bySymbol.Offset < h.Offset || bySymbol.Offset+int64(len(bySymbol.Data)) > h.Offset+int64(len(h.Data))):
		im.problem(bySymbol.Offset, "the hashset's symbols lead here, section %s is at offset %d", hashesSection, h.Offset)
	}
	im.Hashset = h
	return nil
}

// hashesBySection refuses a section that a kernel and this program could
// understand differently, in particular a second one.
func (k *kernel) hashesBySection() (*Hashset, error) {
	if k.elf == nil || k.elf.Section(hashesSection) == nil {
		return nil, nil
	}
	off, size, err := k.elf.Exclusive(hashesSection)
	if err != nil {
		return nil, fromPart(0, "", err)
	}
	if size > maxHashes {
		return nil, badf(off, "section %s has %d bytes, at most %d are read", hashesSection, size, maxHashes)
	}
	b, err := k.bytes(off, size)
	if err != nil {
		return nil, err
	}
	return &Hashset{Data: b, Order: k.order, Offset: off, Origin: FromSection}, nil
}

func (k *kernel) hashesBySymbol() (*Hashset, error) {
	addr, ok := k.syms[symHashesRoot]
	size := uint64(rootSize)
	if !ok {
		start, hasStart := k.syms[symHashesStart]
		stop, hasStop := k.syms[symHashesStop]
		switch {
		case !hasStart || !hasStop:
			return nil, nil
		case stop < start || stop-start > maxHashes:
			return nil, badf(0, "hashset from address 0x%x to 0x%x", start, stop)
		}
		addr, size = start, stop-start
	}
	b, off, err := k.at(addr, size)
	if err != nil {
		return nil, err
	}
	return &Hashset{Data: b, Order: k.order, Offset: off, Origin: k.origin}, nil
}

// ErrNoHashset is what [HashsetRange] wraps for a file without a place for a
// hashset.
var ErrNoHashset = errors.New("vmlinux has no section " + hashesSection)

// HashsetRange returns where in a linked vmlinux, 32 or 64 bit, the bytes of
// section .module_hashes are, for who writes a hashset of size bytes there, and
// which byte order the kernel has: see [Hashset.Order]. Wrapped images are not
// taken. The rest of the file is not touched by such a change; it is refused
// with a [*FormatError] if that is not certain: a second section of that name, one
// without bytes in the file, compressed or of another size, one that leaves the
// file, or shares bytes with another section or with a header.
func HashsetRange(r io.ReaderAt, fileSize, size int64) (Hashset, error) {
	f, err := elfview.Parse(r, fileSize)
	if errors.Is(err, elfview.ErrNotELF) {
		return Hashset{}, fmt.Errorf("%w: not an ELF file; a hashset is written into vmlinux, before it is wrapped", ErrUnknown)
	}
	if err != nil {
		return Hashset{}, fromPart(0, "", err)
	}
	if f.Section(hashesSection) == nil {
		return Hashset{}, ErrNoHashset
	}
	off, n, err := f.Exclusive(hashesSection)
	if err != nil {
		return Hashset{}, fromPart(0, "", err)
	}
	if n != size {
		return Hashset{}, badf(off, "section %s has %d bytes, the hashset %d", hashesSection, n, size)
	}
	h := Hashset{Data: make([]byte, n), Order: f.Order, Offset: off, Origin: FromSection}
	if got, err := r.ReadAt(h.Data, off); int64(got) < n {
		return Hashset{}, fmt.Errorf("reading vmlinux at offset %d: %w", off, err)
	}
	return h, nil
}
