// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"

	"github.com/modhash/modhash/modsig"
)

// remote is a crypto.Signer whose private key is elsewhere.
type remote struct {
	ctx       context.Context
	public    crypto.PublicKey
	algorithm string // as in the exec: protocol
	sign      func(ctx context.Context, algorithm, hash string, data []byte) ([]byte, error)
}

// newRemote makes a SigningKey of a certificate and a function that signs.
func newRemote(ctx context.Context, cert []byte, sign func(context.Context, string, string, []byte) ([]byte, error)) (*modsig.SigningKey, error) {
	public, err := publicKey(cert)
	if err != nil {
		return nil, err
	}
	r, err := newSigner(ctx, public, sign)
	if err != nil {
		return nil, err
	}
	if r.algorithm == "ed25519" {
		return nil, fmt.Errorf("certificate with a key of type %T, which kernels do not verify with", public)
	}
	return modsig.NewSigningKey(r, cert)
}

// newSigner is newRemote for a key without a certificate.
func newSigner(ctx context.Context, public crypto.PublicKey, sign func(context.Context, string, string, []byte) ([]byte, error)) (*remote, error) {
	r := &remote{ctx: ctx, public: public, sign: sign}
	switch p := public.(type) {
	case ed25519.PublicKey:
		r.algorithm = "ed25519"
	case *rsa.PublicKey:
		r.algorithm = "rsa"
	case *ecdsa.PublicKey:
		r.algorithm = "ecdsa"
	case *mldsa.PublicKey:
		r.algorithm = strings.ToLower(strings.ReplaceAll(p.Parameters().String(), "-", ""))
	default:
		return nil, fmt.Errorf("a key of type %T, which nothing here is signed with", public)
	}
	return r, nil
}

func publicKey(cert []byte) (crypto.PublicKey, error) {
	c, err := x509.ParseCertificate(cert)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	// The standard library leaves out keys that it does not know.
	public, err := mldsax509.ParsePKIXPublicKey(c.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return public, nil
}

func (r *remote) Public() crypto.PublicKey { return r.public }

// Sign signs a digest, or with ML-DSA and Ed25519 a message.
func (r *remote) Sign(_ io.Reader, data []byte, opts crypto.SignerOpts) ([]byte, error) {
	name := "none"
	if h := opts.HashFunc(); h != 0 {
		name = HashName(h)
	}
	value, err := r.sign(r.ctx, r.algorithm, name, data)
	if err != nil {
		return nil, err
	}
	if pub, ok := r.public.(*ecdsa.PublicKey); ok {
		return ecdsaValue(pub, data, value)
	}
	return value, nil // it is verified by whoever asked
}

// ecdsaValue makes SEQUENCE { r, s } of a value that is that already, or the two
// numbers one behind the other. Tokens that leave out leading zeros make values
// that are too short and can be cut at several places; the right one verifies.
func ecdsaValue(pub *ecdsa.PublicKey, digest, value []byte) ([]byte, error) {
	half := (pub.Curve.Params().N.BitLen() + 7) / 8
	if ecdsa.VerifyASN1(pub, digest, value) {
		return value, nil
	}
	if len(value) > 2*half {
		return nil, fmt.Errorf("signature of %d bytes that does not verify with the certificate", len(value))
	}
	from, to := max(1, len(value)-half), min(half, len(value)-1)
	if len(value) == 2*half {
		from, to = half, half
	}
	for cut := from; cut <= to; cut++ {
		var n struct{ R, S *big.Int }
		n.R, n.S = new(big.Int).SetBytes(value[:cut]), new(big.Int).SetBytes(value[cut:])
		der, err := asn1.Marshal(n)
		if err == nil && ecdsa.VerifyASN1(pub, digest, der) {
			return der, nil
		}
	}
	return nil, fmt.Errorf("signature of %d bytes that does not verify with the certificate", len(value))
}

// FromValue returns a key that knows the value of one signature, which somebody
// else made, and no other. Signing the payload that it is for gives the message
// around it; any other payload, or other options than those it was made for, is
// an error. The value is as in the exec: protocol.
func FromValue(cert, value []byte) (*modsig.SigningKey, error) {
	if len(value) == 0 {
		return nil, errors.New("signature of 0 bytes")
	}
	return newRemote(context.Background(), cert, func(context.Context, string, string, []byte) ([]byte, error) {
		return value, nil
	})
}
