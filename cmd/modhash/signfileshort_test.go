// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

// TestSignFileShort: sign-file takes the short RSA keys that the kernel's program
// does, as far as they can sign here, and what it makes is valid; sign does not.
func TestSignFileShort(t *testing.T) {
	for _, bits := range []int{1024, 1536} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "modhash throw-away short"}, NotBefore: time.Unix(1<<30, 0), NotAfter: time.Unix(1<<31, 0)}
		cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		payload := readVector(t, "payload.bin")
		err = errors.Join(
			os.WriteFile(at("key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
			os.WriteFile(at("cert"), cert, 0o600), os.WriteFile(at("m"), payload, 0o600))
		if err != nil {
			t.Fatal(err)
		}
		if c, said := signFileRun(t, "sha256WithRSAEncryption", at("key"), at("cert"), at("m"), at("signed")); c != 0 || said != "" {
			t.Fatalf("%d bits: exit code %d, %s", bits, c, said)
		}
		signed, err := os.ReadFile(at("signed"))
		if err != nil {
			t.Fatal(err)
		}
		tr, err := trailer.Split(bytes.NewReader(signed), int64(len(signed)))
		if err != nil || tr.Payload != int64(len(payload)) {
			t.Fatalf("%+v, %v", tr, err)
		}
		ring := modsig.NewKeyring(modsig.Kernel{})
		if _, err := ring.Add(cert); err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Check(signed[tr.SignatureOffset():][:tr.Block.SigLen], modsig.NewPayload(bytes.NewReader(payload), tr.Payload)); err != nil {
			t.Errorf("%d bits: %v", bits, err)
		}
		var out, stderr bytes.Buffer
		if c := run(context.Background(), []string{"sign", "--key", at("key"), "--cert", at("cert"), at("m")}, nil, &out, &stderr); c != 2 || !strings.Contains(stderr.String(), "less than 2048 bits") {
			t.Errorf("sign with %d bits: exit code %d, %s", bits, c, stderr.String())
		}
	}
}

// TestSignFileHelp: as the kernel's program, none of these is an option; of the verb,
// alone, they are.
func TestSignFileHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"-h", "sha256", "k", "c", "m"}, {}} {
		if c, said := signFileRun(t, args...); c != 2 || said == "" {
			t.Errorf("sign-file %q: exit code %d, %s", args, c, said)
		}
	}
	for want, args := range map[int][]string{0: {"sign-file", "-h"}, 2: {"sign-file", "-h", "sha256", "k", "c", "m"}} {
		var out, stderr bytes.Buffer
		if c := run(context.Background(), args, nil, &out, &stderr); c != want {
			t.Errorf("modhash %q: exit code %d, %s", args, c, stderr.String())
		}
	}
}
