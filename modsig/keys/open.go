// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strings"

	"github.com/modhash/modhash/modsig"
)

// MaxFile is the size in bytes above which a file of a key or a certificate is
// not read.
const MaxFile = 1 << 20

// Errors of [Open]; they come wrapped.
var (
	// ErrNoPIN: the key is encrypted, and no PIN was given.
	ErrNoPIN = errors.New("the key is encrypted, and there is no PIN for it")
	// ErrPIN: the key was not decrypted. It is not told whether the PIN is wrong
	// or the file damaged.
	ErrPIN = errors.New("the PIN is wrong, or the key is damaged")
	// ErrNoCertificate: none was given, and none is with the key.
	ErrNoCertificate = errors.New("no certificate was given, and none is with the key")
	// ErrNoKey: the file holds no private key.
	ErrNoKey = errors.New("no private key in it")
)

// Options of [Open]. The zero value opens unencrypted files.
type Options struct {
	// PIN returns the PIN of a key; what names the key, for a prompt. It is called
	// once at most, and what it returned is overwritten after use. Nil, or no
	// bytes: there is none.
	PIN func(ctx context.Context, what string) ([]byte, error)

	// Start starts the program of an exec: or pkcs11: key. What is written goes to its
	// standard input, what it writes to standard output is read. Close closes the
	// input, waits, and says how the program ended. The program must be killed
	// when ctx is done. Nil: there are no such keys.
	Start func(ctx context.Context, argv []string) (io.ReadWriteCloser, error)

	// Token is the program that Start starts for a key in a token, with its
	// arguments: modhash-pkcs11, or one that speaks as it does. Nil: there are no
	// such keys.
	Token []string

	// Private refuses a key in a file of this user's that others may read or write,
	// with an [*ExposedError]; as ssh does, before its PIN is asked for.
	Private bool

	// Short takes RSA keys of less than 2048 bits too.
	Short bool

	// Processes is how many of an exec: key run at once at most, each serving one request
	// at a time; 0 is 1. A second one is started only after the first has signed.
	Processes int
}

// ExposedError says that others than its owner may read or write the file of a key.
type ExposedError struct {
	Path string
	Mode fs.FileMode // permissions
}

func (e *ExposedError) Error() string {
	return fmt.Sprintf("the file of a private key must be its owner's alone, this has mode %04o", uint32(e.Mode))
}

// Key is an open key with its certificate. It may be used concurrently.
type Key struct {
	*modsig.SigningKey

	close func() error
}

// Close ends the programs of an exec: or pkcs11: key.
func (k *Key) Close() error {
	if k.close == nil {
		return nil
	}
	return k.close()
}

// Open opens the key that name names and checks that it belongs to cert, a
// certificate in DER. Without cert the one that is with the key counts. ctx is
// for as long as the key is used. No error says anything of key or PIN.
func Open(ctx context.Context, name string, cert []byte, o *Options) (*Key, error) {
	if o == nil {
		o = &Options{}
	}
	k, err := openAny(ctx, name, cert, o)
	if err == nil && k.Short() && !o.Short {
		_ = k.Close() // nothing was signed
		return nil, errors.New("RSA key of less than 2048 bits, use one of 2048, 3072 or 4096")
	}
	return k, err
}

func openAny(ctx context.Context, name string, cert []byte, o *Options) (*Key, error) {
	if words, ok := strings.CutPrefix(name, "exec:"); ok {
		return openExec(ctx, words, cert, o)
	}
	if strings.HasPrefix(name, "pkcs11:") {
		return openToken(ctx, name, cert, o)
	}
	path, err := filePath(name)
	if err != nil {
		return nil, err
	}
	k, err := openFile(ctx, path, cert, o)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", withoutPIN(path), err)
	}
	return k, nil
}

// withoutPIN cuts the PIN off what was meant to be a URI, and is the path of no file.
func withoutPIN(path string) string {
	const pin = "pin-value="
	if i := strings.Index(strings.ToLower(path), pin); i >= 0 {
		return path[:i+len(pin)] + "…"
	}
	return path
}

func openFile(ctx context.Context, path string, cert []byte, o *Options) (*Key, error) {
	signer, with, err := readSigner(ctx, path, o)
	if err != nil {
		return nil, err
	}
	if cert == nil {
		cert = with
	}
	if cert == nil {
		return nil, ErrNoCertificate
	}
	sk, err := modsig.NewSigningKey(signer, cert)
	if err != nil {
		return nil, err
	}
	return &Key{SigningKey: sk}, nil
}

// readSigner reads a private key, and the certificate if there is one.
func readSigner(ctx context.Context, path string, o *Options) (crypto.Signer, []byte, error) {
	data, st, err := readFile(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	defer clear(data)
	var exposed error
	if m := st.Mode(); o.Private && m.IsRegular() && m.Perm()&0o077 != 0 && isOwn(st) {
		exposed = &ExposedError{path, m.Perm()}
	}
	signer, with, err := parseKey(data, func() ([]byte, error) {
		if exposed != nil {
			return nil, exposed
		}
		if o.PIN == nil {
			return nil, ErrNoPIN
		}
		pin, err := o.PIN(ctx, path)
		if err == nil && len(pin) == 0 {
			err = ErrNoPIN
		}
		return pin, err
	})
	return signer, with, cmp.Or(err, exposed)
}

// filePath makes a path of what names a key in a file. What looks like the name
// of a scheme that is not known here is refused, if it is longer than the letter
// of a drive.
func filePath(name string) (string, error) {
	scheme, rest, ok := strings.Cut(name, ":")
	switch {
	case name == "":
		return "", errors.New("the name of the key is empty")
	case ok && scheme == "file":
		if !strings.HasPrefix(rest, "//") {
			return rest, nil
		}
		u, err := url.Parse(name)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" || u.Fragment != "" {
			return "", errors.New("key: want file:PATH, or file://PATH of this machine")
		}
		return u.Path, nil
	case ok && len(scheme) > 1 && isScheme(scheme):
		return "", fmt.Errorf("key: no keys are known by %q; a file with such a name is ./%s", scheme+":", scheme+":…")
	}
	return name, nil
}

func isScheme(s string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", c)) {
			return false
		}
	}
	return true
}
