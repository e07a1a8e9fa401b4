// SPDX-License-Identifier: Apache-2.0

// Package compare compares two kernel builds. It decides by bytes alone: by
// equality of stored bytes where it can, by digests of payloads where it must,
// and it never excuses a difference.
//
// Swapping the two sides swaps A and B in the result and changes nothing else.
//
// # Ledgers
//
// With an [Options.Explain], every differing byte of two module files is
// accounted for. A [Ledger] is a list of [Region]s that partition both sides at one
// [Layer]; each is Same, Moved or Changed, and each that is not Same has at most one
// [Owner], which is a [Cause] at work in one place. What has none is unexplained.
// This package finds the regions, from the bytes alone. Whoever explains is given
// a [Pair] while its bytes are at hand, looks at the regions of its Ledgers and
// claims those that it can account for, with [Ledger.Claim]; the first claim counts. It
// can name, but not acquit: which bytes differ is not its to say. Afterwards each
// ledger is checked by replaying it, and one that fails is reported as a fault of
// this program and explains nothing. What remains is an [Account] for each module.
//
// Only bytes of equal units, in the same order on both sides, are Same; see
// [Relation]. Units are recognised by what they are called (sections, symbols,
// keys, strings by their content, relocations by what they relocate), and then
// compared by their bytes. A section of equal bytes is not looked into.
package compare

import (
	"fmt"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
)

// Verdict says how alike two things are. The worse one is the greater one.
type Verdict uint8

const (
	// Identical: every byte is equal.
	Identical Verdict = iota
	// PayloadIdentical, of modules only: the payloads are equal, what wraps
	// them (signature, compression) is not.
	PayloadIdentical
	// Different: neither.
	Different
)

func (v Verdict) String() string {
	switch v {
	case Identical:
		return "identical"
	case PayloadIdentical:
		return "payload-identical"
	case Different:
		return "different"
	}
	return fmt.Sprintf("verdict-%d", uint8(v))
}

// MarshalText is [Verdict.String].
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Only says on which side something is that is not on both.
type Only string

const (
	Both  Only = ""
	OnlyA Only = "a"
	OnlyB Only = "b"
)

// Comparison is the result for two whole builds.
type Comparison struct {
	A, B Side
	// Verdict is the worst of all parts. ModulesVerdict is that of the modules
	// and their order alone.
	Verdict, ModulesVerdict Verdict
	// ManifestLevel: a side is a manifest, so only payload digests, order, root
	// and image digest could be compared; Identical then means that these are.
	ManifestLevel bool

	Modules []Module // those that are not identical, or moved; by name
	Equal   []Equal  // all others; by name
	Count   ModuleCount
	Root    *RootPair  // of two manifests
	Image   *ImagePair // nil if neither side has an image
	Files   []File     // those that differ; by name
	// FilesCompared counts pairs of files other than modules, the image and
	// folders; FilesEqual those without any difference.
	FilesCompared, FilesEqual int
	// Unread counts the pairs among them whose content could not be read.
	Unread   int
	Packages []Package
	// Problems are findings about a side that was read to be compared with a
	// manifest: what the manifest cannot tell of. With any, the two differ.
	Problems []SideProblem
	Notes    []string // what was not compared, and why
	// Records are differences in what the builds left on record about themselves.
	Records []Record
	// Expected says what a file of expected differences covers; nil without one.
	Expected *Expected
}

// Side describes one of the two things compared.
type Side struct {
	Paths         []string
	Kind          string // "directory", "build tree", "package", "manifest", "module"
	Release, Arch string // as far as known
}

// ModuleCount counts modules. Each module of either side is counted once, in
// one of Identical, Signature, Compression, SignatureAndCompression, Different,
// OnlyA and OnlyB; Moved counts some of them again.
type ModuleCount struct {
	A, B                    int // on each side
	Identical               int // every stored byte; at manifest level the digest
	Signature               int // equal payload, other trailer
	Compression             int // equal decompressed bytes, compressed otherwise
	SignatureAndCompression int // equal payload, other trailer, other kind of compression
	Different               int
	OnlyA, OnlyB            int
	Renamed                 int // pairs among OnlyA and OnlyB with equal payload
	Moved                   int // at another place in modules.order among those on both sides
	Shifted                 int // at another line only because of others that moved, came or went
}

// PayloadIdentical is the number of modules whose wrapping alone differs.
func (c *ModuleCount) PayloadIdentical() int {
	return c.Signature + c.Compression + c.SignatureAndCompression
}

