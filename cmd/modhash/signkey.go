// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/report"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys"
)

// pinVariable is where the kernel's build takes a PIN from.
const pinVariable = "KBUILD_SIGN_PIN"

const keyHelp = `KEY is a file with a private key (PEM, or PKCS #8 in DER), encrypted or not, or
exec:PROGRAM ARGUMENT..., a program that signs digests, such as the client of a key
service ("go doc modsig/keys" describes what it is asked and answers: each line at
once, without waiting for the end of its input), or the pkcs11: URI (RFC 7512) of a
key in a token, which the program modhash-pkcs11 meets. CERT is an X.509 certificate,
PEM or DER; by default the one that is with the key. A PIN is taken from the URI
(pin-source), or else --pin-file, or else the environment variable that --pin-env
names, or else asked for on the terminal; it is tried once.`

// keyFlags are the options of every verb that signs.
type keyFlags struct {
	key, cert       string
	hash, config    string
	keyID, attrs    bool
	pinFile, pinEnv string
	module          string
	timeout         time.Duration
}

func (f *keyFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.key, "key", "", "the private `KEY`: a file, exec:PROGRAM, or a pkcs11: URI")
	f.registerCert(cmd)
	fl.StringVar(&f.hash, "hash", "", "`HASH` of the signatures: "+join(keys.HashNames())+" (default sha512)")
	fl.StringVar(&f.config, "config", "", "take the hash from CONFIG_MODULE_SIG_HASH in the kernel's .config `FILE`")
	fl.BoolVar(&f.attrs, "signed-attributes", false, "with ML-DSA, sign two attributes, as OpenSSL 3 does, not the payload")
	f.registerAccess(cmd)
	complete(cmd, "hash", keys.HashNames()...)
}

// registerAccess registers the options of how a key is reached.
func (f *keyFlags) registerAccess(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.pinFile, "pin-file", "", "`FILE` with the PIN of the key; a warning is given if others may read it")
	fl.StringVar(&f.pinEnv, "pin-env", pinVariable, "environment variable with the PIN, its `NAME`")
	fl.StringVar(&f.module, "pkcs11-module", "", "the PKCS #11 module of the token, a shared `LIBRARY` (default: that of the URI or of PKCS11_MODULE_PATH)")
	fl.DurationVar(&f.timeout, "key-timeout", 0, "end the program of an exec: or pkcs11: key that does not answer within `TIME`, such as 30s (default: wait)")
}

// registerCert adds the flags that need no key.
func (f *keyFlags) registerCert(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.cert, "cert", "", "the certificate `FILE` of the key (default: the one that is with the key)")
	fl.BoolVar(&f.keyID, "key-id", false, "name the signer by the certificate's key id, as sign-file -k does")
}

// signOptions finds the form of the signatures.
func (f *keyFlags) signOptions(ctx context.Context) (modsig.SignOptions, error) {
	o := modsig.SignOptions{KeyID: f.keyID, Attributes: f.attrs}
	name := f.hash
	switch {
	case f.hash != "" && f.config != "":
		return o, usageError("--hash and --config exclude each other")
	case f.config != "":
		var err error
		if name, err = configHash(ctx, f.config); err != nil {
			return o, err
		}
	case f.hash == "":
		name = "sha512" // the kernel's own default
	}
	h, ok := keys.ParseHash(name)
	if !ok {
		return o, usageError("no signatures are made with the hash %q; want one of %s", name, join(keys.HashNames()))
	}
	o.Hash = h
	return o, nil
}

func configHash(ctx context.Context, path string) (string, error) {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return "", err
	}
	defer f.Close() // read only
	c, err := readConfig(path, untilDone{ctx, f})
	if err != nil {
		return "", err
	}
	v, ok := c.Get("MODULE_SIG_HASH")
	if !ok || !v.IsString() || v.Text() == "" {
		return "", withHint(fmt.Errorf("%s does not set CONFIG_MODULE_SIG_HASH", path), "that kernel was configured without module signatures; --hash names one")
	}
	return v.Text(), nil
}

// open opens the key. n is how many programs of it may run at once.
func (f *keyFlags) open(ctx context.Context, a *app, n int) (*keys.Key, error) {
	cert, err := f.certificate(ctx)
	if err != nil {
		return nil, err
	}
	k, err := keys.Open(ctx, f.key, cert, f.options(a, n))
	if err != nil {
		return nil, f.hint(err)
	}
	f.warnPIN(a)
	return k, nil
}

// certificate reads the one that --cert names; nil if it names none.
func (f *keyFlags) certificate(ctx context.Context) ([]byte, error) {
	switch {
	case f.key == "":
		return nil, usageError("no --key given")
	case f.cert == "":
		return nil, nil
	}
	cert, err := keys.ReadCertificate(ctx, f.cert)
	if err != nil {
		return nil, withHint(err, "--cert takes an X.509 certificate, PEM or DER")
	}
	return cert, nil
}

