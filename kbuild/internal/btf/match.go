// SPDX-License-Identifier: Apache-2.0

package btf

import (
	"bytes"
	"cmp"
	"slices"
)

// State says what is known of a type by that of the other side which it was matched
// with.
type State uint8

const (
	// Unmatched: the other side has no such type.
	Unmatched State = iota
	// Differs: another size, other members, or other types of them.
	Differs
	// Unconfirmed: only types and names of the kernel have other numbers, which
	// nothing proves to be right.
	Unconfirmed
	// Renumbered: only types and names of the kernel have other numbers, each the
	// same other one wherever it is used, and is used more than once.
	Renumbered
	// Follows: each word was computed again from where types and names have gone.
	Follows
)

// Matching says which types of two sections are the same.
type Matching struct {
	A, B *Section
	// StatesA and StatesB have an entry for each type.
	StatesA, StatesB []State
	// Complete: all types follow and all names are on both sides, so that nothing but
	// the order of types or names can differ.
	Complete bool

	toA, toB     []int32 // of each type its counterpart, -1 for none
	names        []int32 // of each name of A where the same one of B begins, -1 for none
	refs, places votes   // of numbers of types and places of names that the kernel has
}

// Match compares two sections. Where the number of the first type is not known, the
// lowest is taken that both sides can have. Two that have none in common are of two
// kernels, and refused, with a FormatError, if these have the same numbers for their own
// types: one number that was changed can make all others look like the kernel's. So is a
// section in which a type leads to itself.
func Match(a, b *Section) (*Matching, error) {
	inferred := a.First == 0 || b.First == 0
	if inferred {
		fa, fb := a.Firsts(), b.Firsts()
		if len(fa) == 0 || len(fb) == 0 {
			return nil, &FormatError{int64(a.Head), "no number for the first type fits"}
		}
		a.First, b.First = fa[0], fb[0]
		for _, f := range fa {
			if slices.Contains(fb, f) && a.NameBase == b.NameBase {
				a.First, b.First = f, f
				break
			}
		}
	}
	for _, s := range []*Section{a, b} {
		if s.loops() {
			return nil, &FormatError{int64(s.Head), "a type that leads to itself"}
		}
	}
	m := &Matching{A: a, B: b, toA: none(len(b.types)), toB: none(len(a.types))}
	complete := m.matchNames()
	m.matchTypes()
	m.judge()
	if inferred && (a.First != b.First || a.NameBase != b.NameBase) && !m.refs.moved() && !m.places.moved() {
		return nil, &FormatError{int64(b.Head), "the first type has another number than on the other side, but those of the kernel have not"}
	}
	m.Complete = complete && bytes.Equal(a.Bytes[:a.Head], b.Bytes[:b.Head]) &&
		!slices.ContainsFunc(m.StatesA, unsure) && !slices.ContainsFunc(m.StatesB, unsure)
	return m, nil
}

func unsure(s State) bool { return s != Follows }

func none(n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = -1
	}
	return s
}

// matchNames matches equal names, the n-th with the n-th but at both ends of the lists,
// which are mostly alike; it reports whether all have one.
func (m *Matching) matchNames() bool {
	na, nb := len(m.A.starts), len(m.B.starts)
	m.names = none(na)
	lo, matched := 0, 0
	same := func(x, y int) bool { return bytes.Equal(m.A.start(int32(x)), m.B.start(int32(y))) }
	pair := func(x, y int) {
		m.names[x] = int32(m.B.starts[y])
		matched++
	}
	for lo < na && lo < nb && same(lo, lo) {
		pair(lo, lo)
		lo++
	}
	for na > lo && nb > lo && same(na-1, nb-1) {
		na--
		nb--
		pair(na, nb)
	}
	oa, ob := m.A.ordered(lo, na), m.B.ordered(lo, nb)
	for len(oa) > 0 && len(ob) > 0 {
		switch c := compareNames(m.A, oa[0], m.B, ob[0]); {
		case c < 0:
			oa = oa[1:]
		case c > 0:
			ob = ob[1:]
		default:
			pair(int(oa[0].i), int(ob[0].i))
			oa, ob = oa[1:], ob[1:]
		}
	}
	return matched == len(m.A.starts) && matched == len(m.B.starts)
}

