// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"errors"
	"time"

	"github.com/miekg/pkcs11"
)

// SoftHSM notes at each login, right or wrong, in the token's file that there was
// one. It empties the file first, and lets go of its own lock before it has written
// what is to be in there (ObjectFile::writeAttributes in 2.6.1 unlocks, and File's
// destructor writes). A process that reads the file in that moment finds the token
// gone, or without a label, or without a PIN, or C_Login fails before it has looked
// at the PIN. So these programs take turns, and what may have come of the login of
// another program is tried again for a while.
const (
	turnWait = 20 * time.Second // for the others; a login takes a few milliseconds
	patience = 2 * time.Second  // with a token that is not there
	maxPause = 100 * time.Millisecond
)

// passingError is one that may be gone in a moment, and by which no PIN was tried.
type passingError struct{ error }

func (e passingError) Unwrap() error { return e.error }

// inTurn calls f while no other of these programs is at a token of the module, and
// again if its error may be passing, for patience. How long the turns are waited for
// does not count.
func inTurn(module string, f func() error) error {
	var tried time.Duration
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, maxPause) {
		give := takeTurn(module, turnWait)
		start := time.Now()
		err := f()
		give()
		var passing passingError
		if !errors.As(err, &passing) {
			return err
		}
		if tried += time.Since(start) + pause; tried > patience {
			return passing.error
		}
		time.Sleep(pause)
	}
}

// untried reports whether a login ended before the token compared the PIN. Any other
// answer than these may be of a token that has counted one.
func (t *cryptoki) untried(err error) bool {
	return is(err, pkcs11.CKR_USER_PIN_NOT_INITIALIZED) || t.unread(err)
}

// unread reports whether SoftHSM failed to read the token's file, which it does
// before it looks at the PIN. It counts none.
func (t *cryptoki) unread(err error) bool {
	return is(err, pkcs11.CKR_GENERAL_ERROR) && ofSoftHSM(&t.info)
}

func ofSoftHSM(info *pkcs11.TokenInfo) bool { return trim(info.ManufacturerID) == "SoftHSM project" }
