// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"errors"
	"fmt"
	"strings"
)

// Subject is the package whose manifest is stated.
type Subject struct {
	Name, Version, Arch string
}

// ParseSubject reads NAME=VERSION/ARCH. Name and version end at the first "="
// and the last "/"; none of the three may be empty.
func ParseSubject(s string) (Subject, error) {
	name, rest, ok := strings.Cut(s, "=")
	slash := strings.LastIndexByte(rest, '/')
	if !ok || slash < 0 {
		return Subject{}, fmt.Errorf("subject %q: want NAME=VERSION/ARCH", s)
	}
	sub := Subject{name, rest[:slash], rest[slash+1:]}
	return sub, sub.Check()
}

// Check reports what keeps s from being a subject.
func (s Subject) Check() error {
	for _, part := range []string{s.Name, s.Version, s.Arch} {
		if part == "" {
			return fmt.Errorf("subject %q: name, version and architecture must not be empty", s)
		}
		if strings.Contains(part, "=") {
			return fmt.Errorf("subject %q: more than one %q", s, "=")
		}
	}
	if err := CheckFile(s.File()); err != nil {
		return fmt.Errorf("subject %q: %w", s, err)
	}
	return nil
}

// String is NAME=VERSION/ARCH.
func (s Subject) String() string { return s.Name + "=" + s.Version + "/" + s.Arch }

// File is how the manifest is called when it is published: the file that a link
// is about. It is compared as a whole, since hyphens do not tell where the
// version begins.
func (s Subject) File() string { return s.Name + "-" + s.Version + "-" + s.Arch + ".modhash" }

// CheckFile reports whether a file of that name can be the product or a material
// of a link: 1 to 255 printable ASCII characters without blank, slash, backslash
// and double quote, not beginning with a dot. So all implementations of canonical
// JSON agree on it.
func CheckFile(name string) error {
	switch {
	case name == "":
		return errors.New("the name of the file is empty")
	case len(name) > 255:
		return fmt.Errorf("file name of %d characters", len(name))
	case name[0] == '.':
		return fmt.Errorf("file name %q begins with a dot", name)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || strings.IndexByte(`/\"`, c) >= 0 {
			return fmt.Errorf("file name %q: character %q has no place in a link", name, c)
		}
	}
	return nil
}
