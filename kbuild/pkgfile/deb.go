// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

// What follows "control.tar" and "data.tar" in deb(5). bzip2 and lzma are
// obsolete and never were allowed for control.
var (
	controlSuffixes = map[string]codec.Format{
		"": codec.Plain, ".gz": codec.Gzip, ".xz": codec.XZ, ".zst": codec.Zstd,
	}
	dataSuffixes = map[string]codec.Format{
		"": codec.Plain, ".gz": codec.Gzip, ".xz": codec.XZ, ".zst": codec.Zstd,
		".bz2": codec.Bzip2, ".lzma": codec.LZMA,
	}
)

// debVersion is the first line of debian-binary. deb(5) lets readers ignore a
// higher minor number and further lines.
var debVersion = regexp.MustCompile(`^2\.[0-9]+\n`)

// debParts is which of the required members have been seen.
type debParts struct{ version, control, data bool }

// readDeb reads a Debian package. The three members that make it have to be
// there once and in order, because readers disagree on anything else.
func (o *opener) readDeb() error {
	ar := &arReader{r: o, size: o.size, next: int64(len(arMagic))}
	var seen debParts
	for {
		at := ar.next
		m, err := ar.member()
		if err != nil {
			return o.arBroken(err)
		}
		if m == nil {
			break
		}
		i, err := o.add(m.Member, content{inFile, m.off, m.Size})
		if err != nil {
			return err
		}
		if m.pad != '\n' {
			o.problem(i, TrailingData, "padding byte is 0x%02x instead of a line feed", m.pad)
		}
		if err := o.debMember(&seen, i, at, m.off); err != nil {
			return err
		}
	}
	switch {
	case !seen.control:
		return &FormatError{Path: o.path, Layer: "ar", Offset: o.size, Reason: "package has no control.tar member"}
	case !seen.data:
		return &FormatError{Path: o.path, Layer: "ar", Offset: o.size, Reason: "package has no data.tar member"}
	}
	return nil
}

func (o *opener) arBroken(err error) error {
	var ae *arError
	if !errors.As(err, &ae) {
		return err
	}
	return o.broken("ar", ae.off, ae.reason, ae.err)
}

// debMember reads what is in row i, an ar member with its header at byte at and
// its content at byte off.
func (o *opener) debMember(seen *debParts, i int, at, off int64) error {
	m := o.members[i]
	bad := func(format string, args ...any) error {
		return &FormatError{Path: o.path, Layer: "ar", Offset: at, Reason: fmt.Sprintf(format, args...)}
	}
	control, isControl := strings.CutPrefix(m.Name, "control.tar")
	data, isData := strings.CutPrefix(m.Name, "data.tar")
	switch {
	case m.Name == "debian-binary":
		if seen.version {
			return bad("second debian-binary member")
		}
		seen.version = true
		return o.checkDebVersion(off, m.Size)
	case !seen.version:
		return bad("first member is %q and not debian-binary", clip(m.Raw))
	case isControl:
		if seen.control {
			return bad("second control.tar member (%q)", m.Raw)
		}
		seen.control = true
		format, ok := controlSuffixes[control]
		if !ok {
			return bad("control archive %q is compressed in a way that a deb cannot be", m.Raw)
		}
		return o.debTar("control", "control.tar", i, off, format)
	case isData:
		switch {
		case !seen.control:
			return bad("%q stands before control.tar", m.Raw)
		case seen.data:
			return bad("second data.tar member (%q)", m.Raw)
		}
		seen.data = true
		format, ok := dataSuffixes[data]
		if !ok {
			return bad("data archive %q is compressed in a way that a deb cannot be", m.Raw)
		}
		return o.debTar("", "data.tar", i, off, format)
	case !seen.data && !strings.HasPrefix(m.Name, "_"):
		o.problem(i, Unsupported, `member before data.tar; dpkg takes only names that begin with "_" there`)
	}
	return nil
}

func (o *opener) checkDebVersion(off, size int64) error {
	b := make([]byte, min(size, 64))
	if _, err := o.ReadAt(b, off); err != nil && err != io.EOF {
		return o.broken("debian-binary", 0, "cannot be read", err)
	}
	if !debVersion.Match(b) {
		return &FormatError{Path: o.path, Layer: "debian-binary", Reason: fmt.Sprintf("%q is not a version line of format 2", b)}
	}
	return nil
}

// debTar reads the tar archive in row i.
func (o *opener) debTar(area, name string, i int, off int64, format codec.Format) error {
	m := o.members[i]
	l, err := o.open(m.Name, name, off, m.Size, format)
	if err != nil {
		return err
	}
	return l.done(o.readTar(l, area))
}