// Module is one module on one side or both.
type Module struct {
	Name    string
	Verdict Verdict
	Only    Only
	// Signature and Compression tell what differs of a module that is
	// PayloadIdentical.
	Signature, Compression bool
	// A and B describe the two files; nil where there is none, or where it was
	// not read because the stored bytes are equal.
	A, B *ModuleFile
	// PosA and PosB are the positions, -1 if not known. Moved: the order of
	// the modules around it is another.
	PosA, PosB int
	Moved      bool
	// TwinA is the module of B that has A's payload, and TwinB that of A that
	// has B's, if it is not this one.
	TwinA, TwinB string
	// Account says what the differing bytes are; nil for a module that is on one
	// side only, and without an [Options.Explain].
	Account *Account
	// Stored is the size in bytes of either file where the stored bytes are equal;
	// -1 if it is not known, and 0 where A and B say it.
	Stored int64
}

// ModuleFile is what was found out about one file of a module.
type ModuleFile struct {
	Path        string
	Stored      int64  // bytes; -1 if not known
	Compression string // "none", "gzip", "xz", "zstd"
	Trailer     string // as kbuild's TrailerName says it
	Payload     hashset.Digest
	// Problem says why there is no payload digest.
	Problem string
}

// RootPair holds the hashset roots of two manifests.
type RootPair struct {
	Verdict          Verdict
	SchemeA, SchemeB hashset.Scheme
	A, B             hashset.Root
}

// ImagePair compares the kernel images.
type ImagePair struct {
	Verdict Verdict
	Only    Only
	// DigestsEqual: without their signatures the images are equal.
	DigestsEqual bool
	A, B         *kbuild.Image // nil on a side without one, and at manifest level
	DigestA      hashset.ImageDigest
	DigestB      hashset.ImageDigest
}

// File is a file other than a module's content that differs.
type File struct {
	Name  string // with {release} for the kernel release; " (2)" marks the second of one name
	Area  string // as in pkgfile.Member, "" for the installed tree
	Only  Only
	Moved bool // in the order of the archive
	// Changes lists what differs, in a fixed order of fields.
	Changes []Change
}

// Change is one field of a file that differs.
type Change struct {
	Field string // "type", "content", "link", "mode", "device", "stored name", "owner", "time", "xattrs", "name"
	A, B  string
}

// SideProblem is a finding about one side.
type SideProblem struct {
	Side    Only // never Both
	Problem kbuild.Problem
}

// AddProblems takes over what is wrong with a build whose manifest was compared.
// Mere notes become notes.
func (c *Comparison) AddProblems(side Only, ps []kbuild.Problem) {
	for _, p := range ps {
		if p.Note {
			c.Notes = append(c.Notes, "not compared: "+p.String())
			continue
		}
		c.Problems = append(c.Problems, SideProblem{side, p})
	}
	c.settle()
}

// Package compares two package files as stored.
type Package struct {
	A, B    string // paths
	Verdict Verdict
}

// MembersEqual tells of two package files, or of as many on either side, that
// all members are equal and in the same order: their contents, and all that is
// told about each of them. Where the files differ all the same, the container
// does: compression, padding, or how the same metadata is written down.
func (c *Comparison) MembersEqual() bool {
	image := c.Image == nil || c.Image.Verdict == Identical
	return len(c.Packages) > 0 && c.ModulesVerdict == Identical && image && len(c.Files) == 0 && c.Unread == 0 && c.A.Release == c.B.Release
}

// settle computes the verdicts from the parts.
func (c *Comparison) settle() {
	n := &c.Count
	switch {
	case n.Different+n.OnlyA+n.OnlyB+n.Moved > 0:
		c.ModulesVerdict = Different
	case n.PayloadIdentical() > 0:
		c.ModulesVerdict = PayloadIdentical
	}
	c.Verdict = c.ModulesVerdict
	if c.Image != nil {
		c.Verdict = max(c.Verdict, c.Image.Verdict)
	}
	if c.Root != nil {
		c.Verdict = max(c.Verdict, c.Root.Verdict)
	}
	if len(c.Files)+len(c.Problems) > 0 {
		c.Verdict = Different
	}
	for _, p := range c.Packages {
		c.Verdict = max(c.Verdict, p.Verdict)
	}
	other := func(a, b string) bool { return a != b && a != "" && b != "" }
	if other(c.A.Release, c.B.Release) || other(c.A.Arch, c.B.Arch) {
		c.Verdict = Different
	}
}
