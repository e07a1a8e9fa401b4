// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/verify"
)

// VerifySchema names the JSON form of a verification and its version.
const VerifySchema = "modhash.verify/1"

// VerdictOf is the word that a verification comes to: "verified",
// "self-consistent", "partial" or "NOT verified". The middle ones are said
// whether or not they were accepted.
func VerdictOf(r *verify.Result) string {
	for _, f := range r.Findings {
		if !f.Accepted && f.Kind != verify.Partial && f.Kind != verify.SelfConsistent {
			return "NOT verified"
		}
	}
	switch {
	case r.Has(verify.Partial):
		return "partial"
	case r.Has(verify.SelfConsistent):
		return "self-consistent"
	}
	return "verified"
}

func verifyTone(verdict string) tone {
	switch verdict {
	case "verified":
		return good
	case "NOT verified":
		return bad
	}
	return fair
}

// Verify writes a verification as text. manifest is the name of the manifest.
func Verify(w io.Writer, r *verify.Result, manifest string, s Style) error {
	p := &page{style: s}
	verdict := VerdictOf(r)
	p.line("%s: %s", s.paint(verifyTone(verdict), verdict), verifySummary(r, verdict))
	if m := r.Manifest; m != nil {
		p.line("  manifest  %s (%s, %s, %s)", Safe(manifest), m.Release, m.Arch, plural(len(m.Entries), "module"))
		p.line("  modules   %s of %s are as stated", count(r.Equal), count(len(m.Entries)))
		p.line("  root      %s", rootWords(r))
		p.line("  image     %s", imageState(r))
	}
	if k := r.Kernel; k != nil {
		p.line("  kernel    %s", Safe(k.Path))
		p.line("  hashset   %s", kernelHashset(k))
		p.line("  admits    %s of %s", count(k.Admitted), plural(r.Given, "module"))
		p.line("  trusts    %s, %s not named", plural(k.Certificates, "certificate"), count(k.Foreign))
	}
	if x := r.Proofs; x != nil {
		p.line("  proofs    %s of %s lead to root %d %s", count(x.Agree), count(r.Given), x.Root.Levels, x.Root.Hash)
		p.line("  root      %s", rootWords(r))
	}
	p.signatures(r)
	if !byKeysAlone(r) {
		p.line("  trailers  %s", census(r))
	}
	p.findings(r)
	for _, n := range r.Notes {
		p.line("note: %s", Safe(n.String()))
	}
	return p.writeTo(w)
}

func verifySummary(r *verify.Result, verdict string) string {
	var parts []string
	switch verdict {
	case "NOT verified":
		parts = append(parts, findingWords(r))
	case "partial":
		parts = append(parts, checkedWords(r)...)
		parts = append(parts, "the root may admit modules that were not given")
	default:
		parts = append(parts, checkedWords(r)...)
		switch {
		case verdict != "self-consistent":
		case r.Proofs != nil:
			parts = append(parts, "but nothing tells that it is the right root")
		default:
			parts = append(parts, "but by a manifest that comes out of the build itself")
		}
		for _, f := range r.Findings {
			if f.Accepted && f.Kind != verify.SelfConsistent {
				parts = append(parts, "findings accepted: "+findingWords(r))
				break
			}
		}
	}
	if r.Manifest != nil && r.Manifest.Image.State == hashset.ImageNotCovered {
		parts = append(parts, "kernel image NOT verified")
	}
	return strings.Join(parts, "; ")
}

// checkedWords says what was checked and found right.
func checkedWords(r *verify.Result) (parts []string) {
	if m := r.Manifest; m != nil {
		all := fmt.Sprintf("all %s are as stated", plural(len(m.Entries), "module"))
		if r.Equal < len(m.Entries) {
			all = fmt.Sprintf("%s of %s modules are as stated", count(r.Equal), count(len(m.Entries)))
		}
		parts = append(parts, all)
		if r.ImageChecked {
			parts = append(parts, "the kernel image too")
		}
	}
	if k := r.Kernel; k != nil && k.Section != nil {
		words := fmt.Sprintf("the kernel admits all %s", plural(r.Given, "module"))
		if k.Root == verify.RootMatches {
			words += " and nothing else by hash"
		}
		parts = append(parts, words)
	}
	if x := r.Proofs; x != nil {
		parts = append(parts, fmt.Sprintf("the proofs of all %s lead to one root", plural(x.Agree, "module")))
	}
	if x := r.Signatures; x != nil && len(x.List) > 0 {
		parts = append(parts, signedWords(r))
	}
	return parts
}

