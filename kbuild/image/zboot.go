// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

// Offsets in the header of an EFI zboot image
// (drivers/firmware/efi/libstub/zboot-header.S). Numbers are little-endian.
const (
	zbootMagicAt  = 4  // "zimg"
	zbootOffsetAt = 8  // u32: of the payload
	zbootSizeAt   = 12 // u32: of the payload, without the decoded size that follows it
	zbootNameAt   = 24 // compression, NUL-terminated
	zbootNameEnd  = 56
)

func isZBoot(head []byte) bool {
	return len(head) >= 64 && string(head[:2]) == "MZ" && string(head[zbootMagicAt:zbootMagicAt+4]) == "zimg"
}

// readZBoot finds the payload by the header. Its size there may be 4 short of
// what belongs to the payload's section: all compressions but gzip have the
// decoded size appended, which is not needed to decode them.
func readZBoot(head []byte, size int64) (*wrapper, error) {
	le := binary.LittleEndian
	off, n := int64(le.Uint32(head[zbootOffsetAt:])), int64(le.Uint32(head[zbootSizeAt:]))
	if n == 0 || off < 64 || off+n > size {
		return nil, badf(zbootOffsetAt, "payload of %d bytes at offset %d, the file has %d", n, off, size)
	}
	raw, _, terminated := bytes.Cut(head[zbootNameAt:zbootNameEnd], []byte{0})
	name := string(raw)
	f, known := map[string]codec.Format{
		"gzip": codec.Gzip, "zstd": codec.Zstd, "xz": codec.XZ, "xzkern": codec.XZ,
		"lz4": codec.LZ4, "lzma": codec.LZMA, "lzo": codec.LZO, "bzip2": codec.Bzip2,
	}[name]
	if !known || !terminated {
		return nil, badf(zbootNameAt, "payload in an unknown compression %q", name)
	}
	w := plainWrapper(ZBoot, size)
	w.payload(off, n, f)
	return w, nil
}
