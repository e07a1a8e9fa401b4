// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var (
	producer = compare.Cause{ID: "toolchain.producer", Class: compare.Root, Title: "another compiler, by the debug information",
		Mend: "the same versions of the toolchain", Doc: docRepro}
	options = compare.Cause{ID: "toolchain.options", Class: compare.Root, Title: "other options of the compiler, by the debug information",
		Mend: "the same .config, KCFLAGS and KAFLAGS", Doc: docRepro}
)

var producerCauses = []*compare.Cause{&producer, &options}

// isProducer: what compilers and assemblers call themselves in DW_AT_producer.
func isProducer(s string) bool {
	return strings.HasPrefix(s, "GNU ") || strings.HasPrefix(s, "clang version ") || strings.HasPrefix(s, "rustc version ")
}

// producerName is the name of a producer in its parts: "GNU C17", "12.2.0", "-O2 …".
type producerName struct {
	language, version string
	options           []string
}

func parseProducer(s string) (n producerName, ok bool) {
	words := strings.Fields(s)
	i := slices.IndexFunc(words, func(w string) bool {
		return w[0] >= '0' && w[0] <= '9' && strings.Contains(w, ".") && strings.Trim(w, "0123456789.") == ""
	})
	if i < 0 {
		return n, false
	}
	return producerName{strings.Join(words[:i], " "), words[i], words[i+1:]}, isProducer(s) && cleanText([]byte(s))
}

// otherProducer says what differs of two producers, and nil if it is not what another
// compiler or other options would leave: an option that differs in a single byte, unless
// that is a digit and the code differs too; or another version where the compiler says in .comment that it is the same.
func (p *pair) otherProducer(sa, sb string) (c *compare.Cause, va, vb string) {
	a, okA := parseProducer(sa)
	b, okB := parseProducer(sb)
	switch {
	case !okA || !okB || sa == sb:
		return nil, "", ""
	case a.version != b.version:
		if p.sameComment(a.version, b.version) {
			return nil, "", ""
		}
		return &producer, a.language + " " + a.version, b.language + " " + b.version
	case a.language != b.language:
		return nil, "", ""
	}
	inA, inB := only(a.options, b.options), only(b.options, a.options)
	// A level that is another one leaves other code.
	digits := len(p.changedCode()) > 0
	if misspelt(inA, inB, digits) || misspelt(inB, inA, digits) {
		return nil, "", ""
	}
	return &options, shown([]byte(strings.Join(inA, " "))), shown([]byte(strings.Join(inB, " ")))
}

// maxOptions is how many options can differ and be looked at one with each other.
const maxOptions = 64

// misspelt: one of the options is one of the others, or two of them, but for one byte,
// which may be a digit if that is said.
func misspelt(options, others []string, digits bool) bool {
	if len(options) > maxOptions || len(others) > maxOptions {
		return true
	}
	for _, o := range options {
		if slices.ContainsFunc(others, func(other string) bool { return oneByte(o, other, digits) }) {
			return true
		}
		for _, x := range others {
			rest, ok := strings.CutPrefix(o, x)
			if ok && len(rest) > 1 && slices.Contains(others, rest[1:]) {
				return true
			}
		}
	}
	return false
}

// oneByte: the strings differ in one byte, which is not a digit on both sides if such are
// let pass.
func oneByte(a, b string, digits bool) bool {
	if len(a) != len(b) {
		return false
	}
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
			digits = digits && digit(a[i]) && digit(b[i])
		}
	}
	return n == 1 && !digits
}

// sameComment: both sides have the same .comment, which names one of the versions.
func (p *pair) sameComment(va, vb string) bool {
	get := func(f *units.File) []byte { return f.Data(f.Section(".comment")) }
	a, b := get(p.A.ELF), get(p.B.ELF)
	return va != vb && len(a) > 0 && bytes.Equal(a, b) && (bytes.Contains(a, []byte(va)) || bytes.Contains(a, []byte(vb)))
}

// only lists the options that are not among the others; none, if only their order differs.
func only(options, others []string) []string {
	var out []string
	for _, o := range options {
		if !slices.Contains(others, o) {
			out = append(out, o)
		}
	}
	return out
}
