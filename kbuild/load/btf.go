// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/internal/elfview"
)

// maxBTF is above the type information of any kernel in bytes; that of
// distributions has 6 MB.
const maxBTF = 64 << 20

// structModule looks in the kernel's own type information for the size in bytes of
// struct module, which a module must agree with; 0 if it is not there.
func structModule(img *image.Image) int {
	if img.Kind() != image.ELF {
		return 0
	}
	r := img.Kernel()
	f, err := elfview.Parse(r, r.Size())
	if err != nil {
		return 0 // image.Open said what is wrong with it
	}
	s := f.Section(".BTF")
	if s == nil {
		return 0
	}
	b, err := f.Data(s, maxBTF)
	if err != nil {
		return 0 // as before
	}
	return btfSize(b, f.Order, "module")
}

// Kinds of types (include/uapi/linux/btf.h).
const (
	btfMagic  = 0xeb9f
	btfStruct = 4
)

// btfTail is what follows the 12 bytes of a type of each kind: so many bytes, and
// so many for each of its members.
var btfTail = [...]struct{ fixed, each int }{
	1: {4, 0}, 2: {}, 3: {12, 0}, 4: {0, 12}, 5: {0, 12}, 6: {0, 8}, 7: {}, 8: {}, 9: {}, 10: {}, 11: {}, 12: {},
	13: {0, 8}, 14: {4, 0}, 15: {0, 12}, 16: {}, 17: {4, 0}, 18: {}, 19: {0, 12},
}

// btfSize is the size of the struct of that name; 0 if there is none, if there are
// several of different sizes, or if the types cannot be read.
func btfSize(b []byte, order binary.ByteOrder, name string) (size int) {
	const header = 24
	if len(b) < header || order.Uint16(b) != btfMagic {
		return 0
	}
	part := func(at int) []byte {
		start := uint64(order.Uint32(b[4:])) + uint64(order.Uint32(b[at:]))
		end := start + uint64(order.Uint32(b[at+4:]))
		if end > uint64(len(b)) {
			return nil
		}
		return b[start:end]
	}
	types, names := part(8), part(16)
	want := append([]byte(name), 0)
	for len(types) >= 12 {
		info := order.Uint32(types[4:])
		kind := int(info >> 24 & 0x1f)
		if kind == 0 || kind >= len(btfTail) {
			return 0
		}
		if at := uint64(order.Uint32(types)); kind == btfStruct && at < uint64(len(names)) && bytes.HasPrefix(names[at:], want) {
			n := int(order.Uint32(types[8:]))
			if size != 0 && size != n {
				return 0
			}
			size = n
		}
		n := 12 + btfTail[kind].fixed + btfTail[kind].each*int(info&0xffff)
		if n > len(types) {
			return 0
		}
		types = types[n:]
	}
	return size
}
