// SPDX-License-Identifier: Apache-2.0

package image

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/modsig/trailer"
)

// Form is what signing adds to an image.
type Form uint8

const (
	Raw      Form = iota // nothing: every byte counts
	PE                   // a PE file without a signature
	PESigned             // a PE file with an attribute certificate table
	Trailed              // a module trailer at the end
)

func (f Form) String() string {
	return [...]string{"raw", "pe", "pe-signed", "trailer"}[f]
}

// Digest computes the digest of the image in the first size bytes of r.
func Digest(r io.ReaderAt, size int64) (hashset.Digest, Form, error) {
	if size <= 0 {
		return hashset.Digest{}, Raw, badf(0, "the file is empty")
	}
	parts, form, err := layout(r, size)
	if err != nil {
		return hashset.Digest{}, form, err
	}
	h := sha256.New()
	var end int64
	for _, p := range parts {
		n, err := io.Copy(h, io.NewSectionReader(r, p.off, p.end-p.off))
		if err == nil && n < p.end-p.off {
			err = io.ErrUnexpectedEOF // the file has shrunk
		}
		if err != nil {
			return hashset.Digest{}, form, fmt.Errorf("reading image at offset %d: %w", p.off+n, err)
		}
		end = p.end
	}
	if form == PE || form == PESigned {
		var zero [8]byte
		h.Write(zero[:(8-end%8)%8])
	}
	var d hashset.Digest
	h.Sum(d[:0])
	return d, form, nil
}

// span is a range of bytes of the file.
type span struct{ off, end int64 }

// layout says which bytes are hashed.
func layout(r io.ReaderAt, size int64) ([]span, Form, error) {
	p, err := readPE(r, size)
	switch {
	case p != nil && err != nil:
		return nil, PE, err
	case err != nil:
		return nil, Raw, err
	case p != nil:
		return p.layout(r, size)
	}
	t, err := trailer.Split(r, size)
	if err != nil {
		return nil, Raw, fmt.Errorf("reading image: %w", err)
	}
	switch t.State {
	case trailer.Valid:
		again, err := trailer.EndsInMarker(r, t.Payload)
		if err != nil {
			return nil, Trailed, fmt.Errorf("reading image: %w", err)
		}
		if again {
			return nil, Trailed, badf(t.Payload, "one signature trailer upon another")
		}
		return []span{{0, t.Payload}}, Trailed, nil
	case trailer.Malformed, trailer.Junk:
		return nil, Trailed, badf(max(0, size-trailer.BlockSize-int64(len(trailer.Marker))), "%s", t.Reason)
	}
	return []span{{0, size}}, Raw, nil
}

// layout leaves out of a PE file what its signature does not cover.
func (p *peFile) layout(r io.ReaderAt, size int64) ([]span, Form, error) {
	sum := p.coff + checksumAt
	if p.entries <= certificateIdx {
		return []span{{0, sum}, {sum + 4, size}}, PE, nil
	}
	dir := p.countAt + 4 + 8*certificateIdx
	if coffSize+p.optSize < dir+8 || int64(len(p.head)) < dir+8 {
		return nil, PE, badf(p.coff+p.countAt, "PE data directory leaves the optional header")
	}
	le := binary.LittleEndian
	off, length := int64(le.Uint32(p.head[dir:])), int64(le.Uint32(p.head[dir+4:]))
	parts := []span{{0, sum}, {sum + 4, p.coff + dir}, {p.coff + dir + 8, size}}
	if off == 0 && length == 0 {
		return parts, PE, nil
	}
	switch {
	case off < p.tableAt() || length == 0:
		return nil, PE, badf(p.coff+dir, "PE certificate table of %d bytes at offset %d", length, off)
	case off+length != size:
		return nil, PE, badf(p.coff+dir, "PE certificate table ends at offset %d, not with the file at %d", off+length, size)
	case p.tableAt()+p.sections*peSectionSize > off:
		return nil, PE, badf(p.tableAt(), "PE certificate table at offset %d overlaps the headers of %d sections", off, p.sections)
	}
	// A section with a part in the certificate table would be loaded, and the
	// digest would not cover it.
	sections, err := p.readSections(r, off)
	if err != nil {
		return nil, PE, err
	}
	for i, s := range sections {
		if s.raw > 0 && s.Offset+s.raw > off {
			return nil, PE, badf(p.tableAt()+int64(i)*peSectionSize,
				"PE section %d ends at offset %d, in the certificate table at %d", i, s.Offset+s.raw, off)
		}
	}
	parts[2].end = off
	return parts, PESigned, nil
}
