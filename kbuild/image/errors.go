// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"fmt"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// ErrTooLarge is what [Open] wraps if the image would decode to more than
// [Options.Limit].
var ErrTooLarge = codec.ErrTooLarge

// ErrUnknown is what [Open] wraps for a file that is no kernel image, or one of
// a form that is not read; the error names the form if it is known.
var ErrUnknown = errors.New("not a kernel image that can be read")

// FormatError says that a file looks like an image but is a malformed one.
type FormatError struct {
	Offset int64 // in the layer that is at fault; the error around this one names it if it is not the file
	Reason string
	Err    error // the cause, or nil
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("malformed kernel image at offset %d: %s", e.Offset, e.Reason)
}

func (e *FormatError) Unwrap() error { return e.Err }

func badf(off int64, format string, args ...any) error {
	return &FormatError{Offset: off, Reason: fmt.Sprintf(format, args...)}
}

// fromPart gives the errors of the packages below this one's type. The part of
// the image that was read begins at offset base.
func fromPart(base int64, what string, err error) error {
	var ce *codec.FormatError
	var ee *elfview.FormatError
	switch {
	case errors.As(err, &ce):
		return &FormatError{base + ce.Offset, what + fmt.Sprintf("%s: %s", ce.Format, ce.Reason), err}
	case errors.As(err, &ee):
		return &FormatError{base + ee.Offset, what + ee.Reason, err}
	case errors.Is(err, elfview.ErrNotELF): // it starts like one, and ends too soon
		return &FormatError{base, what + err.Error(), err}
	}
	return err
}
