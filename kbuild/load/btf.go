// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/modsig"
)

// maxBTF is above the type information of any kernel in bytes; that of
// distributions has 6 MB.
const maxBTF = 64 << 20

// typesOf looks in the kernel's own type information for what a module must agree
// with: the size in bytes of struct module, and how many bytes of names there are; 0 is
// not known.
func typesOf(img *image.Image) (size int, names uint32) {
	if img.Kind() != image.ELF {
		return 0, 0
	}
	r := img.Kernel()
	f, err := elfview.Parse(r, r.Size())
	if err != nil {
		return 0, 0 // image.Open said what is wrong with it
	}
	s := f.Section(".BTF")
	if s == nil {
		return 0, 0
	}
	b, err := f.Data(s, maxBTF)
	if err != nil {
		return 0, 0 // as before
	}
	h, refusal := readBTFHeader(b, f.Order)
	if refusal != "" {
		return 0, 0
	}
	return btfSize(h, f.Order, "module"), uint32(len(h.names))
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
func btfSize(p btfParts, order binary.ByteOrder, name string) (size int) {
	want := append([]byte(name), 0)
	several := false
	whole := eachType(p.types, order, func(t []byte) bool {
		at := uint64(order.Uint32(t))
		if kind := order.Uint32(t[4:]) >> 24 & 0x1f; kind == btfStruct && at < uint64(len(p.names)) && bytes.HasPrefix(p.names[at:], want) {
			n := int(order.Uint32(t[8:]))
			several = several || size != 0 && size != n
			size = n
		}
		return !several
	})
	if !whole || several {
		return 0
	}
	return size
}

// btfParts are the sections of type information.
type btfParts struct{ types, names []byte }

// readBTFHeader is the kernel's btf_parse_hdr and btf_check_sec_info; refusal is why it
// answers EINVAL.
func readBTFHeader(b []byte, order binary.ByteOrder) (p btfParts, refusal string) {
	const known = 24
	if len(b) < 8 {
		return p, "hdr_len not found"
	}
	length := uint64(order.Uint32(b[4:]))
	if uint64(len(b)) < length {
		return p, "btf_header not found"
	}
	var head [known]byte
	copy(head[:], b[:min(length, known)])
	switch {
	case order.Uint16(head[:]) != btfMagic:
		return p, "Invalid magic"
	case uint64(len(b)) == length:
		return p, "" // no types of its own
	}
	if length < known {
		return p, "a header that is cut short"
	}
	body := b[length:]
	part := func(at int) (from, to uint64) {
		from = uint64(order.Uint32(head[at:]))
		return from, from + uint64(order.Uint32(head[at+4:]))
	}
	t0, t1 := part(8)
	n0, n1 := part(16)
	switch {
	case t1 > uint64(len(body)) || n1 > uint64(len(body)):
		return p, "Total section length too long"
	case length > known: // of a newer form, which may have more sections
	case t0 != 0 && n0 != 0 || t0 < n0 && t1 != n0 || t0 > n0 && n1 != t0 || max(t1, n1) != uint64(len(body)):
		return p, "Unsupported section found"
	}
	return btfParts{body[t0:t1], body[n0:n1]}, ""
}

// eachType calls f with each type until it returns false; not whole if the types cannot
// be told apart.
func eachType(types []byte, order binary.ByteOrder, f func(t []byte) bool) (whole bool) {
	for len(types) > 0 {
		if len(types) < 12 {
			return false
		}
		info := order.Uint32(types[4:])
		kind := int(info >> 24 & 0x1f)
		if kind == 0 || kind >= len(btfTail) {
			return false
		}
		n := 12 + btfTail[kind].fixed + btfTail[kind].each*int(info&0xffff)
		if n > len(types) {
			return false
		}
		if !f(types[:n]) {
			return true
		}
		types = types[n:]
	}
	return true
}

// highestName is the highest place of a name that the kernel looks up when it verifies
// the type t. It verifies neither what types refer to, nor names of parameters.
func highestName(t []byte, order binary.ByteOrder) uint32 {
	info := order.Uint32(t[4:])
	kind, members := info>>24&0x1f, int(info&0xffff)
	name := order.Uint32(t)
	switch kind {
	case 4, 5, 6, 19: // struct, union, enum, enum64
		for i := range members {
			name = max(name, order.Uint32(t[12+btfTail[kind].each*i:]))
		}
	}
	return name
}

// types compares the type information of a module with the kernel's. One that goes on
// from that of a larger kernel has names that are not there, and without
// CONFIG_MODULE_ALLOW_BTF_MISMATCH the kernel refuses it. All else that the kernel
// verifies is not looked at, nor information that brings what it goes on from with it.
func (d *decision) types() error {
	s := d.mod.file.Section(".BTF")
	if s == nil || s.Size == 0 || d.k.wantsBTF == No || d.auth.own {
		return nil
	}
	b, err := content(d.mod.file, s)
	var fe *elfview.FormatError
	if errors.As(err, &fe) {
		return nil // larger than any
	} else if err != nil {
		return err
	}
	order := d.mod.file.Order
	p, why := readBTFHeader(b, order)
	if why == "" && d.k.baseNames > 0 && d.mod.file.Section(".BTF.base") == nil {
		why = p.beyond(d.k.baseNames, order)
	}
	if why == "" {
		return nil
	}
	errnos := []Errno{modsig.EINVAL}
	if d.k.wantsBTF == Maybe {
		errnos = append(errnos, success)
	}
	d.add("types", "failed to validate module ["+d.mod.name+"] BTF: -22", errnos, "its type information (BTF) is not for this kernel: %s", why)
	return nil
}

// beyond says which name is neither among those of the kernel, of so many bytes, nor
// among those that follow; "" if all are.
func (p btfParts) beyond(base uint32, order binary.ByteOrder) (why string) {
	if !eachType(p.types, order, func([]byte) bool { return true }) {
		return "" // the kernel may know more kinds of types
	}
	names := uint64(base) + uint64(len(p.names))
	eachType(p.types, order, func(t []byte) bool {
		if name := highestName(t, order); uint64(name) >= names {
			why = fmt.Sprintf("it has a name at %d of %d", name, names)
		}
		return why == ""
	})
	return why
}
