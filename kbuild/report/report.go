// SPDX-License-Identifier: Apache-2.0

// Package report renders results: one result, several renderings, all of them
// deterministic.
//
// In text the first line is the verdict. Whatever comes from the input is
// escaped, so that a name can neither forge a line nor control a terminal. JSON
// carries a schema name and version; fields are added within a version, never
// changed or removed.
//
// JSON strings are Unicode, names of files are bytes. Every string from the
// input is therefore written with two escapes of its own, beside those of JSON: a
// byte that is not part of valid UTF-8 as \xHH with two lower-case hex digits, and
// a backslash as two. So the name of the bytes 61 ff is "a\\xff" in the JSON
// text, no two names are written alike, and undoing both escapes gives the bytes.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/modhash/modhash/kbuild"
)

// Style of text.
type Style struct {
	Color bool
	// All lists every name instead of the first ones of each kind.
	All bool
}

// most is how many names of a kind are listed unless all are wanted.
const most = 20

// tone is what a verdict means to the reader.
type tone int

const (
	good tone = iota
	fair
	bad
)

// paint colours s if the style says so.
func (s Style) paint(t tone, text string) string {
	if !s.Color {
		return text
	}
	return fmt.Sprintf("\x1b[1;%dm%s\x1b[0m", [...]int{32, 33, 31}[t], text)
}

// page collects lines.
type page struct {
	b     bytes.Buffer
	style Style
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(&p.b, format, args...)
	p.b.WriteByte('\n')
}

// items lists what n items are, up to the limit of the style.
func (p *page) items(n int, line func(i int) string) {
	for i := range n {
		if i == most && !p.style.All && n > most+1 {
			p.line("    … and %s more (--all lists them)", count(n-i))
			return
		}
		p.line("    %s", line(i))
	}
}

func (p *page) writeTo(w io.Writer) error {
	_, err := w.Write(p.b.Bytes())
	return err
}

// Safe makes text from the input harmless to a reader and a terminal: what is
// not printable, invalid UTF-8, and characters that reorder or hide text are
// written as escapes.
func Safe(s string) string {
	ok := true
	for _, r := range s {
		ok = ok && r != utf8.RuneError && (r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r)) && !unicode.Is(unicode.Cf, r)
	}
	if ok {
		return s
	}
	q := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// count writes a number with commas between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number with its noun.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// text is a string from the input, in JSON as the package comment says.
type text string

// MarshalText implements [encoding.TextMarshaler]. The result is valid UTF-8.
func (t text) MarshalText() ([]byte, error) {
	out := make([]byte, 0, len(t))
	for i := 0; i < len(t); {
		r, n := utf8.DecodeRuneInString(string(t[i:]))
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, t[i])
		case r == '\\':
			out = append(out, `\\`...)
		default:
			out = append(out, t[i:i+n]...)
		}
		i += n
	}
	return out, nil
}

// texts is a list of them, never nil.
func texts(s []string) []text {
	out := make([]text, len(s))
	for i, v := range s {
		out[i] = text(v)
	}
	return out
}

// problemDoc is a problem of a build.
type problemDoc struct {
	Kind   kbuild.ProblemKind `json:"kind"`
	Name   text               `json:"name,omitempty"`
	Detail text               `json:"detail,omitempty"`
	Hint   string             `json:"hint,omitempty"`
	Note   bool               `json:"note,omitempty"`
}

func newProblemDoc(p kbuild.Problem) problemDoc {
	return problemDoc{p.Kind, text(p.Name), text(p.Detail), p.Kind.Hint(), p.Note}
}

// writeJSONLine writes a value on one line.
func writeJSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