// hashed is a name by its number, with its hash.
type hashed struct {
	hash uint64
	i    int32
}

// compareNames orders names by their hashes, and those of one hash by what they are.
func compareNames(s *Section, x hashed, t *Section, y hashed) int {
	if x.hash != y.hash {
		return cmp.Compare(x.hash, y.hash)
	}
	return bytes.Compare(s.start(x.i), t.start(y.i))
}

// ordered sorts the names from lo to hi.
func (s *Section) ordered(lo, hi int) []hashed {
	list := make([]hashed, 0, hi-lo)
	for i := lo; i < hi; i++ {
		list = append(list, hashed{hashName(s.start(int32(i))), int32(i)})
	}
	slices.SortFunc(list, func(x, y hashed) int {
		if c := compareNames(s, x, s, y); c != 0 {
			return c
		}
		return cmp.Compare(x.i, y.i)
	})
	return list
}

// start returns name i.
func (s *Section) start(i int32) []byte { return s.nameAt(s.NameBase + s.starts[i]) }

// matchTypes matches types by what they are: first by all that they say, then by names
// that one type has, with the types that these lead to, then without the numbers that are
// the kernel's, at last by any name.
func (m *Matching) matchTypes() {
	a, b := newLabels(m.A), newLabels(m.B)
	// Types that share a name are told apart by what they hold.
	twins := slices.Concat(a.twins(), b.twins())
	slices.Sort(twins)
	for _, wild := range []bool{false, true} {
		for _, l := range []*labels{a, b} {
			l.settle(wild)
			if len(twins) > 0 {
				l.split(twins, wild)
			}
		}
		if wild {
			unique := func(l *labels) func(i int) uint64 {
				return func(i int) uint64 {
					n := l.named(i)
					if _, twin := slices.BinarySearch(twins, n); twin {
						return 0
					}
					return n
				}
			}
			m.pass(unique(a), unique(b))
			m.follow(a, b)
		}
		m.pass(func(i int) uint64 { return a.key(i, wild) }, func(i int) uint64 { return b.key(i, wild) })
	}
	m.pass(a.named, b.named)
}

// follow matches types to which types that were matched lead in the same place, if they
// are alike but for the kernel's numbers, and if nothing else leads elsewhere; round by
// round, so that it does not matter which side is A.
func (m *Matching) follow(a, b *labels) {
	for range maxRounds {
		found := m.led(a, b)
		if len(found) == 0 {
			return
		}
		for _, p := range found {
			x, y := int32(p>>32), int32(p&0xffffffff)
			m.toB[x], m.toA[y] = y, x
		}
	}
}

// led lists the pairs of types for one round of follow: those of A above 32 bits.
func (m *Matching) led(a, b *labels) []uint64 {
	var pairs []uint64
	for i, j := range m.toB {
		if j < 0 || m.A.Words(i) != m.B.Words(int(j)) || m.A.word(i, 1) != m.B.word(int(j), 1) {
			continue
		}
		kind := m.A.Kind(i)
		for k, n := 2, m.A.Words(i); k < n; k++ {
			if roleOf(kind, k) != ref {
				continue
			}
			x, y := m.A.word(i, k)-m.A.First, m.B.word(int(j), k)-m.B.First // below the first: out of range
			if x < uint32(len(m.toB)) && y < uint32(len(m.toA)) && m.toB[x] < 0 && m.toA[y] < 0 && a.key(int(x), true) == b.key(int(y), true) {
				pairs = append(pairs, uint64(x)<<32|uint64(y))
			}
		}
	}
	slices.Sort(pairs)
	pairs = slices.Compact(pairs)
	inA, inB := map[uint64]int{}, map[uint64]int{}
	for _, p := range pairs {
		inA[p>>32]++
		inB[p&0xffffffff]++
	}
	return slices.DeleteFunc(pairs, func(p uint64) bool { return inA[p>>32] > 1 || inB[p&0xffffffff] > 1 })
}

