// SPDX-License-Identifier: Apache-2.0

// Package btf reads the type information of kernel modules (sections .BTF and
// .BTF.base) and finds which types of two of them are the same.
//
// The format is that of Documentation/bpf/btf.rst and include/uapi/linux/btf.h: a
// header, records of types that refer to each other by number, and a table of names.
// Types of a module go on where those of the kernel end: numbers and places of names
// below that are the kernel's, which is not at hand.
package btf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Kinds of types.
const (
	Int = 1 + iota
	Ptr
	Array
	Struct
	Union
	Enum
	Fwd
	Typedef
	Volatile
	Const
	Restrict
	Func
	FuncProto
	Var
	Datasec
	Float
	DeclTag
	TypeTag
	Enum64
	kinds
)

var kindNames = [kinds]string{"void", "int", "pointer", "array", "struct", "union", "enum", "forward", "typedef", "volatile", "const", "restrict",
	"func", "function type", "variable", "data section", "float", "tag of", "type tag", "enum"}

// role is what a word of a record is.
type role uint8

const (
	plain role = iota
	name       // a place in the table of names
	ref        // the number of a type
)

// third is the role of a record's third word, and tail those of what follows the
// first three: of each member, value or parameter.
var (
	third = [kinds]role{Ptr: ref, Typedef: ref, Volatile: ref, Const: ref, Restrict: ref, Func: ref, FuncProto: ref, Var: ref, DeclTag: ref, TypeTag: ref}
	tail  = [kinds][]role{
		Int: {plain}, Array: {ref, ref, plain}, Struct: {name, ref, plain}, Union: {name, ref, plain}, Enum: {name, plain}, FuncProto: {name, ref},
		Var: {plain}, Datasec: {ref, plain, plain}, DeclTag: {plain}, Enum64: {name, plain, plain},
	}
)

// once are the kinds with one tail, whatever their count says; all others have as
// many as that.
var once = [kinds]bool{Int: true, Array: true, Var: true, DeclTag: true}

func roleOf(kind uint8, word int) role {
	switch {
	case word == 0:
		return name
	case word == 1:
		return plain
	case word == 2:
		return third[kind]
	}
	t := tail[kind]
	return t[(word-3)%len(t)]
}

// A FormatError says why a section is no BTF that can be read.
type FormatError struct {
	Off    int64 // in the section
	Reason string
}

func (e *FormatError) Error() string { return fmt.Sprintf("BTF, offset %d: %s", e.Off, e.Reason) }

// Section is a section that was read. Memory beside its bytes: eight bytes for each
// type, which has at least twelve, and four for each name.
type Section struct {
	// Bytes partition into the header, the types and the names.
	Bytes []byte
	// Head is the size of the header.
	Head int
	// Names is where the table of names begins.
	Names int
	// NameBase is how many bytes of names go before those of this section. It is
	// what fits the types best, since the section does not say it; 0 if all are here.
	NameBase uint32
	// First is the number of the first type; see [Section.Firsts].
	First uint32

	big    bool     // the byte order
	types  []uint32 // where each begins
	starts []uint32 // where each name begins, counted from Names
}

const headSize = 24

// Parse reads a section. First is 1 for types that need no others, and else 0: not
// known.
func Parse(b []byte, order binary.ByteOrder) (*Section, error) {
	if len(b) < headSize {
		return nil, &FormatError{int64(len(b)), "cut short in the header"}
	}
	if order.Uint16(b) != 0xeb9f || b[2] != 1 {
		return nil, &FormatError{0, "not BTF of version 1"}
	}
	w := func(at int) uint64 { return uint64(order.Uint32(b[at:])) }
	head, typeOff, typeLen, strOff, strLen := w(4), w(8), w(12), w(16), w(20)
	switch {
	case head < headSize || head%4 != 0 || head > uint64(len(b)):
		return nil, &FormatError{4, fmt.Sprintf("header of %d bytes", head)}
	case typeOff != 0 || strOff != typeLen || head+typeLen+strLen != uint64(len(b)):
		return nil, &FormatError{8, fmt.Sprintf("%d bytes of types at %d and %d of names at %d do not make %d", typeLen, typeOff, strLen, strOff, len(b))}
	}
	s := &Section{Bytes: b, big: order == binary.ByteOrder(binary.BigEndian), Head: int(head), Names: int(head + typeLen)}
	if err := s.split(); err != nil {
		return nil, err
	}
	if err := s.names(); err != nil {
		return nil, err
	}
	return s, nil
}

// split finds the records.
func (s *Section) split() error {
	s.types = make([]uint32, 0, (s.Names-s.Head)/16)
	for at := s.Head; at < s.Names; {
		if s.Names-at < 12 {
			return &FormatError{int64(at), "cut short in a type"}
		}
		info := s.u32(at + 4)
		kind := info >> 24 & 31
		if kind == 0 || kind >= kinds {
			return &FormatError{int64(at), fmt.Sprintf("type of unknown kind %d", kind)}
		}
		n := len(tail[kind])
		if !once[kind] {
			n *= int(info & 0xffff)
		}
		if 12+4*n > s.Names-at {
			return &FormatError{int64(at), "cut short in a type"}
		}
		s.types = append(s.types, uint32(at))
		at += 12 + 4*n
	}
	return nil
}

