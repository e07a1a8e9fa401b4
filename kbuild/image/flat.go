// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/binary"
	"io"
)

// Offsets in the headers of flat kernels (Documentation/arch/arm64/booting.rst,
// Documentation/arch/riscv/boot-image-header.rst, arch/loongarch/kernel/head.S).
const (
	flatFlagsAt  = 24 // u64, little-endian; bit 0: the kernel is big-endian
	flatMagicAt  = 56
	flatHeadSize = 64

	arm64Magic = "ARM\x64"
	riscvMagic = "RSC\x05"
	linuxPE    = "\xcd\x23\x82\x81" // loongarch; also x86 and zboot, which are recognized before
)

// readFlat returns nil and no error if the file is not a flat kernel.
func readFlat(r io.ReaderAt, head []byte, size int64) (*wrapper, error) {
	if len(head) < flatHeadSize {
		return nil, nil
	}
	w := plainWrapper(Flat, size)
	w.order, w.bits = binary.LittleEndian, 64
	switch string(head[flatMagicAt : flatMagicAt+4]) {
	case arm64Magic:
		w.arch = "aarch64"
	case riscvMagic:
		w.arch = "riscv"
	case linuxPE:
		p, err := readPE(r, size)
		if p == nil || err != nil {
			return nil, err
		}
		if w.arch = p.machineName(); w.arch != "loongarch" {
			return nil, nil
		}
	default:
		return nil, nil
	}
	if binary.LittleEndian.Uint64(head[flatFlagsAt:])&1 != 0 {
		w.order = binary.BigEndian
	}
	return w, nil
}
