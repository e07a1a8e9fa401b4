// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// readFile reads a whole file, perhaps a pipe, for whose writer it waits no longer
// than the context lasts.
func readFile(ctx context.Context, path string) ([]byte, fs.FileInfo, error) {
	type result struct {
		data []byte
		st   fs.FileInfo
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, st, err := readAll(path)
		done <- result{data, st, err}
	}()
	select {
	case r := <-done:
		return r.data, r.st, r.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func readAll(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, bare(err)
	}
	defer f.Close() // read only
	st, err := f.Stat()
	if err != nil {
		return nil, nil, bare(err)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return nil, nil, bare(err)
	case len(data) > MaxFile:
		return nil, nil, fmt.Errorf("more than %d bytes", MaxFile)
	}
	return data, st, nil
}

// bare drops the operation and the path, which the caller tells.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

var pemBegin = []byte("-----BEGIN ")

// parseKey finds the private key in a file, and the certificate if there is one.
// pin is called once at most.
func parseKey(data []byte, pin func() ([]byte, error)) (crypto.Signer, []byte, error) {
	if !bytes.Contains(data, pemBegin) {
		signer, err := parseDER(data, pin)
		return signer, nil, err
	}
	var key *pem.Block
	var cert []byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "CERTIFICATE":
			if cert == nil {
				cert = block.Bytes
			}
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			if key != nil {
				return nil, nil, errors.New("more than one private key in it")
			}
			key = block
		}
	}
	if key == nil {
		return nil, nil, ErrNoKey
	}
	defer clear(key.Bytes)
	der := key.Bytes
	if key.Headers["DEK-Info"] != "" {
		// The old way, with one round of MD5, which some tools still write.
		p, err := pin()
		if err != nil {
			return nil, nil, err
		}
		defer clear(p)
		//lint:ignore SA1019 old keys are read, not made
		if der, err = x509.DecryptPEMBlock(key, p); err != nil {
			return nil, nil, ErrPIN
		}
		defer clear(der)
	}
	signer, err := parseBlock(key.Type, der, pin)
	if err != nil && key.Headers["DEK-Info"] != "" {
		err = ErrPIN // it has no other check than that the padding fits
	}
	return signer, cert, err
}

func parseBlock(kind string, der []byte, pin func() ([]byte, error)) (crypto.Signer, error) {
	var key any
	var err error
	switch kind {
	case "PRIVATE KEY":
		key, err = parsePKCS8(der)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(der)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(der)
	case "ENCRYPTED PRIVATE KEY":
		return decrypted(der, pin)
	default:
		return nil, fmt.Errorf("a private key of type %q is not read; openssl pkey converts it to PKCS #8", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a private key of type %T does not sign", key)
	}
	return signer, nil
}

// decrypted reads an encrypted PKCS #8 key.
func decrypted(der []byte, pin func() ([]byte, error)) (crypto.Signer, error) {
	e, err := parseEncrypted(der)
	if err != nil {
		return nil, fmt.Errorf("reading the encrypted private key: %w", err)
	}
	p, err := pin()
	if err != nil {
		return nil, err
	}
	defer clear(p)
	plain, err := e.decrypt(p)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	// One wrong PIN in 256 leaves a padding that fits, and then no key.
	signer, err := parseBlock("PRIVATE KEY", plain, nil)
	if err != nil {
		return nil, ErrPIN
	}
	return signer, nil
}

// parseDER tries the forms that a key has without a name.
func parseDER(der []byte, pin func() ([]byte, error)) (crypto.Signer, error) {
	for _, kind := range []string{"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"} {
		if signer, err := parseBlock(kind, der, pin); err == nil {
			return signer, nil
		}
	}
	if _, err := parseEncrypted(der); err == nil {
		return decrypted(der, pin)
	}
	return nil, fmt.Errorf("%w, neither in PEM nor in DER", ErrNoKey)
}

// ReadCertificate reads the certificate in a file as scripts/sign-file does: DER
// if the file begins as one of 128 bytes or more does, else the first CERTIFICATE
// of a PEM file, whatever lies before it. If the file is a pipe, its writer is waited
// for no longer than ctx lasts.
func ReadCertificate(ctx context.Context, path string) ([]byte, error) {
	data, _, err := readFile(ctx, path)
	if err == nil {
		data, err = ParseCertificate(data)
	}
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", path, err)
	}
	return data, nil
}

// ParseCertificate is [ReadCertificate] for a file's content. Only where the
// certificate is, not what is in it, is looked at.
func ParseCertificate(data []byte) ([]byte, error) {
	if len(data) > 1 && data[0] == 0x30 && data[1] >= 0x81 && data[1] <= 0x84 {
		return data, nil
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" || block.Type == "X509 CERTIFICATE" {
			return block.Bytes, nil
		}
	}
	return nil, errors.New("no certificate in it, neither in PEM nor in DER")
}
