// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/internal/codec"
)

// Kind is the form of one layer of an image.
type Kind string

const (
	ELF        Kind = "vmlinux"    // an ELF file
	Flat       Kind = "image"      // a flat binary: Image of arm64, riscv, loongarch
	BzImage    Kind = "bzimage"    // x86
	ZBoot      Kind = "zboot"      // an EFI program that decompresses the kernel
	UKI        Kind = "uki"        // a unified kernel image
	Compressed Kind = "compressed" // a compressed file
)

// Layer is one wrapper around the kernel, or the kernel itself.
type Layer struct {
	Kind Kind
	Size int64 // bytes of the layer

	// Of a wrapper: where in it the next layer is, and how that is compressed:
	// "gzip", "xz", "zstd", "lz4", "lzma", "bzip2" or "none".
	Offset, Length int64
	Compression    string
}

// wrapper is a Layer and what it takes to come to the next one.
type wrapper struct {
	Layer
	format  codec.Format
	decoded int64 // the decoded size that the layer states, or -1

	arch     string           // if the layer tells
	order    binary.ByteOrder // of a flat binary
	bits     int              // of a flat binary
	release  string           // the version text of a bzImage
	sections []Section        // of a UKI
}

// last reports whether there is nothing in the layer but a kernel.
func (w *wrapper) last() bool { return w.Compression == "" }

func plainWrapper(kind Kind, size int64) *wrapper {
	return &wrapper{Layer: Layer{Kind: kind, Size: size}, decoded: -1}
}

// payload says where the next layer is; it must lie in this one.
func (w *wrapper) payload(off, n int64, f codec.Format) {
	w.Offset, w.Length, w.format, w.Compression = off, n, f, f.String()
}

// headSize is what is read to recognize a layer.
const headSize = 4096

// recognize finds out what the file in the first size bytes of r is.
func recognize(r io.ReaderAt, size int64) (*wrapper, error) {
	if size <= 0 {
		return nil, badf(0, "there are no bytes")
	}
	head := make([]byte, min(size, headSize))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, fmt.Errorf("reading image: %w", err)
	}
	if bytes.HasPrefix(head, []byte("\x7fELF")) {
		return readELFLayer(r, size)
	}
	if f := codec.Sniff(head); f != codec.Plain {
		w := plainWrapper(Compressed, size)
		w.payload(0, size, f)
		return w, nil
	}
	uki, err := readUKI(r, size)
	if err != nil {
		return nil, err
	}
	if uki != nil && (isZBoot(head) || isBzImage(head)) {
		// Firmware would start one kernel and a boot loader another.
		return nil, badf(0, "a PE file with a section %s that also has the header of a bzimage or zboot image", ukiKernel)
	}
	switch {
	case uki != nil:
		return uki, nil
	case isZBoot(head):
		return readZBoot(head, size)
	case isBzImage(head):
		return readBzImage(r, head, size)
	}
	w, err := readFlat(r, head, size)
	if w == nil && err == nil {
		err = unknown(r, head, size)
	}
	return w, err
}

// unknown names what is not read, if it is known.
func unknown(r io.ReaderAt, head []byte, size int64) error {
	name := ""
	at := func(off int64, magic string) bool {
		b := make([]byte, len(magic))
		n, err := r.ReadAt(b, off)
		return n == len(b) && (err == nil || errors.Is(err, io.EOF)) && string(b) == magic
	}
	switch {
	case at(0, "\x27\x05\x19\x56"):
		name = "a U-Boot legacy image (uImage); extract what is in it"
	case at(0, "\xd0\x0d\xfe\xed"):
		name = "a flattened device tree or FIT image; extract the kernel that is in it"
	case at(0, "ANDROID!"):
		name = "an Android boot image; extract the kernel that is in it"
	case at(36, "\x18\x28\x6f\x01"), at(36, "\x01\x6f\x28\x18"):
		name = "a self-extracting arm zImage; use vmlinux or Image"
	case at(0x10008, "S390EP"):
		name = "a self-extracting s390 image; use vmlinux"
	case bytes.HasPrefix(head, []byte("MZ")):
		pe, err := readPE(r, size)
		if pe == nil || err != nil {
			break
		}
		name = fmt.Sprintf("a PE file for %s without a kernel", pe.machineName())
	}
	if name == "" {
		name = fmt.Sprintf("it starts with % x", head[:min(len(head), 8)])
	}
	return fmt.Errorf("%w: %s", ErrUnknown, name)
}
