// SPDX-License-Identifier: Apache-2.0

package pkgfile

import "fmt"

// Problem is something in an archive that is not what it should be and that a
// reader could stumble over, or be made to.
type Problem struct {
	Member int // index into Members, or -1 for the archive as a whole
	Kind   ProblemKind
	Text   string // for people; does not repeat the member's name
}

// ProblemKind says what is wrong. Its text is stable.
type ProblemKind string

// The kinds of problems.
const (
	// BadName: the name is empty, or holds a NUL or another control byte.
	BadName ProblemKind = "bad-name"
	// AbsoluteName: the name begins with a slash.
	AbsoluteName ProblemKind = "absolute-name"
	// ParentName: the name holds a ".." element.
	ParentName ProblemKind = "parent-name"
	// DuplicateName: an earlier member of the same area has the same Name.
	DuplicateName ProblemKind = "duplicate-name"
	// UnderLink: an element of the name is a symbolic link in the same area, so
	// that the file ends up elsewhere than its name says.
	UnderLink ProblemKind = "under-link"
	// SpecialFile: a device node, named pipe or socket.
	SpecialFile ProblemKind = "special-file"
	// BadLink: a hard link leads to no earlier member, is absolute or leads out
	// of the tree.
	BadLink ProblemKind = "bad-link"
	// Unsupported: a type of entry or a feature that this package does not
	// know. The content of such a member cannot be read.
	Unsupported ProblemKind = "unsupported"
	// TrailingData: there is something after the end, or in the padding of an
	// ar or cpio archive.
	TrailingData ProblemKind = "trailing-data"
	// Inconsistent: two places in the archive contradict each other.
	Inconsistent ProblemKind = "inconsistent"
	// DigestMismatch: a content or header does not have the digest or checksum
	// that the archive states for it.
	DigestMismatch ProblemKind = "digest-mismatch"
)

// Kinds returns all kinds.
func Kinds() []ProblemKind {
	return []ProblemKind{
		BadName, AbsoluteName, ParentName, DuplicateName, UnderLink, SpecialFile, BadLink,
		Unsupported, TrailingData, Inconsistent, DigestMismatch,
	}
}

// String returns the kind and the text.
func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Kind, p.Text) }

// clip shortens what an archive says for use in a message: a hostile name can
// be a megabyte long.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
