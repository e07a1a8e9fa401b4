// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
)

// MaxExpectations is the size in bytes above which a file of expected
// differences is not read.
const MaxExpectations = 1 << 20

// Expectations are differences that somebody has reviewed and expects. The file
// is text:
//
//	# modhash expected differences v1
//	# any other comment
//	signature.key     kernel/*   each builder signs with a key of its own
//	build-id          *          debug information holds the build path, until 7.4
//	file              boot/config-{release}   names the compiler
//	image.signature   *          signed by the distribution afterwards
//
// A line is what, where and why, parted by blanks. What is the id of a cause, or
// "file" for files other than modules, or "image.signature" for a kernel image that
// is equal without its signature. Where is a name as reports write it, in which
// each * stands for any text. Why must not be empty. The first line, which names
// the version, must be there.
//
// A module is covered if each root cause and each change in it is named by a line
// whose pattern fits; what is derived need not be named, but if nothing else
// differs, it must. What is unexplained cannot be named, nor a module that is on
// one side only or at another place.
type Expectations struct {
	rules  []compare.ExpectedRule
	digest [sha256.Size]byte
}

// ExpectError says what is wrong with a file of expected differences.
type ExpectError struct {
	Line   int // counted from 1
	Reason string
}

func (e *ExpectError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

const expectHeader = "# modhash expected differences v1"

// ReadExpectations reads the file. What is wrong with it is an [*ExpectError].
func ReadExpectations(r io.Reader) (*Expectations, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxExpectations+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxExpectations {
		return nil, errors.New("more than 1 MiB: not a file of expected differences")
	}
	known := map[string]bool{"file": true, "image.signature": true}
	for _, c := range Causes() {
		known[c.ID] = true
	}
	e := &Expectations{digest: sha256.Sum256(b)}
	n := 0
	for line := range bytes.Lines(b) {
		n++
		s := strings.TrimRight(string(line), "\n")
		switch {
		case n == 1 && s != expectHeader:
			return nil, &ExpectError{1, fmt.Sprintf("%.60q, want %q", s, expectHeader)}
		case strings.HasPrefix(s, "#") || strings.TrimSpace(s) == "":
			continue
		}
		f := strings.Fields(s)
		switch {
		case !cleanText([]byte(strings.ReplaceAll(s, "\t", " "))):
			return nil, &ExpectError{n, "a character that is not printable"}
		case len(f) < 3:
			return nil, &ExpectError{n, "want what differs, where, and the reason why that is expected"}
		case !known[f[0]]:
			return nil, &ExpectError{n, fmt.Sprintf("no cause is called %.60q", f[0])}
		}
		e.rules = append(e.rules, compare.ExpectedRule{What: f[0], Pattern: f[1], Reason: strings.Join(f[2:], " ")})
	}
	if n == 0 {
		return nil, &ExpectError{1, "the file is empty, want " + expectHeader}
	}
	return e, nil
}

// Apply says in c what of it was expected. path is the file's name for reports.
func (e *Expectations) Apply(c *compare.Comparison, path string) {
	x := &compare.Expected{Path: path, Digest: e.digest, Rules: append([]compare.ExpectedRule(nil), e.rules...), Modules: map[int]bool{}, Files: map[int]bool{}}
	for i := range c.Modules {
		if used := e.module(&c.Modules[i]); used != nil {
			x.Modules[i] = true
			for k := range used {
				x.Rules[k].Modules++
			}
		}
	}
	for i := range c.Files {
		if k := e.rule("file", c.Files[i].Name); k >= 0 {
			x.Files[i] = true
			x.Rules[k].Files++
		}
	}
	if img := c.Image; img != nil && img.Verdict != compare.Identical && img.DigestsEqual && img.A != nil {
		if k := e.rule("image.signature", img.A.Path); k >= 0 {
			x.Image = true
			x.Rules[k].Files++
		}
	}
	c.Expected = x
}

// module returns the rules that cover a module; nil if they do not.
func (e *Expectations) module(m *compare.Module) map[int]bool {
	a := m.Account
	if a == nil || a.Fault != "" || m.Moved || m.Only != compare.Both {
		return nil
	}
	used := map[int]bool{}
	follows := true // nothing but what follows from something else
	for i := range a.Items {
		switch it := &a.Items[i]; it.Class() {
		case compare.Derived, compare.Unverified:
			continue
		case compare.Unexplained:
			return nil
		default:
			k := e.rule(it.ID(), m.Name)
			if k < 0 {
				return nil
			}
			used[k] = true
			follows = false
		}
	}
	for i := range a.Items {
		if !follows {
			break
		}
		k := e.rule(a.Items[i].ID(), m.Name)
		if k < 0 {
			return nil
		}
		used[k] = true
	}
	return used
}

// rule is the first one that fits, -1 if none does.
func (e *Expectations) rule(what, name string) int {
	for i := range e.rules {
		if r := &e.rules[i]; r.What == what && fits(r.Pattern, name) {
			return i
		}
	}
	return -1
}

// fits: each star of the pattern stands for any text.
func fits(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) || len(name) < len(first)+len(last) || !strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return true
}
