// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/modhash/modhash/hashset"
)

// Rebuilder is somebody whose statements count, once.
type Rebuilder struct {
	Name string
	Keys []*PublicKey
}

// Reason says why a document is no vote. Its text is stable.
type Reason string

const (
	Malformed     Reason = "malformed"      // it is no link
	OtherFile     Reason = "other-file"     // for another file or subject
	UnknownKey    Reason = "unknown-key"    // signed by nobody who is trusted
	BadSignature  Reason = "bad-signature"  // named after a trusted key, and not its own
	SecondVote    Reason = "second-vote"    // the rebuilder has said so already
	Contradiction Reason = "contradiction"  // the rebuilder states another thing elsewhere
	Disagreement  Reason = "disagreement"   // it says that something else was built
	Unreachable   Reason = "unreachable"    // it could not be read, or its server did not answer
	NoLink        Reason = "no-attestation" // the server has none for the subject
)

// Rejected is a document, or a server, that gave no vote.
type Rejected struct {
	Source    string // as given to Add or Fail
	Rebuilder string // "" if not known
	Reason    Reason
	Detail    string
}

// Group is the rebuilders that state one product.
type Group struct {
	Digest     hashset.Digest
	Rebuilders []string // sorted
	Sources    []string // of the votes, in the order of Rebuilders
	// Manifest is what has this digest: nil if it was not given.
	Manifest *Header
}

// Verdict is what a poll comes to.
type Verdict string

const (
	Agreed    Verdict = "agreed"    // enough rebuilders state one product, and not another one too
	Contested Verdict = "contested" // enough rebuilders state each of several products
	TooFew    Verdict = "too-few"   // no product is stated by enough of them
)

// Poll collects votes about one file.
type Poll struct {
	subject    Subject
	threshold  int
	rebuilders []Rebuilder
	keys       []*PublicKey
	owner      map[string]int // by key id
	votes      [][]vote       // by rebuilder
	denials    [][]vote       // what a rebuilder says that was published and not built
	rejected   []Rejected
}

type vote struct {
	digest hashset.Digest
	source string
}

// NewPoll refuses what cannot be counted: no rebuilder, a threshold that is not
// from 1 to their number, two of one name, one without a key, a key of two.
func NewPoll(subject Subject, threshold int, rebuilders []Rebuilder) (*Poll, error) {
	if err := subject.Check(); err != nil {
		return nil, err
	}
	if len(rebuilders) == 0 {
		return nil, errors.New("no rebuilder is trusted")
	}
	if threshold < 1 || threshold > len(rebuilders) {
		return nil, fmt.Errorf("a threshold of %d with %d rebuilders", threshold, len(rebuilders))
	}
	p := &Poll{
		subject: subject, threshold: threshold, rebuilders: rebuilders, owner: map[string]int{},
		votes: make([][]vote, len(rebuilders)), denials: make([][]vote, len(rebuilders)),
	}
	names := map[string]bool{}
	for i, r := range rebuilders {
		switch {
		case r.Name == "":
			return nil, errors.New("a rebuilder without a name")
		case names[r.Name]:
			return nil, fmt.Errorf("two rebuilders have the name %s", r.Name)
		case len(r.Keys) == 0:
			return nil, fmt.Errorf("the rebuilder %s has no key", r.Name)
		}
		names[r.Name] = true
		for _, k := range r.Keys {
			if j, ok := p.owner[k.ID]; ok {
				return nil, fmt.Errorf("%s and %s have one key, %s: each counts once", rebuilders[j].Name, r.Name, k.ID)
			}
			p.owner[k.ID] = i
			p.keys = append(p.keys, k)
		}
	}
	return p, nil
}

// Add takes a document, from a source that is named for people.
func (p *Poll) Add(source string, document []byte) {
	l, err := Parse(document)
	if err != nil {
		p.reject(source, "", Malformed, err.Error())
		return
	}
	by, err := l.Verify(p.keys)
	switch {
	case errors.Is(err, ErrSignature):
		p.reject(source, "", BadSignature, err.Error())
		return
	case err != nil:
		p.reject(source, "", UnknownKey, err.Error())
		return
	}
	var who []int // each once
	for _, k := range by {
		if i := p.owner[k.ID]; !slices.Contains(who, i) {
			who = append(who, i)
		}
	}
	for _, i := range who {
		p.add(i, source, l)
	}
}

