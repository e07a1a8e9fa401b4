// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"strings"
	"time"
)

// Key is an entry of a kernel's keyring, which a kernel makes of an X.509
// certificate. The certificate's validity period, and what it says its key may be
// used for, do not matter to a kernel that checks a module.
type Key struct {
	Raw       []byte // the certificate, without what followed it
	Subject   string // as the kernel makes names: "O: CN", CN, O or the e-mail address
	Issuer    string
	Serial    *big.Int
	KeyID     []byte // subject key identifier, nil if there is none
	Algorithm string // the kernel's name: "rsa", "ecdsa-nist-p384", "mldsa65"
	NotBefore time.Time
	NotAfter  time.Time

	// SelfSigned says that the certificate names itself as its issuer and that
	// the signature made with its own key is right.
	SelfSigned bool

	id           []byte // serial number and issuer, contents only
	issuer       value
	serial       value
	subject      []byte
	tbs          []byte
	public       publicKey
	sig          signature
	unsupported  bool   // the digest of the certificate's signature is not built in
	authorityID  []byte // serial number and issuer of the key that signed it
	authorityKey []byte // key id of the key that signed it
}

// Description is what /proc/keys shows of the key: the subject's name, a colon,
// a blank, and the key id, or else the serial number, in hex digits.
func (c *Key) Description() string {
	id := c.KeyID
	if id == nil {
		id = c.serial.b
	}
	name, _, _ := strings.Cut(c.Subject, "\x00")
	return name + ": " + hex.EncodeToString(id)
}

func (c *Key) String() string { return c.Description() }

// TBSDigest is the SHA-256 of what the certificate's issuer signed, by which a
// blacklist names a certificate.
func (c *Key) TBSDigest() [sha256.Size]byte { return sha256.Sum256(c.tbs) }

// ParseKey makes a key of the certificate that der starts with, as the kernel does:
// the certificate must be complete, its extensions well-formed, its key of a
// known algorithm, and if it names itself as its issuer, its signature right.
// The error is a *Refusal with what the kernel's keyring answers.
func (k *Kernel) ParseKey(der []byte) (*Key, error) {
	return k.parseKey(der, 0)
}

// certParser is the state that the actions of the certificate grammar share,
// as in the kernel's crypto/asymmetric_keys/x509_cert_parser.c.
type certParser struct {
	k        *Kernel
	in       []byte
	base     int
	c        *Key
	last     string // name of the last object identifier
	sigAlg   string
	params   []byte
	inKey    bool // behind the subject
	hasKey   bool
	akid     value
	akIssuer []byte

	cn, org, email []byte
}

func (p *certParser) refuse(e Errno, v value, reason string) error {
	return refuse(e, p.base+v.offset-v.header, "%s", reason)
}

func (k *Kernel) parseKey(der []byte, base int) (*Key, error) {
	c, err := k.readKey(der, base)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// readKey is parseKey that returns the key also with [Unknown].
func (k *Kernel) readKey(der []byte, base int) (*Key, error) {
	p := &certParser{k: k, in: der, base: base, c: &Key{}}
	n, err := decode(certificateGrammar, p, der, base)
	if err != nil {
		return nil, err
	}
	c := p.c
	c.Raw = der[:n:n]
	c.Serial = signedInteger(c.serial.b)
	if p.akid.b != nil {
		q := &certParser{k: k, in: p.akid.b, base: base + p.akid.offset, c: c}
		if _, err := decode(authorityGrammar, q, p.akid.b, q.base); err != nil {
			return nil, err
		}
	}
	c.id = append(bytes.Clone(c.serial.b), c.issuer.b...)
	if !c.sig.takesData {
		if !k.has(c.sig.hash) {
			c.unsupported = true
		} else if c.sig.m, err = hashBytes(c.sig.hash, c.tbs); err != nil {
			return c, p.refuse(Unknown, value{}, "certificate signed with "+c.sig.hash+", which is not checked here")
		}
	} else {
		c.sig.m = c.tbs
	}
	if e := k.checkSelfSigned(c); e != success {
		return c, p.refuse(e, value{}, "signature of a certificate that names itself as its issuer")
	}
	return c, nil
}

// signedInteger is the value of an INTEGER's content.
func signedInteger(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// checkSelfSigned sets SelfSigned, or answers what is wrong.
func (k *Kernel) checkSelfSigned(c *Key) Errno {
	if !bytes.Equal(c.subject, c.issuer.b) {
		return success
	}
	if c.authorityID != nil || c.authorityKey != nil {
		a := c.KeyID != nil && c.authorityKey != nil && bytes.Equal(c.KeyID, c.authorityKey)
		b := c.authorityID != nil && bytes.Equal(c.id, c.authorityID)
		if !a && !b {
			return success
		}
		if a != b && c.authorityID != nil && c.authorityKey != nil {
			return EKEYREJECTED
		}
	}
	if c.unsupported {
		return success
	}
	e := k.check(&c.public, &c.sig)
	switch e {
	case ENOPKG:
		c.unsupported = true
		return success
	case success:
		c.SelfSigned = true
	}
	return e
}

func (p *certParser) noteOID(v value) error {
	p.last = p.k.object(v.b)
	return nil
}

func (p *certParser) noteTBS(v value) error {
	p.c.tbs = v.element(p.in)
	return nil
}

func (p *certParser) noteSerial(v value) error {
	p.c.serial = v
	return nil
}

func (p *certParser) noteSignatureAlgorithm(v value) error {
	s, ok := certificateSignature(p.last)
	if !ok {
		return p.refuse(ENOPKG, v, "certificate signed with an unknown algorithm")
	}
	p.c.sig, p.sigAlg = s, p.last
	return nil
}

func (p *certParser) noteSignature(v value) error {
	if p.last != p.sigAlg {
		return p.refuse(EINVAL, v, "certificate with two signature algorithms")
	}
	if p.c.sig.algorithm != "sm2" { // there, the kernel keeps the first octet
		if len(v.b) < 1 || v.b[0] != 0 {
			return p.refuse(EBADMSG, v, "signature that is not whole bytes")
		}
		v.b = v.b[1:]
	}
	p.c.sig.s = v.b
	return nil
}

func (p *certParser) noteParams(v value) error {
	if p.inKey && !p.hasKey {
		p.params = v.element(p.in)
	}
	return nil
}

func (p *certParser) noteKey(v value) error {
	name := p.last
	switch name {
	case oidRSA:
		name = "rsa"
	case "ecrdsa-256", "ecrdsa-512":
		name = "ecrdsa"
	case "mldsa44", "mldsa65", "mldsa87", "sm2":
	case oidECKey:
		q := p.params
		if len(q) < 3 || q[0] != 0x06 || int(q[1]) != len(q)-2 {
			return p.refuse(EBADMSG, v, "key on a curve without a name")
		}
		name = p.k.object(q[2:])
		switch name {
		case "ecdsa-nist-p192", "ecdsa-nist-p256", "ecdsa-nist-p384", "ecdsa-nist-p521", "sm2":
		default:
			return p.refuse(ENOPKG, v, "key on an unknown curve")
		}
	default:
		return p.refuse(ENOPKG, v, "key of an unknown algorithm")
	}
	if len(v.b) < 1 || v.b[0] != 0 {
		return p.refuse(EBADMSG, v, "key that is not whole bytes")
	}
	p.c.Algorithm, p.hasKey = name, true
	p.c.public = newPublicKey(name, v.b[1:])
	return nil
}
