// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"bytes"
	"compress/zlib"
	"io"
	"strings"

	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/elfview"
	"github.com/modhash/modhash/kbuild/internal/units"
)

var debugCompression = compare.Cause{ID: "compression.debug", Class: compare.Root, Local: true, Title: "debug information compressed in another way",
	Mend: "the same CONFIG_DEBUG_INFO_COMPRESSED_…, and the same binutils", Doc: "lib/Kconfig.debug"}

var compressedCauses = []*compare.Cause{&debugCompression}

// The ways to compress a section (ELFCOMPRESS_…), and the settings of a kernel for them.
const (
	elfZlib = 1
	elfZstd = 2
)

// compressed explains sections of debug information that are compressed on a side, if
// both hold the same; one section after the other is decompressed in memory. The
// relocations beside them are for what is decompressed.
func compressed(p *pair) {
	if p.A.ELF == nil {
		return
	}
	same := map[string][2]string{} // the settings of each section that holds the same
	for i := range p.A.ELF.Sections {
		a := &p.A.ELF.Sections[i]
		if !strings.HasPrefix(a.Name, ".debug_") {
			continue
		}
		b := p.B.ELF.Section(a.Name)
		if b == nil || p.A.ELF.Section(a.Name) != a || (a.Flags|b.Flags)&units.Compressed == 0 {
			continue
		}
		if how, ok := p.sameContent(a, b); ok {
			same[a.Name] = how
		}
	}
	if len(same) == 0 {
		return
	}
	p.each(p.Unit, func(x *place) {
		name, u := x.block.Name, x.unit()
		if x.block.Kind == units.Table && u.Kind == units.SectionField && x.both() {
			switch units.SectionFields[u.Key] {
			case "sh_flags", "sh_addralign": // which sameContent has compared
				name = u.Name
			default:
				return
			}
		} else if x.block.Kind != units.Section || x.block.Ordinal > 0 {
			return
		}
		if how, ok := same[name]; ok {
			p.claim(x, &debugCompression, "", how[0], how[1])
		}
	})
}

// maxRatio bounds what a section is decompressed to, by the size of its module. That of
// a kernel's debug information is below three.
const maxRatio = 8

// sameContent compares what two sections hold. Their headers must differ in nothing but
// what their compression asks for.
func (p *pair) sameContent(a, b *elfview.Section) (how [2]string, ok bool) {
	ca, okA := openContent(p.A.ELF, a)
	cb, okB := openContent(p.B.ELF, b)
	if !okA || !okB || ca.align != cb.align || (a.Flags^b.Flags)&^units.Compressed != 0 {
		return how, false
	}
	return [2]string{ca.how, cb.how}, bytes.Equal(ca.bytes, cb.bytes)
}

// content is a section of debug information without its compression.
type content struct {
	bytes []byte
	align uint64
	how   string
}

func openContent(f *units.File, s *elfview.Section) (c content, ok bool) {
	b := f.Data(s)
	if s.Flags&units.Compressed == 0 {
		return content{b, s.Addralign, "not compressed (CONFIG_DEBUG_INFO_COMPRESSED_NONE)"}, true
	}
	// Elf64_Chdr: type, reserved, size, alignment; Elf32_Chdr: type, size, alignment.
	head, o := 24, f.Order
	if f.Bits == 32 {
		head = 12
	}
	if len(b) < head || s.Addralign != uint64(f.Bits/8) {
		return c, false
	}
	var size uint64
	if f.Bits == 64 {
		size, c.align = o.Uint64(b[8:]), o.Uint64(b[16:])
		if o.Uint32(b[4:]) != 0 {
			return c, false
		}
	} else {
		size, c.align = uint64(o.Uint32(b[4:])), uint64(o.Uint32(b[8:]))
	}
	if size > maxRatio*uint64(len(f.Bytes)) {
		return c, false
	}
	switch typ := o.Uint32(b); typ {
	case elfZlib:
		c.how = "zlib (CONFIG_DEBUG_INFO_COMPRESSED_ZLIB)"
		c.bytes, ok = unzlib(b[head:], int(size))
	case elfZstd:
		c.how = "zstd (CONFIG_DEBUG_INFO_COMPRESSED_ZSTD)"
		c.bytes, ok = unzstd(b[head:], int64(size))
	}
	return c, ok
}

// unzlib decompresses one stream, which must hold that many bytes and be all that there
// is.
func unzlib(b []byte, size int) ([]byte, bool) {
	in := bytes.NewReader(b)
	r, err := zlib.NewReader(in)
	if err != nil {
		return nil, false
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, false
	}
	n, err := r.Read(make([]byte, 1)) // verifies the checksum
	return out, n == 0 && err == io.EOF && in.Len() == 0
}

// unzstd is unzlib for one zstd frame, of a window of at most 8 MiB: the library takes
// the memory for it at once.
func unzstd(b []byte, size int64) ([]byte, bool) {
	const single, window = 0x20, 23 - 10
	if len(b) < 6 || b[4]&single == 0 && b[5]>>3 > window {
		return nil, false
	}
	out, err := codec.NewDecoder().DecodeBytes(nil, b, codec.Zstd, size)
	return out, err == nil && int64(len(out)) == size
}
