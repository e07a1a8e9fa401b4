// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"slices"

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
	Unchecked        Kind = "unchecked"         // nobody here can tell: the signer's key is only listed, or of a kind that is not checked
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
	{Unchecked, "a signature was not checked", "a listing of /proc/keys holds no keys: give the certificate with --keys; some algorithms are not checked here at all"},
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
