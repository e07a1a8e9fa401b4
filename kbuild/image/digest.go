// SPDX-License-Identifier: Apache-2.0

// Package image reads a kernel's boot image.
//
// # Digest
//
// The digest of an image is the SHA-256 of the file as shipped, without what a
// signer adds to it, so that a signed and an unsigned image of one build have
// one digest:
//
//   - A PE file (an image with an EFI stub): in file order all bytes except the
//     CheckSum field (4 bytes), the Certificate Table entry of the data
//     directory (8 bytes, if the directory has more than 4 entries) and the
//     attribute certificate table, which must end the file and hold no part of
//     the headers or of a section; then zero bytes until the offset at which
//     hashing stopped is a multiple of 8, because signing tools pad the file
//     so. Source: "Windows Authenticode Portable Executable Signature Format"
//     and the PE/COFF specification.
//   - A file that ends in a module trailer (s390, powerpc): all before it.
//   - Any other file: all of it.
package image

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/modsig/trailer"
)

// FormatError says that a file looks like an image but is a malformed one.
type FormatError struct {
	Offset int64
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("malformed kernel image at offset %d: %s", e.Offset, e.Reason)
}

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
		return hashset.Digest{}, Raw, &FormatError{0, "the file is empty"}
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
	var dos [64]byte
	n, err := r.ReadAt(dos[:min(size, 64)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, Raw, fmt.Errorf("reading image: %w", err)
	}
	if n == 64 && dos[0] == 'M' && dos[1] == 'Z' {
		at := int64(binary.LittleEndian.Uint32(dos[0x3c:]))
		var sig [4]byte
		if at <= size-4 {
			if got, err := r.ReadAt(sig[:], at); got < 4 {
				return nil, Raw, fmt.Errorf("reading image: %w", err)
			}
			if string(sig[:]) == "PE\x00\x00" {
				return peLayout(r, size, at+4)
			}
		}
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
			return nil, Trailed, &FormatError{t.Payload, "one signature trailer upon another"}
		}
		return []span{{0, t.Payload}}, Trailed, nil
	case trailer.Malformed, trailer.Junk:
		return nil, Trailed, &FormatError{max(0, size-trailer.BlockSize-int64(len(trailer.Marker))), t.Reason}
	}
	return []span{{0, size}}, Raw, nil
}

// Offsets in the PE headers, from the start of the COFF header.
const (
	coffSize       = 20
	sectionsAt     = 2
	optSizeAt      = 16
	magicPE32      = 0x10b
	magicPE32Plus  = 0x20b
	checksumAt     = coffSize + 64
	certificateIdx = 4
)

// peLayout leaves out of a PE file what its signature does not cover; coff is
// the offset of the COFF header.
func peLayout(r io.ReaderAt, size, coff int64) ([]span, Form, error) {
	bad := func(off int64, format string, args ...any) ([]span, Form, error) {
		return nil, PE, &FormatError{off, fmt.Sprintf(format, args...)}
	}
	// The part of the headers that is looked at ends, at the latest, behind the
	// Certificate Table entry of a PE32+ file.
	const most = coffSize + 112 + 8*(certificateIdx+1)
	var head [most]byte
	n, err := r.ReadAt(head[:min(most, size-coff)], coff)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, PE, fmt.Errorf("reading image: %w", err)
	}
	if n < coffSize+2 {
		return bad(size, "the file ends within the PE headers")
	}
	le := binary.LittleEndian
	optSize := int64(le.Uint16(head[optSizeAt:]))
	var countAt int64
	switch magic := le.Uint16(head[coffSize:]); magic {
	case magicPE32:
		countAt = coffSize + 92
	case magicPE32Plus:
		countAt = coffSize + 108
	default:
		return bad(coff+coffSize, "PE optional header of kind 0x%x", magic)
	}
	if coffSize+optSize < countAt+4 || int64(n) < countAt+4 {
		return bad(coff+optSizeAt, "PE optional header of %d bytes is too short", optSize)
	}
	if coff+coffSize+optSize > size {
		return bad(coff+optSizeAt, "PE optional header of %d bytes leaves the file", optSize)
	}
	sum := coff + checksumAt
	if le.Uint32(head[countAt:]) <= certificateIdx {
		return []span{{0, sum}, {sum + 4, size}}, PE, nil
	}
	dir := countAt + 4 + 8*certificateIdx
	if coffSize+optSize < dir+8 || int64(n) < dir+8 {
		return bad(coff+countAt, "PE data directory leaves the optional header")
	}
	off, length := int64(le.Uint32(head[dir:])), int64(le.Uint32(head[dir+4:]))
	parts := []span{{0, sum}, {sum + 4, coff + dir}, {coff + dir + 8, size}}
	if off == 0 && length == 0 {
		return parts, PE, nil
	}
	switch {
	case off < coff+coffSize+optSize || length == 0:
		return bad(coff+dir, "PE certificate table of %d bytes at offset %d", length, off)
	case off+length != size:
		return bad(coff+dir, "PE certificate table ends at offset %d, not with the file at %d", off+length, size)
	}
	if err := checkSections(r, coff+coffSize+optSize, int64(le.Uint16(head[sectionsAt:])), off); err != nil {
		return nil, PE, err
	}
	parts[2].end = off
	return parts, PESigned, nil
}

// checkSections refuses an image with a section of which a part lies in the
// certificate table, from offset end on: a loader would read it, and the digest
// would not cover it. The n section headers are at offset at.
func checkSections(r io.ReaderAt, at, n, end int64) error {
	const size, rawSizeAt, rawOffAt = 40, 16, 20
	if at+n*size > end {
		return &FormatError{at, fmt.Sprintf("PE certificate table at offset %d overlaps the headers of %d sections", end, n)}
	}
	headers := make([]byte, n*size)
	if got, err := r.ReadAt(headers, at); got < len(headers) {
		return fmt.Errorf("reading image: %w", err)
	}
	le := binary.LittleEndian
	for i := range n {
		h := headers[i*size:]
		raw, off := int64(le.Uint32(h[rawSizeAt:])), int64(le.Uint32(h[rawOffAt:]))
		if raw > 0 && off+raw > end {
			return &FormatError{at + i*size, fmt.Sprintf("PE section %d ends at offset %d, in the certificate table at %d", i, off+raw, end)}
		}
	}
	return nil
}
