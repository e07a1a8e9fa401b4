// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"math/big"
)

// rsaPrefixes are the DigestInfo headers of RFC 8017, section 9.2, note 1, up
// to the digest, for the digests that the kernel's RSA signature scheme has.
var rsaPrefixes = map[string]string{
	"md5":      "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
	"sha1":     "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
	"sha224":   "\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
	"sha256":   "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	"sha384":   "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	"sha512":   "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
	"sha3-256": "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x08\x05\x00\x04\x20",
	"sha3-384": "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x09\x05\x00\x04\x30",
	"sha3-512": "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x0a\x05\x00\x04\x40",
}

// rsaKey decodes a key and applies the kernel's limits: the modulus has 512,
// 1024, 1536, 2048, 3072 or 4096 bits, rounded up to whole bytes.
func rsaKey(b []byte) (n, e *big.Int, errno Errno) {
	n, e, errno = readPair(b, 0)
	if errno != success {
		return nil, nil, errno
	}
	switch size := (n.BitLen() + 7) / 8; 8 * size {
	case 512, 1024, 1536, 2048, 3072, 4096:
		return n, e, success
	}
	return nil, nil, EINVAL
}

// checkRSA verifies PKCS #1 v1.5 by the steps of rsassa_pkcs1_verify in the kernel's
// crypto/rsassa-pkcs1.c, which has several ways of saying no and no policy about
// short keys. crypto/rsa comes to the same where it takes the key, in three times the
// time: it hides what is public here.
func checkRSA(pub *publicKey, sig *signature) Errno {
	n, e := pub.n, pub.e
	size := (n.BitLen() + 7) / 8
	if len(sig.s) != size || len(sig.m) != hashes[sig.hash].Size() {
		return EINVAL
	}
	s := new(big.Int).SetBytes(sig.s)
	one := big.NewInt(1)
	if s.Cmp(one) <= 0 || s.Cmp(new(big.Int).Sub(n, one)) >= 0 {
		return EINVAL
	}
	b := new(big.Int).Exp(s, e, n).FillBytes(make([]byte, size))
	switch {
	case b[0] != 0:
		return EINVAL
	case b[1] != 1:
		return EBADMSG
	}
	b = b[2:]
	pad := 0
	for pad < len(b) && b[pad] == 0xff {
		pad++
	}
	if pad < 8 || pad == len(b) || b[pad] != 0 {
		return EBADMSG
	}
	b, ok := bytes.CutPrefix(b[pad+1:], []byte(rsaPrefixes[sig.hash]))
	if !ok {
		return EBADMSG
	}
	if !bytes.Equal(b, sig.m) {
		return EKEYREJECTED
	}
	return success
}
