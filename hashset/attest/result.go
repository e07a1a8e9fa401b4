// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/modhash/modhash/hashset"
)

// Result is the outcome of a poll.
type Result struct {
	Subject    Subject
	Threshold  int
	Rebuilders int // that are trusted
	Verdict    Verdict
	Groups     []*Group // most rebuilders first
	Silent     []string // rebuilders without a vote, sorted
	Rejected   []Rejected

	// Surplus are manifests that nobody states.
	Surplus []string

	tally tally
}

// Header is what is known of a manifest beside its modules.
type Header struct {
	Source  string
	Release string
	Arch    string
	Modules int
	Image   hashset.ImageDigest
	Err     error // not nil: it is no manifest, and all else is empty
}

// Winner is the group that enough rebuilders are in, nil if there is not one.
func (r *Result) Winner() *Group {
	if r.Verdict != Agreed {
		return nil
	}
	return r.Groups[0]
}

// AddManifest takes a manifest, which counts if its digest is one that is stated.
// Of one digest the first counts. The bytes are not kept.
func (r *Result) AddManifest(source string, data []byte) {
	digest := hashset.Digest(sha256.Sum256(data))
	i := slices.IndexFunc(r.Groups, func(g *Group) bool { return g.Digest == digest })
	switch {
	case i < 0:
		r.Surplus = append(r.Surplus, source)
		return
	case r.Groups[i].Manifest != nil:
		return
	}
	h := &Header{Source: source}
	r.Groups[i].Manifest = h
	m, err := hashset.Parse(bytes.NewReader(data))
	if err != nil {
		h.Err = err
		return
	}
	h.Release, h.Arch, h.Modules, h.Image = m.Release, m.Arch, len(m.Entries), m.Image
	r.tally.add(i, m)
}

// tally holds for each thing that manifests state who states what. A value is
// kept once, however many state it.
type tally struct {
	groups  []int // in the order in which they came
	modules map[string]*row
	order   []string // names, as they were met
	head    [4]row   // build, root, image, order
}

// row is one thing: the values, and which groups state them.
type row struct {
	values []string
	groups [][]int32
}

func (w *row) add(group int, value string) {
	i := slices.Index(w.values, value)
	if i < 0 {
		i = len(w.values)
		w.values, w.groups = append(w.values, value), append(w.groups, nil)
	}
	w.groups[i] = append(w.groups[i], int32(group))
}

func (t *tally) add(group int, m *hashset.Manifest) {
	if t.modules == nil {
		t.modules = make(map[string]*row, len(m.Entries))
	}
	t.groups = append(t.groups, group)
	t.head[0].add(group, m.Release+", "+m.Arch)
	t.head[1].add(group, rootText(m))
	t.head[2].add(group, m.Image.String())
	names := sha256.New()
	for _, e := range m.Entries {
		w := t.modules[e.Name]
		if w == nil {
			name := strings.Clone(e.Name)
			w = &row{}
			t.modules[name] = w
			t.order = append(t.order, name)
		}
		w.add(group, string(e.Digest[:]))
		fmt.Fprintln(names, e.Name)
	}
	t.head[3].add(group, hex.EncodeToString(names.Sum(nil)))
}

func rootText(m *hashset.Manifest) string {
	switch m.Scheme {
	case hashset.None:
		return string(m.Scheme)
	case hashset.Flat:
		return fmt.Sprintf("%s %s", m.Scheme, m.Root.Hash)
	}
	return fmt.Sprintf("%s %d %s", m.Scheme, m.Root.Levels, m.Root.Hash)
}

// Choice is one of the values that a thing has, and who states it.
type Choice struct {
	Value      string   // "missing" for a module that is in other manifests
	Rebuilders []string // sorted
}

// Part is one thing that manifests state.
type Part struct {
	Name    string   // "build", "root", "image", "order", or a module
	Choices []Choice // most rebuilders first
	// Outliers are the rebuilders that do not state the first choice; none if
	// there is no such choice, because as many state another one.
	Outliers []string
	Enough   bool // the first choice is stated by as many as are needed
}

// Contested reports whether there is more than one choice.
func (p *Part) Contested() bool { return len(p.Choices) > 1 }

// Comparison says on what those rebuilders agree whose manifests were given.
type Comparison struct {
	Rebuilders []string // whose manifests were given, sorted
	Without    []string // that have a vote, and no manifest here
	Build      Part     // release and architecture
	Root       Part
	Image      Part
	Order      Part   // SHA-256 of the modules' names, a line each; empty if not all have the same modules
	Modules    int    // in all manifests together
	Agreed     int    // of those, stated alike by all
	Contested  []Part // the others, in the order of the manifests
}

// Compare compares the manifests that were given, nil if there is none.
func (r *Result) Compare() *Comparison {
	t := &r.tally
	c := &Comparison{}
	for i, g := range r.Groups {
		if slices.Contains(t.groups, i) {
			c.Rebuilders = append(c.Rebuilders, g.Rebuilders...)
		} else {
			c.Without = append(c.Without, g.Rebuilders...)
		}
	}
	slices.Sort(c.Rebuilders)
	slices.Sort(c.Without)
	if len(t.groups) == 0 {
		return nil
	}
	c.Build, c.Root, c.Image = r.part("build", &t.head[0]), r.part("root", &t.head[1]), r.part("image", &t.head[2])
	c.Modules = len(t.order)
	alike := true
	for _, name := range t.order {
		w := t.modules[name]
		if len(w.values) == 1 && len(w.groups[0]) == len(t.groups) {
			c.Agreed++
			continue
		}
		c.Contested = append(c.Contested, r.modulePart(name, w))
		alike = alike && !slices.ContainsFunc(c.Contested[len(c.Contested)-1].Choices, func(ch Choice) bool { return ch.Value == missing })
	}
	if alike {
		c.Order = r.part("order", &t.head[3])
	}
	return c
}

// missing is the choice of who does not have a module.
const missing = "missing"

// modulePart is part of a module, whose values are raw digests.
func (r *Result) modulePart(name string, w *row) Part {
	words := &row{groups: slices.Clone(w.groups)}
	there := map[int]bool{}
	for i, v := range w.values {
		words.values = append(words.values, hashset.Digest([]byte(v)).String())
		for _, g := range w.groups[i] {
			there[int(g)] = true
		}
	}
	for _, g := range r.tally.groups {
		if !there[g] {
			words.add(g, missing)
		}
	}
	return r.part(name, words)
}

func (r *Result) part(name string, w *row) Part {
	p := Part{Name: name}
	for i, v := range w.values {
		ch := Choice{Value: v}
		for _, g := range w.groups[i] {
			ch.Rebuilders = append(ch.Rebuilders, r.Groups[g].Rebuilders...)
		}
		slices.Sort(ch.Rebuilders)
		p.Choices = append(p.Choices, ch)
	}
	slices.SortFunc(p.Choices, func(a, b Choice) int {
		return cmp.Or(cmp.Compare(len(b.Rebuilders), len(a.Rebuilders)), cmp.Compare(a.Value, b.Value))
	})
	p.Enough = len(p.Choices[0].Rebuilders) >= r.Threshold
	if len(p.Choices) > 1 && len(p.Choices[0].Rebuilders) > len(p.Choices[1].Rebuilders) {
		for _, ch := range p.Choices[1:] {
			p.Outliers = append(p.Outliers, ch.Rebuilders...)
		}
		slices.Sort(p.Outliers)
	}
	return p
}
