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
	SelfConsistent Kind = "self-consistent" // nothing from outside of the build was given to check it against

	Hashset     Kind = "hashset"     // the kernel's hashset is not that of the modules
	NoHashset   Kind = "no-hashset"  // the kernel has none, or it cannot be found
	Proof       Kind = "proof"       // a module that the kernel's hashset does not admit
	Certificate Kind = "certificate" // built into the kernel, and not named

	Unsigned         Kind = "unsigned"          // no signature where one has to be
	UnknownKey       Kind = "unknown-key"       // signed by a key that was not given
	BadSignature     Kind = "bad-signature"     // not over this module, or not of a form that a kernel takes
	RevokedKey       Kind = "revoked-key"       // signed by a key that is revoked
	UnknownAlgorithm Kind = "unknown-algorithm" // of a kind that the kernel does not know
	Unchecked        Kind = "unchecked"         // the signer's key is listed, and not there
	Signed           Kind = "signed"            // a signature where nothing has to be signed
	Stale            Kind = "stale"             // an entry of the allow-list that allows nothing
)

// own are the kinds of this package: what they mean in few words, and what the
// reader can do, if there is something. Missing means the same as kbuild's.
var own = [...]struct {
	kind        Kind
	means, hint string
}{
	{Changed, "the payload is another one than stated", "modhash diff, with the build that the manifest was made of, tells what changed"},
	{Missing, "a stated or listed module is not there", kbuild.Missing.Hint()},
	{Extra, "a module is not in the manifest", "remove it if it is not of the build; a manifest made of all packages lists all modules"},
	{Moved, "a module is at another line of modules.order", "take modules.order as the build wrote it: the line is part of the module's leaf"},
	{OtherRelease, "the build is of another release than the manifest", "take the manifest of this very build"},
	{OtherArch, "the build is for another machine than the manifest", "take the manifest of this very build"},
	{Root, "the modules make another root, or it cannot be computed", ""}, // follows from others
	{Image, "the kernel image is another one, or not there", "give the package of the image too, or name the image with --image"},
	{Trailer, "a module does not end as --require-trailer demands", "sign the module, or require what it ends in"},
	{Partial, "modules were not given, which the root admits", "give all modules, or accept it with --accept partial"},
	{SelfConsistent, "nothing from outside of the build says what it should be", "get the manifest from somebody else, or accept it with --accept self-consistent"},
	{Hashset, "the kernel's hashset is not that of the modules", "take the image and the modules of one build; modhash inspect tells what is in the image"},
	{NoHashset, "the kernel has no hashset, or it cannot be found", "give the image of a kernel with module hashes; --system-map for a flat one; or --accept no-hashset if the manifest is check enough"},
	{Proof, "the kernel's hashset does not admit a module", "install the modules again from the build of this image; modhash prove --append puts proofs on modules"},
	{Certificate, "a certificate is built into the kernel that --keys does not name", "name it with --keys if modules signed by its key may be loaded; else build the kernel without it"},
	{Unsigned, "a module has no signature and must have one", "modhash sign signs it; --allow-unsigned takes a list of those that need none, with reasons"},
	{UnknownKey, "a module is signed by a key that --keys does not name", "name its certificate with --keys if that key is to be trusted; else sign the module again with modhash sign --replace"},
	{BadSignature, "a signature is not over this module, or not one that a kernel takes", "the module or its signature was changed after it was signed: get it again, or build and sign it again"},
	{RevokedKey, "a module is signed by a key that a kernel has revoked, or may have", "sign it again with another key: modhash sign --replace"},
	{UnknownAlgorithm, "a signature is of a kind that this kernel does not check", "sign the module again with an algorithm that the kernel has: modhash sign --replace"},
	{Unchecked, "a key of that id is listed, and the signature was not checked", "a listing of /proc/keys holds no keys: give the certificate with --keys"},
	{Signed, "a module is signed, where --hashed-only wants no signatures", "modhash unsign takes signatures off; a module that no hash covers has no place in such a system"},
	{Stale, "the list of modules that need no signature names one that is not there, or is signed", "take the line out of the list, so that no other module comes to stand for it"},
}

// Kinds returns all kinds, those of this package first.
func Kinds() []Kind {
	var out []Kind
	for i := range own {
		out = append(out, own[i].kind)
	}
	for _, k := range kbuild.Kinds() {
		if !slices.Contains(out, Kind(k)) {
			out = append(out, Kind(k))
		}
	}
	return out
}

// Meaning says in few words what a finding of this kind is.
func (k Kind) Meaning() string {
	for i := range own {
		if own[i].kind == k {
			return own[i].means
		}
	}
	return kbuild.ProblemKind(k).Meaning()
}

// Hint says what the user can do about a finding of this kind; "" if there is no
// general advice.
func (k Kind) Hint() string {
	for i := range own {
		if own[i].kind == k {
			return own[i].hint
		}
	}
	return kbuild.ProblemKind(k).Hint()
}

// acceptable are the kinds that a user can accept: they say that something was
// not checked, or not as it should be stored, not that a check failed.
var acceptable = func() []Kind {
	ks := []Kind{
		Partial, SelfConsistent, NoHashset, Stale,
		Kind(kbuild.OutOfTree), Kind(kbuild.NoOrder), Kind(kbuild.Mislabelled), Kind(kbuild.NotRegular),
	}
	for _, k := range kbuild.PackageKinds() {
		ks = append(ks, Kind(k))
	}
	return ks
}()

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
		scheme = hashset.Flat
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
