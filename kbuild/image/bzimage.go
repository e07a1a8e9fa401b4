// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

// Offsets in the setup header (Documentation/arch/x86/boot.rst). All numbers
// are little-endian.
const (
	setupSectsAt    = 0x1f1 // u8: 512-byte sectors of real-mode code after the first; 0 means 4
	bootFlagAt      = 0x1fe // u16: 0xaa55
	setupMagicAt    = 0x202 // "HdrS"
	protocolAt      = 0x206 // u16
	versionTextAt   = 0x20e // u16: offset of a text, less 0x200
	payloadOffsetAt = 0x248 // u32: from the end of the real-mode code
	payloadLengthAt = 0x24c // u32
	setupEnd        = 0x250

	minProtocol = 0x208 // the first that says where the payload is
	sectorSize  = 512
)

func isBzImage(head []byte) bool {
	return len(head) >= protocolAt+2 && string(head[setupMagicAt:setupMagicAt+4]) == "HdrS" &&
		binary.LittleEndian.Uint16(head[bootFlagAt:]) == 0xaa55
}

// readBzImage finds the payload by the setup header. Behind all payloads but
// gzip's, which ends so by itself, the build puts the decoded size, 4 bytes.
func readBzImage(r io.ReaderAt, head []byte, size int64) (*wrapper, error) {
	le := binary.LittleEndian
	if v := le.Uint16(head[protocolAt:]); v < minProtocol {
		return nil, fmt.Errorf("%w: an x86 image of boot protocol %d.%02d, before 2.08 it does not say where the kernel is",
			ErrUnknown, v>>8, v&0xff)
	}
	if len(head) < setupEnd {
		return nil, badf(int64(len(head)), "the file ends within the setup header")
	}
	sects := int64(head[setupSectsAt])
	if sects == 0 {
		sects = 4
	}
	setup := (sects + 1) * sectorSize
	off := setup + int64(le.Uint32(head[payloadOffsetAt:]))
	n := int64(le.Uint32(head[payloadLengthAt:]))
	if n == 0 || off+n > size {
		return nil, badf(payloadOffsetAt, "payload of %d bytes at offset %d, the file has %d", n, off, size)
	}
	w := plainWrapper(BzImage, size)
	start := make([]byte, min(n, 16))
	if got, err := r.ReadAt(start, off); got < len(start) {
		return nil, fmt.Errorf("reading image at offset %d: %w", off, err)
	}
	f := codec.Sniff(start)
	if f == codec.Plain {
		if bytes.HasPrefix(start, []byte("\x7fELF")) {
			// CONFIG_KERNEL_UNCOMPRESSED.
			w.payload(off, n, f)
			return w, nil
		}
		return nil, badf(off, "payload in an unknown compression, it starts with % x", start[:min(len(start), 8)])
	}
	if f != codec.Gzip {
		if n < 8 {
			return nil, badf(payloadLengthAt, "payload of %d bytes", n)
		}
		n -= 4
		var tail [4]byte
		if got, err := r.ReadAt(tail[:], off+n); got < 4 {
			return nil, fmt.Errorf("reading image at offset %d: %w", off+n, err)
		}
		w.decoded = int64(le.Uint32(tail[:]))
	}
	w.payload(off, n, f)
	w.release = versionText(r, int64(le.Uint16(head[versionTextAt:])), setup)
	return w, nil
}

// versionText returns the text that boot loaders show, such as
// "6.12.0 (user@host) #1 SMP …", or "" if there is none.
func versionText(r io.ReaderAt, at, setup int64) string {
	if at == 0 || at+sectorSize >= setup {
		return ""
	}
	b := make([]byte, min(setup-at-sectorSize, maxBanner))
	if n, _ := r.ReadAt(b, at+sectorSize); n < len(b) {
		return ""
	}
	text, _, terminated := bytes.Cut(b, []byte{0})
	if !terminated || !isText(text) {
		return ""
	}
	return string(text)
}
