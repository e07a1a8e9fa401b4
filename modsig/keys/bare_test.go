// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestOpenBare: a key without a certificate, in a file or behind a program that
// tells its public half, or to which that is told.
func TestOpenBare(t *testing.T) {
	ctx := context.Background()
	file, err := OpenBare(ctx, vectors+"ecp384.key", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(file.Public())
	if err != nil {
		t.Fatal(err)
	}
	digest := sha512.Sum384([]byte("x"))
	for name, c := range map[string]struct {
		public string // what the program answers
		given  crypto.PublicKey
		err    error
	}{
		"tells":     {"public " + base64.StdEncoding.EncodeToString(spki), nil, nil},
		"is told":   {"error no", file.Public(), nil},
		"none":      {"none", nil, ErrNoPublicKey},
		"does not":  {"error what is that", nil, ErrNoPublicKey},
		"malformed": {"public AAAA", nil, errors.New("")},
	} {
		p := &program{answer: func(r []string) string {
			switch r[0] {
			case "public":
				return c.public + "\n"
			case "certificate":
				return "none\n"
			}
			data, _ := base64.StdEncoding.DecodeString(r[3])
			value, _ := file.Sign(nil, data, crypto.SHA384)
			return "signature " + base64.StdEncoding.EncodeToString(value) + "\n"
		}}
		k, err := OpenBare(ctx, "exec:p", c.given, &Options{Start: p.start})
		if c.err != nil {
			if err == nil || errors.Is(c.err, ErrNoPublicKey) && !errors.Is(err, c.err) || p.running != 0 {
				t.Errorf("%s: %v, %d programs left", name, err, p.running)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		value, err := k.Sign(nil, digest[:], crypto.SHA384)
		if err != nil || !ecdsa.VerifyASN1(file.Public().(*ecdsa.PublicKey), digest[:], value) {
			t.Errorf("%s: a signature that does not verify (%v)", name, err)
		}
		if err := k.Close(); err != nil || p.running != 0 {
			t.Errorf("%s: %v, %d programs left", name, err, p.running)
		}
	}
	for name, want := range map[string]string{"pkcs11:a": "tokens cannot", "exec:a": "cannot be run", "gpg:a": "no keys are known", vectors + "ecp384.crt": "no private key"} {
		if _, err := OpenBare(ctx, name, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	k, err := OpenBare(context.Background(), vectors+"rsa2048.key", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for _, data := range [][]byte{der, text} {
		if p, err := ParsePublicKey(data); err != nil || !k.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(p) {
			t.Errorf("%v %v", p, err)
		}
	}
	for _, data := range [][]byte{nil, der[1:], bytes.ReplaceAll(text, []byte("PUBLIC"), []byte("OTHER")), text[:40]} {
		if _, err := ParsePublicKey(data); err == nil {
			t.Errorf("%.30q was taken", data)
		}
	}
}

// TestParsePublicKeyNull: an Ed25519 key as a rebuilderd of Arch Linux publishes it,
// with NULL parameters, is that key; nothing else may take their place.
func TestParsePublicKeyNull(t *testing.T) {
	text, err := os.ReadFile("../../hashset/attest/testdata/reproducible-archlinux.pub")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePublicKey(text)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	raw := block.Bytes[len(block.Bytes)-ed25519.PublicKeySize:]
	if !key.(ed25519.PublicKey).Equal(ed25519.PublicKey(raw)) {
		t.Errorf("%x, want %x", key, raw)
	}
	for i := range len(block.Bytes) - ed25519.PublicKeySize {
		der := bytes.Clone(block.Bytes)
		der[i] ^= 1
		if _, err := ParsePublicKey(der); err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
	for _, der := range [][]byte{block.Bytes[:len(block.Bytes)-1], append(bytes.Clone(block.Bytes), 0)} {
		if _, err := ParsePublicKey(der); err == nil {
			t.Errorf("%d bytes: accepted", len(der))
		}
	}
}