// pass matches types that have no counterpart yet by keys, the n-th of a key with the
// n-th. Key 0 is none.
func (m *Matching) pass(keyA, keyB func(i int) uint64) {
	type entry struct {
		key uint64
		i   int32
	}
	list := func(to []int32, key func(i int) uint64) []entry {
		var out []entry
		for i, t := range to {
			if t >= 0 {
				continue
			}
			if k := key(i); k != 0 {
				out = append(out, entry{k, int32(i)})
			}
		}
		slices.SortFunc(out, func(x, y entry) int { return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.i, y.i)) })
		return out
	}
	la, lb := list(m.toB, keyA), list(m.toA, keyB)
	for len(la) > 0 && len(lb) > 0 {
		switch x, y := la[0], lb[0]; {
		case x.key < y.key:
			la = la[1:]
		case x.key > y.key:
			lb = lb[1:]
		default:
			m.toB[x.i], m.toA[y.i] = y.i, x.i
			la, lb = la[1:], lb[1:]
		}
	}
}

// judge looks at each word of the types that were matched.
func (m *Matching) judge() {
	m.StatesA, m.StatesB = make([]State, len(m.toB)), make([]State, len(m.toA))
	for i, j := range m.toB {
		if j >= 0 {
			m.compare(i, int(j), true)
		}
	}
	m.refs.count()
	m.places.count()
	for i, j := range m.toB {
		if j >= 0 {
			s := m.compare(i, int(j), false)
			m.StatesA[i], m.StatesB[j] = s, s
		}
	}
}

// compare compares two types word by word. A first round collects what the numbers of
// the kernel's types have become; the second one judges by that.
func (m *Matching) compare(i, j int, collect bool) State {
	n := m.A.Words(i)
	if n != m.B.Words(j) || m.A.word(i, 1) != m.B.word(j, 1) {
		return Differs
	}
	kind, state := m.A.Kind(i), Follows
	for k := range n {
		va, vb := m.A.word(i, k), m.B.word(j, k)
		var ok bool
		var v *votes
		switch roleOf(kind, k) {
		case plain:
			ok = va == vb
		case name:
			ok, v = m.sameName(va, vb)
		case ref:
			ok, v = m.sameType(va, vb)
		}
		switch {
		case v != nil && collect:
			v.pairs = append(v.pairs, uint64(va)<<32|uint64(vb))
		case v != nil && va == vb && !v.moved(), ok && v == nil, collect:
		case v != nil && v.confirmed(va, vb):
			if va != vb {
				state = min(state, Renumbered)
			}
		case v != nil && v.moved():
			state = Unconfirmed
		default:
			return Differs
		}
	}
	return state
}

// sameName compares places of names; of those that the kernel has, votes decide.
func (m *Matching) sameName(va, vb uint32) (bool, *votes) {
	baseA, baseB := va < m.A.NameBase, vb < m.B.NameBase
	switch {
	case va == 0 || vb == 0:
		return va == vb, nil
	case baseA && baseB:
		return true, &m.places
	case baseA || baseB:
		return false, nil
	}
	k, ok := slices.BinarySearch(m.A.starts, va-m.A.NameBase)
	return ok && m.names[k] >= 0 && uint32(m.names[k]) == vb-m.B.NameBase, nil
}

// sameType compares numbers of types in the same way.
func (m *Matching) sameType(va, vb uint32) (bool, *votes) {
	baseA, baseB := va < m.A.First, vb < m.B.First
	switch {
	case va == 0 || vb == 0:
		return va == vb, nil
	case baseA && baseB:
		return true, &m.refs
	case baseA || baseB:
		return false, nil
	}
	i := va - m.A.First
	return i < uint32(len(m.toB)) && m.toB[i] >= 0 && uint32(m.toB[i]) == vb-m.B.First, nil
}

// ID tells what has become of the number of a type: it reports whether va on side A
// and vb on side B are numbers of one type that follows.
func (m *Matching) ID(va, vb uint32) bool {
	ok, v := m.sameType(va, vb)
	if v != nil {
		return va == vb && !v.moved()
	}
	return ok && va != 0 && m.StatesA[va-m.A.First] == Follows
}

// Elsewhere reports whether a number is that of different types on the two sides, of
// those that the sections hold.
func (m *Matching) Elsewhere(v uint32) bool {
	i, j := v-m.A.First, v-m.B.First // below the first: out of range
	inA, inB := i < uint32(len(m.toB)), j < uint32(len(m.toA))
	return inA && (m.toB[i] < 0 || uint32(m.toB[i]) != j) || inB && (m.toA[j] < 0 || uint32(m.toA[j]) != i)
}
