// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/modsig/certlist"
)

// minCertificate is the shortest certificate in bytes that the kernel's loader
// takes: its length must be written in two bytes, or the list ends there
// (crypto/asymmetric_keys/x509_loader.c).
const minCertificate = 4 + 256

// certificateOption is an option that names a file of certificates. make takes its
// value for a prerequisite, and extract-cert for one argument: it is one name.
type certificateOption struct {
	symbol string
	needs  []string // options that Kconfig has it with
	bundle string   // where certificates are put together, from the top of the tree
}

// trusted is the option for certificates of keys that modules may be signed with.
func (f *kconfigFlags) trusted() certificateOption {
	return certificateOption{trustedKeys, []string{"SYSTEM_TRUSTED_KEYRING"}, f.bundle}
}

// editTrustedKey adds the certificates in a file to those that the kernel trusts.
func editTrustedKey(r *kconfigRun, c *kconfigFile, arg string) error {
	name, err := c.certificateName(arg)
	if err != nil {
		return err
	}
	certs, err := publicCertificates(arg)
	if err != nil {
		return err
	}
	return r.addCertificates(c, r.flags.trusted(), name, certs, nil)
}

// publicCertificates reads the certificates of a PEM file that is to be a source of
// a build.
func publicCertificates(path string) ([][]byte, error) {
	certs, private, err := pemCertificates(path)
	if err == nil && private {
		err = withHint(&codeError{exitFinding, fmt.Errorf("%s holds a private key, which is no source of a build", path)},
			"modhash keys export --form cert-pem -o certs/NAME.pem %s", shellWord(path))
	}
	return certs, err
}

// addCertificates adds certificates, which the file name in the tree holds, to those
// of an option. If that names a file already, it is a source of somebody else, and so
// is the one that is added. A third file then holds the certificates of both, without
// those for which drop is true.
func (r *kconfigRun) addCertificates(c *kconfigFile, o certificateOption, name string, certs [][]byte, drop func(der []byte) bool) error {
	for _, n := range o.needs {
		if c.is(n) {
			continue
		}
		if err := c.set(n, kconfig.Yes); err != nil {
			return err
		}
	}
	if o.symbol == trustedKeys {
		for _, der := range certs {
			if err := c.buildInKey(algorithmOf(der)); err != nil {
				return err
			}
		}
	}
	was, _ := c.now.Get(o.symbol)
	if was == kconfig.No || was.Text() == "" || was.Text() == name {
		return c.set(o.symbol, kconfig.String(name))
	}
	have, abs, err := r.certificatesOf(c, o, was.Text())
	if err != nil {
		return err
	}
	var all [][]byte
	for _, x := range slices.Concat(have, certs) {
		known := slices.ContainsFunc(all, func(y []byte) bool { return bytes.Equal(x, y) })
		if !known && (drop == nil || !drop(x)) {
			all = append(all, x)
		}
	}
	if sameCertificates(all, have) {
		c.ask(o.symbol)
		return nil // they are there already
	}
	return r.bundleUp(c, o, was.Text(), abs, all)
}

// algorithmOf is the symbol that a kernel needs for signatures by the key of a
// certificate, "" if there is none.
func algorithmOf(der []byte) string {
	word := strings.Replace(certlist.ParseOne(der).KeyAlgorithm, "ml-dsa-", "mldsa-", 1)
	for _, m := range choices[1] {
		if m.word == word {
			return m.needs
		}
	}
	return ""
}

// certificatesOf reads the certificates that an option of a configuration names by
// now. abs is the file.
func (r *kconfigRun) certificatesOf(c *kconfigFile, o certificateOption, name string) (certs [][]byte, abs string, err error) {
	certs, abs, err = r.findCertificates(c, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", withHint(fmt.Errorf("CONFIG_%s names %q already, which is not there, so its certificates cannot be kept", o.symbol, name),
			"--source names the tree that it is in; modhash kconfig --set %s:= %s drops it", o.symbol, shellWord(c.path))
	case err != nil:
		return nil, "", fmt.Errorf("CONFIG_%s names %s already: %w", o.symbol, abs, err)
	}
	return certs, abs, nil
}

