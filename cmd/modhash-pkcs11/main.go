// SPDX-License-Identifier: Apache-2.0

// Command modhash-pkcs11 signs with a key in a PKCS #11 token. modhash starts it for
// keys that are named by a pkcs11: URI, so that modhash itself needs no C library,
// and speaks with it as package modsig/keys describes, over standard input and
// output. Neither URI nor PIN is an argument.
//
// The module, a shared library, is the one that --module names, or else module-path
// or module-name in the URI, or the environment variable PKCS11_MODULE_PATH or
// PKCS11_PROVIDER_MODULE, or p11-kit-proxy.so.
//
// Any number of these programs may run at once, also beside other programs with the
// same token: they open it and log in one after the other. A token that is not there
// is waited for no longer than two seconds. A PIN is shown to a token once; again
// only if the token says that it has no PIN, or is SoftHSM, which counts none, and
// could not read its own file.
package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, errs io.Writer) int {
	module := ""
	switch {
	case len(args) == 2 && args[0] == "--module":
		module = args[1]
	case len(args) != 0:
		fmt.Fprintln(errs, "usage: modhash-pkcs11 [--module PATH]\nmodhash starts this program for keys that are named by a pkcs11: URI.")
		return 2
	}
	s := &server{module: module, getenv: os.Getenv, open: openToken}
	defer s.close()
	if err := s.serve(in, out); err != nil {
		fmt.Fprintf(errs, "modhash-pkcs11: error: %v\n", err)
		return 2
	}
	return 0
}

// token is a token in which a key was found, or will be after a login.
type token interface {
	label() string
	// needsLogin reports whether a PIN is needed to see and to use the key.
	needsLogin() bool
	login(pin []byte) error
	// find looks the key up, and tells of more than one, or of none.
	find() error
	certificate() ([]byte, error) // nil: there is none
	public() ([]byte, error)      // SubjectPublicKeyInfo; nil: it is not known
	sign(algorithm, hash string, data []byte) ([]byte, error)
	close()
}

// maxLine is the length in bytes of the longest request: a module of 2 GiB could
// not be signed by a token.
const maxLine = 64 << 20

// server answers the requests of one modhash.
type server struct {
	module string
	getenv func(string) string
	open   func(module string, u *uri) (token, error)

	token token
	ready bool  // the key was found
	dead  error // what went wrong before: nothing is tried after it
}

func (s *server) close() {
	if s.token != nil {
		s.token.close()
	}
}

func (s *server) serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		answer, err := s.answer(lines.Text())
		if err != nil {
			s.dead = err
			answer = "error " + printable(err.Error())
		}
		if _, err := io.WriteString(out, answer+"\n"); err != nil {
			return err
		}
	}
	return lines.Err()
}

// printable makes one line of ASCII of a text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

func (s *server) answer(request string) (string, error) {
	if s.dead != nil {
		return "", s.dead
	}
	words := strings.Split(request, " ")
	switch {
	case words[0] == "open" && len(words) == 2 && s.token == nil:
		return s.answerOpen(words[1])
	case words[0] == "pin" && len(words) == 2 && s.token != nil && !s.ready:
		pin, err := base64.StdEncoding.DecodeString(words[1])
		if err != nil {
			return "", errors.New("a PIN that is not in base64")
		}
		defer clear(pin)
		return s.login(pin)
	case words[0] == "certificate" && len(words) == 1 && s.ready:
		return blob("certificate", s.token.certificate)
	case words[0] == "public" && len(words) == 1 && s.ready:
		return blob("public", s.token.public)
	case words[0] == "sign" && len(words) == 4 && s.ready:
		data, err := base64.StdEncoding.DecodeString(words[3])
		if err != nil {
			return "", errors.New("data that are not in base64")
		}
		value, err := s.token.sign(words[1], words[2], data)
		if err != nil {
			return "", err
		}
		return "signature " + base64.StdEncoding.EncodeToString(value), nil
	}
	return "", fmt.Errorf("a request that is not understood, or not at this time: %.12q", words[0])
}

// blob answers with what get returns.
func blob(word string, get func() ([]byte, error)) (string, error) {
	der, err := get()
	if err != nil || der == nil {
		return "none", err
	}
	return word + " " + base64.StdEncoding.EncodeToString(der), nil
}

func (s *server) answerOpen(text string) (string, error) {
	u, err := parseURI(text)
	if err != nil {
		return "", err
	}
	module, err := u.module(s.module, s.getenv)
	if err != nil {
		return "", err
	}
	if s.token, err = s.open(module, u); err != nil {
		return "", err
	}
	if !s.token.needsLogin() {
		return s.found()
	}
	pin, known, err := u.pin()
	if err != nil {
		return "", err
	}
	if !known {
		return "pin " + printable(s.token.label()), nil
	}
	defer clear(pin)
	return s.login(pin)
}

func (s *server) login(pin []byte) (string, error) {
	if err := s.token.login(pin); err != nil {
		return "", err
	}
	return s.found()
}

func (s *server) found() (string, error) {
	if err := s.token.find(); err != nil {
		return "", err
	}
	s.ready = true
	return "ok", nil
}

// prefixes are the DER of DigestInfo (RFC 8017, 9.2) before the digest.
var prefixes = map[string]string{
	"sha1":     "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
	"sha224":   "\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
	"sha256":   "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	"sha384":   "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	"sha512":   "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
	"sha3-256": "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x08\x05\x00\x04\x20",
	"sha3-384": "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x09\x05\x00\x04\x30",
	"sha3-512": "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x0a\x05\x00\x04\x40",
}

// digestInfo is what RSA signs. The last byte of a prefix is the digest's length.
func digestInfo(hash string, digest []byte) ([]byte, error) {
	p := prefixes[hash]
	if p == "" || len(digest) != int(p[len(p)-1]) {
		return nil, fmt.Errorf("a digest %.12q of %d bytes", hash, len(digest))
	}
	return slices.Concat([]byte(p), digest), nil
}
