// SPDX-License-Identifier: Apache-2.0

package btf

import mathbits "math/bits"

// maxFirsts is how many numbers Firsts returns, and maxWork how many comparisons it
// makes.
const (
	maxFirsts = 64
	maxWork   = 1 << 24
)

// Firsts returns the lowest numbers that the first type can have, which a section does
// not say that goes on where another one ends. What the types refer to must be of a
// kind that can be there: a function has a function's type, and no other type leads to
// a function. A section of few types fits several numbers.
func (s *Section) Firsts() []uint32 {
	if s.First > 0 {
		return []uint32{s.First}
	}
	n := uint32(len(s.types))
	protos, others, top := s.refs()
	if n == 0 || top == 1<<32-1 {
		return nil
	}
	low := uint32(1)
	if top+1 > n {
		low = top + 1 - n
	}
	in := newBits(top - low + 1) // not more than there are types
	sorted := func(v []uint32) []uint32 {
		clear(in)
		for _, x := range v {
			if x >= low {
				in.set(x - low)
			}
		}
		return in.list(v[:0], low)
	}
	protos, others = sorted(protos), sorted(others)
	var out []uint32
	work := 0
	for first := low; first <= top+1 && len(out) < maxFirsts && work < maxWork; first++ {
		if s.fits(first, protos, others, &work) {
			out = append(out, first)
		}
	}
	return out
}

// list appends the numbers of the set, each with low added, in their order.
func (b bits) list(to []uint32, low uint32) []uint32 {
	for k, w := range b {
		for ; w != 0; w &= w - 1 {
			to = append(to, low+uint32(64*k+mathbits.TrailingZeros64(w)))
		}
	}
	return to
}

// refs lists the numbers of types that functions refer to, and that others do.
func (s *Section) refs() (protos, others []uint32, top uint32) {
	for i := range s.types {
		kind := s.Kind(i)
		for k, n := 2, s.Words(i); k < n; k++ {
			if roleOf(kind, k) != ref {
				continue
			}
			v := s.word(i, k)
			top = max(top, v)
			switch kind {
			case Func:
				protos = append(protos, v)
			case DeclTag, Datasec: // of functions and variables too
			default:
				others = append(others, v)
			}
		}
	}
	return protos, others, top
}

func (s *Section) fits(first uint32, protos, others []uint32, work *int) bool {
	for _, v := range protos {
		*work++
		if v >= first && s.Kind(int(v-first)) != FuncProto {
			return false
		}
	}
	for _, v := range others {
		*work++
		if v < first {
			continue
		}
		switch s.Kind(int(v - first)) {
		case Func, Var, Datasec, DeclTag:
			return false
		}
	}
	return true
}

// loops reports whether a type leads to itself by pointers, arrays and qualifiers
// alone, which no type of a program does.
func (s *Section) loops() bool {
	next := func(i int) int {
		k := 2
		switch s.Kind(i) {
		case Ptr, Typedef, Volatile, Const, Restrict, TypeTag:
		case Array:
			k = 3
		default:
			return -1
		}
		if v := s.word(i, k); v >= s.First && v-s.First < uint32(len(s.types)) {
			return int(v - s.First)
		}
		return -1
	}
	seen := make([]int32, len(s.types)) // the walk that came by, counted from 1
	for i := range s.types {
		walk := int32(i + 1)
		for k := i; k >= 0; k = next(k) {
			if seen[k] == walk {
				return true
			}
			if seen[k] > 0 {
				break
			}
			seen[k] = walk
		}
	}
	return false
}
