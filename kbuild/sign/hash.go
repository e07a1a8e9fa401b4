// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"crypto"

	"github.com/modhash/modhash/modsig/keys"
)

// hashName is the kernel's name of a digest; zero is SHA-512, as in modsig.
func hashName(h crypto.Hash) string {
	if h == 0 {
		h = crypto.SHA512
	}
	return keys.HashName(h)
}
