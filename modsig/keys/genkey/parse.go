// SPDX-License-Identifier: Apache-2.0

package genkey

import (
	"fmt"
	"slices"
	"strings"
)

// maxExpanded is how many bytes all values have together at most.
const maxExpanded = 1 << 20

// Error says where a file is malformed, or what in it is refused.
type Error struct {
	Line   int // counted from 1; 0 for the file as a whole
	Reason string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// Pair is a line of a section.
type Pair struct {
	Name, Value string
	Line        int // counted from 1; of a continued line the first one
}

// Config is a file that was read.
type Config struct {
	sections map[string][]Pair
	size     int // of all values
}

// defaultSection is the one before the first header, where names are looked up
// that a section does not have.
const defaultSection = "default"

// Parse reads a file. The error is an [*Error].
func Parse(text []byte) (*Config, error) {
	switch {
	case len(text) > MaxSize:
		return nil, &Error{0, fmt.Sprintf("more than %d bytes", MaxSize)}
	case strings.IndexByte(string(text), 0) >= 0:
		return nil, &Error{0, "there is a NUL byte in it"}
	}
	c := &Config{sections: map[string][]Pair{defaultSection: nil}}
	section := defaultSection
	for _, l := range logicalLines(strings.TrimPrefix(string(text), "\ufeff")) {
		s := strings.TrimLeft(cutComment(l.text), blanks)
		if s == "" {
			continue
		}
		var err error
		if s[0] == '[' {
			section, err = c.header(s[1:])
		} else {
			err = c.assign(section, s, l.number)
		}
		if err != nil {
			return nil, &Error{l.number, err.Error()}
		}
	}
	return c, nil
}

// Section returns the lines of a section, in their order; false if there is none
// of that name.
func (c *Config) Section(name string) ([]Pair, bool) {
	pairs, ok := c.sections[name]
	return pairs, ok
}

// Get returns a value of a section, or else of the section default.
func (c *Config) Get(section, name string) (Pair, bool) {
	for _, s := range []string{section, defaultSection} {
		for _, p := range c.sections[s] {
			if p.Name == name {
				return p, true
			}
		}
	}
	return Pair{}, false
}

type logicalLine struct {
	number int
	text   string
}

// logicalLines cuts a text into lines and puts those together that a backslash
// continues.
func logicalLines(text string) []logicalLine {
	var out []logicalLine
	var have strings.Builder
	first, n := 1, 0
	for line := range strings.Lines(text) {
		n++
		have.WriteString(strings.TrimRight(line, "\r\n"))
		s := have.String()
		if strings.HasSuffix(s, `\`) && !strings.HasSuffix(s, `\\`) {
			have.Reset()
			have.WriteString(s[:len(s)-1])
			continue
		}
		out = append(out, logicalLine{first, s})
		have.Reset()
		first = n + 1
	}
	if have.Len() > 0 {
		out = append(out, logicalLine{first, have.String()})
	}
	return out
}

const (
	blanks = " \t\r\n"
	quotes = "'`\""
)

func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '_'
}

// escape is the length of what a backslash at the start of s makes one.
func escape(s string) int { return min(2, len(s)) }

// quoted is the length of the quotation that s begins with, to its end if that is
// missing.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return i + 1
		case '\\':
			i++
		}
	}
	return len(s)
}

func cutComment(s string) string {
	for i := 0; i < len(s); {
		switch {
		case s[i] == '#':
			return s[:i]
		case strings.IndexByte(quotes, s[i]) >= 0:
			i += quoted(s[i:])
		case s[i] == '\\':
			i += escape(s[i:])
		default:
			i++
		}
	}
	return s
}

// name is the length of the name that s begins with.
func name(s string) int {
	i := 0
	for i < len(s) {
		switch {
		case s[i] == '\\':
			i += escape(s[i:])
		case isWord(s[i]) || strings.IndexByte("!.%&*+,/;?@^~|-", s[i]) >= 0:
			i++
		default:
			return i
		}
	}
	return i
}