// kernelHashset says what a kernel's hashset is, and whether it is that of the
// modules.
func kernelHashset(k *verify.KernelResult) string {
	s := k.Section
	if s == nil {
		return "none, or none that can be read"
	}
	words := fmt.Sprintf("Merkle root %d %s", s.Root.Levels, s.Root.Hash)
	if s.Scheme == hashset.Flat {
		words = fmt.Sprintf("flat list of %s, root %s", plural(len(s.Digests), "digest"), s.Root.Hash)
	}
	switch k.Root {
	case verify.RootMatches:
		return words + ", recomputed from the modules"
	case verify.RootDiffers:
		return words + ", NOT that of the modules"
	}
	return words + ", not recomputed"
}

// findingWords counts the findings by kind, in their order.
func findingWords(r *verify.Result) string {
	counts := map[verify.Kind]int{}
	var kinds []verify.Kind
	for _, f := range r.Findings {
		if counts[f.Kind] == 0 {
			kinds = append(kinds, f.Kind)
		}
		counts[f.Kind]++
	}
	var w []string
	for _, k := range kinds {
		switch k {
		case verify.Root, verify.OtherArch, verify.OtherRelease, verify.Image, verify.Partial, verify.SelfConsistent, verify.Hashset, verify.NoHashset, verify.Kind(kbuild.NoOrder):
			w = append(w, string(k))
		default:
			w = append(w, count(counts[k])+" "+string(k))
		}
	}
	return strings.Join(w, ", ")
}

func rootWords(r *verify.Result) string {
	switch r.Root {
	case verify.RootMatches:
		if r.Manifest == nil {
			return "recomputed from the modules, the same"
		}
		return fmt.Sprintf("recomputed from the modules, as stated (%s)", r.Manifest.Scheme)
	case verify.RootDiffers:
		return "recomputed from the modules, DIFFERS"
	case verify.RootNone:
		return "the manifest has none"
	}
	return "not recomputed: " + r.RootReason
}

func imageState(r *verify.Result) string {
	switch {
	case r.ImageChecked:
		return "as stated: " + Safe(r.Image.Path)
	case r.Manifest.Image.State == hashset.ImageNotCovered:
		return "NOT verified: the manifest does not cover it"
	case r.Has(verify.Image) && r.Image == nil:
		return "not in the build"
	case r.Has(verify.Image):
		return "NOT as stated: " + Safe(r.Image.Path)
	case r.Has(verify.Kind(kbuild.BadImage)):
		return "malformed"
	}
	return "the build has none, as stated"
}

func census(r *verify.Result) string {
	var w []string
	for i, t := range r.Census {
		if i == 5 {
			w = append(w, fmt.Sprintf("%d more kinds", len(r.Census)-i))
			break
		}
		w = append(w, fmt.Sprintf("%s %s", count(t.Count), Safe(t.Name)))
	}
	if len(w) == 0 {
		return "no module was read"
	}
	return strings.Join(w, "; ")
}

func (p *page) findings(r *verify.Result) {
	for i := 0; i < len(r.Findings); {
		j := i
		for j < len(r.Findings) && r.Findings[j].Kind == r.Findings[i].Kind {
			j++
		}
		group := r.Findings[i:j]
		i = j
		accepted := ""
		if group[0].Accepted {
			accepted = ", accepted"
		}
		p.line("")
		p.line("%s (%d%s):", group[0].Kind, len(group), accepted)
		p.items(len(group), func(k int) string {
			f := group[k]
			switch {
			case f.Name == "":
				return Safe(f.Detail)
			case f.Detail == "":
				return Safe(f.Name)
			}
			return Safe(f.Name) + ": " + Safe(f.Detail)
		})
		if hint := group[0].Kind.Hint(); hint != "" && !group[0].Accepted {
			p.line("  hint: %s", hint)
		}
	}
}

