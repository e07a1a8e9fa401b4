// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"strings"

	"filippo.io/mldsa"
)

// publicKey is the key of a certificate.
type publicKey struct {
	algorithm string // the kernel's name, with the curve
	errno     Errno  // what the kernel answers to whoever uses the key
	n, e      *big.Int
	ec        *ecdsa.PublicKey
	p192      *p192Point
	ml        *mldsa.PublicKey

	multiples *keyMultiples // of ec, if it is on P-384
}

// newPublicKey decodes the bits of a key. The kernel does that when the key is
// used, so a malformed one is no error yet.
func newPublicKey(algorithm string, b []byte) publicKey {
	pub := publicKey{algorithm: algorithm}
	switch algorithm {
	case "rsa":
		pub.n, pub.e, pub.errno = rsaKey(b)
	case "ecdsa-nist-p256", "ecdsa-nist-p384", "ecdsa-nist-p521":
		pub.ec, pub.errno = ecKey(algorithm, b)
		if pub.ec != nil && pub.ec.Curve == elliptic.P384() {
			pub.multiples = newKeyMultiples(pub.ec)
		}
	case "ecdsa-nist-p192":
		pub.p192, pub.errno = p192Key(b)
	case "mldsa44", "mldsa65", "mldsa87":
		if key, err := mldsa.NewPublicKey(mldsaParameters(algorithm), b); err == nil {
			pub.ml = key
		} else {
			pub.errno = EINVAL
		}
	default:
		pub.errno = Unknown
	}
	return pub
}

// signature is what is checked against a key: the kernel's struct
// public_key_signature.
type signature struct {
	algorithm string // "rsa", "ecdsa", "ecrdsa", "sm2", "mldsa44", …
	hash      string // the kernel's name, "none" for an algorithm that takes data
	takesData bool   // the algorithm digests m by itself
	s         []byte // the signature value
	m         []byte // the digest, or the data
}

// certificateSignature is the algorithm of a certificate's own signature.
func certificateSignature(name string) (signature, bool) {
	switch name {
	case "mldsa44", "mldsa65", "mldsa87":
		return signature{algorithm: name, hash: "none", takesData: true}, true
	}
	alg, hash, ok := strings.Cut(name, "-with-")
	return signature{algorithm: alg, hash: hash}, ok
}

// messageSignature is the algorithm of a message's signature. The digest in its
// name, if there is one, does not matter.
func messageSignature(name string) (algorithm string, takesData, ok bool) {
	switch name {
	case oidRSA:
		return "rsa", false, true
	case "ecrdsa-256", "ecrdsa-512":
		return "ecrdsa", false, true
	case "mldsa44", "mldsa65", "mldsa87":
		return name, true, true
	case "sm2-with-sm3":
		return "sm2", false, true
	}
	if strings.HasPrefix(name, "ecdsa-with-") {
		return "ecdsa", false, true
	}
	return "", false, false
}

// hashBytes computes a digest by its kernel name. The error is errNoHash.
func hashBytes(name string, b []byte) ([]byte, error) {
	h := hashes[name]
	if h == 0 {
		return nil, errNoHash
	}
	w := h.New()
	w.Write(b)
	return w.Sum(nil), nil
}

// check is the kernel's public_key_verify_signature. Success is told only when
// the signature was verified here.
func (k *Kernel) check(pub *publicKey, sig *signature) Errno {
	curve := strings.HasPrefix(pub.algorithm, "ecdsa-") && sig.algorithm == "ecdsa"
	if pub.algorithm != sig.algorithm && !curve {
		return EKEYREJECTED
	}
	fits := true
	switch sig.algorithm {
	case "rsa":
		if rsaPrefixes[sig.hash] == "" {
			return errNoEnt // the kernel puts a name together that it does not find
		}
	case "ecdsa":
		fits = strings.HasPrefix(sig.hash, "sha")
	case "ecrdsa":
		fits = strings.HasPrefix(sig.hash, "streebog")
	case "sm2":
		fits = sig.hash == "sm3"
	default: // ML-DSA
		fits = sig.hash == "none" || sig.hash == "sha512"
	}
	switch {
	case !fits:
		return EINVAL
	case !k.has(pub.algorithm):
		return errNoEnt
	case pub.errno != success:
		return pub.errno
	case pub.n != nil:
		return checkRSA(pub, sig)
	case pub.ec != nil, pub.p192 != nil:
		return checkECDSA(pub, sig)
	case pub.ml != nil:
		return checkMLDSA(pub, sig)
	}
	return Unknown
}

// integers is the context of the two grammars that hold a pair of integers. Both
// are read as unsigned.
type integers struct {
	v    [2][]byte
	room int // bytes that the kernel has for each of r and s; 0 for an RSA key
}

