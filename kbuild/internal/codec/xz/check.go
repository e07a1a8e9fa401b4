// SPDX-License-Identifier: Apache-2.0

package xz

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
)

// The kinds of check that a stream can carry over the decoded bytes of each
// block. The format reserves the other numbers.
const (
	checkNone   = 0x0
	checkCRC32  = 0x1
	checkCRC64  = 0x4
	checkSHA256 = 0xa
)

var crc64Table = crc64.MakeTable(crc64.ECMA)

// check computes the check of one block.
type check struct {
	kind   byte
	crc32  uint32
	crc64  uint64
	sha256 hash.Hash
}

func (c *check) reset(kind byte, off int64) error {
	*c = check{kind: kind, sha256: c.sha256}
	switch kind {
	case checkNone, checkCRC32, checkCRC64:
	case checkSHA256:
		if c.sha256 == nil {
			c.sha256 = sha256.New()
		}
		c.sha256.Reset()
	default:
		return failf(off, "unknown check type %d", kind)
	}
	return nil
}

func (c *check) write(p []byte) {
	switch c.kind {
	case checkCRC32:
		c.crc32 = crc32.Update(c.crc32, crc32.IEEETable, p)
	case checkCRC64:
		c.crc64 = crc64.Update(c.crc64, crc64Table, p)
	case checkSHA256:
		c.sha256.Write(p)
	}
}

// appendSum appends the check as it stands in the file: CRCs little-endian.
func (c *check) appendSum(b []byte) []byte {
	switch c.kind {
	case checkCRC32:
		return binary.LittleEndian.AppendUint32(b, c.crc32)
	case checkCRC64:
		return binary.LittleEndian.AppendUint64(b, c.crc64)
	case checkSHA256:
		return c.sha256.Sum(b)
	}
	return b
}
