// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// Errors of [NewSigningKey] and [SigningKey.Sign].
var (
	// ErrMismatch: the private key does not belong to the certificate.
	ErrMismatch = errors.New("private key does not belong to the certificate")
	// ErrNoKeyID: the certificate has no subject key identifier to name it by.
	ErrNoKeyID = errors.New("certificate without a subject key identifier")
)

// SigningKey is a private key with its certificate. It may be used concurrently
// if the private key may.
type SigningKey struct {
	key  crypto.Signer
	cert *Key
	// verified: a signature by crypto/rsa was verified with the certificate.
	verified atomic.Bool
}

// NewSigningKey checks that key belongs to the DER certificate cert and is one
// that kernels verify with: RSA of 1024, 1536, 2048, 3072 or 4096 bits (see
// [SigningKey.Short]; with 512 they do too, but crypto/rsa does not sign), ECDSA on
// P-256, P-384 or P-521, or ML-DSA (PrivateKey of filippo.io/mldsa, or another signer
// with such a public key).
func NewSigningKey(key crypto.Signer, cert []byte) (*SigningKey, error) {
	newest := &Kernel{}
	c, err := newest.ParseKey(cert)
	if err != nil {
		return nil, fmt.Errorf("certificate that a kernel does not take: %w", err)
	}
	if len(c.Raw) != len(cert) {
		return nil, fmt.Errorf("%d bytes behind the certificate", len(cert)-len(c.Raw))
	}
	switch {
	case c.public.errno != success:
		return nil, fmt.Errorf("kernels do not verify with this key of type %s (%s)", c.Algorithm, c.public.errno)
	case c.public.n != nil && c.public.n.BitLen() < 1024:
		return nil, fmt.Errorf("RSA key of %d bits, use one of 2048, 3072 or 4096; below 1024 no signatures are made", c.public.n.BitLen())
	case !c.public.equal(key.Public()):
		return nil, ErrMismatch
	}
	return &SigningKey{key: key, cert: c}, nil
}

// Key is what a kernel makes of the certificate.
func (s *SigningKey) Key() *Key { return s.cert }

// Short reports whether it is an RSA key of less than 2048 bits, which kernels verify
// with but in FIPS mode, and nobody should trust.
func (s *SigningKey) Short() bool {
	n := s.cert.public.n
	return n != nil && n.BitLen() <= 2040
}

// SignOptions choose the form of a signature.
type SignOptions struct {
	// Hash is SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA3-256, SHA3-384 or
	// SHA3-512. Zero is SHA-512, the kernel's own default.
	Hash crypto.Hash

	// KeyID names the signer by the certificate's subject key identifier, as
	// sign-file -k does, instead of its issuer and serial number.
	KeyID bool

	// Attributes makes an ML-DSA signature over two signed attributes, as
	// OpenSSL 3 does, instead of the payload. It takes SHA-512, and kernels
	// built with CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA.
	Attributes bool
}

// Deterministic reports whether Sign gives the same bytes for the same payload
// every time: for RSA, and for ECDSA (nonces of RFC 6979) and ML-DSA keys that are
// held in memory. Of a device that holds another key it cannot be told.
func (s *SigningKey) Deterministic() bool {
	switch s.key.(type) {
	case *ecdsa.PrivateKey, deterministicSigner:
		return true
	}
	return s.cert.Algorithm == "rsa"
}

// deterministicSigner is an ML-DSA key that can sign without randomness.
type deterministicSigner interface {
	SignDeterministic(message []byte, opts crypto.SignerOpts) ([]byte, error)
}