// header reads the rest of a section's header. Several words, with blanks between
// them, are a name too; what follows the bracket is ignored.
func (c *Config) header(s string) (string, error) {
	s = strings.TrimLeft(s, blanks)
	for at := 0; ; {
		end := at + name(s[at:])
		rest := strings.TrimLeft(s[end:], blanks)
		next := len(s) - len(rest)
		switch {
		case strings.HasPrefix(rest, "]"):
			section, err := c.value("", s[:end])
			if _, ok := c.sections[section]; err == nil && !ok {
				c.sections[section] = nil
			}
			return section, err
		case rest == "" || next == at:
			return "", fmt.Errorf("there is no ] behind the name of a section")
		}
		at = next
	}
}

func (c *Config) assign(section, s string, line int) error {
	end := name(s)
	word, rest := s[:end], s[end:]
	if strings.HasPrefix(rest, "::") {
		section, s = word, rest[2:]
		end = name(s)
		word, rest = s[:end], s[end:]
	}
	if strings.HasPrefix(word, ".include") || strings.HasPrefix(word, ".pragma") {
		return fmt.Errorf("%.20q is not supported: the file must say all itself", word)
	}
	rest = strings.TrimLeft(rest, blanks)
	if !strings.HasPrefix(rest, "=") {
		return fmt.Errorf("no = behind the name %.40q", word)
	}
	value, err := c.value(section, strings.Trim(rest[1:], blanks))
	if err != nil {
		return err
	}
	if c.size += len(value); c.size > maxExpanded {
		return fmt.Errorf("all values together have more than %d bytes", maxExpanded)
	}
	pairs := c.sections[section]
	for i, p := range pairs {
		if p.Name == word {
			pairs = append(pairs[:i:i], pairs[i+1:]...)
			break
		}
	}
	c.sections[section] = append(pairs, Pair{word, value, line})
	return nil
}

// value takes quotes and backslashes away and puts variables in.
func (c *Config) value(section, s string) (string, error) {
	var b strings.Builder
	for len(s) > 0 {
		switch {
		case strings.IndexByte(quotes, s[0]) >= 0:
			n := quoted(s)
			unescape(&b, s[:n])
			s = s[n:]
		case s[0] == '\\':
			if len(s) > 1 {
				b.WriteByte(control(s[1]))
			}
			s = s[escape(s):]
		case s[0] == '$':
			n, text, err := c.variable(section, s)
			if err != nil {
				return "", err
			}
			if b.WriteString(text); b.Len() > MaxSize {
				return "", fmt.Errorf("a value of more than %d bytes", MaxSize)
			}
			s = s[n:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String(), nil
}

// unescape writes what is in the quotation q, which may lack its end.
func unescape(b *strings.Builder, q string) {
	for i := 1; i < len(q) && q[i] != q[0]; i++ {
		if q[i] == '\\' {
			if i++; i == len(q) {
				return
			}
		}
		b.WriteByte(q[i])
	}
}

func control(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 't':
		return '\t'
	}
	return c
}

// variable expands the one that s begins with, which has n bytes.
func (c *Config) variable(section, s string) (n int, text string, err error) {
	n = 1
	var closing byte
	if strings.HasPrefix(s[n:], "{") {
		closing = '}'
	} else if strings.HasPrefix(s[n:], "(") {
		closing = ')'
	}
	if closing != 0 {
		n++
	}
	word := func() string {
		from := n
		for n < len(s) && isWord(s[n]) {
			n++
		}
		return s[from:n]
	}
	of := word()
	if strings.HasPrefix(s[n:], "::") {
		n += 2
		section, of = of, word()
	}
	if closing != 0 {
		if n == len(s) || s[n] != closing {
			return 0, "", fmt.Errorf("there is no %c behind the variable %.40q", closing, of)
		}
		n++
	}
	if section == "ENV" && !slices.ContainsFunc(c.sections[section], func(p Pair) bool { return p.Name == of }) {
		return 0, "", fmt.Errorf("the variable %.40q is one of the environment, which is not read: the file must say all itself", of)
	}
	p, ok := c.Get(section, of)
	if !ok {
		return 0, "", fmt.Errorf("the variable %.40q has no value by here", of)
	}
	return n, p.Value, nil
}