// options are how a key is opened. n is how many programs of it may run at once.
func (f *keyFlags) options(a *app, n int) *keys.Options {
	return &keys.Options{Start: a.starter(f.timeout), Processes: n, Private: true, Token: tokenProgram(f.module), PIN: f.pin(a)}
}

// hint says what can be done when a key cannot be opened.
func (f *keyFlags) hint(err error) error {
	var exposed *keys.ExposedError
	switch {
	case errors.As(err, &exposed):
		return withHint(err, "chmod 600 %s", shellWord(exposed.Path))
	case errors.Is(err, keys.ErrNoCertificate):
		return withHint(err, "--cert names it")
	case errors.Is(err, keys.ErrNoPublicKey):
		return withHint(err, "--public-key, or where a certificate is enough --cert, names a file with it")
	case errors.Is(err, keys.ErrNoPIN):
		return withHint(err, "--pin-file names a file with it, %s holds it, or a terminal is asked", f.pinEnv)
	case errors.Is(err, exec.ErrNotFound) && strings.HasPrefix(f.key, "pkcs11:"):
		return withHint(err, "%s is a program of its own, because it needs a C library; it belongs beside modhash or on PATH", tokenName)
	case errors.Is(err, modsig.ErrMismatch):
		return withHint(err, "--key and --cert must be a pair")
	}
	return err
}

func (f *keyFlags) warnPIN(a *app) {
	if strings.HasPrefix(f.key, "pkcs11:") && strings.Contains(f.key, "pin-value=") && !a.quiet {
		a.warn("the PIN in the URI can be seen by everybody who lists processes; pin-source names a file with it")
	}
}

// shellWord writes a path as a shell reads it back.
func shellWord(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// tokenName is the program that meets tokens, and needs a C library for that.
const tokenName = "modhash-pkcs11"

// tokenProgram finds it beside this program, or else leaves it to PATH.
func tokenProgram(module string) []string {
	argv := []string{tokenName}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), tokenName)
		if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
			argv[0] = beside
		}
	}
	if module != "" {
		argv = append(argv, "--module", module)
	}
	return argv
}

// pin asks for a PIN where the user said it is.
func (f *keyFlags) pin(a *app) func(context.Context, string) ([]byte, error) {
	return func(ctx context.Context, what string) ([]byte, error) {
		if f.pinFile != "" {
			a.warnExposed(f.pinFile)
			return pinFile(ctx, f.pinFile)
		}
		if v, ok := os.LookupEnv(f.pinEnv); ok {
			return []byte(v), nil
		}
		return a.promptPIN(ctx, what)
	}
}

// warnExposed warns of a PIN that others may read. It is no more than that, as a PIN
// may be good for nothing without a token, and secrets come with such modes in containers.
func (a *app) warnExposed(path string) {
	st, err := os.Stat(path)
	if err == nil && st.Mode().IsRegular() && st.Mode()&0o077 != 0 && !a.quiet {
		a.warn("others than its owner may read or write the PIN in %s (mode %04o): chmod 600 %s", path, st.Mode().Perm(), shellWord(path))
	}
}

// pinFile reads a PIN, without the line end behind it.
func pinFile(ctx context.Context, path string) ([]byte, error) {
	const most = 4096
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	pin, err := io.ReadAll(io.LimitReader(untilDone{ctx, f}, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, outfile.Bare(err))
	}
	if len(pin) > most {
		return nil, fmt.Errorf("%s holds more than %d bytes, which is no PIN", path, most)
	}
	pin = bytes.TrimSuffix(pin, []byte("\n"))
	return bytes.TrimSuffix(pin, []byte("\r")), nil
}

// promptPIN asks on the terminal of the process, if it has one.
func (a *app) promptPIN(ctx context.Context, what string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, nil // none
	}
	defer tty.Close() // nothing is buffered
	fd := int(tty.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, nil // none either
	}
	fmt.Fprintf(tty, "PIN of %s: ", report.Safe(what))
	type answer struct {
		pin []byte
		err error
	}
	got := make(chan answer, 1)
	go func() {
		pin, err := term.ReadPassword(fd)
		got <- answer{pin, err}
	}()
	defer fmt.Fprintln(tty)
	select {
	case r := <-got:
		return r.pin, r.err
	case <-ctx.Done():
		_ = term.Restore(fd, state) // the echo; the program ends in any case
		return nil, ctx.Err()
	}
}

// lineWriter cuts what is written into lines.
type lineWriter struct {
	write func(string)
	mu    sync.Mutex
	part  []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.part = append(w.part, p...)
	for {
		line, rest, ok := bytes.Cut(w.part, []byte("\n"))
		if !ok && len(w.part) < 4096 {
			return len(p), nil
		}
		w.write(strings.TrimSuffix(string(line), "\r"))
		w.part = rest
	}
}
