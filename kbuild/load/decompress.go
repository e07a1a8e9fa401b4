// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec"
	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
)

// decoded is what one of the kernel's decompressors makes of a file
// (kernel/module/decompress.c). They stop where the first member, stream or frame
// ends and ignore what follows.
type decoded struct {
	errno Errno  // success, EINVAL, or unknown
	text  string // for people
	log   string
}

func refused(log, format string, args ...any) decoded {
	return decoded{modsig.EINVAL, fmt.Sprintf(format, args...), log}
}

// kernelDecode writes to dst what the kernel's decompressor makes of src. The error
// is one of dst.
func (k *Kernel) kernelDecode(d *codec.Decoder, dst *spool.Buffer, src []byte, limit int64) (decoded, error) {
	f := k.Decompressor
	if !bytes.HasPrefix(src, []byte(magics[f])) {
		return refused("not "+article(f.String())+" compressed module", "not compressed with %v, which the kernel expects", f), nil
	}
	switch f {
	case kmod.Gzip:
		return kernelGzip(dst, src, limit)
	case kmod.XZ:
		return k.kernelXZ(d, dst, src, limit)
	case kmod.Zstd:
		return kernelZstd(d, dst, src, limit)
	}
	return decoded{errno: unknown, text: "no decompressor of a kernel for " + f.String() + " is known"}, nil
}

// magics are what the kernel looks for first.
var magics = map[kmod.Compression]string{kmod.Gzip: "\x1f\x8b\x08", kmod.XZ: "\xfd7zXZ\x00", kmod.Zstd: "\x28\xb5\x2f\xfd"}

func article(s string) string {
	if s == "xz" {
		return "an " + s
	}
	return "a " + s
}

// kernelGzip skips ten bytes and a name and inflates. It checks neither the other
// flags, whose fields it takes for data, nor the checksum behind the data.
func kernelGzip(dst *spool.Buffer, src []byte, limit int64) (decoded, error) {
	const header, fname = 10, 8
	if len(src) < header {
		return refused("not a gzip compressed module", "cut short"), nil
	}
	at := header
	if src[3]&fname != 0 {
		end := bytes.IndexByte(src[header:], 0)
		if end < 0 {
			return refused("not a gzip compressed module", "a file name without end"), nil
		}
		at += end + 1
	}
	rest := bytes.NewReader(src[at:]) // a ByteReader: flate reads no further than it must
	n, err := io.Copy(dst, io.LimitReader(flate.NewReader(rest), limit+1))
	switch {
	case dst.Err() != nil:
		return decoded{}, dst.Err()
	case err != nil:
		return refused("decompression failed with status -3", "the kernel cannot inflate it: %v", err), nil
	case n > limit:
		return tooLarge(limit), nil
	}
	const tail = 8
	if rest.Len() > tail {
		return decoded{text: fmt.Sprintf("the kernel ignores the %d bytes behind the first member", rest.Len()-tail)}, nil
	}
	return decoded{text: "gzip"}, nil
}

func tooLarge(limit int64) decoded {
	return decoded{errno: unknown, text: fmt.Sprintf("it decompresses to more than %d bytes", limit)}
}

// The parts of an xz stream (version 1.2.1 of the specification).
const (
	xzHeader = 12 // magic, 6 bytes; flags, 2 bytes; CRC32
	xzFooter = 12 // CRC32, backward size, flags, magic
	xzNone   = 0
	xzCRC32  = 1
)

// kernelXZ decodes the first stream (lib/xz). It verifies CRC32 or no checksum, has
// the branch filters and LZMA2, and stops at the end of the stream.
func (k *Kernel) kernelXZ(d *codec.Decoder, dst *spool.Buffer, src []byte, limit int64) (decoded, error) {
	if len(src) < xzHeader {
		return refused("decompression failed with status 0", "cut short"), nil
	}
	if check := src[7]; src[6] != 0 || check != xzNone && check != xzCRC32 {
		return refused("decompression failed with status 6", "its checksum is of kind %d (%s): the kernel knows CRC32 and none, as xz --check=crc32 makes them", check, xzCheckName(check)), nil
	}
	if why, refusedHere := k.xzFilters(src); refusedHere {
		return refused("decompression failed with status 6", "%s", why), nil
	} else if why != "" {
		return decoded{errno: unknown, text: why}, nil
	}
	var last error
	for end := range xzEnds(src) {
		dst.Reset()
		_, err := d.Decode(dst, bytes.NewReader(src[:end]), codec.XZ, limit)
		switch {
		case dst.Err() != nil:
			return decoded{}, dst.Err()
		case errors.Is(err, codec.ErrTooLarge):
			return tooLarge(limit), nil
		case err != nil:
			last = err
			continue
		case end < len(src):
			return decoded{text: fmt.Sprintf("the kernel ignores the %d bytes behind the first stream", len(src)-end)}, nil
		}
		return decoded{text: "xz"}, nil
	}
	if last == nil {
		last = errors.New("no end of a stream")
	}
	return refused("decompression failed with status 7", "the kernel cannot decode it: %v", last), nil
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

// xzEnds yields where a stream that starts src may end: behind a footer that fits
// its header and has a right checksum.
func xzEnds(src []byte) func(func(int) bool) {
	return func(yield func(int) bool) {
		for end := xzHeader + xzFooter; end <= len(src); end += 4 {
			f := src[end-xzFooter : end]
			if f[10] == 'Y' && f[11] == 'Z' && bytes.Equal(f[8:10], src[6:8]) &&
				crc32.ChecksumIEEE(f[4:10]) == binary.LittleEndian.Uint32(f) && !yield(end) {
				return
			}
		}
	}
}

// xzFilters looks at the filters of the first block. It tells what is wrong with
// them, and whether the kernel refuses them or it cannot be told.
func (k *Kernel) xzFilters(src []byte) (why string, refusedHere bool) {
	b := src[xzHeader:]
	if len(b) == 0 || b[0] == 0 || len(b) < (int(b[0])+1)*4 {
		return "", false // no block, or cut short: decoding will tell
	}
	b = b[:(int(b[0])+1)*4-4]
	filters, at := int(b[1]&3)+1, 2
	for _, present := range []bool{b[1]&0x40 != 0, b[1]&0x80 != 0} {
		if present {
			at += skipVLI(b[at:])
		}
	}
	for i := range filters {
		if at+2 > len(b) {
			return "", false
		}
		id, size := b[at], int(b[at+1])
		if at += 2; at+size > len(b) {
			return "", false
		}
		props := b[at : at+size]
		at += size
		switch {
		case i < filters-1 && (filters > 2 || id < 4 || id > 0xb || size != 0):
			return fmt.Sprintf("filter %d: the kernel knows one branch filter without a start offset before LZMA2", id), true
		case i < filters-1 && k.branch[id] != Yes:
			return fmt.Sprintf("branch filter %d, which not every kernel has", id), k.branch[id] == No
		case i == filters-1 && (id != 0x21 || size != 1):
			return fmt.Sprintf("last filter %d, want LZMA2", id), true
		case i == filters-1 && props[0] > 39:
			return "a dictionary of 4 GiB, the kernel takes at most 3", true
		case i == filters-1 && props[0] > 28: // 64 MiB
			mib := uint64(2+props[0]&1) << (props[0]/2 + 11) >> 20
			return fmt.Sprintf("a dictionary of %d MiB, which the kernel may or may not have the memory for", mib), false
		}
	}
	return "", false
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
