// SPDX-License-Identifier: Apache-2.0

package btf

import "slices"

// labels finds equal types of two sections by hashes of what they say. A named type
// that another one refers to is known by its name alone, so that a change of it does
// not reach all that leads to it; one without a name by all that it says. Whether two
// types of one hash are equal is for others to see.
type labels struct {
	s     *Section
	names []uint64 // see named
	own   []uint64 // of all words but numbers of types
	label []uint64 // by which others refer to the type
}

func newLabels(s *Section) *labels {
	n := len(s.types)
	l := &labels{s: s, names: make([]uint64, n), own: make([]uint64, n), label: make([]uint64, n)}
	for i := range s.types {
		kind := s.Kind(i)
		if len(s.Name(i)) > 0 {
			l.names[i] = mix(uint64(kind)<<8, l.text(s.word(i, 0)))
		}
		h := uint64(kind)
		for k, n := 0, s.Words(i); k < n; k++ {
			switch v := s.word(i, k); roleOf(kind, k) {
			case plain:
				h = mix(h, uint64(v))
			case name:
				h = mix(h, l.text(v))
			}
		}
		l.own[i] = h
	}
	return l
}

// text is the hash of a name; all names that the kernel has are alike.
func (l *labels) text(at uint32) uint64 {
	switch {
	case at == 0:
		return 1
	case at < l.s.NameBase:
		return 2
	}
	return hashName(l.s.nameAt(at))
}

func hashName(name []byte) uint64 {
	h := uint64(0)
	for _, c := range name {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return mix(3, h)
}

// named is the label of a type by its name, 0 if it has none.
func (l *labels) named(i int) uint64 { return l.names[i] }

// maxRounds is how many types without a name can follow each other, as pointers to
// pointers do.
const maxRounds = 32

// settle computes the labels. wild leaves out the numbers of the kernel's types.
func (l *labels) settle(wild bool) {
	for i := range l.label {
		if l.label[i] = l.named(i); l.label[i] == 0 {
			l.label[i] = l.own[i]
		}
	}
	l.spread(wild)
}

// spread carries labels on to the types that refer to them.
func (l *labels) spread(wild bool) {
	for range maxRounds {
		changed := false
		for i := range l.label {
			if n := l.named(i); n != 0 {
				continue
			}
			if h := l.key(i, wild); h != l.label[i] {
				l.label[i], changed = h, true
			}
		}
		if !changed {
			return
		}
	}
}

// key is the hash of all that a type says.
func (l *labels) key(i int, wild bool) uint64 {
	h := mix(4, l.own[i])
	kind := l.s.Kind(i)
	if third[kind] != ref && len(tail[kind]) < 2 {
		return h
	}
	for k, n := 2, l.s.Words(i); k < n; k++ {
		if roleOf(kind, k) == ref {
			h = mix(h, l.refer(l.s.word(i, k), wild))
		}
	}
	return h
}

func (l *labels) refer(v uint32, wild bool) uint64 {
	switch {
	case v == 0:
		return 5
	case v < l.s.First && wild:
		return 6
	case v < l.s.First:
		return mix(7, uint64(v))
	case uint64(v-l.s.First) >= uint64(len(l.label)):
		return 8
	}
	return l.label[v-l.s.First]
}

// twins are the labels that several named types have.
func (l *labels) twins() []uint64 {
	var all []uint64
	for i := range l.label {
		if n := l.named(i); n != 0 {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	var out []uint64
	for k := 1; k < len(all); k++ {
		if all[k] == all[k-1] && (len(out) == 0 || out[len(out)-1] != all[k]) {
			out = append(out, all[k])
		}
	}
	return out
}

// split gives types of such a label one by what they hold.
func (l *labels) split(twins []uint64, wild bool) {
	type split struct {
		i   int
		key uint64
	}
	var keys []split // all are made from the labels as they were
	for i := range l.label {
		if n := l.named(i); n != 0 {
			if _, ok := slices.BinarySearch(twins, n); ok {
				keys = append(keys, split{i, l.key(i, wild)})
			}
		}
	}
	for _, k := range keys {
		l.label[k.i] = k.key
	}
	l.spread(wild)
}

// mix adds a value to a hash (the finaliser of splitmix64).
func mix(h, v uint64) uint64 {
	h = (h ^ v) + 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
