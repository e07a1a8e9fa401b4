// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/modhash/modhash/hashset"
)

// Allowlist names the modules that need no signature, and says why. As text:
//
//	# modhash unsigned v1
//	# a comment
//
//	updates/dkms/x.ko  built on each machine, which has no key
//	extra/y.ko  sha256:c84d…3310  kept as its maker shipped it
//
// The first line is as it is here. The others are empty, comments that start with
// "#", or entries: the module's name as modhash shows it, without the suffix of a
// compression; two blanks; if only one payload is meant, "sha256:" with its digest in
// 64 lower-case hex digits, and two blanks; and the reason. A name is a clean path
// that ends in .ko, and stands there once; it is no pattern. The text is UTF-8
// without control characters, its lines end in a line feed.
type Allowlist struct {
	entries []AllowEntry
	byName  map[string]int // index into entries
}

// AllowEntry is a line of an [Allowlist].
type AllowEntry struct {
	Line    int // counted from 1
	Name    string
	Payload *hashset.Digest // nil: any
	Reason  string
}

// AllowlistHeader is the first line of an [Allowlist].
const AllowlistHeader = "# modhash unsigned v1"

const (
	maxAllowLine = 4096
	maxAllowList = 100_000 // entries; no kernel has a tenth of that
)

// AllowlistError says which line of an allow-list is not as it must be.
type AllowlistError struct {
	Line int // counted from 1
	Err  error
}

func (e *AllowlistError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *AllowlistError) Unwrap() error { return e.Err }

// ParseAllowlist reads an allow-list. The error is an [*AllowlistError] or one of r.
func ParseAllowlist(r io.Reader) (*Allowlist, error) {
	in := bufio.NewReaderSize(r, maxAllowLine)
	out := &Allowlist{byName: map[string]int{}}
	for n := 1; ; n++ {
		raw, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF && len(raw) == 0 && n > 1:
			return out, nil
		case err == io.EOF:
			err = &AllowlistError{n, errors.New("the last line does not end in a line feed")}
			if n == 1 {
				err = &AllowlistError{n, fmt.Errorf("the first line must be %q", AllowlistHeader)}
			}
		case errors.Is(err, bufio.ErrBufferFull):
			err = &AllowlistError{n, fmt.Errorf("more than %d bytes", maxAllowLine)}
		}
		if err != nil {
			return nil, err
		}
		line := string(bytes.TrimSuffix(raw, []byte("\n")))
		switch {
		case n == 1 && line != AllowlistHeader:
			return nil, &AllowlistError{n, fmt.Errorf("the first line must be %q", AllowlistHeader)}
		case !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl):
			return nil, &AllowlistError{n, errors.New("a control character, or bytes that are no UTF-8")}
		case line == "" || line[0] == '#':
			continue
		}
		e, err := parseAllowed(line)
		if first, twice := out.byName[e.Name]; err == nil && twice {
			err = fmt.Errorf("%s stands on line %d already", e.Name, out.entries[first].Line)
		}
		if err == nil && len(out.entries) == maxAllowList {
			err = fmt.Errorf("more than %d entries", maxAllowList)
		}
		if err != nil {
			return nil, &AllowlistError{n, err}
		}
		e.Line = n
		out.byName[e.Name] = len(out.entries)
		out.entries = append(out.entries, e)
	}
}

func parseAllowed(line string) (e AllowEntry, err error) {
	const sep = "  "
	var rest string
	if e.Name, rest, _ = strings.Cut(line, sep); e.Name != path.Clean(e.Name) || path.IsAbs(e.Name) ||
		strings.HasPrefix(e.Name, "../") || !strings.HasSuffix(e.Name, ".ko") || path.Base(e.Name) == ".ko" || e.Name[0] == ' ' {
		return e, fmt.Errorf("%.80q is no name of a module: a clean path that ends in .ko, two blanks, and the reason", e.Name)
	}
	const prefix = "sha256:"
	if digits, ok := strings.CutPrefix(rest, prefix); ok {
		digits, rest, _ = strings.Cut(digits, sep)
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) != len(hashset.Digest{}) || strings.ToLower(digits) != digits {
			return e, fmt.Errorf("%.80q is no digest: 64 lower-case hex digits, two blanks, and the reason", prefix+digits)
		}
		e.Payload = (*hashset.Digest)(b)
	}
	if e.Reason = rest; strings.TrimSpace(rest) != rest || rest == "" {
		return e, fmt.Errorf("no reason for %s, or blanks around it; two blanks stand before it", e.Name)
	}
	return e, nil
}

// Entries are the lines, in their order.
func (l *Allowlist) Entries() []AllowEntry { return append([]AllowEntry(nil), l.entries...) }

// allows returns the reason why a module need not be signed. If it is listed and has
// to be signed nevertheless, why says so. A module with a wrong signature is never
// allowed, and one with a proof neither.
func (l *Allowlist) allows(s *Signature, payload hashset.Digest) (reason, why string) {
	if l == nil || s.Kind != Unsigned || s.Errno != eNoData {
		return "", ""
	}
	i, ok := l.byName[s.Name]
	if !ok {
		return "", ""
	}
	e := &l.entries[i]
	if e.Payload != nil && *e.Payload != payload {
		return "", fmt.Sprintf("line %d of the list allows another one, with sha256 %s; this has %s", e.Line, e.Payload, payload)
	}
	return e.Reason, ""
}

// stale returns the entries that no unsigned module needs. With partial, modules that
// were not given may need theirs.
func (l *Allowlist) stale(list []Signature, partial bool) (out []AllowEntry) {
	if l == nil {
		return nil
	}
	unsigned := make(map[string]bool, len(list))
	for i := range list {
		unsigned[list[i].Name] = list[i].Kind == Unsigned
	}
	for _, e := range l.entries {
		if needs, given := unsigned[e.Name]; !needs && (given || !partial) {
			out = append(out, e)
		}
	}
	return out
}
