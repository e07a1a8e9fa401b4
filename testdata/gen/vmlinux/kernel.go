// SPDX-License-Identifier: Apache-2.0

package vmlinux

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/modhash/modhash/testdata/gen/ko"
)

// Kernel describes what is in a kernel.
type Kernel struct {
	Bits    int // 32 or 64, the default
	Big     bool
	Machine uint16

	Release  string // default "6.12.0-sample"
	BuildID  []byte
	Config   string   // "": none
	Hashes   []byte   // nil: no section .module_hashes
	Certs    [][]byte // the first is that of the build's key; nil: no list
	NoModule bool     // the first is not
	Reserve  int      // bytes of room for a further certificate
	Extra    []byte   // certificate in that room
	Revoked  [][]byte // nil: no list
	Align    int      // of the parts of a list; default 8

	Stripped bool // no symbols
}

// Base is the address of the first section.
const Base = 0x81000000

// Banner is the banner of a kernel, with the line feed.
func (k Kernel) Banner() string {
	return "Linux version " + k.release() + " (modhash@sample) (gcc (Sample) 12.2.0, GNU ld 2.40) #1 SMP Thu Jan  1 00:00:00 UTC 2026\n"
}

func (k Kernel) release() string {
	if k.Release == "" {
		return "6.12.0-sample"
	}
	return k.Release
}

// part is a section with the symbols in it.
type part struct {
	Section
	symbols map[string]int // offsets
	order   []string
	k       *Kernel
}

func (p *part) symbol(name string) {
	if p.symbols == nil {
		p.symbols = map[string]int{}
	}
	p.symbols[name] = len(p.Data)
	p.order = append(p.order, name)
}

func (p *part) align(n int) {
	for len(p.Data)%n != 0 {
		p.Data = append(p.Data, 0)
	}
}

func (p *part) long(v int) {
	var o binary.AppendByteOrder = binary.LittleEndian
	if p.k.Big {
		o = binary.BigEndian
	}
	if p.k.Bits == 32 {
		p.Data = o.AppendUint32(p.Data, uint32(v))
	} else {
		p.Data = o.AppendUint64(p.Data, uint64(v))
	}
}

// list adds what certs/system_certificates.S makes of certificates.
func (p *part) list(name string, certs [][]byte, reserve int, extra []byte) {
	align := p.k.Align
	if align == 0 {
		align = 8
	}
	p.align(align)
	p.symbol(name)
	start := len(p.Data)
	for _, c := range certs {
		p.Data = append(p.Data, c...)
	}
	size := len(p.Data) - start + len(extra)
	if reserve > 0 {
		room := make([]byte, reserve)
		copy(room, extra)
		p.Data = append(p.Data, room...)
		p.align(4)
		var o binary.AppendByteOrder = binary.LittleEndian
		if p.k.Big {
			o = binary.BigEndian
		}
		p.Data = o.AppendUint32(p.Data, uint32(len(extra)))
	}
	p.align(align)
	p.symbol(name + "_size")
	p.long(size)
}

