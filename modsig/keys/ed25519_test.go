// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
)

// ringKey is a key as rebuilderd's library (ring) writes it: PKCS #8 version 2,
// with the public key. It is one of rebuilderd's own tests.
const ringKey = `-----BEGIN PRIVATE KEY-----
MFECAQEwBQYDK2VwBCIEINOWEV/DNN+AsZ+pLoixusXNmgS5x0TNXvkLQUnKz92k
gSEAB5ySaw+WE9Ut06fYlPf2V4+5gbFHA5HZJK7n2WWAGvA=
-----END PRIVATE KEY-----
`

func TestOpenEd25519(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rebuilder.v2.key")
	if err := os.WriteFile(path, []byte(ringKey), 0o640); err != nil {
		t.Fatal(err)
	}
	k, err := OpenBare(context.Background(), path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "079c926b0f9613d52dd3a7d894f7f6578fb981b1470391d924aee7d965801af0"
	if got, ok := k.Public().(ed25519.PublicKey); !ok || hex.EncodeToString(got) != want {
		t.Errorf("public key %x", k.Public())
	}
	var exposed *ExposedError
	if _, err := OpenBare(context.Background(), path, nil, &Options{Private: true}); !errors.As(err, &exposed) {
		t.Errorf("a file that others may read: %v", err)
	}
	// Modules are not signed with it.
	if _, err := Open(context.Background(), path, nil, nil); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := OpenBare(context.Background(), path+"x", nil, nil); err == nil {
		t.Error("a file that is not there was opened")
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}

// TestProgramEd25519 signs with an Ed25519 key that a program holds.
func TestProgramEd25519(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{answer: func(request []string) string {
		if request[0] == "certificate" {
			return "certificate " + base64.StdEncoding.EncodeToString(cert) + "\n"
		}
		if request[0] != "sign" {
			return "none\n"
		}
		if request[1] != "ed25519" || request[2] != "none" {
			return "error " + request[1] + "\n"
		}
		data, err := base64.StdEncoding.DecodeString(request[3])
		if err != nil {
			t.Error(err)
		}
		return "signature " + base64.StdEncoding.EncodeToString(ed25519.Sign(key, data)) + "\n"
	}}
	o := &Options{Start: p.start, Token: []string{"token"}}
	k, err := OpenBare(context.Background(), "exec:prog", nil, o)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := k.Sign(nil, []byte("message"), crypto.Hash(0))
	if err != nil || !ed25519.Verify(pub, []byte("message"), sig) {
		t.Errorf("%x, %v", sig, err)
	}
	if err := k.Close(); err != nil || p.running != 0 {
		t.Errorf("%v, %d running", err, p.running)
	}
	if _, err := Open(context.Background(), "exec:prog", nil, o); err == nil || p.running != 0 {
		t.Errorf("for modules: %v, %d running", err, p.running)
	}
}
