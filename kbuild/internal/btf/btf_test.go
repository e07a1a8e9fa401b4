// SPDX-License-Identifier: Apache-2.0

package btf

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"testing"
)

// sample reads the types of a module that pahole made; see
// ../../explain/testdata/README.md.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	f, err := elf.Open(filepath.Join("../../explain/testdata/btf", name+".ko"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // read only
	b, err := f.Section(".BTF").Data()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parsed(t testing.TB, b []byte) *Section {
	t.Helper()
	s, err := Parse(b, binary.LittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestParse: the types are those of the sources.
func TestParse(t *testing.T) {
	s := parsed(t, sample(t, "base"))
	var got []string
	for i := range s.Len() {
		if len(s.Name(i)) > 0 {
			got = append(got, s.String(i))
		}
	}
	want := []string{"int long unsigned int", "int unsigned char", "struct first", "struct second", "func first_init", "func first_probe", "typedef second_p", "func second_how", "func second_word"}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if s.First != 0 || s.NameBase == 0 {
		t.Errorf("first %d, names go on from %d", s.First, s.NameBase)
	}
	// The kernel that they go on from has 15 types.
	if f := s.Firsts(); len(f) == 0 || f[0] != 16 {
		t.Errorf("the first type can be %v", f)
	}
	if full := parsed(t, sample(t, "full")); full.First != 1 || full.NameBase != 0 {
		t.Errorf("first %d, names go on from %d", full.First, full.NameBase)
	}
}

// TestNameBase: where the names go on from is found by all types together, also if the name
// of one of them is behind the last; but for the type that the last name is of.
func TestNameBase(t *testing.T) {
	b := sample(t, "base")
	s := parsed(t, b)
	last := s.NameBase + s.starts[len(s.starts)-1]
	for i := range s.Len() {
		if n := s.word(i, 0); n == 0 || n == last {
			continue
		}
		for _, v := range []uint32{last + 1, last + 2, last + 5, last + 1<<20, 1<<32 - 1} {
			odd := bytes.Clone(b)
			binary.LittleEndian.PutUint32(odd[s.types[i]:], v)
			if got := parsed(t, odd).NameBase; got != s.NameBase {
				t.Errorf("type %d with a name at %d: names go on from %d, want %d", i, v, got, s.NameBase)
			}
		}
	}
}

// TestLoop: a type that leads to itself, alone or by another one.
func TestLoop(t *testing.T) {
	le := binary.LittleEndian
	ptr := func(to uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{0, 0, 0, 0, 0, 0, 0, Ptr}, to) }
	array := func(to uint32) []byte {
		b := []byte{0, 0, 0, 0, 0, 0, 0, Array, 0, 0, 0, 0}
		for _, v := range []uint32{to, 0, 9} {
			b = le.AppendUint32(b, v)
		}
		return b
	}
	for name, types := range map[string][][]byte{
		"itself": {ptr(1)}, "two": {ptr(2), ptr(1)}, "array": {ptr(2), array(1)}, "behind": {ptr(2), ptr(3), array(2)},
	} {
		b := bytes.Join(types, nil)
		head := []byte{0x9f, 0xeb, 1, 0}
		for _, v := range []int{24, 0, len(b), len(b), 1} {
			head = le.AppendUint32(head, uint32(v))
		}
		b = append(append(head, b...), 0)
		_, err := Match(parsed(t, b), parsed(t, b))
		if e := (*FormatError)(nil); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMatch: what is equal, what is in another order, and what is another.
func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		b        string
		complete bool
		differs  []string
	}{
		{"base", true, nil},
		{"threads", true, nil},
		{"member", false, []string{"struct first"}},
	} {
		for _, swap := range []bool{false, true} {
			a, b := sample(t, "base"), sample(t, tt.b)
			if swap {
				a, b = b, a
			}
			m, err := Match(parsed(t, a), parsed(t, b))
			if err != nil {
				t.Fatal(err)
			}
			var differs []string
			for i, s := range m.StatesA {
				if s != Follows {
					differs = append(differs, m.A.String(i))
				}
			}
			if m.Complete != tt.complete || !slices.Equal(differs, tt.differs) {
				t.Errorf("%s: complete %v, other types %q", tt.b, m.Complete, differs)
			}
		}
	}
}

// FuzzMatch: whatever two sections are, types partition them, both ways round give the
// same answer, and a section is equal to itself.
func FuzzMatch(f *testing.F) {
	for _, name := range []string{"base", "threads", "member", "kernel", "full"} {
		f.Add(sample(f, "base"), sample(f, name))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a)+len(b) > 1<<16 {
			return
		}
		parse := func(b []byte) *Section {
			s, err := Parse(b, binary.BigEndian)
			if len(b) > 1 && b[0] == 0x9f {
				s, err = Parse(b, binary.LittleEndian)
			}
			if err != nil {
				return nil
			}
			at := s.Head
			for i := range s.Len() {
				if off, n := s.Type(i); off != at || n < 12 || s.TypeAt(off) != i || s.TypeAt(off+n-1) != i {
					t.Fatalf("type %d: %d bytes at %d, want %d", i, n, off, at)
				} else {
					at += n
				}
				_ = s.String(i)
			}
			if at != s.Names {
				t.Fatalf("types end at %d, names begin at %d", at, s.Names)
			}
			return s
		}
		sa, sb, again := parse(a), parse(b), parse(a)
		if sa == nil || sb == nil {
			return
		}
		one, errOne := Match(sa, sb)
		two, errTwo := Match(parse(b), parse(a))
		if (errOne == nil) != (errTwo == nil) {
			t.Fatalf("%v, mirrored %v", errOne, errTwo)
		}
		if errOne == nil && (one.Complete != two.Complete || !slices.Equal(one.StatesA, two.StatesB) || !slices.Equal(one.StatesB, two.StatesA)) {
			t.Errorf("%v %v %v, mirrored %v %v %v", one.Complete, one.StatesA, one.StatesB, two.Complete, two.StatesB, two.StatesA)
		}
		if self, err := Match(parse(a), again); err == nil && slices.ContainsFunc(self.StatesA, func(s State) bool { return s == Unmatched }) {
			t.Errorf("equal sections: %v", self.StatesA)
		}
	})
}

// TestFirstMoved: where one number is changed so that the first type seems to have another
// one, the others are not taken for those of the kernel.
func TestFirstMoved(t *testing.T) {
	section := func(proto uint32) *Section {
		types := []uint32{ // two pointers to a type of the kernel, a prototype, and its function
			0, 2 << 24, 5,
			0, 2 << 24, 5,
			0, 13 << 24, 7,
			50, 12 << 24, proto,
		}
		names := []byte("probe\x00")
		b := []byte{0x9f, 0xeb, 1, 0}
		for _, w := range append([]uint32{24, 0, uint32(4 * len(types)), uint32(4 * len(types)), uint32(len(names))}, types...) {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return parsed(t, append(b, names...))
	}
	a := section(102)
	if f := a.Firsts(); len(f) == 0 || f[0] != 100 {
		t.Fatalf("the first type can be %v", f)
	}
	for _, proto := range []uint32{102 + 1<<24, 102 + 1<<12} {
		m, err := Match(section(102), section(proto))
		if err == nil && !slices.ContainsFunc(m.StatesB, unsure) {
			t.Errorf("a function of type %d follows from one of type 102", proto)
		}
	}
	if m, err := Match(section(102), section(102)); err != nil || !m.Complete {
		t.Errorf("equal sections: %v", err)
	}
}
