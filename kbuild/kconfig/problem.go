// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"fmt"
	"strconv"
	"strings"
)

// ProblemKind says what is wrong with a line. Its text is stable.
type ProblemKind string

// The kinds of problems.
const (
	Duplicate    ProblemKind = "duplicate"     // the symbol has a value already; this one counts
	Unterminated ProblemKind = "unterminated"  // a string without its closing quote; ignored
	BadValue     ProblemKind = "bad-value"     // no value of any type; ignored
	Junk         ProblemKind = "junk"          // text after the value; the value counts
	NotSetTail   ProblemKind = "not-set-tail"  // text after "is not set"; depends on the kernel's version
	BadLine      ProblemKind = "bad-line"      // no symbol, no comment; ignored
	More         ProblemKind = "more-problems" // there are more than are listed
)

// maxProblems bounds the list: a file that is no .config at all has as many
// problems as lines.
const maxProblems = 200

// Problem is a line that Kconfig warns about, ignores or reads otherwise than
// it looks.
type Problem struct {
	Line   int         `json:"line,omitempty"` // counted from 1
	Kind   ProblemKind `json:"kind"`
	Symbol string      `json:"symbol,omitempty"` // without CONFIG_; "" if the line names none
	Detail string      `json:"detail,omitempty"` // for people
}

func (p Problem) String() string {
	s := string(p.Kind)
	if p.Line != 0 {
		s = "line " + strconv.Itoa(p.Line) + ": " + s
	}
	if p.Symbol != "" {
		s += ": " + prefix + p.Symbol
	}
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	return s
}

// Problems returns what is wrong with the file's lines, in their order: the
// first 200, and then one of kind [More] if there are others.
func (f *File) Problems() []Problem {
	ps := append([]Problem(nil), f.problems...)
	if f.dropped > 0 {
		ps = append(ps, Problem{Kind: More, Detail: fmt.Sprintf("%d more lines", f.dropped)})
	}
	return ps
}

func (f *File) report(p Problem) {
	if len(f.problems) == maxProblems {
		f.dropped++
		return
	}
	f.problems = append(f.problems, p)
}

// Redact cuts text behind "pin-value=", with which a PKCS#11 URI (RFC 7512) may
// hold a PIN, so that messages and reports can quote it.
func Redact(s string) string {
	const pin = "pin-value="
	for i := 0; i+len(pin) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(pin)], pin) {
			return s[:i+len(pin)] + "[hidden]"
		}
	}
	return s
}

// shorten quotes text of the file for a message. It never holds more than a
// line of it, nor a PIN, nor anything that a terminal could act upon.
func shorten(s string) string {
	const most = 60
	if s = Redact(s); len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
