// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// visible writes text from the input for pages that people read: harmless as by
// [Safe], and so that no two strings are written alike, as by text. A backslash is
// two; what is not printable, is hidden or reorders text is \u{HH}, and a byte that
// is no part of valid UTF-8 \xHH. The result is valid UTF-8 without control
// characters.
func visible(s string) string {
	plain := true
	for _, r := range s {
		plain = plain && r != '\\' && printable(r)
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		case !printable(r):
			fmt.Fprintf(&b, `\u{%02x}`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func printable(r rune) bool {
	return r == ' ' || r != utf8.RuneError && unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r)
}

// clip is visible text of at most n bytes and an ellipsis, cut between characters.
func clip(s string, n int) string {
	cut := len(s) > n
	if cut {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	// Escapes make text longer, by less than four times.
	if s = visible(s); cut {
		s += "…"
	}
	return s
}

// clips does so for a list.
func clips(s []string, n int) []string {
	out := make([]string, len(s))
	for i, v := range s {
		out[i] = clip(v, n)
	}
	return out
}
