// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"
	"testing"

	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// types is type information: a header, the types as words, and so many bytes of names.
func types(names int, words ...uint32) []byte {
	o := binary.LittleEndian
	b := o.AppendUint16(nil, btfMagic)
	b = append(b, 1, 0)
	for _, w := range []uint32{24, 0, uint32(4 * len(words)), uint32(4 * len(words)), uint32(names)} {
		b = o.AppendUint32(b, w)
	}
	for _, w := range words {
		b = o.AppendUint32(b, w)
	}
	return append(b, make([]byte, names)...)
}

// TestTypes: type information that is none, or goes on from that of another kernel. What
// Linux 7.2.13 answered, and 6.12.117, which has CONFIG_MODULE_ALLOW_BTF_MISMATCH.
func TestTypes(t *testing.T) {
	const ptr, structOf1, enumOf1, protoOf1 = 2 << 24, 4<<24 | 1, 6<<24 | 1, 13<<24 | 1
	cut := types(5, 99, ptr, 1)
	long := types(5, 99, ptr, 1)
	binary.LittleEndian.PutUint32(long[20:], 6)
	gap := append(types(5, 99, ptr, 1), 0)
	magic := types(5, 99, ptr, 1)
	magic[0]++
	for _, test := range []struct {
		name string
		btf  []byte
		want Errno
	}{
		{"fits", types(5, 99, ptr, 1), success},
		{"last name", types(5, 104, ptr, 1), success},
		{"name beyond", types(5, 105, ptr, 1), "EINVAL"},
		{"second one", types(5, 1, ptr, 1, 1<<31, ptr, 1), "EINVAL"},
		{"member beyond", types(5, 1, structOf1, 8, 105, 1, 0), "EINVAL"},
		{"enumerator beyond", types(5, 1, enumOf1, 4, 105, 1), "EINVAL"},
		{"parameter beyond", types(5, 0, protoOf1, 0, 105, 1), success},
		{"refers to nothing", types(5, 1, ptr, 0xfffff), success},
		{"kind that is not known", types(5, 105, 30<<24, 1), success},
		{"no types", types(0), success},
		{"cut in the header", cut[:7], "EINVAL"},
		{"cut behind its length", cut[:20], "EINVAL"},
		{"cut", cut[:len(cut)-1], "EINVAL"},
		{"names too long", long, "EINVAL"},
		{"bytes behind", gap, "EINVAL"},
		{"magic", magic, "EINVAL"},
	} {
		section := vmlinux.Section{Name: ".BTF", Type: 1, Data: test.btf}
		b := file{crcs: right(), edit: with(section)}.bytes()
		for _, wants := range []Fact{Yes, Maybe, No} {
			want := test.want
			if want != success {
				want = map[Fact]Errno{Yes: want, Maybe: unknown, No: success}[wants]
			}
			k := open(t)
			k.Kallsyms, k.wantsBTF, k.baseNames = No, wants, 100
			r := check(t, k, b, Request{Call: FinitModule}, Permissive)
			if a := r.Answers[0]; a.Errno != want {
				t.Errorf("%s, %v: %q, want %q: %+v", test.name, wants, a.Errno, want, r.Steps)
			}
		}
	}
	beyond := vmlinux.Section{Name: ".BTF", Type: 1, Data: types(5, 105, ptr, 1)}
	k := open(t)
	k.Kallsyms, k.wantsBTF, k.baseNames = No, Yes, 100
	b := file{crcs: right(), edit: with(beyond, vmlinux.Section{Name: ".BTF.base", Type: 1, Data: types(5)})}.bytes()
	if a := check(t, k, b, Request{Call: FinitModule}, Permissive).Answers[0]; a.Loads != Yes {
		t.Errorf("with what it goes on from: %+v", a)
	}
	k.baseNames = 0
	if a := check(t, k, file{crcs: right(), edit: with(beyond)}.bytes(), Request{Call: FinitModule}, Permissive).Answers[0]; a.Loads != Yes {
		t.Errorf("the kernel's are not known: %+v", a)
	}
}
