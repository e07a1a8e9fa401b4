// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"errors"
	"fmt"
	"io"
)

// FormatError reports an archive that breaks the rules of its format.
type FormatError struct {
	Path string // as given to Open
	// Layer is the part that is broken: "file", "ar", "control.tar",
	// "data.tar", "tar", "cpio", "rpm lead", "rpm signature", "rpm header"; for
	// a compressed stream the name of its ar member, as "data.tar.xz", or for
	// others the compression, as "zstd".
	Layer string
	// Offset is where in the layer, in bytes: from the start of the file for
	// "file", "ar" and the parts of an rpm; of the unpacked stream for tar and
	// cpio; for a compressed stream the number of bytes unpacked before.
	Offset int64
	Reason string
	Err    error // what was met below, or nil
}

// Error returns path, layer, offset and reason.
func (e *FormatError) Error() string {
	s := fmt.Sprintf("%s: %s: at byte %d: %s", e.Path, e.Layer, e.Offset, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *FormatError) Unwrap() error { return e.Err }

// LimitError reports an archive that exceeds a limit. It may be a bomb, or just
// large: who trusts the file can raise the limit.
type LimitError struct {
	Path   string
	What   string // what there is too much of
	Max    int64  // the limit, in the unit of What
	Option string // the field of Options that raises it, or "" if it is fixed
}

// Error returns path, limit and how to raise it.
func (e *LimitError) Error() string {
	s := fmt.Sprintf("%s: more than %d %s", e.Path, e.Max, e.What)
	if e.Option == "" {
		return s
	}
	return s + "; raise the limit (" + e.Option + ") if the file is to be trusted"
}

// cutOff reports whether err says that a stream ended too early.
func cutOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
