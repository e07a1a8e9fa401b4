// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
)

// Accepted says what differences between builds are accepted.
type Accepted struct {
	Signature, Compression bool // of modules with equal payload
	ImageSignature         bool // of kernel images that are equal without it
	Files                  bool // of other files, and of the packages themselves
}

// DiffJUnit writes a comparison as JUnit XML: a case for each module, of the class of
// its folder, and one for the kernel image, for each other file that differs and so
// on, of the class "build". What is accepted or was expected is skipped, not passed.
// There is a failure or something skipped unless the verdict is identical.
func DiffJUnit(w io.Writer, c *compare.Comparison, ok Accepted) error {
	s := &junitSuite{Name: "modhash diff " + Safe(strings.Join(c.A.Paths, ",")) + " " + Safe(strings.Join(c.B.Paths, ","))}
	// Both lists are sorted by name.
	equal := c.Equal
	pass := func(before string) {
		for len(equal) > 0 && (before == "" || equal[0].Name < before) {
			s.Cases = append(s.Cases, junitCase{Class: junitClass(equal[0].Name), Name: Safe(path.Base(equal[0].Name))})
			equal = equal[1:]
		}
	}
	for i := range c.Modules {
		m := &c.Modules[i]
		pass(m.Name)
		jc := junitCase{Class: junitClass(m.Name), Name: Safe(path.Base(m.Name))}
		wrapped := m.Verdict == compare.PayloadIdentical && (!m.Signature || ok.Signature) && (!m.Compression || ok.Compression) && !m.Moved
		jc.result(moduleVerdict(m), m.Verdict.String(), moduleJUnitText(m), wrapped || c.Expected.Module(i) && !m.Moved)
		s.Cases = append(s.Cases, jc)
	}
	pass("")
	s.diffBuild(c, ok)
	return s.write(w)
}

// result makes a case one that failed, or was skipped.
func (c *junitCase) result(message, kind, text string, accepted bool) {
	if accepted {
		c.Skipped = &junitResult{Message: "accepted: " + message}
		return
	}
	c.Failure = &junitResult{Message: message, Type: kind, Text: text}
}

// diffBuild adds the cases that are no modules.
func (s *junitSuite) diffBuild(c *compare.Comparison, ok Accepted) {
	add := func(name string, equal bool, message, text string, accepted bool) {
		jc := junitCase{Class: "build", Name: name}
		if !equal {
			jc.result(message, "different", text, accepted)
		}
		s.Cases = append(s.Cases, jc)
	}
	same := func(a, b string) bool { return a == b || a == "" || b == "" }
	add("release", same(c.A.Release, c.B.Release) && same(c.A.Arch, c.B.Arch), "another release or architecture", side(&c.A)+"\n"+side(&c.B), false)
	if i := c.Image; i != nil {
		expected := c.Expected != nil && c.Expected.Image
		add("kernel image", i.Verdict == compare.Identical, imageWords(i), "", ok.ImageSignature && i.DigestsEqual || expected)
	}
	if c.Root != nil {
		add("hashset root", c.Root.Verdict == compare.Identical, "another root", "", false)
	}
	for i := range c.Files {
		add("file "+Safe(c.Files[i].Name), false, "differs", fileText(&c.Files[i], Safe), ok.Files || c.Expected.File(i))
	}
	for _, p := range c.Problems {
		add("finding "+strings.ToUpper(string(p.Side))+" "+Safe(p.Problem.Name), false, string(p.Problem.Kind), Safe(p.Problem.String()), false)
	}
	// That a package file differs follows from what is in it, if anything there does.
	inside := len(c.Modules)+len(c.Files) > 0 || c.Image != nil && c.Image.Verdict != compare.Identical
	for _, p := range c.Packages {
		add("package "+Safe(path.Base(p.A)), p.Verdict == compare.Identical, "another file", Safe(p.A)+"\n"+Safe(p.B), inside || ok.Files)
	}
}

// moduleJUnitText says of a module what differs and why, on some lines.
func moduleJUnitText(m *compare.Module) string {
	lines := []string{differentText(m)}
	if m.Moved {
		lines = append(lines, movedText(m))
	}
	if a := m.Account; a != nil {
		for i := range a.Items {
			it := &a.Items[i]
			v := compare.ValueSum{Subject: it.Subject, A: it.Owner.A, B: it.Owner.B}
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s (%s): %s / %s bytes of the %s layer %s", it.ID(), it.Class(), count(int(it.ChangedA)), count(int(it.ChangedB)), it.Layer, valueText(&v))))
		}
		if a.Fault != "" {
			lines = append(lines, "BUG of modhash: "+Safe(a.Fault))
		}
	}
	return strings.Join(lines, "\n")
}
