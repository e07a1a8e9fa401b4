// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/modhash/modhash/kbuild/verify"
)

// The elements of JUnit's XML, as far as GitLab, Jenkins and GitHub's actions read
// them.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Failure *junitResult `xml:"failure,omitempty"`
	Skipped *junitResult `xml:"skipped,omitempty"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// VerifyJUnit writes a verification as JUnit XML: a case for each module of the
// manifest, of the class of its folder, and one for each other finding, of the
// class "build". What was accepted is skipped, not passed.
func VerifyJUnit(w io.Writer, r *verify.Result, manifest string) error {
	s := junitSuite{Name: "modhash verify " + Safe(manifest)}
	at := map[string]int{}
	if r.Manifest != nil {
		for _, e := range r.Manifest.Entries {
			at[e.Name] = len(s.Cases)
			s.Cases = append(s.Cases, junitCase{Class: junitClass(e.Name), Name: Safe(path.Base(e.Name))})
		}
	}
	for _, f := range r.Findings {
		i, module := at[f.Name]
		if !module {
			name := string(f.Kind)
			if f.Name != "" {
				name += " " + f.Name
			}
			i = len(s.Cases)
			s.Cases = append(s.Cases, junitCase{Class: "build", Name: Safe(name)})
		}
		s.Cases[i].add(f)
	}
	if len(s.Cases) == 0 {
		s.Cases = append(s.Cases, junitCase{Class: "build", Name: "kernel"})
	}
	return s.write(w)
}

// write counts the cases and writes the suite.
func (s *junitSuite) write(w io.Writer) error {
	s.Tests = len(s.Cases)
	for _, c := range s.Cases {
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitClass makes kernel.fs.ext4 of kernel/fs/ext4/ext4.ko. A dot in a folder's
// name would begin another class.
func junitClass(name string) string {
	return Safe(strings.ReplaceAll(strings.ReplaceAll(path.Dir(name), ".", "_"), "/", "."))
}

// add notes a finding. One that was not accepted outweighs those that were.
func (c *junitCase) add(f verify.Finding) {
	text := Safe(f.String())
	switch {
	case !f.Accepted && c.Failure != nil:
		c.Failure.Text += "\n" + text
	case !f.Accepted:
		c.Failure, c.Skipped = &junitResult{Message: f.Kind.Meaning(), Type: string(f.Kind), Text: text}, nil
	case c.Failure == nil && c.Skipped == nil:
		c.Skipped = &junitResult{Message: fmt.Sprintf("accepted: %s", text)}
	}
}
