// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// asKernel is a module as a kernel reads it: its ELF header says what it says, but
// its class and its byte order are the kernel's own, which does not look at them.
type asKernel struct {
	io.ReaderAt
	ident [3]byte // of offset 4: class, byte order, version
}

func (a *asKernel) ReadAt(p []byte, off int64) (int, error) {
	n, err := a.ReaderAt.ReadAt(p, off)
	for i, b := range a.ident {
		if at := 4 + int64(i) - off; at >= 0 && at < int64(n) {
			p[at] = b
		}
	}
	return n, err
}

// takesIdent reports whether the kernel looks at the machine alone: elf_check_arch of
// other architectures compares more.
func (k *Kernel) takesIdent() bool {
	return (k.Arch == "x86_64" || k.Arch == "aarch64") && k.order != nil
}

// headerSize is the size of an ELF header of the kernel's kind.
func (k *Kernel) headerSize() int64 {
	if k.Bits == 32 {
		return 52
	}
	return 64
}

// header is what the kernel takes from an ELF header.
type header struct {
	bits                int
	order               binary.ByteOrder
	at                  uint64 // of the section table
	entry, num, strings uint16 // e_shentsize, e_shnum, e_shstrndx
}

// entrySize is the size of a section header.
func (h *header) entrySize() uint64 {
	if h.bits == 32 {
		return 40
	}
	return 64
}

// parse does what the kernel does before it looks into any section of a module: its
// elf_validity_cache_sechdrs and elf_validity_cache_secstrings, check for check, so
// that the file that it returns has what the kernel would find.
func (k *Kernel) parse(r io.ReaderAt, size int64) (*elfview.File, error) {
	if size < k.headerSize() {
		return nil, badELF(fmt.Sprintf("Invalid ELF header len %d", size), "%d bytes, less than an ELF header", size)
	}
	head := make([]byte, k.headerSize())
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("reading the ELF header: %w", err)
	}
	if string(head[:4]) != "\x7fELF" {
		return nil, badELF("Invalid ELF header magic: != \x7fELF", "not an ELF file")
	}
	if k.takesIdent() {
		own := &asKernel{r, [3]byte{2, 1, 1}}
		if k.order == binary.BigEndian {
			own.ident[1] = 2
		}
		copy(head[4:], own.ident[:])
		r = own
	}
	h, err := k.checkHeader(head)
	if err != nil {
		return nil, err
	}
	if err := h.checkSections(r, uint64(size)); err != nil {
		return nil, err
	}
	f, err := elfview.Parse(r, size)
	var fe *elfview.FormatError
	if errors.As(err, &fe) {
		return nil, &notRead{err.Error()}
	}
	return f, err
}

func (k *Kernel) checkHeader(head []byte) (*header, error) {
	h := &header{order: binary.LittleEndian}
	switch head[4] {
	case 1:
		h.bits = 32
	case 2:
		h.bits = 64
	default:
		return nil, badELF("", "ELF file of class %d", head[4])
	}
	switch head[5] {
	case 1:
	case 2:
		h.order = binary.BigEndian
	default:
		return nil, badELF("", "ELF file with byte order %d", head[5])
	}
	order := h.order
	if k.order != nil {
		order = k.order
	}
	typ, number := order.Uint16(head[16:]), order.Uint16(head[18:])
	machine := elfview.MachineName(number)
	switch {
	case typ != etRel:
		return nil, badELF(fmt.Sprintf("Invalid ELF header type: %d != %d", typ, etRel), "ELF file of type %d, not relocatable", typ)
	case k.Arch != "" && machine != k.Arch:
		return nil, badELF(fmt.Sprintf("Invalid architecture in ELF header: %d", number), "for %s, the kernel is for %s", machine, k.Arch)
	case k.Arch != "" && h.bits != k.Bits:
		return nil, badELF("", "ELF file of %d bits, the kernel has %d", h.bits, k.Bits)
	case h.order != order:
		return nil, badELF("", "%v, the kernel is %v", h.order, k.order)
	case h.bits == 64 && len(head) < 64:
		return nil, badELF("", "ELF file of 64 bits, the kernel has 32")
	}
	tail := head[len(head)-6:]
	h.at = order.Uint64(head[40:])
	if h.bits == 32 {
		tail, h.at = head[46:52], uint64(order.Uint32(head[32:]))
	}
	h.entry, h.num, h.strings = order.Uint16(tail), order.Uint16(tail[2:]), order.Uint16(tail[4:])
	return h, nil
}

