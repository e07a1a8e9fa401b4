// SPDX-License-Identifier: Apache-2.0

package compare

import "github.com/modhash/modhash/hashset"

// Expected says what of a comparison a reviewed file of expected differences
// covers. What it covers is still listed and counted.
type Expected struct {
	Path   string
	Digest hashset.Digest // of the file's bytes
	Rules  []ExpectedRule // in the order of the file
	// Modules, Files and Image say which differences are covered: by the index
	// into Comparison.Modules and Comparison.Files, and for the kernel image.
	Modules, Files map[int]bool
	Image          bool
}

// ExpectedRule is one line of the file.
type ExpectedRule struct {
	What, Pattern, Reason string
	// Modules and Files count what the rule was needed for; none of either: the
	// file can do without it.
	Modules, Files int
}

// Module reports whether the module with that index is covered.
func (e *Expected) Module(i int) bool { return e != nil && e.Modules[i] }

// File reports whether the file with that index is covered.
func (e *Expected) File(i int) bool { return e != nil && e.Files[i] }
