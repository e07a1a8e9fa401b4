// SPDX-License-Identifier: Apache-2.0

// Package ko makes kernel modules for tests and for the built-in sample builds:
// ELF files with the sections that modhash reads, never meant to be loaded.
// Everything is deterministic.
package ko

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// Module describes a module file. The zero value of a field takes a default.
type Module struct {
	Name    string   // "ext4"
	Release string   // default "6.12.0-sample"
	Machine uint16   // default 62, x86_64
	Bits    int      // 32 or 64, the default
	Big     bool     // big endian
	Modinfo []string // further "key=value" lines, before the vermagic
	Text    []byte   // section .text; default a few pseudo-random bytes made from Name
	NoMagic bool     // leave the vermagic out
	Symbols bool     // add a section .symtab
	Debug   bool     // add a section .debug_info
}

// File and section header types of the gABI.
const (
	relocatable = 1
	executable  = 2

	progbits = 1
	symtab   = 2
	strtab   = 3
)

type section struct {
	name  string
	typ   uint32
	flags uint64
	data  []byte
}

// Bytes returns the ELF file.
func (m Module) Bytes() []byte {
	m = m.defaults()
	secs := []section{
		{},
		{".text", progbits, 6, m.Text},
		{".rodata.str1.1", progbits, 0x32, []byte("6%s: loaded\n\x00" + m.Name + "\x00")},
		{".modinfo", progbits, 2, m.modinfo()},
		{".gnu.linkonce.this_module", progbits, 3, append(append(make([]byte, 24), m.Name...), make([]byte, 232)...)},
	}
	if m.Debug {
		secs = append(secs, section{".debug_info", progbits, 0, Code("debug", 100)})
	}
	if m.Symbols {
		secs = append(secs, section{".symtab", symtab, 0, make([]byte, 24)})
	}
	return m.elf(relocatable, secs)
}

func (m Module) defaults() Module {
	if m.Release == "" {
		m.Release = "6.12.0-sample"
	}
	if m.Machine == 0 {
		m.Machine = 62
	}
	if m.Bits == 0 {
		m.Bits = 64
	}
	if m.Text == nil {
		m.Text = Code(m.Name, 200+len(m.Name)*37)
	}
	return m
}

// Vmlinux returns an ELF file with the sections of a linked kernel that modhash
// reads: code, the banner with the release, and .module_hashes with the given
// content, which is left out if it is nil.
func (m Module) Vmlinux(hashes []byte) []byte {
	m = m.defaults()
	secs := []section{
		{},
		{".text", progbits, 6, m.Text},
		{".rodata", progbits, 2, []byte("Linux version " + m.Release + " (modhash@sample) (gcc, ld) #1 SMP\n\x00")},
	}
	if hashes != nil {
		secs = append(secs, section{".module_hashes", progbits, 2, hashes})
	}
	return m.elf(executable, append(secs, section{".data", progbits, 3, Code("data", 640)}))
}

func (m Module) modinfo() []byte {
	lines := append([]string{"license=GPL", "depends=", "intree=Y", "name=" + m.Name}, m.Modinfo...)
	if !m.NoMagic {
		lines = append(lines, "vermagic="+m.Release+" SMP preempt mod_unload ")
	}
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte(0)
	}
	return b.Bytes()
}

// Code returns n bytes that look like nothing in particular but depend on seed
// only; a third of them repeats, so that it can be compressed.
func Code(seed string, n int) []byte {
	var s [32]byte
	copy(s[:], seed)
	r := rand.NewChaCha8(s)
	b := make([]byte, n)
	r.Read(b)
	for i := 64; i < n; i++ {
		if i/32%3 == 0 {
			b[i] = b[i-64]
		}
	}
	return b
}

func (m Module) elf(typ uint16, secs []section) []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	if m.Big {
		order = binary.BigEndian
	}
	names := []byte{0}
	nameAt := make([]uint32, len(secs)+1)
	for i, s := range append(secs, section{name: ".shstrtab"}) {
		if s.name != "" {
			nameAt[i] = uint32(len(names))
			names = append(append(names, s.name...), 0)
		}
	}
	secs = append(secs, section{".shstrtab", strtab, 0, names})

	ehsize, shsize := 64, 64
	if m.Bits == 32 {
		ehsize, shsize = 52, 40
	}
	body := make([]byte, 0, 4096)
	offsets := make([]uint64, len(secs))
	for i, s := range secs {
		for (ehsize+len(body))%16 != 0 {
			body = append(body, 0)
		}
		offsets[i] = uint64(ehsize + len(body))
		body = append(body, s.data...)
	}
	for (ehsize+len(body))%8 != 0 {
		body = append(body, 0)
	}

	w := &writer{order: order, wide: m.Bits == 64}
	class, data := byte(2), byte(1)
	if m.Bits == 32 {
		class = 1
	}
	if m.Big {
		data = 2
	}
	w.raw(0x7f, 'E', 'L', 'F', class, data, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	w.u16(typ)
	w.u16(m.Machine)
	w.u32(1)
	w.word(0)
	w.word(0)
	w.word(uint64(ehsize + len(body)))
	w.u32(0)
	w.u16(uint16(ehsize))
	w.u16(0)
	w.u16(0)
	w.u16(uint16(shsize))
	w.u16(uint16(len(secs)))
	w.u16(uint16(len(secs) - 1))
	w.raw(body...)
	for i, s := range secs {
		w.u32(nameAt[i])
		w.u32(s.typ)
		w.word(s.flags)
		w.word(0)
		if i == 0 {
			offsets[i] = 0
		}
		w.word(offsets[i])
		w.word(uint64(len(s.data)))
		w.u32(0)
		w.u32(0)
		w.word(1)
		w.word(0)
	}
	return w.b
}

type writer struct {
	b     []byte
	order binary.AppendByteOrder
	wide  bool
}

func (w *writer) raw(b ...byte) { w.b = append(w.b, b...) }
func (w *writer) u16(v uint16)  { w.b = w.order.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32)  { w.b = w.order.AppendUint32(w.b, v) }

// word is an address, offset or size: 4 or 8 bytes.
func (w *writer) word(v uint64) {
	if w.wide {
		w.b = w.order.AppendUint64(w.b, v)
	} else {
		w.u32(uint32(v))
	}
}
