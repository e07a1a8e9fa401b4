// SPDX-License-Identifier: Apache-2.0

package modsig

import "fmt"

// Errno is a kernel's answer to a signature, by the name of its error number.
// Numbers differ between architectures, names do not. The empty value is
// success.
//
// Beside the constants, "EMSGSIZE" (a message above 65535 bytes) and "ENOENT"
// (the algorithm of an embedded certificate's key is not built in) occur.
type Errno string

// The answers that a kernel gives to the signature of a module. ENOPKG and
// ENOKEY are soft: a kernel that does not enforce signatures loads the module
// all the same. The others are final in every mode.
const (
	EBADMSG      Errno = "EBADMSG"      // not a message that can be decoded
	EINVAL       Errno = "EINVAL"       // a message of a form that is not taken
	EKEYREJECTED Errno = "EKEYREJECTED" // the signature is wrong, or its key or form is refused
	ENOKEY       Errno = "ENOKEY"       // no trusted key has the id that the message names
	ENOPKG       Errno = "ENOPKG"       // the digest or signature algorithm is not known or not built in

	// Unknown is no error number: the kernel has an algorithm that this
	// package cannot compute, so its answer cannot be told. It must be taken
	// for a refusal.
	Unknown Errno = "unknown"

	errMsgSize Errno = "EMSGSIZE"
	errNoEnt   Errno = "ENOENT"
	success    Errno = ""
)

// Refusal is the error that says what a kernel answers instead of success.
type Refusal struct {
	Errno  Errno
	Offset int    // of the byte in the message or certificate that decided, -1 if there is none
	Reason string // in lower case, without errno and offset
	Denied bool   // by the blacklist or a revoked key, whatever the signature is
}

func (r *Refusal) Error() string {
	if r.Offset < 0 {
		return fmt.Sprintf("%s (%s)", r.Reason, r.Errno)
	}
	return fmt.Sprintf("%s at byte %d (%s)", r.Reason, r.Offset, r.Errno)
}

func refuse(e Errno, offset int, format string, args ...any) error {
	return &Refusal{Errno: e, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// deny refuses because of what the keyring denies.
func deny(offset int, reason string) error {
	return &Refusal{Errno: EKEYREJECTED, Offset: offset, Reason: reason, Denied: true}
}
