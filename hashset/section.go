// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// rootSize is the size in bytes of struct module_hashes_root.
const rootSize = 4 + sha256.Size

// maxLevels is the depth of a tree over as many modules as a position of 32 bits
// can tell apart.
const maxLevels = 32

// AppendTo appends the kernel's struct module_hashes_root, 36 bytes without
// padding: the levels, in the byte order of the target, and the hash. It does not
// ask whether r makes sense.
func (r Root) AppendTo(b []byte, order binary.ByteOrder) []byte {
	var n [4]byte
	order.PutUint32(n[:], r.Levels)
	return append(append(b, n[:]...), r.Hash[:]...)
}

// fault names what makes r the root of no tree. The zero Root is that of a build
// without modules.
func (r Root) fault() string {
	switch zero := r.Hash == (Digest{}); {
	case r.Levels > maxLevels:
		return fmt.Sprintf("%d levels, where %d are the most", r.Levels, maxLevels)
	case r.Levels == 0 && !zero:
		return "0 levels with a hash that is not zero"
	case r.Levels > 0 && zero:
		return fmt.Sprintf("%d levels with a hash of zeros", r.Levels)
	}
	return ""
}

// Section is what a kernel image holds in its section .module_hashes.
type Section struct {
	Scheme  Scheme   // Merkle or Flat
	Root    Root     // as a manifest states it
	Digests []Digest // for Flat
}

// SectionError says why bytes are no section that a build makes.
type SectionError struct {
	// Section is what the bytes say all the same, because a kernel takes any
	// root as it stands. Its Scheme is empty if the size fits neither scheme.
	Section Section
	Offset  int // in bytes, into the section
	Reason  string
}

func (e *SectionError) Error() string {
	return fmt.Sprintf(".module_hashes, offset %d: %s", e.Offset, e.Reason)
}

// ParseSection reads the content of .module_hashes of an image whose byte order
// is order. 36 bytes are [Root.AppendTo]; a multiple of 32 bytes, which 36 is
// not, is a flat list of digests, in which the byte order plays no part and none
// is the list of no modules. The result takes as much memory as b.
//
// A size that is neither, a root of more than 32 levels, one with either levels
// or hash zero but not both, and a flat list in which some digests are zero are a
// [*SectionError]. All zero is a placeholder: see [Section.Placeholder].
func ParseSection(b []byte, order binary.ByteOrder) (Section, error) {
	switch {
	case len(b) == rootSize:
		s := Section{Scheme: Merkle, Root: Root{Levels: order.Uint32(b), Hash: Digest(b[4:])}}
		if reason := s.Root.fault(); reason != "" {
			return Section{}, &SectionError{Section: s, Reason: reason}
		}
		return s, nil
	case len(b)%sha256.Size == 0:
		return parseFlat(b)
	}
	return Section{}, &SectionError{Offset: len(b), Reason: fmt.Sprintf(
		"size of %d bytes, want %d for a Merkle root or a multiple of %d for a flat list", len(b), rootSize, sha256.Size)}
}

func parseFlat(b []byte) (Section, error) {
	s := Section{Scheme: Flat, Digests: make([]Digest, len(b)/sha256.Size)}
	for i := range s.Digests {
		s.Digests[i] = Digest(b[i*sha256.Size:])
	}
	s.Root = FlatRoot(s.Digests)
	if i, mixed := mixedZero(s.Digests); mixed {
		return Section{}, &SectionError{Section: s, Offset: i * sha256.Size,
			Reason: fmt.Sprintf("digest %d is zero, others are not", i)}
	}
	return s, nil
}

// mixedZero finds the first zero digest of a list in which others are not zero.
func mixedZero(list []Digest) (first int, mixed bool) {
	zeros := 0
	for i := range list {
		if list[i] == (Digest{}) {
			if zeros == 0 {
				first = i
			}
			zeros++
		}
	}
	return first, zeros > 0 && zeros < len(list)
}

// Placeholder reports whether the section holds at least one byte and all are
// zero: what is linked first, to be overwritten when the modules exist. The
// Merkle root of a build without modules is the same 36 zero bytes.
func (s Section) Placeholder() bool {
	switch s.Scheme {
	case Merkle:
		return s.Root == Root{}
	case Flat:
		for i := range s.Digests {
			if s.Digests[i] != (Digest{}) {
				return false
			}
		}
		return len(s.Digests) > 0
	}
	return false
}

// AppendTo appends the bytes of the section: the root for [Merkle], the digests
// for [Flat], nothing for [None].
func (s Section) AppendTo(b []byte, order binary.ByteOrder) []byte {
	switch s.Scheme {
	case Merkle:
		b = s.Root.AppendTo(b, order)
	case Flat:
		for i := range s.Digests {
			b = append(b, s.Digests[i][:]...)
		}
	}
	return b
}