// names finds the names of this section, and where they go on from.
func (s *Section) names() error {
	b := s.Bytes[s.Names:]
	if len(b) > 0 && b[len(b)-1] != 0 {
		return &FormatError{int64(len(s.Bytes)), "a name without an end"}
	}
	for at := 0; at < len(b); at += bytes.IndexByte(b[at:], 0) + 1 {
		s.starts = append(s.starts, uint32(at))
	}
	if len(b) > 0 && b[0] == 0 {
		s.First = 1 // the first name of all is the empty one
		return nil
	}
	s.NameBase = s.fitNames()
	return nil
}

// maxFits is how many places of the last name fitNames tries.
const maxFits = 8

// fitNames finds how many bytes of names go before: as many that the last name here
// is the last one in use, and most others in use here begin where one begins. A few
// are tried, so that one that is out of range does not spoil it.
func (s *Section) fitNames() uint32 {
	var used []uint32
	var top [maxFits]uint32 // the largest of them, each once, in falling order; then 0
	for i := range s.types {
		kind := s.Kind(i)
		for k, n := 0, s.Words(i); k < n; k++ {
			v := s.word(i, k)
			if v == 0 || roleOf(kind, k) != name {
				continue
			}
			used = append(used, v)
			if v > top[maxFits-1] && !slices.Contains(top[:], v) {
				at := slices.IndexFunc(top[:], func(t uint32) bool { return v > t })
				copy(top[at+1:], top[at:])
				top[at] = v
			}
		}
	}
	if len(used) == 0 {
		return 0
	}
	if len(s.starts) == 0 {
		return top[0] + 1 // all are those of the kernel
	}
	last := s.starts[len(s.starts)-1]
	begins, seen := newBits(last+1), newBits(last+1)
	for _, at := range s.starts {
		begins.set(at)
	}
	best, most := uint32(0), -1
	for _, v := range top {
		if v <= last {
			break
		}
		if hits := hits(used, v-last, last, begins, seen); hits > most {
			best, most = v-last, hits
		}
		if most == len(s.starts) {
			break // no other can fit better
		}
	}
	return best
}

// hits counts the names that are in use if so many bytes go before.
func hits(used []uint32, base, last uint32, begins, seen bits) int {
	clear(seen)
	n := 0
	for _, v := range used {
		if at := v - base; v >= base && at <= last && begins.has(at) && !seen.has(at) {
			seen.set(at)
			n++
		}
	}
	return n
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n uint32) bits { return make(bits, (uint64(n)+63)/64) }

func (b bits) set(i uint32) { b[i/64] |= 1 << (i % 64) }

func (b bits) has(i uint32) bool { return b[i/64]>>(i%64)&1 != 0 }

// Len is the number of types.
func (s *Section) Len() int { return len(s.types) }

// Type returns where type i, counted from 0, is in Bytes.
func (s *Section) Type(i int) (off, size int) {
	end := s.Names
	if i+1 < len(s.types) {
		end = int(s.types[i+1])
	}
	return int(s.types[i]), end - int(s.types[i])
}

// Kind returns the kind of type i.
func (s *Section) Kind(i int) uint8 {
	return uint8(s.u32(int(s.types[i])+4) >> 24 & 31)
}

// Words is how many words of 32 bits type i has.
func (s *Section) Words(i int) int {
	_, n := s.Type(i)
	return n / 4
}

func (s *Section) word(i, k int) uint32 { return s.u32(int(s.types[i]) + 4*k) }

func (s *Section) u32(at int) uint32 {
	if s.big {
		return binary.BigEndian.Uint32(s.Bytes[at:])
	}
	return binary.LittleEndian.Uint32(s.Bytes[at:])
}

// TypeAt returns the type that holds an offset of Bytes, -1 if none does.
func (s *Section) TypeAt(off int) int {
	if off < s.Head || off >= s.Names {
		return -1
	}
	i, found := slices.BinarySearch(s.types, uint32(off))
	if !found {
		i--
	}
	return i
}

// Name returns the name of type i, "" if it has none or the kernel has it. It shares
// the memory of Bytes.
func (s *Section) Name(i int) []byte { return s.nameAt(s.word(i, 0)) }

func (s *Section) nameAt(at uint32) []byte {
	if at < s.NameBase || uint64(at-s.NameBase) >= uint64(len(s.Bytes)-s.Names) {
		return nil
	}
	b := s.Bytes[s.Names+int(at-s.NameBase):]
	return b[:bytes.IndexByte(b, 0)]
}

// String names type i for people: "struct foo".
func (s *Section) String(i int) string {
	k := s.Kind(i)
	if n := s.Name(i); len(n) > 0 {
		return kindNames[k] + " " + string(n)
	}
	return kindNames[k] + " without a name"
}