// shdr is a section header, as far as it is compared here.
type shdr struct {
	name, typ       uint32
	addr, off, size uint64
}

func (h *header) section(table []byte, i int) shdr {
	b, o := table[uint64(i)*h.entrySize():], h.order
	if h.bits == 32 {
		w := func(at int) uint64 { return uint64(o.Uint32(b[at:])) }
		return shdr{o.Uint32(b), o.Uint32(b[4:]), w(12), w(16), w(20)}
	}
	return shdr{o.Uint32(b), o.Uint32(b[4:]), o.Uint64(b[16:]), o.Uint64(b[24:]), o.Uint64(b[32:])}
}

// checkSections looks at the section table and at the table of names.
func (h *header) checkSections(r io.ReaderAt, size uint64) error {
	length := uint64(h.num) * h.entrySize()
	switch {
	case uint64(h.entry) != h.entrySize():
		return badELF("Invalid ELF section header size", "section headers of %d bytes, want %d", h.entry, h.entrySize())
	case h.at >= size || length > size-h.at:
		return badELF("Invalid ELF section header overflow", "%d section headers at %d, the file has %d bytes", h.num, h.at, size)
	}
	// The kernel looks at the first one, whether there is any or not.
	table := make([]byte, max(length, min(h.entrySize(), size-h.at)))
	if n, err := r.ReadAt(table, int64(h.at)); n < len(table) {
		return fmt.Errorf("reading the section table: %w", err)
	}
	if uint64(len(table)) < h.entrySize() {
		return &notRead{"no section header, where the kernel reads one beyond the file"}
	}
	first := h.section(table, 0)
	if first.typ != shtNull || first.size != 0 || first.addr != 0 {
		return badELF(fmt.Sprintf("ELF Spec violation: section 0 type(%d)!=SH_NULL or non-zero len or addr", int32(first.typ)), "section 0 is not empty")
	}
	for i := 1; i < int(h.num); i++ {
		s := h.section(table, i)
		if s.typ != shtNull && s.typ != elfview.SHTNobits && (s.off > size || s.size > size-s.off) {
			return badELF(fmt.Sprintf("Invalid ELF section in module (section %d type %d)", i, s.typ), "section %d leaves the file", i)
		}
	}
	return h.checkNames(r, table)
}

func (h *header) checkNames(r io.ReaderAt, table []byte) error {
	if h.strings == 0 || h.strings >= h.num {
		return badELF(fmt.Sprintf("Invalid ELF section name index: %d || e_shstrndx (%d) >= e_shnum (%d)", h.strings, h.strings, h.num),
			"%d sections, and their names in section %d", h.num, h.strings)
	}
	s := h.section(table, int(h.strings))
	switch {
	case s.typ != shtStrtab:
		return badELF(fmt.Sprintf("Invalid ELF section name table type: %d", s.typ), "section names of type %d", s.typ)
	case s.size == 0:
		return badELF("empty section name table", "a table of section names without any")
	}
	var last [1]byte
	if n, err := r.ReadAt(last[:], int64(s.off+s.size-1)); n < 1 {
		return fmt.Errorf("reading the names of sections: %w", err)
	}
	if last[0] != 0 {
		return badELF("ELF Spec violation: section name table isn't null terminated", "the table of section names does not end in a zero byte")
	}
	for i := range int(h.num) {
		if x := h.section(table, i); x.typ != shtNull && uint64(x.name) >= s.size {
			return badELF(fmt.Sprintf("Invalid ELF section name in module (section %d type %d)", i, x.typ), "the name of section %d is not in the table of names", i)
		}
	}
	return nil
}
