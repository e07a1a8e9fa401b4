// SPDX-License-Identifier: Apache-2.0

// Package trailer reads and writes what the kernel expects at the end of a
// signed or proven module.
//
// # Format
//
// From the end of the decompressed file backwards:
//
//	payload      the module, any length above zero
//	signature    SigLen bytes: one DER CMS message (type 2) or a Merkle proof (type 3)
//	block        12 bytes, struct module_signature
//	marker       28 bytes, "~Module signature appended~" and one line feed
//
// The block, by offset:
//
//	0  algo          zero for types 2 and 3
//	1  hash          zero for types 2 and 3
//	2  id_type       0 OpenPGP, 1 X.509 (both before Linux 4.3), 2 PKCS#7, 3 Merkle proof
//	3  signer_len    zero for types 2 and 3
//	4  key_id_len    zero for types 2 and 3
//	5  padding       three zero bytes
//	8  sig_len       unsigned 32 bits, big endian on every architecture
//
// Types 0 and 1 put the signer's name and the key identifier, signer_len and
// key_id_len bytes long, between payload and signature.
//
// Sources: include/uapi/linux/module_signature.h, kernel/module_signature.c and
// kernel/module/signing.c; for types 0 and 1 kernel/module_signing.c of Linux
// 3.7; for type 3 the "module: Introduce hash-based integrity checking" series.
//
// The package imports the standard library only, so that everything that meets
// a trailer can use it.
package trailer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Marker is the text that ends a file with a trailer: 28 bytes, the last of
// them a line feed.
const Marker = "~Module signature appended~\n"

// BlockSize is the size in bytes of the encoded [Block].
const BlockSize = 12

// TailSize is how many of a file's last bytes [Split] looks at: enough for
// block and marker, and for a marker that something was appended to.
const TailSize = 64

// Type says what the signature data of a trailer is.
type Type uint8

// The values of id_type that a kernel has ever defined.
const (
	PGP    Type = 0
	X509   Type = 1
	PKCS7  Type = 2
	Merkle Type = 3
)

func (t Type) String() string {
	switch t {
	case PGP:
		return "pgp"
	case X509:
		return "x509"
	case PKCS7:
		return "pkcs7"
	case Merkle:
		return "merkle"
	}
	return fmt.Sprintf("type-%d", uint8(t))
}

// Block is the kernel's struct module_signature.
type Block struct {
	Algo, Hash          uint8
	Type                Type
	SignerLen, KeyIDLen uint8
	Pad                 [3]byte
	SigLen              uint32
}

func parseBlock(b []byte) Block {
	return Block{
		Algo: b[0], Hash: b[1], Type: Type(b[2]), SignerLen: b[3], KeyIDLen: b[4],
		Pad: [3]byte(b[5:8]), SigLen: binary.BigEndian.Uint32(b[8:12]),
	}
}

// AppendTo appends the 12 encoded bytes to b.
func (k Block) AppendTo(b []byte) []byte {
	b = append(b, k.Algo, k.Hash, byte(k.Type), k.SignerLen, k.KeyIDLen, k.Pad[0], k.Pad[1], k.Pad[2])
	return binary.BigEndian.AppendUint32(b, k.SigLen)
}

// State is what the end of a file is.
type State uint8

const (
	// None: the file does not end in the marker, nor is there one nearby.
	None State = iota
	// Junk: the file does not end in the marker, but a marker lies within its
	// last [TailSize] bytes. A kernel takes such a file for an unsigned one;
	// something was appended to it, or it was cut short.
	Junk
	// Valid: the file ends in a trailer that can be split off.
	Valid
	// Malformed: the file ends in the marker, but what lies before it is no
	// trailer. A kernel refuses such a file or takes it for unsigned.
	Malformed
)

