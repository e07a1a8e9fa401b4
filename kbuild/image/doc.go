// SPDX-License-Identifier: Apache-2.0

// Package image reads a kernel's boot image.
//
// # Layers
//
// What a boot loader starts is the kernel in some wrappers. [Open] takes them
// off one by one and reads what it finds in the innermost layer, an ELF file
// (vmlinux) or a flat binary. The forms, with the source of each:
//
//   - ELF: vmlinux of any architecture, stripped or not.
//   - bzImage: x86, boot protocol 2.08 or later (Documentation/arch/x86/boot.rst),
//     with or without EFI stub and PE signature. The payload is compressed with
//     gzip, or with xz, zstd, lz4 (legacy frame), lzma or bzip2 and then has its
//     decoded size, 4 bytes, little-endian, appended. In it are an ELF file and
//     relocations behind it.
//   - Image: flat, of arm64, riscv (Documentation/arch/*/boot*.rst) and loongarch.
//   - zboot: an EFI program that decompresses a kernel
//     (drivers/firmware/efi/libstub/zboot-header.S); the payload is not followed by
//     its size.
//   - UKI: an EFI program with the kernel in its section .linux (UAPI group
//     specification "Unified Kernel Image").
//   - Any of them compressed as a whole: Image.gz and the like.
//
// LZO is recognized and not decoded, as are the self-extracting images of other
// architectures, U-Boot and Android; the error names them.
//
// # Digest
//
// The digest of an image is the SHA-256 of the file as shipped, without what a
// signer adds to it, so that a signed and an unsigned image of one build have
// one digest:
//
//   - A PE file (an image with an EFI stub): in file order all bytes except the
//     CheckSum field (4 bytes), the Certificate Table entry of the data
//     directory (8 bytes, if the directory has more than 4 entries) and the
//     attribute certificate table, which must end the file and hold no part of
//     the headers or of a section; then zero bytes until the offset at which
//     hashing stopped is a multiple of 8, because signing tools pad the file
//     so. Source: "Windows Authenticode Portable Executable Signature Format"
//     and the PE/COFF specification.
//   - A file that ends in a module trailer (s390, powerpc): all before it.
//   - Any other file: all of it.
package image
