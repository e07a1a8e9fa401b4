// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"slices"
	"strings"
)

// CauseSum is what one cause comes to over all modules.
type CauseSum struct {
	Cause *Cause // nil for what is unexplained
	// Modules counts those it was found in. Tallies of the stored and of the
	// innermost layer are kept apart.
	Modules      int
	Regions      int
	Stored, Unit Tally
	// Values are the things that it is about, those in most modules first.
	Values []ValueSum
	// More: beside these there are others, which the accounts do not list.
	More bool
	// Areas are the parts of the tree that the modules are in, those with most
	// modules first.
	Areas []AreaSum
}

// ID is that of the cause, or "unexplained".
func (s *CauseSum) ID() string {
	if s.Cause == nil {
		return string(Unexplained)
	}
	return s.Cause.ID
}

// Class is that of the cause, or [Unexplained].
func (s *CauseSum) Class() Class {
	if s.Cause == nil {
		return Unexplained
	}
	return s.Cause.Class
}

// ValueSum is one thing that a cause is about, with its values on both sides.
type ValueSum struct {
	Subject, A, B string
	Modules       int
	Module        string // the first of them, by name
}

// AreaSum counts the modules of a part of the tree: "drivers/net", "fs".
type AreaSum struct {
	Area    string
	Modules int
}

// Causes folds the accounts of all modules: one cause is one entry, in however
// many modules it is. What needs most attention comes first.
func (c *Comparison) Causes() []CauseSum {
	f := causeFolder{byID: map[string]*causeFold{}}
	for i := range c.Modules {
		if acc := c.Modules[i].Account; acc != nil {
			f.module(i+1, c.Modules[i].Name, acc)
		}
	}
	return f.sums()
}

// Accounted counts the modules that were accounted for, and among them those
// that nothing remains open of: no byte is unexplained or a change.
func (c *Comparison) Accounted() (modules, explained int, faults []string) {
	for i := range c.Modules {
		m := &c.Modules[i]
		if m.Account == nil {
			continue
		}
		modules++
		if m.Account.Explained() {
			explained++
		}
		if m.Account.Fault != "" {
			faults = append(faults, m.Name+": "+m.Account.Fault)
		}
	}
	return modules, explained, faults
}

type causeFolder struct{ byID map[string]*causeFold }

type causeFold struct {
	CauseSum
	last   int // the module counted last
	values map[[3]string]*ValueSum
	areas  map[string]int
}

func (f *causeFolder) module(n int, name string, acc *Account) {
	for i := range acc.Items {
		it := &acc.Items[i]
		s := f.byID[it.ID()]
		if s == nil {
			s = &causeFold{CauseSum: CauseSum{Cause: it.Cause}, values: map[[3]string]*ValueSum{}, areas: map[string]int{}}
			f.byID[it.ID()] = s
		}
		if s.last != n {
			s.Modules++
			s.last = n
			s.areas[area(name)]++
		}
		s.Regions += it.Regions
		t := &s.Unit
		if it.Layer == LayerStored {
			t = &s.Stored
		}
		t.ChangedA += it.ChangedA
		t.ChangedB += it.ChangedB
		t.Moved += it.Moved
		if it.More > 0 {
			s.More = true
			continue
		}
		key := [3]string{it.Subject, it.Owner.A, it.Owner.B}
		v := s.values[key]
		if v == nil {
			v = &ValueSum{Subject: it.Subject, A: it.Owner.A, B: it.Owner.B, Module: name}
			s.values[key] = v
		}
		v.Modules++
	}
}

// area is the part of the tree that a module belongs to.
func area(name string) string {
	parts := strings.Split(strings.TrimPrefix(name, "kernel/"), "/")
	parts = parts[:len(parts)-1]
	switch {
	case len(parts) == 0:
		return "."
	case len(parts) > 1 && (parts[0] == "drivers" || parts[0] == "arch" || parts[0] == "sound"):
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

func (f *causeFolder) sums() []CauseSum {
	out := make([]CauseSum, 0, len(f.byID))
	for _, s := range f.byID {
		for _, v := range s.values {
			s.Values = append(s.Values, *v)
		}
		slices.SortFunc(s.Values, func(x, y ValueSum) int {
			return cmp.Or(-cmp.Compare(x.Modules, y.Modules), cmp.Compare(x.Subject, y.Subject), byValues(x.A, x.B, y.A, y.B),
				cmp.Compare(x.Module, y.Module), cmp.Compare(x.A, y.A))
		})
		for a, n := range s.areas {
			s.Areas = append(s.Areas, AreaSum{a, n})
		}
		slices.SortFunc(s.Areas, func(x, y AreaSum) int { return cmp.Or(-cmp.Compare(x.Modules, y.Modules), cmp.Compare(x.Area, y.Area)) })
		out = append(out, s.CauseSum)
	}
	slices.SortFunc(out, func(x, y CauseSum) int {
		return cmp.Or(-cmp.Compare(attention(x.Class()), attention(y.Class())), -cmp.Compare(x.Modules, y.Modules), cmp.Compare(x.ID(), y.ID()))
	})
	return out
}

// attention orders causes in a summary: what nobody can explain first, then the
// causes that can be mended, since the changes may come from them.
func attention(c Class) int {
	return slices.Index([]Class{Derived, Unverified, CodeChange, Root, Unexplained}, c)
}