// findCertificates reads the certificates in a file that a configuration names, as it
// is going to be. The error wraps [fs.ErrNotExist] if make would not find it.
func (r *kconfigRun) findCertificates(c *kconfigFile, name string) (certs [][]byte, abs string, err error) {
	places := []string{name}
	if !filepath.IsAbs(name) {
		places = nil
		for _, tree := range c.trees {
			places = append(places, filepath.Join(tree, name))
		}
	}
	for _, p := range places {
		key, err := filepath.Abs(p)
		if err != nil {
			return nil, p, err
		}
		if b := r.bundles[key]; b != nil {
			return b.certs, p, nil
		}
		if certs, _, err := pemCertificates(p); !errors.Is(err, fs.ErrNotExist) {
			return certs, p, err
		}
	}
	return nil, "", fs.ErrNotExist
}

// errElsewhere: a file is in no tree of a configuration.
var errElsewhere = errors.New("it is not in the tree")

// certificateName is inTree of a certificate, which can be copied there.
func (c *kconfigFile) certificateName(file string) (string, error) {
	name, err := c.inTree(file)
	if errors.Is(err, errElsewhere) {
		err = withHint(err, "copy it into the tree, as certs/%s: it is a source of the build", filepath.Base(file))
	}
	return name, err
}

// inTree returns the name of a file from the top of the tree that it is in,
// which is how make finds it wherever the tree lies.
func (c *kconfigFile) inTree(file string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return "", err
	}
	for _, tree := range c.trees {
		top, err := filepath.EvalSymlinks(tree)
		if err == nil {
			top, err = filepath.Abs(top)
		}
		if err != nil {
			return "", err
		}
		rel, err := filepath.Rel(top, filepath.Join(dir, filepath.Base(file)))
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		name := filepath.ToSlash(rel)
		return name, makeName(name)
	}
	if len(c.trees) == 0 {
		return "", withHint(&usage{errors.New("there is no tree that the path could start from")}, "--source names it; a .config is in its build tree")
	}
	return "", &usage{fmt.Errorf("%w %s", errElsewhere, strings.Join(c.trees, " or "))}
}

// makeName refuses what a makefile would not take for one name.
func makeName(name string) error {
	for _, r := range name {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("._+@,/-", r) {
			return usageError("the path %q has a character that make does not take in a name", name)
		}
	}
	return nil
}

// pemCertificates reads the certificates of a PEM file, in their order, and
// tells whether there is a private key too. The kernel's build reads them so
// (certs/extract-cert.c).
func pemCertificates(path string) (certs [][]byte, private bool, err error) {
	st, err := os.Stat(path) // first: a named pipe would be waited for
	if err != nil {
		return nil, false, err
	}
	if !st.Mode().IsRegular() {
		return nil, false, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxCertificates+1))
	switch {
	case err != nil:
		return nil, false, err
	case len(data) > maxCertificates:
		return nil, false, fmt.Errorf("%s has more than %d bytes", path, maxCertificates)
	case !bytes.Contains(data, []byte("-----BEGIN ")):
		return nil, false, withHint(fmt.Errorf("%s is no PEM file", path), "of a DER file: openssl x509 -inform DER -in %s -out NAME.pem", shellWord(path))
	}
	blocks := bytes.Count(data, []byte("-----BEGIN "))
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		blocks--
		switch {
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			private = true
		case block.Type == "TRUSTED CERTIFICATE":
			return nil, false, fmt.Errorf("%s: a TRUSTED CERTIFICATE is of OpenSSL alone: openssl x509 -in %s makes a CERTIFICATE of it", path, shellWord(path))
		case block.Type == "CERTIFICATE" || block.Type == "X509 CERTIFICATE":
			n := len(certs) + 1
			if x := certlist.ParseOne(block.Bytes); x.Err != nil {
				return nil, false, fmt.Errorf("%s: certificate %d: %w", path, n, x.Err)
			}
			if len(block.Bytes) < minCertificate {
				return nil, false, fmt.Errorf("%s: certificate %d has %d bytes: the kernel drops those under %d, and all behind them", path, n, len(block.Bytes), minCertificate)
			}
			certs = append(certs, block.Bytes)
		}
	}
	if blocks != 0 {
		return nil, private, fmt.Errorf("%s: there is a block that cannot be decoded", path) // OpenSSL stops there
	}
	if len(certs) == 0 {
		return nil, private, fmt.Errorf("%s holds no certificate", path)
	}
	return certs, private, nil
}
