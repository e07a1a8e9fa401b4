// SPDX-License-Identifier: Apache-2.0

package certlist

// Resembles reports whether b begins with what the kernel could take for a
// certificate: the four bytes of a length that [Parse] goes by, and behind them
// the start of a TBSCertificate up to the signature algorithm's first tag. The
// certificate itself may be cut short.
//
// The kernel's decoder (lib/asn1_decoder.c) is more lenient than DER is: it takes
// lengths that have more bytes than they need, the indefinite length, and a
// constructed type without the bit that says so. So does this. No certificate
// that a kernel takes is missed, and of other data, next to none is hit.
func Resembles(b []byte) bool {
	if len(b) < 4 || b[0] != tagSequence || b[1] != 0x82 {
		return false
	}
	tbs, _, ok := enter(b[4:], tagSequence)
	if !ok {
		return false
	}
	if version, n, ok := enter(tbs, tagVersion); ok { // absent: version 1
		if n < 0 {
			if version, ok = skip(version, tagInteger); !ok || len(version) < 2 || version[0] != 0 || version[1] != 0 {
				return false
			}
			n = 2 // the end of contents
		}
		if n > len(version) {
			return false
		}
		tbs = version[n:]
	}
	alg, ok := skip(tbs, tagInteger) // the serial number
	if !ok {
		return false
	}
	alg, _, ok = enter(alg, tagSequence)
	return ok && len(alg) > 0 && alg[0] == tagOID
}

// Tags as they are in a certificate. The bit 0x20 says constructed.
const (
	tagInteger  = 0x02
	tagOID      = 0x06
	tagSequence = 0x30
	tagVersion  = 0xa0

	bitConstructed = 0x20
)

// enter returns what follows a tag and a length, and the length, which is -1 if
// it is indefinite and may be more than there is.
func enter(b []byte, tag byte) (content []byte, n int, ok bool) {
	if len(b) < 2 || (b[0]^tag)&^(tag&bitConstructed) != 0 {
		return nil, 0, false
	}
	first := int(b[1])
	b = b[2:]
	switch more := first & 0x7f; {
	case first < 0x80:
		return b, first, true
	case more == 0:
		return b, -1, true
	case more > 8 || more > len(b):
		return nil, 0, false
	default:
		for _, c := range b[:more] {
			if n > 1<<23 {
				return nil, 0, false // more than any list has
			}
			n = n<<8 | int(c)
		}
		return b[more:], n, true
	}
}

// skip returns what follows an element of a definite length.
func skip(b []byte, tag byte) (rest []byte, ok bool) {
	content, n, ok := enter(b, tag)
	if !ok || n < 0 || n > len(content) {
		return nil, false
	}
	return content[n:], true
}
