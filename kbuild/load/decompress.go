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
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refused("decompression failed with status -5", "cut short"), nil
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
)

// kernelXZ decodes the first stream (lib/xz). It verifies CRC32 or no checksum, has
// the branch filters and LZMA2, and stops at the end of the stream.
func (k *Kernel) kernelXZ(d *codec.Decoder, dst *spool.Buffer, src []byte, limit int64) (decoded, error) {
	if len(src) < xzHeader {
		return refused("decompression failed with status 0", "cut short"), nil
	}
	if codec.XZDamaged(src) {
		return refused("decompression failed with status 7", "a header with a wrong checksum"), nil
	}
	branch := func(id byte) (has, known bool) { return k.branch[id] == Yes, k.branch[id] != Maybe }
	if why, refusedHere := codec.KernelXZ(src, branch); refusedHere {
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
	if last == nil { // no end of a stream
		dst.Reset()
		if _, last = d.Decode(dst, bytes.NewReader(src), codec.XZ, limit); errors.Is(last, io.ErrUnexpectedEOF) {
			return refused("decompression failed with status 0", "cut short"), nil
		}
	}
	return refused("decompression failed with status 7", "the kernel cannot decode it: %v", last), nil
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
