// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"github.com/modhash/modhash/hashset"
)

// Manifests compares what two manifests state. pathA and pathB are their names
// for the report.
func Manifests(a, b *hashset.Manifest, pathA, pathB string) *Comparison {
	c := &Comparison{
		A: Side{[]string{pathA}, "manifest", a.Release, a.Arch}, B: Side{[]string{pathB}, "manifest", b.Release, b.Arch},
		ManifestLevel: true,
	}
	c.Notes = append(c.Notes, "a manifest knows payloads only: signatures, compression and other files are not compared")
	all := manifestModules(a, b)
	c.addModules(all, true)
	if a.Arch != b.Arch {
		c.Notes = append(c.Notes, "the architectures differ")
	}
	c.Root = &RootPair{SchemeA: a.Scheme, SchemeB: b.Scheme, A: a.Root, B: b.Root}
	if a.Scheme != b.Scheme || a.Root != b.Root {
		c.Root.Verdict = Different
	}
	switch none, out := hashset.ImageNone, hashset.ImageNotCovered; {
	case a.Image.State == out || b.Image.State == out:
		c.Notes = append(c.Notes, "kernel image NOT compared: a manifest does not cover it")
	case a.Image.State != none || b.Image.State != none:
		c.Image = manifestImages(a.Image, b.Image)
	}
	c.settle()
	return c
}

func manifestModules(a, b *hashset.Manifest) []Module {
	index := map[string]int{}
	all := make([]Module, 0, len(a.Entries))
	for i, e := range a.Entries {
		index[e.Name] = len(all)
		all = append(all, Module{Name: e.Name, Only: OnlyA, Verdict: Different, PosA: i, PosB: -1, A: manifestFile(e)})
	}
	for i, e := range b.Entries {
		k, ok := index[e.Name]
		if !ok {
			all = append(all, Module{Name: e.Name, Only: OnlyB, Verdict: Different, PosA: -1, PosB: i, B: manifestFile(e)})
			continue
		}
		m := &all[k]
		m.Only, m.PosB, m.B = Both, i, manifestFile(e)
		if m.A.Payload == e.Digest {
			m.Verdict, m.Stored = Identical, -1
		}
	}
	sortModules(all)
	return all
}

func manifestFile(e hashset.Entry) *ModuleFile {
	return &ModuleFile{Stored: -1, Payload: e.Digest}
}

func manifestImages(a, b hashset.ImageDigest) *ImagePair {
	p := &ImagePair{DigestA: a, DigestB: b, DigestsEqual: a == b}
	switch {
	case a.State == hashset.ImageNone:
		p.Only = OnlyB
	case b.State == hashset.ImageNone:
		p.Only = OnlyA
	}
	if a != b {
		p.Verdict = Different
	}
	return p
}
