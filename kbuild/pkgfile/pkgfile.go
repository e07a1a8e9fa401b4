// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/modhash/modhash/kbuild/internal/spool"
)

// Kind is the format of an archive. The zero Kind is no archive.
type Kind uint8

// The kinds of archives. Tar and Cpio stand for compressed ones as well.
const (
	Deb  Kind = iota + 1 // Debian package
	RPM                  // RPM package, binary or source
	Tar                  // tar archive, .pkg.tar.zst and the like
	Cpio                 // cpio archive in the newc or crc format
)

// String returns "deb", "rpm", "tar" or "cpio".
func (k Kind) String() string {
	switch k {
	case Deb:
		return "deb"
	case RPM:
		return "rpm"
	case Tar:
		return "tar"
	case Cpio:
		return "cpio"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Options bound what [Open] may use. A nil *Options and zero fields mean the
// defaults.
type Options struct {
	// TempDir is the folder of the temporary file that takes the contents of
	// compressed layers; "" means [os.TempDir].
	TempDir string
	// MaxUnpacked is the number of bytes that all compressed layers together
	// may unpack to, 16 GiB by default. Holes of sparse files count.
	MaxUnpacked int64
	// MaxMembers is the number of rows that the table may have, 1<<20 by
	// default.
	MaxMembers int
}

const (
	defaultMaxUnpacked = 16 << 30
	defaultMaxMembers  = 1 << 20
)

// Member is one row of the table: a file, or something else that has a name in
// the archive.
type Member struct {
	Area string // see the package comment; "" for the tree that is installed
	// Name is Raw as a clean slash-separated path relative to the root of its
	// area: no leading "./" or "/", no "." or ".." element, no "/" at the end.
	// The root itself is ".". Name is "" if Raw is empty, holds a NUL byte or
	// leads out of the root.
	Name string
	Raw  string // the name exactly as stored
	// Mode holds type bits, permissions, setuid, setgid and sticky. An entry
	// of a type that is not known has fs.ModeIrregular.
	Mode        fs.FileMode
	UID, GID    int       // 0 if the format has none (rpm, which has names only)
	User, Group string    // "" if the format has none
	MTime       time.Time // UTC, as precise as the format; zero if it has none
	// Size is the length of the content in bytes; for a hard link that of the
	// member it leads to, for a sparse file that with its holes, for members
	// without content 0.
	Size int64
	// Link is the target of a symbolic link as stored; of a hard link the Name
	// of the member that holds the content, or the target as stored if there
	// is no such member.
	Link         string
	Hard         bool   // this is a hard link to Link
	Major, Minor uint32 // of device nodes
	// Xattrs are extended attributes, sorted by Name, under the name they have
	// in the file system ("security.capability"). Metadata that no other field
	// holds is among them under a name of its format: "pax:KEY" for other
	// records of a pax header, "rpm:FILECAPS" and "rpm:FILESIGNATURES" for
	// what an rpm header states in text.
	Xattrs []Xattr
}

// Xattr is one extended attribute. Value is binary.
type Xattr struct{ Name, Value string }

// Archive is an open archive. Its methods may be called concurrently, except
// that Close ends everything.
type Archive struct {
	path     string
	kind     Kind
	file     file
	spool    *spool.Spool
	members  []Member
	contents []content // of the member at the same index
	problems []Problem
}

// content says where a member's bytes are.
type content struct {
	src       source
	off, size int64
}

type source uint8

const (
	nowhere source = iota // no content
	inFile
	inSpool
)

// Kind returns the format of the archive.
func (a *Archive) Kind() Kind { return a.kind }

// Path returns the path that was given to [Open].
func (a *Archive) Path() string { return a.path }

// Members returns the table in the order of the archive. The slice belongs to
// the Archive and must not be changed.
func (a *Archive) Members() []Member { return a.members }

// Problems returns what was found, ordered by member as far as findings belong
// to one. The slice belongs to the Archive and must not be changed.
func (a *Archive) Problems() []Problem { return a.problems }

// Content returns a reader over the content of the member with index i: a
// regular file, a hard link to one, or a member of the areas "ar" and "header".
// Anything else has no content and gives an error that wraps [fs.ErrInvalid].
// The reader is good until Close; readers do not share an offset.
func (a *Archive) Content(i int) (*io.SectionReader, error) {
	if i < 0 || i >= len(a.members) {
		return nil, fmt.Errorf("%s: no member %d: %w", a.path, i, fs.ErrInvalid)
	}
	c := a.contents[i]
	switch c.src {
	case inFile:
		return io.NewSectionReader(a.file, c.off, c.size), nil
	case inSpool:
		return a.spool.Section(c.off, c.size), nil
	}
	return nil, fmt.Errorf("%s: member %d (%q) has no content: %w", a.path, i, clip(a.members[i].Raw), fs.ErrInvalid)
}

// Close closes the file and frees the temporary file.
func (a *Archive) Close() error {
	return errors.Join(a.file.Close(), a.spool.Close())
}
