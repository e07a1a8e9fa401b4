// SPDX-License-Identifier: Apache-2.0

// Package pe makes small PE files for tests: the headers of a kernel image with
// an EFI stub, never meant to run.
package pe

import "encoding/binary"

// Offsets in the files that [Image] makes.
const (
	coff     = 0x44
	opt      = coff + 20
	Checksum = opt + 64
	CertDir  = opt + 112 + 4*8
	headers  = opt + 112 + 16*8
)

// Image makes a PE32+ file without a signature, with body after the headers.
func Image(body []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, headers, headers+len(body))
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], coff-4)
	copy(b[coff-4:], "PE\x00\x00")
	le.PutUint16(b[coff:], 0x8664)
	le.PutUint16(b[coff+16:], headers-opt)
	le.PutUint16(b[opt:], 0x20b)
	le.PutUint32(b[Checksum:], 0x12345678)
	le.PutUint32(b[opt+108:], 16)
	return append(b, body...)
}

// Sign returns the file as a signing tool leaves it: padded to 8 bytes, with
// cert in an attribute certificate table at the end, and another checksum.
func Sign(image, cert []byte) []byte {
	le := binary.LittleEndian
	b := append([]byte{}, image...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	table := make([]byte, 8, 8+len(cert)+8)
	le.PutUint32(table, uint32(8+len(cert)))
	le.PutUint16(table[4:], 0x200)
	le.PutUint16(table[6:], 2)
	table = append(table, cert...)
	for len(table)%8 != 0 {
		table = append(table, 0)
	}
	le.PutUint32(b[CertDir:], uint32(len(b)))
	le.PutUint32(b[CertDir+4:], uint32(len(table)))
	le.PutUint32(b[Checksum:], 0x9abcdef0)
	return append(b, table...)
}

// SignAt is [Sign] for a PE32+ file with its optional header at offset at, with an empty certificate.
func SignAt(image []byte, at int) []byte {
	moved := int64(at - opt)
	le := binary.LittleEndian
	b := append([]byte{}, image...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	dir := int64(CertDir) + moved
	le.PutUint32(b[dir:], uint32(len(b)))
	le.PutUint32(b[dir+4:], 16)
	return append(b, make([]byte, 16)...)
}
