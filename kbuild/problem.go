// SPDX-License-Identifier: Apache-2.0

package kbuild

import (
	"fmt"

	"github.com/modhash/modhash/kbuild/pkgfile"
)

// ProblemKind says what is wrong with a build. Its text is stable.
type ProblemKind string

// The kinds of problems. The first group is about the set of modules, the
// second about one module file, the third about the build as a whole. The kinds of
// [pkgfile.ProblemKind], of which BadName is one, are kinds of problems too.
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
	BadName  ProblemKind = "bad-name"  // a member of a package has a name that no file can have
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

// kinds holds all kinds in the order of a report: what they mean in few words,
// and what the reader can do, if there is something.
var kinds = [...]struct {
	kind        ProblemKind
	means, hint string
}{
	{NoOrder, "the build has no modules.order", "give the package that holds modules.order, or name one with --order FILE"},
	{BadImage, "the kernel image is malformed, or no file", "fetch or build the image again, or name another one with --image"},
	{Missing, "a listed module is not there", "give all packages of the build together, or the directory that it was installed into"},
	{Corrupt, "a file is no module, or not exactly one", "fetch or build the file again; compress it in one piece, with nothing behind it"},
	{MalformedTrailer, "the end of a module looks signed and is not", "cut off what follows the payload, or sign the module again"},
	{StackedTrailer, "a module carries one trailer upon another", "sign the unsigned module once; the kernel looks at the outermost trailer only"},
	{JunkTrailer, "bytes follow the trailer of a module", "cut these bytes off: the kernel takes the module for unsigned"},
	{Shadow, "an out-of-tree module has the name of an in-tree one", "remove one of the two, unless it is meant to be loaded in place of the other"},
	{Unlisted, "a module below kernel/ is not in modules.order", "remove it if it is left over; what was added later belongs into updates/"},
	{ListedTwice, "two lines of modules.order name one module", "take modules.order as one build wrote it"},
	{PresentTwice, "two files are one module", "remove the one that is left over, as from a build with another compression"},
	{NotRegular, "a link, device or folder where a file has to be", "put the file itself there"},
	{Mislabelled, "the name says another compression than the content", "rename the file, or compress it as its name says"},
	{OtherRelease, "a module is of another release than the build", "remove what another build left there, or name the release with --release"},
	{OtherArch, "a module is for another machine than the build", "remove what another build left there"},

	{BadName, "a name in a package is empty, too long or holds control bytes", hintHostile},
	{ProblemKind(pkgfile.AbsoluteName), "a name in a package starts with a slash", hintHostile},
	{ProblemKind(pkgfile.ParentName), `a name in a package holds ".."`, hintHostile},
	{ProblemKind(pkgfile.UnderLink), "a package puts a file behind a link of its own", hintHostile},
	{ProblemKind(pkgfile.SpecialFile), "a package holds a device, pipe or socket", hintHostile},
	{ProblemKind(pkgfile.BadLink), "a hard link in a package leads nowhere", "pack the files again, each before the links to it"},
	{ProblemKind(pkgfile.DuplicateName), "a package holds two members of one name", "pack the files again, each once; unpacking leaves the last one"},
	{ProblemKind(pkgfile.TrailingData), "something follows the end of a package", hintDamaged},
	{ProblemKind(pkgfile.Inconsistent), "two places in a package contradict each other", hintDamaged},
	{ProblemKind(pkgfile.DigestMismatch), "a member has not the digest that the package states", hintDamaged},
	{ProblemKind(pkgfile.Unsupported), "a member is of a type that is not known", ""},

	{OutOfTree, "a module that no manifest covers", "modhash verify --keys checks its signature; what a link leads to is checked where it lies itself"},
}

const (
	hintHostile = "no packager does this: do not unpack the package, and get it from its maker again"
	hintDamaged = "fetch the package again and compare its digest with the one that its maker states"
)

// kindRank is the place of each kind in kinds.
var kindRank = func() map[ProblemKind]int {
	m := map[ProblemKind]int{}
	for i := range kinds {
		m[kinds[i].kind] = i
	}
	return m
}()

// Kinds returns all kinds in the order in which problems are reported.
func Kinds() []ProblemKind {
	out := make([]ProblemKind, len(kinds))
	for i := range kinds {
		out[i] = kinds[i].kind
	}
	return out
}

// Meaning says in few words what a problem of this kind is; "" if the kind is
// unknown.
func (k ProblemKind) Meaning() string {
	if i, ok := kindRank[k]; ok {
		return kinds[i].means
	}
	return ""
}

// Hint says what the user can do about a problem of this kind; "" if there is no
// general advice.
func (k ProblemKind) Hint() string {
	if i, ok := kindRank[k]; ok {
		return kinds[i].hint
	}
	return ""
}

// PackageKinds returns the kinds that are those of [pkgfile.ProblemKind]: what is
// wrong with the members of a package, whether or not they are modules.
func PackageKinds() []ProblemKind {
	var out []ProblemKind
	for _, k := range pkgfile.Kinds() {
		out = append(out, ProblemKind(k))
	}
	return out
}

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
