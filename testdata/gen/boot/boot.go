// SPDX-License-Identifier: Apache-2.0

// Package boot wraps kernels for tests as the kernel's build and others do:
// headers with the fields that modhash reads, and nothing that runs.
package boot

import (
	"bytes"
	"encoding/binary"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

var le = binary.LittleEndian

// Formats are those that [Compress] knows.
var Formats = []string{"gzip", "xz", "zstd", "lz4", "lzma"}

// Compress packs b: "gzip", "xz", "zstd", "lz4" (the legacy frame) or "lzma".
func Compress(b []byte, format string) []byte {
	var out bytes.Buffer
	switch format {
	case "gzip":
		w := gzip.NewWriter(&out)
		check(w.Write(b))
		check(0, w.Close())
	case "xz":
		w, err := xz.WriterConfig{CheckSum: xz.CRC32, DictCap: 1 << 20}.NewWriter(&out)
		check(0, err)
		check(w.Write(b))
		check(0, w.Close())
	case "lzma":
		w, err := lzma.WriterConfig{DictCap: 1 << 20, EOSMarker: true}.NewWriter(&out)
		check(0, err)
		check(w.Write(b))
		check(0, w.Close())
	case "zstd":
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		check(0, err)
		return w.EncodeAll(b, nil)
	case "lz4":
		buf := make([]byte, lz4.CompressBlockBound(len(b)))
		var c lz4.Compressor
		n, err := c.CompressBlock(b, buf)
		check(n, err)
		return append(le.AppendUint32([]byte("\x02\x21\x4c\x18"), uint32(n)), buf[:n]...)
	default:
		panic("unknown format " + format)
	}
	return out.Bytes()
}

func check(_ int, err error) {
	if err != nil {
		panic(err) // cannot happen: everything is in memory
	}
}

// Setup is the size of the real-mode part of what [BzImage] makes.
const Setup = 5 * 512

// BzImage wraps a payload of size bytes, packed in the given format, "none"
// among them. Text is the version text, such as "6.12.0 (user@host) #1".
func BzImage(payload []byte, format string, size int, text string) []byte {
	if format != "gzip" && format != "none" {
		payload = le.AppendUint32(bytes.Clone(payload), uint32(size))
	}
	const stub = 0x40 // bytes of code before the payload
	b := make([]byte, Setup+stub, Setup+stub+len(payload)+100)
	b[0x1f1] = Setup/512 - 1
	le.PutUint16(b[0x1fe:], 0xaa55)
	copy(b[0x202:], "HdrS")
	le.PutUint16(b[0x206:], 0x20f)
	if text != "" {
		const at = 0x400
		le.PutUint16(b[0x20e:], at-0x200)
		copy(b[at:], text)
	}
	le.PutUint32(b[0x248:], stub)
	le.PutUint32(b[0x24c:], uint32(len(payload)))
	b = append(b, payload...)
	return append(b, make([]byte, 100)...)
}

// Flat puts the header of a flat kernel at the start of one: magic is
// "ARM\x64" or "RSC\x05".
func Flat(kernel []byte, magic string) []byte {
	b := bytes.Clone(kernel)
	clear(b[:64])
	copy(b, "MZ")
	le.PutUint64(b[16:], uint64(len(b)))
	copy(b[56:], magic)
	return b
}

// PESection is a section of what [PE] makes.
type PESection struct {
	Name string
	Data []byte
}

// PE makes a PE32+ file for the given machine. Sections are padded to 512 bytes.
func PE(machine uint16, sections ...PESection) []byte {
	const coff, opt = 0x44, 0x58
	const table = opt + 112 + 16*8
	b := make([]byte, 0x400)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], coff-4)
	copy(b[coff-4:], "PE\x00\x00")
	le.PutUint16(b[coff:], machine)
	le.PutUint16(b[coff+2:], uint16(len(sections)))
	le.PutUint16(b[coff+16:], table-opt)
	le.PutUint16(b[opt:], 0x20b)
	le.PutUint32(b[opt+108:], 16)
	for i, s := range sections {
		h := b[table+40*i:]
		copy(h[:8], s.Name)
		le.PutUint32(h[8:], uint32(len(s.Data)))
		le.PutUint32(h[12:], uint32(len(b)))
		le.PutUint32(h[16:], uint32(len(s.Data)+511)/512*512)
		le.PutUint32(h[20:], uint32(len(b)))
		b = append(b, s.Data...)
		for len(b)%512 != 0 {
			b = append(b, 0)
		}
	}
	return b
}

// ZBoot wraps a payload as an EFI zboot image does.
func ZBoot(machine uint16, payload []byte, name string, size int) []byte {
	if name != "gzip" {
		payload = le.AppendUint32(bytes.Clone(payload), uint32(size))
	}
	b := PE(machine, PESection{".text", make([]byte, 700)}, PESection{".data", payload})
	n := len(payload)
	if name != "gzip" {
		n -= 4
	}
	copy(b[4:], "zimg")
	le.PutUint32(b[8:], uint32(bytes.Index(b, payload)))
	le.PutUint32(b[12:], uint32(n))
	copy(b[24:56], name)
	copy(b[56:], "\xcd\x23\x82\x81")
	return b
}
