// SPDX-License-Identifier: Apache-2.0

package pkgfile

import (
	"path"
	"strings"
)

// clean makes a clean path relative to the root of raw, "." for the root
// itself. It returns "" if there is none: raw is empty, holds a NUL byte, or
// leads out of the root. The result shares raw's memory where it can.
//
// It decides by the letters of the name alone; what symbolic links would make
// of it is told by UnderLink.
func clean(raw string) string {
	if raw == "" || strings.IndexByte(raw, 0) >= 0 {
		return ""
	}
	rel := strings.TrimLeft(raw, "/")
	if rel == "" {
		return "." // nothing but slashes
	}
	rel = path.Clean(rel)
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return ""
	}
	return rel
}

// maxName is the longest path in bytes that Linux takes, PATH_MAX.
const maxName = 4096

// checkName reports what is wrong with the name of row i as stored. A rooted
// name is one that the format stores with a leading slash by rule.
func (t *table) checkName(i int, rooted bool) {
	m := t.members[i]
	switch {
	case m.Raw == "":
		t.problem(i, BadName, "empty name")
	case len(m.Raw) > maxName:
		t.problem(i, BadName, "name of %d bytes; a path has at most %d", len(m.Raw), maxName)
	}
	if at := strings.IndexFunc(m.Raw, control); at >= 0 {
		t.problem(i, BadName, "control byte 0x%02x in name at byte %d", m.Raw[at], at)
	}
	if strings.HasPrefix(m.Raw, "/") && !rooted {
		t.problem(i, AbsoluteName, "absolute name")
	}
	if hasParent(m.Raw) {
		if m.Name == "" {
			t.problem(i, ParentName, `name leads out of the root by ".."`)
		} else {
			t.problem(i, ParentName, `name holds ".."`)
		}
	}
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }

// hasParent reports whether ".." is an element of the path.
func hasParent(raw string) bool {
	for raw != "" {
		var elem string
		elem, raw, _ = strings.Cut(raw, "/")
		if elem == ".." {
			return true
		}
	}
	return false
}
