// SPDX-License-Identifier: Apache-2.0

package kconfig

import (
	"fmt"
	"strconv"
	"strings"
)

// Value is a symbol's value as Kconfig writes it behind the equals sign: y, m
// or n, a string with its quotes and backslashes, or a number. Values of one
// kind are equal if and only if their text is; of numbers, only as written.
type Value string

// The values of bool and tristate symbols.
const (
	Yes Value = "y"
	Mod Value = "m"
	No  Value = "n" // written as "# CONFIG_NAME is not set"
)

// String makes the value of a string symbol.
func String(s string) Value {
	return Value(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`)
}

// Int makes the value of an int symbol.
func Int(n int64) Value { return Value(strconv.FormatInt(n, 10)) }

// Hex makes the value of a hex symbol.
func Hex(n uint64) Value { return Value("0x" + strconv.FormatUint(n, 16)) }

// IsString reports whether the value is a string in quotes.
func (v Value) IsString() bool { return strings.HasPrefix(string(v), `"`) }

// Text returns what the value means: a string without quotes and backslashes,
// anything else as it is.
func (v Value) Text() string {
	if !v.IsString() {
		return string(v)
	}
	text, _, _ := unquote(string(v))
	return text
}

// On reports whether a bool or tristate symbol is y or m.
func (v Value) On() bool { return v == Yes || v == Mod }

// unquote reads a string that begins with its quote, and returns what follows
// the closing one; false if there is none.
func unquote(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// parseValue reads what follows the equals sign. The value is "" if Kconfig
// takes it for no symbol's value.
func parseValue(raw string) (Value, ProblemKind, string) {
	if raw == "" {
		return "", BadValue, "no value follows the equals sign, Kconfig ignores the line"
	}
	switch raw[0] {
	case '"':
		text, rest, ok := unquote(raw)
		if !ok {
			return "", Unterminated, "the string lacks its closing quote, Kconfig ignores the line: " + shorten(raw)
		}
		if rest != "" {
			return String(text), Junk, "Kconfig ignores what follows the closing quote: " + shorten(rest)
		}
		return String(text), "", ""
	case 'y', 'm', 'n':
		if len(raw) > 1 {
			return Value(raw[:1]), Junk, fmt.Sprintf("Kconfig takes the line for %c and ignores what follows: %s", raw[0], shorten(raw[1:]))
		}
		return Value(raw), "", ""
	}
	if !isInt(raw) && !isHex(raw) {
		return "", BadValue, "neither y, m, n, a string in quotes nor a number, Kconfig ignores the line: " + shorten(raw)
	}
	return Value(raw), "", ""
}

// valid reports whether v is written as Kconfig writes it, in one line.
func (v Value) valid() bool {
	if strings.ContainsAny(string(v), "\n\x00") {
		return false
	}
	w, problem, _ := parseValue(string(v))
	return problem == "" && w == v
}

// isInt is Kconfig's rule for the value of an int symbol.
func isInt(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || s[0] == '0' && len(s) > 1 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// isHex is Kconfig's rule for the value of a hex symbol.
func isHex(s string) bool {
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		s = s[2:]
	}
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
