// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	mldsax509 "filippo.io/mldsa/x509"
)

// BareKey is an open key that need not have a certificate.
type BareKey struct {
	crypto.Signer

	close func() error
}

// Close ends the programs of an exec: or pkcs11: key.
func (k *BareKey) Close() error {
	if k.close == nil {
		return nil
	}
	return k.close()
}

// ErrNoPublicKey: a key outside of files cannot tell its public half, and it was
// not given; it comes wrapped.
var ErrNoPublicKey = errors.New("the public key is not known to who holds the private one")

// OpenBare opens the key that name names, as [Open] does, for who makes its
// certificate or signs other things than modules, with Ed25519 too. Of a key that is not in a file, public is the public half, or nil
// to ask for it, or for a certificate. What it signs is not verified.
func OpenBare(ctx context.Context, name string, public crypto.PublicKey, o *Options) (*BareKey, error) {
	if o == nil {
		o = &Options{}
	}
	if strings.HasPrefix(name, "exec:") || strings.HasPrefix(name, "pkcs11:") {
		return openBareProgram(ctx, name, public, o)
	}
	path, err := filePath(name)
	if err != nil {
		return nil, err
	}
	signer, _, err := readSigner(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", withoutPIN(path), err)
	}
	return &BareKey{Signer: signer}, nil
}

func openBareProgram(ctx context.Context, name string, public crypto.PublicKey, o *Options) (*BareKey, error) {
	var p *programs
	var err error
	if words, ok := strings.CutPrefix(name, "exec:"); ok {
		p, err = execPrograms(ctx, words, o)
	} else {
		p, err = tokenPrograms(ctx, name, o)
	}
	if err != nil {
		return nil, err
	}
	r, err := p.bare(public)
	if err != nil {
		_ = p.close() // what went wrong is known
		return nil, fmt.Errorf("key %s: %w", p.name, err)
	}
	return &BareKey{Signer: r, close: p.close}, nil
}

func (p *programs) bare(public crypto.PublicKey) (*remote, error) {
	if p.hello != nil {
		if err := p.hello(p); err != nil {
			return nil, err
		}
	}
	if public == nil {
		var err error
		if public, err = p.public(); err != nil {
			return nil, err
		}
	}
	return newSigner(p.ctx, public, p.sign)
}

// public asks for the public key, and for a certificate where that is not known.
func (p *programs) public() (crypto.PublicKey, error) {
	word, der, err := p.ask(p.ctx, "public", "public", "none")
	var answer *AnswerError
	switch {
	case errors.As(err, &answer): // it may be older than this request
		return nil, fmt.Errorf("%w (%w)", ErrNoPublicKey, err)
	case err == nil && word == "none":
		cert, err := p.certificate()
		switch {
		case errors.Is(err, ErrNoCertificate):
			return nil, ErrNoPublicKey
		case err != nil:
			return nil, err
		}
		return publicKey(cert)
	case err != nil:
		return nil, err
	}
	public, err := mldsax509.ParsePKIXPublicKey([]byte(der))
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return public, nil
}

// nullEd25519 is what an Ed25519 key with NULL parameters begins with.
var nullEd25519 = []byte("\x30\x2c\x30\x07\x06\x03\x2b\x65\x70\x05\x00\x03\x21\x00")

// ParsePublicKey reads a SubjectPublicKeyInfo, PEM ("PUBLIC KEY") or DER. An
// Ed25519 key may have NULL for parameters: rebuilderd writes and reads it so,
// although RFC 8410 has none.
func ParsePublicKey(data []byte) (crypto.PublicKey, error) {
	if bytes.Contains(data, pemBegin) {
		block, _ := pem.Decode(data)
		if block == nil || block.Type != "PUBLIC KEY" {
			return nil, errors.New("no PUBLIC KEY in it")
		}
		data = block.Bytes
	}
	if key, ok := bytes.CutPrefix(data, nullEd25519); ok && len(key) == ed25519.PublicKeySize {
		return ed25519.PublicKey(key), nil
	}
	public, err := mldsax509.ParsePKIXPublicKey(data)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return public, nil
}