func (p *Poll) add(i int, source string, l *Link) {
	name := p.rebuilders[i].Name
	switch {
	case l.Product.Name != p.subject.File():
		p.reject(source, name, OtherFile, "it is about "+l.Product.Name)
	case l.Subject != (Subject{}) && l.Subject != p.subject:
		p.reject(source, name, OtherFile, "it is about "+l.Subject.String())
	case l.Rebuilt != nil:
		p.denials[i] = append(p.denials[i], vote{l.Product.SHA256, source})
		p.reject(source, name, Disagreement, fmt.Sprintf("published was sha256 %s, built was %s", l.Product.SHA256, l.Rebuilt.SHA256))
	default:
		p.votes[i] = append(p.votes[i], vote{l.Product.SHA256, source})
	}
}

// Fail notes that a source gave nothing.
func (p *Poll) Fail(source, rebuilder string, reason Reason, detail string) {
	p.reject(source, rebuilder, reason, detail)
}

func (p *Poll) reject(source, rebuilder string, reason Reason, detail string) {
	p.rejected = append(p.rejected, Rejected{source, rebuilder, reason, detail})
}

// Count counts what was added.
func (p *Poll) Count() *Result {
	r := &Result{Subject: p.subject, Threshold: p.threshold, Rebuilders: len(p.rebuilders), Rejected: slices.Clone(p.rejected)}
	groups := map[hashset.Digest]*Group{}
	for i, reb := range p.rebuilders {
		v, ok := p.settle(i, r)
		if !ok {
			r.Silent = append(r.Silent, reb.Name)
			continue
		}
		g := groups[v.digest]
		if g == nil {
			g = &Group{Digest: v.digest}
			groups[v.digest] = g
			r.Groups = append(r.Groups, g)
		}
		at, _ := slices.BinarySearch(g.Rebuilders, reb.Name)
		g.Rebuilders = slices.Insert(g.Rebuilders, at, reb.Name)
		g.Sources = slices.Insert(g.Sources, at, v.source)
	}
	slices.Sort(r.Silent)
	slices.SortFunc(r.Groups, func(a, b *Group) int {
		return cmp.Or(cmp.Compare(len(b.Rebuilders), len(a.Rebuilders)), slices.Compare(a.Digest[:], b.Digest[:]))
	})
	slices.SortStableFunc(r.Rejected, func(a, b Rejected) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Rebuilder, b.Rebuilder), cmp.Compare(a.Reason, b.Reason))
	})
	enough := 0
	for _, g := range r.Groups {
		if len(g.Rebuilders) >= p.threshold {
			enough++
		}
	}
	switch enough {
	case 0:
		r.Verdict = TooFew
	case 1:
		r.Verdict = Agreed
	default:
		r.Verdict = Contested
	}
	return r
}

// settle finds the one vote of a rebuilder and rejects the others.
func (p *Poll) settle(i int, r *Result) (vote, bool) {
	name, votes := p.rebuilders[i].Name, slices.Clone(p.votes[i])
	if len(votes) == 0 {
		return vote{}, false
	}
	// Which of several equal ones counts does not depend on the order in which
	// they came.
	slices.SortFunc(votes, func(a, b vote) int {
		return cmp.Or(cmp.Compare(a.source, b.source), slices.Compare(a.digest[:], b.digest[:]))
	})
	other := func(d hashset.Digest) bool {
		return slices.ContainsFunc(votes, func(v vote) bool { return v.digest != d })
	}
	denied := slices.ContainsFunc(p.denials[i], func(v vote) bool { return v.digest == votes[0].digest })
	if denied || other(votes[0].digest) {
		for _, v := range votes {
			r.Rejected = append(r.Rejected, Rejected{v.source, name, Contradiction, fmt.Sprintf("here it states sha256 %s", v.digest)})
		}
		return vote{}, false
	}
	for _, v := range votes[1:] {
		r.Rejected = append(r.Rejected, Rejected{v.source, name, SecondVote, "it counts once: " + votes[0].source})
	}
	return votes[0], true
}
