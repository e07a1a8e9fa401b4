// SPDX-License-Identifier: Apache-2.0

package compare

// Record is a difference in what a build left on record about itself: its
// configuration, what its package says, the banner of its kernel. It says of a
// whole build what the bytes of modules can only hint at.
type Record struct {
	Cause *Cause
	From  string // "config", "banner", ".BUILDINFO", ".buildinfo", "rpm header"
	Field string // CONFIG_…, a key, a tag
	A, B  string // "" on a side that does not say
}
