// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"errors"
	"fmt"
)

// ErrTooLarge says that the decoded data would be larger than the caller's
// limit. It comes wrapped in a FormatError.
var ErrTooLarge = errors.New("decoded data is larger than the limit")

// FormatError says that the input is not what the format, or this package's
// limits, allow.
type FormatError struct {
	Offset int64  // in the compressed input, of the field at fault or shortly after it
	Reason string // what is wrong, in lower case
	Err    error  // ErrTooLarge, io.ErrUnexpectedEOF or nil
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("xz: %s at offset %d", e.Reason, e.Offset)
}

func (e *FormatError) Unwrap() error { return e.Err }

func failf(off int64, format string, args ...any) error {
	return &FormatError{Offset: off, Reason: fmt.Sprintf(format, args...)}
}
