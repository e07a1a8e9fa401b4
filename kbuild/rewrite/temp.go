// SPDX-License-Identifier: Apache-2.0

package rewrite

import (
	"crypto/sha256"
	"encoding/hex"
)

// maxName is the length in bytes of a name that every file system takes.
const maxName = 255

const tempSuffix = ".modhash-tmp"

// TempName returns the temporary name that a file has before it is renamed to
// base, in the same folder: "." base ".modhash-tmp". If that would be too long,
// a hash takes the place of the end of base.
func TempName(base string) string {
	if 1+len(base)+len(tempSuffix) > maxName {
		sum := sha256.Sum256([]byte(base))
		base = base[:200] + "-" + hex.EncodeToString(sum[:8])
	}
	return "." + base + tempSuffix
}
