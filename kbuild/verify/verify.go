// SPDX-License-Identifier: Apache-2.0

// Package verify checks a build against what someone states about it.
//
// Every check that was asked for must pass. What could not be checked is a
// finding, never a silent success.
package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
)

// Kind says what a finding is. The kinds of [kbuild.ProblemKind] are kinds of
// findings too.
type Kind string

const (
	Changed        Kind = "changed"         // the payload is another one
	Missing        Kind = "missing"         // in the manifest, not in the build
	Extra          Kind = "extra"           // in the build, not in the manifest
	Moved          Kind = "moved"           // at another position
	OtherRelease   Kind = "release"         // of another release than the manifest
	OtherArch      Kind = "arch"            // for another machine than the manifest
	Root           Kind = "root"            // the hashset's root differs, or cannot be recomputed
	Image          Kind = "image"           // the kernel image differs or is absent
	Trailer        Kind = "trailer"         // not the trailer that was required
	Partial        Kind = "partial"         // modules were not given
	SelfConsistent Kind = "self-consistent" // the manifest lies inside what it describes
)

// acceptable are the kinds that a user can accept: they say that something was
// not checked, or not as it should be stored, not that a check failed.
var acceptable = []Kind{
	Partial, SelfConsistent,
	Kind(kbuild.OutOfTree), Kind(kbuild.NoOrder), Kind(kbuild.Mislabelled), Kind(kbuild.BadName), Kind(kbuild.NotRegular),
}

// Acceptable returns the kinds that [Options.Accept] may name.
func Acceptable() []string {
	var out []string
	for _, k := range acceptable {
		out = append(out, string(k))
	}
	return out
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Kind     Kind
	Name     string // of a module or file; "" for the whole
	Detail   string
	Accepted bool
}

func (f Finding) String() string {
	s := string(f.Kind)
	if f.Name != "" {
		s += ": " + f.Name
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// Options of a verification.
type Options struct {
	// Partial: the build holds some of the modules only. Missing ones are then
	// no findings of their own; that the root may admit them is one.
	Partial bool
	// SelfConsistent: the manifest was taken out of the build itself.
	SelfConsistent bool
	// RequireTrailer demands that every in-tree module ends in "none", "proof",
	// "signature", "any" of these two, or "signature:ID" with the hex digits of
	// a serial number or key id. "" demands nothing.
	RequireTrailer string
	Accept         []string // kinds of findings that are accepted
	Progress       kbuild.Progress
}

// CheckOptions reports an option that has no meaning.
func (o *Options) CheckOptions() error {
	for _, a := range o.Accept {
		if !slices.Contains(acceptable, Kind(a)) {
			return fmt.Errorf("%q cannot be accepted; what can: %s", a, strings.Join(Acceptable(), ", "))
		}
	}
	switch r := o.RequireTrailer; {
	case r == "", r == "none", r == "proof", r == "signature", r == "any":
	case strings.HasPrefix(r, "signature:") && isHex(r[len("signature:"):]):
	default:
		return fmt.Errorf("trailer %q, want none, proof, signature, any, or signature: and the hex digits of a key id or serial number", r)
	}
	return nil
}

func isHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }

// TrailerCount counts the in-tree modules with one kind of trailer.
type TrailerCount struct {
	Name  string // as [kbuild.Sum].TrailerName
	Count int
}

// RootState says what is known about the hashset's root.
type RootState string

const (
	RootMatches RootState = "matches"
	RootDiffers RootState = "differs"
	RootUnknown RootState = "not-recomputed" // modules are missing or unreadable
	RootNone    RootState = "none"           // the manifest has no hashset
)

// Result of a verification.
type Result struct {
	Manifest *hashset.Manifest
	Given    int // in-tree modules that the build holds
	Equal    int // of those, how many are as the manifest says
	Root     RootState
	// ImageChecked: the image was compared with the manifest's digest, and is
	// equal.
	ImageChecked bool
	Image        *kbuild.Image
	Census       []TrailerCount // by count, then name
	Findings     []Finding      // in a fixed order
	Notes        []kbuild.Problem
}

// Failed counts the findings that were not accepted.
func (r *Result) Failed() int {
	n := 0
	for _, f := range r.Findings {
		if !f.Accepted {
			n++
		}
	}
	return n
}

// Has reports whether there is a finding of that kind.
func (r *Result) Has(k Kind) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Kind == k })
}

// Manifest checks a build against a manifest. A build without a modules.order
// is given the manifest's order, and that this was so is a finding.
func Manifest(ctx context.Context, m *hashset.Manifest, b *kbuild.Build, o *Options) (*Result, error) {
	if o == nil {
		o = &Options{}
	}
	if err := o.CheckOptions(); err != nil {
		return nil, err
	}
	if !b.HasOrder {
		names := make([]string, len(m.Entries))
		for i, e := range m.Entries {
			names[i] = e.Name
		}
		b.SetOrder(names)
	}
	sum, err := b.Summarize(ctx, m.Scheme, o.Progress)
	if err != nil {
		return nil, err
	}
	c := &checker{m: m, sum: sum, o: o, r: &Result{Manifest: m, Image: sum.Image}}
	c.modules()
	c.whole()
	c.image()
	c.trailers()
	c.problems()
	c.finish()
	return c.r, nil
}