// parts are the sections with an address.
func (k *Kernel) parts() []*part {
	text := &part{Section: Section{Name: ".text", Type: 1, Flags: 6, Data: ko.Code("text", 700)}, k: k}
	text.symbols, text.order = map[string]int{"_text": 0}, []string{"_text"}
	ro := &part{Section: Section{Name: ".rodata", Type: 1, Flags: 2, Data: ko.Code("rodata", 333)}, k: k}
	banner := k.Banner()
	ro.Data = append(ro.Data, strings.Replace(banner, "#1 ", "# ", 1)+"\x00"...) // the draft
	ro.Data = append(ro.Data, "Linux version %s\x00Linux version "...)
	ro.align(32)
	ro.symbol("linux_banner")
	ro.Data = append(ro.Data, banner+"\x00"...)
	if k.Config != "" {
		ro.Data = append(ro.Data, "\x00IKCFG_ST\x00IKCFG_ST"...)
		ro.symbol("kernel_config_data")
		ro.Data = append(ro.Data, gz(k.Config)...)
		ro.symbol("kernel_config_data_end")
		ro.Data = append(ro.Data, "IKCFG_ED"...)
	}
	all := []*part{text, ro}
	if k.BuildID != nil {
		all = append(all, k.notes())
	}
	if k.Hashes != nil {
		h := &part{Section: Section{Name: ".module_hashes", Type: 1, Flags: 2}, k: k}
		h.symbol("module_hashes_root")
		h.Data = k.Hashes
		all = append(all, h)
	}
	init := &part{Section: Section{Name: ".init.data", Type: 1, Flags: 3, Data: ko.Code("init", 100)}, k: k}
	if k.Revoked != nil {
		init.list("revocation_certificate_list", k.Revoked, 0, nil)
		init.Data = append(init.Data, ko.Code("between", 40)...)
	}
	if k.Certs != nil {
		init.list("system_certificate_list", k.Certs, k.Reserve, k.Extra)
		align := max(k.Align, 8)
		init.align(align)
		init.symbol("module_cert_size")
		if k.NoModule {
			init.long(0)
		} else {
			init.long(len(k.Certs[0]))
		}
	}
	init.Data = append(init.Data, ko.Code("end", 100)...)
	all = append(all, init)
	for i, p := range all {
		p.Addr = Base + uint64(i)*0x10000
	}
	return all
}

func (k *Kernel) notes() *part {
	var o binary.AppendByteOrder = binary.LittleEndian
	if k.Big {
		o = binary.BigEndian
	}
	p := &part{Section: Section{Name: ".notes", Type: 7, Flags: 2}, k: k}
	p.symbol("__start_notes")
	for _, n := range []struct {
		typ  uint32
		name string
		desc []byte
	}{{6, "Xen\x00", []byte{1, 2, 3}}, {3, "GNU\x00", k.BuildID}, {256, "Linux\x00", []byte{0, 0, 0, 0}}} {
		p.Data = o.AppendUint32(p.Data, uint32(len(n.name)))
		p.Data = o.AppendUint32(p.Data, uint32(len(n.desc)))
		p.Data = o.AppendUint32(p.Data, n.typ)
		p.Data = append(p.Data, n.name...)
		p.align(4)
		p.Data = append(p.Data, n.desc...)
		p.align(4)
	}
	p.symbol("__stop_notes")
	return p
}

func gz(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text)) // to memory
	w.Close()
	return b.Bytes()
}

// ELF returns the kernel as an ELF file.
func (k Kernel) ELF() []byte { return k.File().Bytes() }

// File returns the ELF file's description.
func (k Kernel) File() File {
	f := File{Bits: k.Bits, Big: k.Big, Machine: k.Machine, Segments: true}
	for i, p := range k.parts() {
		f.Sections = append(f.Sections, p.Section)
		for _, name := range p.order {
			f.Symbols = append(f.Symbols, Symbol{name, p.Addr + uint64(p.symbols[name]), 0x11, uint16(i + 1)})
		}
	}
	if k.Stripped {
		f.Symbols = nil
	}
	return f
}

// Flat returns the kernel as objcopy -O binary makes it: the bytes from the
// lowest to the highest address.
func (k Kernel) Flat() []byte {
	var b []byte
	for _, p := range k.parts() {
		b = append(b, make([]byte, int(p.Addr-Base)-len(b))...)
		b = append(b, p.Data...)
	}
	return b
}

// SystemMap returns what nm -n says of the kernel.
func (k Kernel) SystemMap() string {
	var b strings.Builder
	b.WriteString("0000000000000000 A fixed_percpu_data\n")
	for _, p := range k.parts() {
		for _, name := range p.order {
			fmt.Fprintf(&b, "%016x R %s\n", p.Addr+uint64(p.symbols[name]), name)
		}
	}
	return b.String()
}
