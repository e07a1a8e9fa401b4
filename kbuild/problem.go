// SPDX-License-Identifier: Apache-2.0

package kbuild

import "fmt"

// ProblemKind says what is wrong with a build. Its text is stable.
type ProblemKind string

// The kinds of problems. The first group is about the set of modules, the
// second about one module file, the third about the build as a whole.
const (
	Missing      ProblemKind = "missing"       // listed in modules.order, but not there
	Unlisted     ProblemKind = "unlisted"      // under kernel/, but not listed
	ListedTwice  ProblemKind = "listed-twice"  // two lines of modules.order
	PresentTwice ProblemKind = "present-twice" // two files, as under two compressions
	OutOfTree    ProblemKind = "out-of-tree"   // not under kernel/
	Shadow       ProblemKind = "shadow"        // out of tree, with the name of an in-tree module

	NotRegular       ProblemKind = "not-regular"       // a link, a device or a folder in a module's place
	Mislabelled      ProblemKind = "mislabelled"       // the name says another compression than the content
	Corrupt          ProblemKind = "corrupt"           // not a module, or not exactly one
	MalformedTrailer ProblemKind = "malformed-trailer" // ends in a marker without a trailer
	StackedTrailer   ProblemKind = "stacked-trailer"   // one trailer upon another
	JunkTrailer      ProblemKind = "junk-trailer"      // bytes behind a marker
	OtherRelease     ProblemKind = "other-release"     // vermagic of another kernel than its siblings or folder
	OtherArch        ProblemKind = "other-arch"        // built for another machine than its siblings

	NoOrder  ProblemKind = "no-order"  // no modules.order
	BadName  ProblemKind = "bad-name"  // a member of an archive that no installer should accept
	BadImage ProblemKind = "bad-image" // the kernel image is malformed
)

// Problem is something about a build that is not as it should be.
type Problem struct {
	Kind ProblemKind `json:"kind"`
	// Name is the module's name without compression suffix, or the path of
	// another file; "" for the build as a whole.
	Name string `json:"name,omitempty"`
	// Detail says more, for people: the file, the place, what to do.
	Detail string `json:"detail,omitempty"`
	// Note: the problem is to be told but is no finding.
	Note bool `json:"note,omitempty"`
}

func (p Problem) String() string {
	s := string(p.Kind)
	if p.Name != "" {
		s += ": " + p.Name
	}
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	return s
}

// order of the kinds in a report.
var kindRank = func() map[ProblemKind]int {
	m := map[ProblemKind]int{}
	for i, k := range []ProblemKind{
		NoOrder, BadImage, Missing, Corrupt, MalformedTrailer, StackedTrailer, JunkTrailer, Shadow, Unlisted, ListedTwice, PresentTwice,
		NotRegular, Mislabelled, OtherRelease, OtherArch, BadName, OutOfTree,
	} {
		m[k] = i
	}
	return m
}()

// compareProblems orders by kind, name and detail.
func compareProblems(a, b Problem) int {
	if d := kindRank[a.Kind] - kindRank[b.Kind]; d != 0 {
		return d
	}
	if a.Name != b.Name {
		if a.Name < b.Name {
			return -1
		}
		return 1
	}
	switch {
	case a.Detail < b.Detail:
		return -1
	case a.Detail > b.Detail:
		return 1
	}
	return 0
}

// ReleasesError is what [Open] returns for a build that holds several releases
// when none was asked for, or not the one that was asked for.
type ReleasesError struct {
	Wanted string // "" if none was asked for
	Found  []string
}

func (e *ReleasesError) Error() string {
	if e.Wanted != "" {
		return fmt.Sprintf("release %s is not in the build, which holds %s", e.Wanted, list(e.Found))
	}
	return fmt.Sprintf("the build holds %d releases: %s", len(e.Found), list(e.Found))
}

// list joins the first strings of s.
func list(s []string) string {
	const most = 20
	out := ""
	for i, v := range s {
		if i == most {
			return out + fmt.Sprintf(" and %d more", len(s)-most)
		}
		if i > 0 {
			out += ", "
		}
		out += v
	}
	if out == "" {
		return "none"
	}
	return out
}