// Sign returns the DER message that the kernel's scripts/sign-file would write
// for the payload; RSA signatures are the same byte for byte. The signature is
// verified before it is returned.
func (s *SigningKey) Sign(p *Payload, o SignOptions) ([]byte, error) {
	if o.Hash == 0 {
		o.Hash = crypto.SHA512
	}
	form, err := s.form(o)
	if err != nil {
		return nil, err
	}
	sig := signature{hash: form.hash}
	sig.algorithm, sig.takesData, _ = messageSignature(form.algorithm)
	if sig.takesData && !o.Attributes {
		sig.hash = "none"
		sig.m, err = p.bytes()
	} else {
		sig.m, err = p.Digest(o.Hash)
	}
	if err != nil {
		return nil, err
	}
	if o.Attributes {
		form.attributes = signedAttributes(sig.m)
		sig.m = form.attributes
	}
	if sig.s, err = s.value(&sig, o.Hash); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if e := s.verify(&sig); e != success {
		return nil, fmt.Errorf("signature of %d bytes that does not verify with the certificate (%s)", len(sig.s), e)
	}
	form.value = sig.s
	der, err := form.marshal()
	if err != nil {
		return nil, err
	}
	if err := form.check(der); err != nil {
		return nil, err
	}
	return der, nil
}

// verify verifies a new signature as a kernel does. Of those of crypto/rsa it does so
// with the first: crypto/rsa raises each to the public exponent itself, and compares the
// result with what was to be signed. It does not look whether its numbers are still those
// of the public key that it shows.
func (s *SigningKey) verify(sig *signature) Errno {
	_, checked := s.key.(*rsa.PrivateKey)
	if checked && s.verified.Load() {
		return success
	}
	newest := &Kernel{}
	e := newest.check(&s.cert.public, sig)
	if checked && e == success {
		s.verified.Store(true)
	}
	return e
}

// check reads the message as a kernel does and reports whether it leads to the
// certificate. One in BER that is not DER could not be copied from.
func (f *messageForm) check(der []byte) error {
	newest := &Kernel{}
	m, err := newest.ParseMessage(der)
	if err != nil {
		return fmt.Errorf("message that a kernel does not read: %w", err)
	}
	if id := m.infos[0].id; m.Extra != 0 || !bytes.Equal(id, f.cert.id) && !bytes.Equal(id, f.cert.KeyID) {
		return errors.New("message that does not lead to the certificate")
	}
	return nil
}

// form checks the options and is the message without its signature.
func (s *SigningKey) form(o SignOptions) (*messageForm, error) {
	f := &messageForm{cert: s.cert, byKeyID: o.KeyID, hash: hashName(o.Hash)}
	if f.hash == "" || f.hash == "md5" {
		return nil, fmt.Errorf("kernels do not verify signatures with %v", o.Hash)
	}
	if o.KeyID && s.cert.KeyID == nil {
		return nil, ErrNoKeyID
	}
	switch alg := s.cert.Algorithm; alg {
	case "rsa":
		f.algorithm = oidRSA
	case "mldsa44", "mldsa65", "mldsa87":
		f.algorithm = alg
		if o.Attributes && o.Hash != crypto.SHA512 {
			return nil, fmt.Errorf("kernels take the attributes of ML-DSA with SHA-512 only, not with %v", o.Hash)
		}
		return f, nil
	default:
		f.algorithm = "ecdsa-with-" + f.hash
	}
	if o.Attributes {
		return nil, errors.New("kernels refuse signed attributes but with ML-DSA")
	}
	return f, nil
}

func hashName(h crypto.Hash) string {
	for name, hash := range hashes {
		if hash == h {
			return name
		}
	}
	return ""
}

// value makes the signature value.
func (s *SigningKey) value(sig *signature, h crypto.Hash) ([]byte, error) {
	if sig.takesData {
		if key, ok := s.key.(deterministicSigner); ok {
			return key.SignDeterministic(sig.m, crypto.Hash(0))
		}
		return s.key.Sign(rand.Reader, sig.m, crypto.Hash(0))
	}
	var random io.Reader = rand.Reader
	if _, ok := s.key.(*ecdsa.PrivateKey); ok {
		random = nil // nonces of RFC 6979
	}
	return s.key.Sign(random, sig.m, h)
}
