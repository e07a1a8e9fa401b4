// SPDX-License-Identifier: Apache-2.0

package compare

// Class says what kind of answer a cause is.
type Class string

const (
	// Root: the thing that was done otherwise, as another signing key.
	Root Class = "root"
	// Derived: follows from another difference, and was computed again to see
	// that it does, as an offset behind a longer string.
	Derived Class = "derived"
	// Unverified: follows from other bytes, but cannot be computed again from
	// what there is, as a build id.
	Unverified Class = "derived-unverified"
	// CodeChange: the code or data of a named thing is another.
	CodeChange Class = "change"
	// Unexplained: no rule accounts for it. No [Cause] has this class; it is
	// that of regions without an owner.
	Unexplained Class = "unexplained"
)

// Cause is a named reason for bytes that differ.
type Cause struct {
	// ID is the stable name, of lower-case words with dots and hyphens:
	// "signature.key". It keeps its meaning for good.
	ID    string
	Class Class
	// Title says in few words, of many modules at once, what differs.
	Title string
	// Local: the cause reaches no further than the bytes that it owns. A global
	// cause (a compiler, a seed) touches code too, which stays a change.
	Local bool
	// Mend says what to set so that two builds agree, and Doc where that is
	// documented; "" where nothing can be set, as with most derived ones.
	Mend, Doc string
}

// Owner is a cause at work in one place. Regions share it: those of one module
// with one Owner are counted together, and those of many modules with equal
// owners are told as one.
type Owner struct {
	Cause *Cause
	// Subject is the thing that it is about: "function ext4_fill_super in
	// .text", "vermagic". "" where the cause says it all.
	Subject string
	// A and B are its values on the two sides, if they can be said shortly.
	A, B string
	// Notes say more: "consistent-with: randstruct".
	Notes []string
}
