// SPDX-License-Identifier: Apache-2.0

// Package verify checks a build against what someone states about it.
//
// Every check that was asked for must pass. What could not be checked is a
// finding, never a silent success.
package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
)

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
	// "signature", "any" of these two, or "signature:ID" with the hex digits, in
	// either case, of a whole key id or serial number; leading zeros of a serial
	// number do not matter. "" demands nothing.
	RequireTrailer string
	// HashedOnly: there is no key that could sign anything. No module may be
	// signed, and no certificate built in.
	HashedOnly bool
	// Allowed lists the modules that need no signature; nil: all need one.
	Allowed  *Allowlist
	Accept   []string // kinds of findings that are accepted
	Progress kbuild.Progress
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
	case strings.HasPrefix(r, signatureBy):
		return checkSigner(r[len(signatureBy):])
	default:
		return fmt.Errorf("trailer %q, want none, proof, signature, any, or signature: and the hex digits of a key id or serial number", r)
	}
	return nil
}

// signatureBy is what stands before the digits in [Options].RequireTrailer.
const signatureBy = "signature:"

// minSigner is the least number of digits that tells a signer. Nobody's key id
// is shorter; a shorter serial number can be written with leading zeros.
const minSigner = 8

// checkSigner reports an id that no trailer can have.
func checkSigner(id string) error {
	wrong := ""
	switch {
	case strings.Trim(id, "0123456789abcdefABCDEF") != "":
		wrong = "holds something else than hex digits"
	case len(id) < minSigner:
		wrong = fmt.Sprintf("has %d hex digits, that is too short", len(id))
	case len(id)%2 != 0:
		wrong = fmt.Sprintf("has %d hex digits, an odd number", len(id))
	default:
		return nil
	}
	return fmt.Errorf("signer %q %s: a key id or serial number is an even number of hex digits, at least %d and mostly 40, whole as the line \"trailers\" of a verification shows it (a short serial number with zeros before it)", id, wrong, minSigner)
}

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

// Against is what a build is checked against. If nothing is set, the proofs that
// its modules carry are compared with one another. With a manifest or a kernel, Keys
// are for the modules that no hashset covers, and for the certificates that may be
// built into the kernel; alone, they are for every module.
type Against struct {
	Manifest *hashset.Manifest
	Kernel   *Kernel
	Keys     *Keys // nil: signatures are not checked
}

// Kernel is a kernel image, and what it may trust beside its hashset.
type Kernel struct {
	Image  *image.Image
	Path   string // for messages
	Digest hashset.Digest
}

// Result of a verification.
type Result struct {
	Manifest *hashset.Manifest // nil if none was given
	Given    int               // in-tree modules that the build holds
	Equal    int               // of those, how many are as the manifest says
	Root     RootState
	// RootReason says, for people, why Root is RootUnknown.
	RootReason string
	// ImageChecked: the image was compared with the manifest's digest, and is
	// equal.
	ImageChecked bool
	Image        *kbuild.Image
	Kernel       *KernelResult  // nil if no image was given
	Proofs       *ProofsResult  // nil unless nothing was given
	Signatures   *Signatures    // nil if none was checked
	Census       []TrailerCount // by count, then name
	Findings     []Finding      // in a fixed order
	Notes        []kbuild.Problem
}

// KernelResult is what was found out about a kernel image and the modules.
type KernelResult struct {
	Path         string
	Section      *hashset.Section // nil: no hashset, or a malformed one
	Admitted     int              // in-tree modules that the hashset admits
	Root         RootState
	Certificates int // built in and trusted
	Foreign      int // of those, not named
}

// ProofsResult is what the proofs of a build say without anything else.
type ProofsResult struct {
	Root  hashset.Root // the one that most of them lead to
	Agree int          // modules whose proof leads there
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

// ErrNothing says that nothing was given to check against, and that the modules
// carry no proofs that could be compared.
var ErrNothing = errors.New("nothing to check the build against: neither a manifest nor an image was given, and no module carries a proof")

// Build checks a build. One without a modules.order is given the manifest's
// order, and that this was so is a finding.
func Build(ctx context.Context, b *kbuild.Build, against Against, o *Options) (*Result, error) {
	if o == nil {
		o = &Options{}
	}
	if err := o.CheckOptions(); err != nil {
		return nil, err
	}
	m := against.Manifest
	if !b.HasOrder && m != nil {
		names := make([]string, len(m.Entries))
		for i, e := range m.Entries {
			names[i] = e.Name
		}
		b.SetOrder(names)
	}
	scheme := hashset.Merkle // has the other digests too
	switch {
	case against.Kernel == nil && m != nil:
		scheme = m.Scheme
	case against.Kernel == nil && against.Keys != nil:
		scheme = "" // a signature has a digest of its own
	}
	c := &checker{m: m, o: o, r: &Result{Manifest: m}, reported: map[string]bool{}}
	var err error
	if c.sum, err = b.SummarizeVisit(ctx, scheme, o.Progress, c.signatureChecker(b, against)); err != nil {
		return nil, err
	}
	c.r.Image = c.sum.Image
	if m != nil {
		c.modules()
		c.shadows()
		c.whole()
		c.image()
	} else {
		c.count()
	}
	switch {
	case against.Kernel != nil:
		c.kernel(against.Kernel, against.Keys)
	case m == nil && against.Keys != nil:
		c.missing()
	case m == nil && !c.proofs():
		return nil, ErrNothing
	}
	c.signatures(against)
	c.trailers()
	c.problems()
	c.finish()
	return c.r, nil
}
