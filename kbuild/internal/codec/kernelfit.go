// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// What a kernel's own decompressors take is decided by the start of the data. Here
// is what is known of it (kernel/module/decompress.c, lib/xz, lib/zstd).

// KernelHead is how many bytes at the start of the data [Unfit] wants to see.
const KernelHead = xzHeader + 1024

// The start of an xz stream (version 1.2.1 of the specification).
const (
	xzHeader = 12 // magic, 6 bytes; flags, 2 bytes; CRC32
	xzNone   = 0
	xzCRC32  = 1
)

// KernelXZ tells why a kernel's xz decoder does not take a stream by its header and
// the one of its first block, and whether that is certain or depends on the kernel;
// "" if nothing there is in the way. It verifies CRC32 or no checksum, and has LZMA2
// behind at most one branch filter. branch says which of those it has, by their
// numbers in the format, and whether that is known.
func KernelXZ(src []byte, branch func(id byte) (has, known bool)) (why string, refused bool) {
	if len(src) < xzHeader {
		return "", false // decoding will tell
	}
	if check := src[7]; src[6] != 0 || check != xzNone && check != xzCRC32 {
		return fmt.Sprintf("its checksum is of kind %d (%s): the kernel knows CRC32 and none, as xz --check=crc32 makes them", check, xzCheckName(check)), true
	}
	filters, n := xzFilters(src[xzHeader:])
	for i, f := range filters {
		last := i == n-1
		switch {
		case !last && (n > 2 || f.id < 4 || f.id > 0xb || len(f.props) != 0):
			return fmt.Sprintf("filter %d: the kernel knows one branch filter without a start offset before LZMA2", f.id), true
		case !last:
			if has, known := branch(f.id); !has || !known {
				return fmt.Sprintf("branch filter %d, which not every kernel has", f.id), known
			}
		case f.id != 0x21 || len(f.props) != 1:
			return fmt.Sprintf("last filter %d, want LZMA2", f.id), true
		case f.props[0] > 39:
			return "a dictionary of 4 GiB, the kernel takes at most 3", true
		case f.props[0] > 28: // 64 MiB
			return fmt.Sprintf("a dictionary of %d MiB, which the kernel may or may not have the memory for", dictionary(f.props[0])>>20), false
		}
	}
	return "", false
}

// XZDamaged reports whether the header of the stream or of its first block has a wrong
// checksum, which the kernel looks at before anything that they say.
func XZDamaged(src []byte) bool {
	if len(src) < xzHeader {
		return false
	}
	if crc32.ChecksumIEEE(src[6:8]) != binary.LittleEndian.Uint32(src[8:]) {
		return true
	}
	b := src[xzHeader:]
	if len(b) == 0 || b[0] == 0 || len(b) < (int(b[0])+1)*4 {
		return false
	}
	at := int(b[0]) * 4
	return crc32.ChecksumIEEE(b[:at]) != binary.LittleEndian.Uint32(b[at:])
}

// dictionary is the size in bytes that LZMA2's property stands for.
func dictionary(prop byte) uint64 { return uint64(2+prop&1) << (prop/2 + 11) }

type xzFilter struct {
	id    byte
	props []byte
}

// xzFilters takes a block's header apart, which has n filters. The list is shorter if
// it is cut short, which decoding will tell.
func xzFilters(b []byte) (list []xzFilter, n int) {
	if len(b) == 0 || b[0] == 0 || len(b) < (int(b[0])+1)*4 {
		return nil, 0
	}
	b = b[:(int(b[0])+1)*4-4]
	n = int(b[1]&3) + 1
	at := 2
	for _, present := range []bool{b[1]&0x40 != 0, b[1]&0x80 != 0} {
		if present {
			at += skipVLI(b[at:])
		}
	}
	for range n {
		if at+2 > len(b) {
			break
		}
		f, size := xzFilter{id: b[at]}, int(b[at+1])
		if at += 2; at+size > len(b) {
			break
		}
		f.props = b[at : at+size]
		at += size
		list = append(list, f)
	}
	return list, n
}

