// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// leakRules are the rules about built files. Which strings they look for is
// said by the caller: a library does not know where and by whom a kernel was
// built.
var leakRules = []Rule{
	{ID: "leak-host", Why: "a built file holds the name of the host that built it, so that it differs from one that was built elsewhere"},
	{ID: "leak-user", Why: "a built file holds the name of the user who built it, so that it differs from one that somebody else built"},
	{ID: "leak-path", Why: "a built file holds the folder in which it was built, so that it differs from one that was built elsewhere"},
	{ID: "leak-date", Why: "a built file holds the day on which it was built, so that it differs from one that was built on another day"},
}

// Kind is what a string in a built file would tell. Its text is stable.
type Kind string

// The kinds of strings, and where they count as found:
const (
	// Host: as a whole word, of letters, digits, "_" and "-".
	Host Kind = "host"
	// User: as a whole word before "@", or as a whole part of a path that has
	// more parts. Elsewhere it would be found too often: "root" is in each
	// kernel.
	User Kind = "user"
	// Path: before anything that cannot continue its last part.
	Path Kind = "path"
	// Date: not between letters or digits.
	Date Kind = "date"
)

// Needle is a string that built files should not hold.
type Needle struct {
	Kind Kind   `json:"kind"`
	Text string `json:"text"`
}

// Dates returns the needles for the day of a build in the forms that __DATE__
// ("Nov  2 2026"), date(1) in the C locale ("Mon Nov  2") and ISO 8601
// ("2026-11-02") write.
func Dates(day time.Time) []Needle {
	return []Needle{{Date, day.Format("Jan _2 2006")}, {Date, day.Format("Mon Jan _2")}, {Date, day.Format("2006-01-02")}}
}

// Limits of a Scanner.
const (
	maxNeedles = 64
	maxNeedle  = 4096 // bytes; the longest path of Linux
)

// NeedleError is what [NewScanner] returns for a string that cannot be looked
// for.
type NeedleError struct {
	Needle Needle
	Reason string
}

func (e *NeedleError) Error() string {
	return fmt.Sprintf("cannot look for the %s %s: %s", e.Needle.Kind, quote(e.Needle.Text), e.Reason)
}

// Leak is one string in one file.
type Leak struct {
	Needle
	Count   int    // how often
	Offset  int64  // of the first, in bytes
	Context string // printable text around the first
}

// Scanner looks for strings in streams. It is safe for concurrent use.
type Scanner struct {
	needles []Needle
	longest int
}

// NewScanner returns a Scanner of at most 64 strings of at most 4096 bytes. A
// path must be absolute and not "/", a date at least four bytes long. A slash at
// the end of a path is dropped; equal needles are looked for once.
func NewScanner(needles []Needle) (*Scanner, error) {
	s := &Scanner{}
	for _, n := range needles {
		if n.Kind == Path {
			n.Text = strings.TrimRight(n.Text, "/")
		}
		reason := ""
		switch {
		case n.Kind != Host && n.Kind != User && n.Kind != Path && n.Kind != Date:
			reason = "there is no such kind"
		case n.Kind == Path && !strings.HasPrefix(n.Text, "/"):
			reason = "it must be an absolute path, and not /"
		case n.Text == "" || n.Kind == Date && len(n.Text) < 4:
			reason = "it is too short"
		case len(n.Text) > maxNeedle:
			reason = fmt.Sprintf("it has more than %d bytes", maxNeedle)
		}
		if reason != "" {
			return nil, &NeedleError{n, reason}
		}
		if !slices.Contains(s.needles, n) {
			s.needles = append(s.needles, n)
			s.longest = max(s.longest, len(n.Text))
		}
	}
	if len(s.needles) > maxNeedles {
		return nil, fmt.Errorf("cannot look for more than %d strings", maxNeedles)
	}
	return s, nil
}

const (
	scanBlock  = 256 << 10
	maxContext = 60 // bytes on each side of a leak
)

// Scan reads r to its end and returns what it holds, in the order of the
// needles. It needs some 300 KiB of memory. The error is one of r; the result is
// then what was found before.
func (s *Scanner) Scan(r io.Reader) ([]Leak, error) {
	leaks := make([]Leak, len(s.needles))
	if len(s.needles) == 0 {
		return nil, nil
	}
	// Each start of a match is looked at once, with at least margin bytes of
	// the stream on either side if it has them.
	margin := s.longest + maxContext
	buf := make([]byte, 0, scanBlock+3*margin)
	var base int64 // the offset of buf[0]
	from := 0
	for {
		var err error
		for err == nil && len(buf) < cap(buf) {
			var n int
			n, err = r.Read(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
		}
		to := len(buf) - margin
		if err != nil {
			to = len(buf)
		}
		s.look(buf, base, from, to, leaks)
		if err != nil {
			leaks = slices.DeleteFunc(leaks, func(l Leak) bool { return l.Count == 0 })
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return leaks, err
		}
		keep := to - margin
		base += int64(keep)
		buf = buf[:copy(buf, buf[keep:])]
		from = margin
	}
}

// look counts the matches that start in b[from:to].
func (s *Scanner) look(b []byte, base int64, from, to int, leaks []Leak) {
	for i, n := range s.needles {
		text := []byte(n.Text)
		for at := from; ; {
			end := min(to+len(text)-1, len(b))
			if at >= end {
				break
			}
			j := bytes.Index(b[at:end], text)
			if j < 0 {
				break
			}
			at += j
			if n.counts(b, at) {
				l := &leaks[i]
				if l.Count == 0 {
					l.Needle, l.Offset, l.Context = n, base+int64(at), around(b, at, len(text))
				}
				l.Count++
			}
			at++
		}
	}
}

// counts reports whether the needle at b[at:] is more than a part of something
// else.
func (n Needle) counts(b []byte, at int) bool {
	before, after := byteAt(b, at-1), byteAt(b, at+len(n.Text))
	switch n.Kind {
	case Host:
		return !isWord(before) && before != '-' && !isWord(after) && after != '-'
	case User:
		return after == '@' && !isWord(before) && before != '-' && before != '.' || before == '/' && after == '/'
	case Path:
		return !isWord(after) && after != '-' && after != '.' && after != '+' && after != '~'
	}
	return !isAlnum(before) && !isAlnum(after)
}

// byteAt is b[i], and 0 outside of b.
func byteAt(b []byte, i int) byte {
	if i < 0 || i >= len(b) {
		return 0
	}
	return b[i]
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isWord(c byte) bool { return isAlnum(c) || c == '_' }

// around returns the printable text around b[at:at+n].
func around(b []byte, at, n int) string {
	printable := func(c byte) bool { return c >= ' ' && c < 0x7f }
	start, end := at, min(at+n, len(b))
	for start > 0 && at-start < maxContext && printable(b[start-1]) {
		start--
	}
	for end < len(b) && end-at-n < maxContext && printable(b[end]) {
		end++
	}
	return string(b[start:end])
}
