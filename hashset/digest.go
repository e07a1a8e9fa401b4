// SPDX-License-Identifier: Apache-2.0

package hashset

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
)

// Digest is a SHA-256 value.
type Digest [sha256.Size]byte

// String returns the digest as 64 lower-case hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText is [Digest.String] for encoding/json and the like.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

var _ encoding.TextMarshaler = Digest{}

// ParseDigest reads 64 lower-case hex digits and refuses anything else.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != 2*len(d) {
		return Digest{}, fmt.Errorf("digest has %d characters, want %d hex digits", len(s), 2*len(d))
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return Digest{}, fmt.Errorf("digest has the character %q, want lower-case hex digits", c)
		}
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, err
	}
	return d, nil
}

// Scheme names the binary format of a hashset. It also decides which digests a
// [Hasher] computes.
type Scheme string

// The schemes that exist. A changed rule of the kernel will be another scheme,
// never another meaning of one of these.
const (
	Merkle Scheme = "merkle/1"
	Flat   Scheme = "flat/1"
	None   Scheme = "none"
)

// ParseScheme accepts the names of the schemes and no other string.
func ParseScheme(s string) (Scheme, error) {
	switch Scheme(s) {
	case Merkle, Flat, None:
		return Scheme(s), nil
	}
	return "", fmt.Errorf("unknown hashset scheme %q, want %s, %s or %s", s, Merkle, Flat, None)
}

// Domain prefixes of the Merkle tree, the first byte of what is hashed.
const (
	leafPrefix = 0x01
	nodePrefix = 0x02
)

// Hasher computes the digests of one module's payload in one pass. The zero
// value is not usable; make one with [NewHasher].
type Hasher struct {
	payload, leaf hash.Hash
}

// NewHasher returns a Hasher for the module at position pos of the build's
// modules.order. A leaf is computed for [Merkle] only.
func NewHasher(s Scheme, pos uint32) *Hasher {
	h := &Hasher{payload: sha256.New()}
	if s == Merkle {
		h.leaf = sha256.New()
	}
	h.Reset(pos)
	return h
}

// NewLeafHasher returns a Hasher that computes the leaf of [Merkle] only, in half
// of the time; the payload's digest is zero.
func NewLeafHasher(pos uint32) *Hasher {
	h := &Hasher{leaf: sha256.New()}
	h.Reset(pos)
	return h
}

// Reset makes the Hasher ready for another payload, at position pos.
func (h *Hasher) Reset(pos uint32) {
	if h.payload != nil {
		h.payload.Reset()
	}
	if h.leaf != nil {
		h.leaf.Reset()
		var head [5]byte
		head[0] = leafPrefix
		binary.BigEndian.PutUint32(head[1:], pos)
		h.leaf.Write(head[:])
	}
}

// hashChunk is small enough that the second hash finds in the cache what the
// first one read.
const hashChunk = 16 << 10

// Write adds payload bytes. It never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	switch {
	case h.leaf == nil:
		return h.payload.Write(p)
	case h.payload == nil:
		return h.leaf.Write(p)
	}
	n := len(p)
	for len(p) > 0 {
		c := p[:min(len(p), hashChunk)]
		h.payload.Write(c)
		h.leaf.Write(c)
		p = p[len(c):]
	}
	return n, nil
}

// Sum returns the digest of what was written and, for [Merkle], the leaf; for
// other schemes the leaf is zero. The Hasher can be written to afterwards.
func (h *Hasher) Sum() (payload, leaf Digest) {
	if h.payload != nil {
		h.payload.Sum(payload[:0])
	}
	if h.leaf != nil {
		h.leaf.Sum(leaf[:0])
	}
	return payload, leaf
}