func xzCheckName(check byte) string {
	switch check {
	case 4:
		return "CRC64"
	case 10:
		return "SHA-256"
	}
	return "reserved"
}

// skipVLI is the length of a number of variable length.
func skipVLI(b []byte) int {
	for i := range min(len(b), 9) {
		if b[i] < 0x80 {
			return i + 1
		}
	}
	return len(b)
}

// MaxKernelWindow is the largest window in bytes that zstd decodes unless told
// otherwise, which the kernel does not (ZSTD_MAXWINDOWSIZE_DEFAULT).
const MaxKernelWindow = 1<<27 + 1

// ZstdHeader is what the header of a zstd frame says (RFC 8878, 3.1.1).
type ZstdHeader struct {
	Window   uint64 // in bytes
	Sized    bool   // it tells the size of the content
	Checksum bool   // one of the content follows the blocks
	// Dictionary is set if the frame was made with a dictionary that has a number.
	Dictionary bool
	// Invalid is set if a reserved bit is, or if the window is of 4 GiB or more and
	// not that of one segment: the decoder reads no further than that.
	Invalid bool
	Len     int // of the header in bytes, magic number included
}

// ReadZstdHeader reads the header at the start of src; not ok if it is cut short.
func ReadZstdHeader(src []byte) (h ZstdHeader, ok bool) {
	const magic = 4
	const singleSegment, reserved, hasChecksum = 0x20, 0x08, 0x04
	if len(src) < magic+1 {
		return h, false
	}
	descriptor := src[magic]
	single := descriptor&singleSegment != 0
	h.Checksum = descriptor&hasChecksum != 0
	h.Invalid = descriptor&reserved != 0
	at := magic + 1
	if !single {
		if len(src) <= at {
			return h, false
		}
		exponent, mantissa := src[at]>>3, src[at]&7
		base := uint64(1) << (10 + exponent)
		h.Window = base + base/8*uint64(mantissa)
		h.Invalid = h.Invalid || base > 1<<31
		at++
	}
	number := [...]int{0, 1, 2, 4}[descriptor&3]
	size := [...]int{0, 2, 4, 8}[descriptor>>6]
	if single && size == 0 {
		size = 1
	}
	h.Sized = size > 0
	if len(src) < at+number+size {
		return h, false
	}
	h.Dictionary = len(bytes.Trim(src[at:at+number], "\x00")) > 0
	at += number
	if single {
		h.Window = zstdContentSize(src[at : at+size])
	}
	h.Len = at + size
	return h, true
}

func zstdContentSize(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b)) + 256
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// Unfit tells why data that starts with head is not as the kernel's build compresses
// modules, so that some kernel's own decompressor, or a program that loads modules,
// does not take it; "" if it is as it should be. [Encoder] makes what is.
func Unfit(head []byte, f Format) string {
	switch f {
	case Gzip:
		if len(head) >= 10 && (head[3] != 0 || binary.LittleEndian.Uint32(head[4:]) != 0) {
			return "gzip with a name, a time or other fields in its header"
		}
	case XZ:
		none := func(byte) (has, known bool) { return false, false }
		if why, _ := KernelXZ(head, none); why != "" {
			return why
		}
		const most = 18 // 2 MiB, as kernels before 5.19 were built with
		if filters, n := xzFilters(head[min(len(head), xzHeader):]); n > 0 && len(filters) == n && filters[n-1].props[0] > most {
			return fmt.Sprintf("a dictionary of %d MiB", dictionary(filters[n-1].props[0])>>20)
		}
	case Zstd:
		switch h, ok := ReadZstdHeader(head); {
		case ok && h.Window > MaxKernelWindow:
			return fmt.Sprintf("a window of %d bytes, the kernel takes at most %d", h.Window, MaxKernelWindow)
		case ok && !h.Sized:
			return "zstd without the size of the content"
		}
	}
	return ""
}
