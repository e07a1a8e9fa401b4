// SPDX-License-Identifier: Apache-2.0

package sign

import "fmt"

// Kind says what kind of obstacle a module is. Its text is stable.
type Kind string

// The kinds of obstacles.
const (
	carriesProof   Kind = "carries-proof"     // a hashset covers it
	inManifest     Kind = "listed"            // a manifest lists it
	otherTrailer   Kind = "other-trailer"     // it ends in another trailer
	notByDKMS      Kind = "not-by-dkms"       // it has the name of one that dkms built, and another payload
	malformed      Kind = "malformed-trailer" // it ends in what is no trailer
	corrupt        Kind = "corrupt"           // it is no module
	hardLink       Kind = "hard-link"         // it has names that were not given
	noSignature    Kind = "no-signature"      // there is no signature for it, or it has none
	wrongSignature Kind = "wrong-signature"   // the signature is not one over its payload by the key
)

// hints has all kinds in the order in which they are told.
var hints = []struct {
	kind Kind
	hint string
}{
	{carriesProof, "--covered skip leaves such modules as they are, --covered include goes on, with --replace in place of the proof"},
	{inManifest, "--covered skip leaves such modules as they are, --covered include signs them"},
	{otherTrailer, "--replace takes away what the modules end in"},
	{notByDKMS, "remove the module if it is a leftover, or sign it by its own name"},
	{malformed, "what follows the module is damaged, so nobody can tell where it ends: take it anew from where it was built"},
	{corrupt, ""},
	{hardLink, "name a folder that holds all names, or let them differ with --break-links"},
	{noSignature, "the signatures may be of another build, or by other names: they are looked for by those that modhash detach uses"},
	{wrongSignature, "signatures are only over the very modules that were given to modhash detach; a module that was stripped since is another one"},
}

// Hint says what the user can do about an obstacle of this kind; "" if there is no
// general advice.
func (k Kind) Hint() string {
	for _, h := range hints {
		if h.kind == k {
			return h.hint
		}
	}
	return ""
}

// Obstacle is why a module cannot be changed.
type Obstacle struct {
	Name   string
	Kind   Kind
	Detail string
}

func (o Obstacle) String() string { return string(o.Kind) + ": " + o.Name + ": " + o.Detail }

// ObstaclesError lists everything that keeps modules from being changed. No file
// was changed.
type ObstaclesError struct {
	Obstacles []Obstacle
	// Unused are the signatures in a store that belong to none of the modules.
	Unused []string
}

// Alike are obstacles of one kind that say the same.
type Alike struct {
	Kind   Kind
	Detail string   // that of the first
	Names  []string // of the modules, in their order
	// Same: the detail is that of all, and not only to the point where it names the
	// module's signature.
	Same bool
}

// Fold puts the obstacles together that are alike, in the order of the first of each.
func (e *ObstaclesError) Fold() []Alike {
	type key struct {
		kind   Kind
		detail string
	}
	var out []Alike
	at := map[key]int{}
	for _, o := range e.Obstacles {
		k := key{o.Kind, o.Detail}
		if o.Kind == noSignature {
			k.detail = ""
		}
		i, known := at[k]
		if !known {
			i = len(out)
			at[k] = i
			out = append(out, Alike{Kind: o.Kind, Detail: o.Detail, Same: true})
		}
		out[i].Names = append(out[i].Names, o.Name)
		out[i].Same = out[i].Same && o.Detail == out[i].Detail
	}
	return out
}

func (e *ObstaclesError) Error() string {
	return fmt.Sprintf("%d modules cannot be changed, the first: %v", len(e.Obstacles), e.Obstacles[0])
}

// Kinds returns the kinds of the obstacles, each once, in a fixed order.
func (e *ObstaclesError) Kinds() []Kind {
	seen := map[Kind]bool{}
	for _, o := range e.Obstacles {
		seen[o.Kind] = true
	}
	var out []Kind
	for _, h := range hints {
		if seen[h.kind] {
			out = append(out, h.kind)
		}
	}
	return out
}