func (p *integers) first(v value) error  { return p.note(0, v) }
func (p *integers) second(v value) error { return p.note(1, v) }

// note applies the limits: the exponent is no longer than the modulus; r and s
// have one byte to spare, for the sign.
func (p *integers) note(i int, v value) error {
	n := len(v.b)
	bad := n == 0 || i == 1 && n > len(p.v[0])
	if p.room > 0 {
		bad = n == 0 || n > p.room+1 || n > p.room && v.b[0] != 0
	}
	if bad {
		return refuse(EINVAL, v.offset, "integer of %d bytes", n)
	}
	p.v[i] = v.b
	return nil
}

// pairGrammar is that of an RSA key (modulus and exponent) and of an ECDSA
// signature (r and s).
var pairGrammar = []step[*integers]{
	{op: opSequence, tag: tagSequence, body: []step[*integers]{
		{op: opLeaf, tag: tagInteger, act: (*integers).first},
		{op: opLeaf, tag: tagInteger, act: (*integers).second},
	}},
}

func readPair(b []byte, room int) (x, y *big.Int, e Errno) {
	p := integers{room: room}
	if _, err := decode(pairGrammar, &p, b, 0); err != nil {
		return nil, nil, errnoOf(err)
	}
	return new(big.Int).SetBytes(p.v[0]), new(big.Int).SetBytes(p.v[1]), success
}

// curveOf is the curve of a key, with the number of bytes that the kernel holds
// a coordinate in: whole words of eight.
func curveOf(algorithm string) (c elliptic.Curve, room int) {
	switch algorithm {
	case "ecdsa-nist-p256":
		return elliptic.P256(), 32
	case "ecdsa-nist-p384":
		return elliptic.P384(), 48
	}
	return elliptic.P521(), 72
}

// ecKey decodes an uncompressed point. The kernel takes coordinates of any
// length that fills the same number of words.
func ecKey(algorithm string, b []byte) (*ecdsa.PublicKey, Errno) {
	c, room := curveOf(algorithm)
	if len(b) < 1 || len(b)%2 == 0 || b[0] != 4 {
		return nil, EINVAL
	}
	n := (len(b) - 1) / 2
	if n > room || n <= room-8 {
		return nil, EINVAL
	}
	size := (c.Params().BitSize + 7) / 8
	point := make([]byte, 1, 1+2*size)
	point[0] = 4
	for _, half := range [][]byte{b[1 : 1+n], b[1+n:]} {
		v := new(big.Int).SetBytes(half)
		if v.BitLen() > 8*size {
			return nil, EINVAL
		}
		point = append(point, v.FillBytes(make([]byte, size))...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(c, point)
	if err != nil {
		return nil, EINVAL
	}
	return key, success
}

func checkECDSA(pub *publicKey, sig *signature) Errno {
	order, room := p192().n, p192Room
	if pub.p192 == nil {
		order = pub.ec.Params().N
		_, room = curveOf(pub.algorithm)
	}
	r, s, e := readPair(sig.s, room)
	if e != success {
		return e
	}
	for _, n := range []*big.Int{r, s} {
		if n.Sign() == 0 || n.Cmp(order) >= 0 {
			return EBADMSG
		}
	}
	valid := false
	if pub.p192 != nil {
		valid = p192().verify(pub.p192, sig.m, r, s)
	} else {
		valid = verifyECDSA(pub, sig.m, r, s)
	}
	if !valid {
		return EKEYREJECTED
	}
	return success
}

func mldsaParameters(algorithm string) mldsa.Parameters {
	switch algorithm {
	case "mldsa44":
		return mldsa.MLDSA44()
	case "mldsa65":
		return mldsa.MLDSA65()
	}
	return mldsa.MLDSA87()
}

// checkMLDSA verifies pure ML-DSA with an empty context.
func checkMLDSA(pub *publicKey, sig *signature) Errno {
	if len(sig.s) != pub.ml.Parameters().SignatureSize() {
		return EBADMSG
	}
	if mldsa.Verify(pub.ml, sig.m, sig.s, nil) != nil {
		return EKEYREJECTED
	}
	return success
}

// equal reports whether other, of a signer, is the same key.
func (pub *publicKey) equal(other crypto.PublicKey) bool {
	switch {
	case pub.errno != success:
		return false
	case pub.n != nil:
		key, ok := other.(*rsa.PublicKey)
		return ok && key.N.Cmp(pub.n) == 0 && pub.e.Cmp(big.NewInt(int64(key.E))) == 0
	case pub.ec != nil:
		return pub.ec.Equal(other)
	case pub.ml != nil:
		return pub.ml.Equal(other)
	}
	return false
}