func (s State) String() string {
	switch s {
	case None:
		return "none"
	case Junk:
		return "junk"
	case Valid:
		return "valid"
	case Malformed:
		return "malformed"
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// Trailer is the result of [Split].
type Trailer struct {
	State State
	// Block is set when State is Valid, and when it is Malformed with at least
	// 12 bytes before the marker.
	Block Block
	// Payload is the length of the payload: everything before the trailer. For
	// any state but Valid it is the length of the whole file.
	Payload int64
	// Reason says, for Junk and Malformed, what is wrong, with the offset.
	Reason string
}

// SignatureOffset is where the signature data starts, counted from the start
// of the file. It differs from Payload for the legacy types only.
func (t *Trailer) SignatureOffset() int64 {
	if t.State != Valid {
		return t.Payload
	}
	return t.Payload + t.legacyLen()
}

func (t *Trailer) legacyLen() int64 {
	if t.Block.Type > X509 {
		return 0
	}
	return int64(t.Block.SignerLen) + int64(t.Block.KeyIDLen)
}

// Len is the length of the whole trailer, zero unless State is Valid.
func (t *Trailer) Len() int64 {
	if t.State != Valid {
		return 0
	}
	return t.legacyLen() + int64(t.Block.SigLen) + BlockSize + int64(len(Marker))
}

// Split finds the trailer at the end of the size bytes that r holds and says
// where the payload ends. Exactly one trailer is split: a payload may end in
// another one ([EndsInMarker] tells).
//
// A trailer is well-formed if its marker is the last 28 bytes, 12 bytes or more
// precede it, and the block is of type 2 or 3 with every field but sig_len zero
// and sig_len smaller than the number of bytes before the block, or of type 0
// or 1 with sig_len above 2 and signer_len + key_id_len + sig_len smaller than
// that number. At least one byte of payload always remains. Without the lower
// bound, the zero bytes that many ELF files end in would be a block of type 0.
//
// The error is a read error of r, or [ErrSize]; what is wrong with the bytes
// is told by State and Reason.
func Split(r io.ReaderAt, size int64) (Trailer, error) {
	if size < 0 {
		return Trailer{}, ErrSize
	}
	var buf [TailSize]byte
	tail := buf[:min(size, TailSize)]
	if n, err := r.ReadAt(tail, size-int64(len(tail))); n < len(tail) {
		return Trailer{}, fmt.Errorf("reading the last %d bytes: %w", len(tail), err)
	}
	return SplitTail(tail, size), nil
}

// ErrSize is what [Split] returns for a negative size.
var ErrSize = errors.New("negative size")

// SplitTail is [Split] for a caller that already holds the end of the file:
// tail is its last [TailSize] bytes, or all of them if it is shorter.
func SplitTail(tail []byte, size int64) Trailer {
	t := Trailer{Payload: size}
	body, ok := bytes.CutSuffix(tail, []byte(Marker))
	if !ok {
		if i := bytes.LastIndex(tail, []byte(Marker)); i >= 0 {
			end := size - int64(len(tail)) + int64(i+len(Marker))
			t.State = Junk
			t.Reason = fmt.Sprintf("%d bytes follow the signature marker that ends at offset %d", size-end, end)
		}
		return t
	}
	rest := size - int64(len(Marker)) - BlockSize // bytes before the block
	if rest < 0 {
		t.State = Malformed
		t.Reason = fmt.Sprintf("%d bytes before the signature marker, where 12 are needed", rest+BlockSize)
		return t
	}
	t.Block = parseBlock(body[len(body)-BlockSize:])
	if t.Reason = t.Block.fault(rest); t.Reason != "" {
		t.State = Malformed
		t.Reason += fmt.Sprintf(" (block at offset %d)", rest)
		return t
	}
	t.State = Valid
	t.Payload = rest - int64(t.Block.SigLen) - t.legacyLen()
	return t
}

// fault names what makes k no block of a trailer with rest bytes before it.
func (k Block) fault(rest int64) string {
	switch k.Type {
	case PGP, X509:
		if k.SigLen <= 2 {
			return fmt.Sprintf("signature length %d, where a legacy signature has two bytes of length and at least one more", k.SigLen)
		}
		if n := int64(k.SigLen) + int64(k.SignerLen) + int64(k.KeyIDLen); n >= rest {
			return fmt.Sprintf("lengths of signer, key id and signature add up to %d, but %d bytes precede the block", n, rest)
		}
	case PKCS7, Merkle:
		if k.Algo|k.Hash|k.SignerLen|k.KeyIDLen|k.Pad[0]|k.Pad[1]|k.Pad[2] != 0 {
			return "a field of the signature block that must be zero is not"
		}
		if int64(k.SigLen) >= rest {
			return fmt.Sprintf("signature length %d, but %d bytes precede the block", k.SigLen, rest)
		}
	default:
		return fmt.Sprintf("unknown signature type %d", uint8(k.Type))
	}
	return ""
}

// EndsInMarker reports whether the n bytes at the start of r end in the
// marker. For a payload it tells that trailers are stacked.
func EndsInMarker(r io.ReaderAt, n int64) (bool, error) {
	if n < int64(len(Marker)) {
		return false, nil
	}
	var buf [len(Marker)]byte
	if got, err := r.ReadAt(buf[:], n-int64(len(buf))); got < len(buf) {
		return false, fmt.Errorf("reading the end of the payload: %w", err)
	}
	return string(buf[:]) == Marker, nil
}

// Append appends to b the trailer that carries sig, of type [PKCS7] or
// [Merkle]: signature, block, marker. sig must be shorter than 4 GiB, which
// every slice of a real signature is.
func Append(b, sig []byte, t Type) []byte {
	b = append(b, sig...)
	b = Block{Type: t, SigLen: uint32(len(sig))}.AppendTo(b)
	return append(b, Marker...)
}
