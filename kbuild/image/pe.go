// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Offsets in the PE headers, from the start of the COFF header ("PE Format" by
// Microsoft, sections "COFF File Header" and "Optional Header").
const (
	coffSize       = 20
	sectionsAt     = 2
	optSizeAt      = 16
	magicPE32      = 0x10b
	magicPE32Plus  = 0x20b
	checksumAt     = coffSize + 64
	certificateIdx = 4
	peSectionSize  = 40
)

// peFile is what the headers of a PE file say.
type peFile struct {
	coff     int64  // offset of the COFF header
	head     []byte // from there on, as much as matters here
	machine  uint16
	sections int64 // section headers
	optSize  int64 // bytes of the optional header
	countAt  int64 // of the data directory's count, from coff
	entries  uint32
}

// tableAt is the offset of the section headers.
func (p *peFile) tableAt() int64 { return p.coff + coffSize + p.optSize }

// readPE reads the headers of the file in the first size bytes of r. It returns
// nil and no error if that is no PE file. If it is one and malformed, both the
// error and the result are set, the latter of no further use.
func readPE(r io.ReaderAt, size int64) (*peFile, error) {
	var dos [64]byte
	n, err := r.ReadAt(dos[:min(size, 64)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading image: %w", err)
	}
	if n < 64 || dos[0] != 'M' || dos[1] != 'Z' {
		return nil, nil
	}
	at := int64(binary.LittleEndian.Uint32(dos[0x3c:]))
	if at > size-4 {
		return nil, nil
	}
	var sig [4]byte
	if got, err := r.ReadAt(sig[:], at); got < 4 {
		return nil, fmt.Errorf("reading image: %w", err)
	}
	if string(sig[:]) != "PE\x00\x00" {
		return nil, nil
	}
	p := &peFile{coff: at + 4}
	return p, p.read(r, size)
}

func (p *peFile) read(r io.ReaderAt, size int64) error {
	// The part of the headers that is looked at ends, at the latest, behind the
	// Certificate Table entry of a PE32+ file.
	const most = coffSize + 112 + 8*(certificateIdx+1)
	p.head = make([]byte, min(most, size-p.coff))
	n, err := r.ReadAt(p.head, p.coff)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading image: %w", err)
	}
	p.head = p.head[:n]
	if n < coffSize+2 {
		return badf(size, "the file ends within the PE headers")
	}
	le := binary.LittleEndian
	p.machine = le.Uint16(p.head)
	p.sections = int64(le.Uint16(p.head[sectionsAt:]))
	p.optSize = int64(le.Uint16(p.head[optSizeAt:]))
	switch magic := le.Uint16(p.head[coffSize:]); magic {
	case magicPE32:
		p.countAt = coffSize + 92
	case magicPE32Plus:
		p.countAt = coffSize + 108
	default:
		return badf(p.coff+coffSize, "PE optional header of kind 0x%x", magic)
	}
	if coffSize+p.optSize < p.countAt+4 || int64(n) < p.countAt+4 {
		return badf(p.coff+optSizeAt, "PE optional header of %d bytes is too short", p.optSize)
	}
	if p.coff+coffSize+p.optSize > size {
		return badf(p.coff+optSizeAt, "PE optional header of %d bytes leaves the file", p.optSize)
	}
	p.entries = le.Uint32(p.head[p.countAt:])
	return nil
}

// Section is a section of a PE file.
type Section struct {
	Name   string
	Offset int64 // in the file
	Size   int64 // without the padding in the file
	raw    int64 // with it
}

// readSections reads the section headers, which must end at or before offset
// end. Where the sections themselves lie is not looked at.
func (p *peFile) readSections(r io.ReaderAt, end int64) ([]Section, error) {
	if p.tableAt()+p.sections*peSectionSize > end {
		return nil, badf(p.tableAt(), "headers of %d PE sections leave the file", p.sections)
	}
	headers := make([]byte, p.sections*peSectionSize)
	if got, err := r.ReadAt(headers, p.tableAt()); got < len(headers) {
		return nil, fmt.Errorf("reading image: %w", err)
	}
	le := binary.LittleEndian
	sections := make([]Section, p.sections)
	for i := range sections {
		h := headers[i*peSectionSize:]
		name, _, _ := bytes.Cut(h[:8], []byte{0})
		virtual, raw := int64(le.Uint32(h[8:])), int64(le.Uint32(h[16:]))
		sections[i] = Section{Name: string(name), Offset: int64(le.Uint32(h[20:])), Size: raw, raw: raw}
		if virtual > 0 {
			sections[i].Size = min(virtual, raw)
		}
	}
	return sections, nil
}

// machineName names a PE machine as [elfview.MachineName] does an ELF one.
func (p *peFile) machineName() string {
	switch p.machine {
	case 0x14c:
		return "i386"
	case 0x8664:
		return "x86_64"
	case 0xaa64:
		return "aarch64"
	case 0x1c0, 0x1c2, 0x1c4:
		return "arm"
	case 0x5032, 0x5064:
		return "riscv"
	case 0x6232, 0x6264:
		return "loongarch"
	}
	return fmt.Sprintf("pe-0x%x", p.machine)
}