type verifyDoc struct {
	Schema       string           `json:"schema"`
	Verdict      string           `json:"verdict"`
	Manifest     *verifyManifest  `json:"manifest,omitempty"`
	Equal        int              `json:"modules_equal"`
	Given        int              `json:"modules_given"`
	Root         verify.RootState `json:"root"`
	ImageChecked bool             `json:"image_checked"`
	Kernel       *verifyKernel    `json:"kernel,omitempty"`
	Proofs       *verifyProofs    `json:"proofs,omitempty"`
	Signatures   *signaturesDoc   `json:"signatures,omitempty"`
	Trailers     []trailerDoc     `json:"trailers"`
	Findings     []findingDoc     `json:"findings"`
	Notes        []problemDoc     `json:"notes"`
}

type verifyManifest struct {
	Path    text                `json:"path"`
	Release string              `json:"release"`
	Arch    string              `json:"arch"`
	Modules int                 `json:"modules"`
	Hashset hashset.Scheme      `json:"hashset"`
	Image   hashset.ImageDigest `json:"image"`
}

type verifyKernel struct {
	Path         text             `json:"path"`
	Hashset      hashset.Scheme   `json:"hashset,omitempty"`
	Root         verify.RootState `json:"root"`
	Admitted     int              `json:"modules_admitted"`
	Certificates int              `json:"certificates"`
	Foreign      int              `json:"certificates_not_named"`
}

type verifyProofs struct {
	Root  merkleDoc `json:"root"`
	Agree int       `json:"modules_agree"`
}

type trailerDoc struct {
	Name  text `json:"name"`
	Count int  `json:"count"`
}

type findingDoc struct {
	Kind     verify.Kind `json:"kind"`
	Name     text        `json:"name,omitempty"`
	Detail   text        `json:"detail,omitempty"`
	Hint     string      `json:"hint,omitempty"`
	Accepted bool        `json:"accepted,omitempty"`
}

// VerifyJSON writes a verification as JSON, complete.
func VerifyJSON(w io.Writer, r *verify.Result, manifest string) error {
	doc := verifyDoc{
		Schema: VerifySchema, Verdict: VerdictOf(r),
		Equal: r.Equal, Given: r.Given, Root: r.Root, ImageChecked: r.ImageChecked, Signatures: newSignaturesDoc(r.Signatures),
		Trailers: make([]trailerDoc, len(r.Census)), Findings: make([]findingDoc, len(r.Findings)),
		Notes: make([]problemDoc, len(r.Notes)),
	}
	if m := r.Manifest; m != nil {
		doc.Manifest = &verifyManifest{text(manifest), m.Release, m.Arch, len(m.Entries), m.Scheme, m.Image}
	}
	if k := r.Kernel; k != nil {
		doc.Kernel = &verifyKernel{Path: text(k.Path), Root: k.Root, Admitted: k.Admitted, Certificates: k.Certificates, Foreign: k.Foreign}
		if k.Section != nil {
			doc.Kernel.Hashset = k.Section.Scheme
		}
	}
	if x := r.Proofs; x != nil {
		doc.Proofs = &verifyProofs{merkleDoc{x.Root.Levels, x.Root.Hash}, x.Agree}
	}
	for i, t := range r.Census {
		doc.Trailers[i] = trailerDoc{text(t.Name), t.Count}
	}
	for i, f := range r.Findings {
		doc.Findings[i] = findingDoc{f.Kind, text(f.Name), text(f.Detail), f.Kind.Hint(), f.Accepted}
	}
	for i, n := range r.Notes {
		doc.Notes[i] = newProblemDoc(n)
	}
	return writeJSON(w, doc)
}
