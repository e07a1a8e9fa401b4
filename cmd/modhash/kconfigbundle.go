// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/modhash/modhash/kbuild/kconfig"
	"github.com/modhash/modhash/kbuild/outfile"
)

// bundle is a file of certificates that were put together.
type bundle struct {
	path  string // for people
	certs [][]byte
	write bool // it is not there yet, or holds less
}

// bundleUp writes certificates to the file of --bundle, later, and has the
// configuration name it. named is what it names now.
func (r *kconfigRun) bundleUp(c *kconfigFile, o certificateOption, named, abs string, certs [][]byte) error {
	name := o.bundle
	if err := makeName(name); err != nil || name != path.Clean(name) || !filepath.IsLocal(name) {
		return usageError("--bundle %s, want a path in the tree", name)
	}
	target := filepath.Join(c.trees[0], name)
	if named == name {
		target = abs
	}
	key, err := filepath.Abs(target)
	if err != nil {
		return err
	}
	b := r.bundles[key]
	switch {
	case b != nil && named != name && !sameCertificates(b.certs, certs):
		return withHint(fmt.Errorf("another of the configurations needs other certificates in %s", target),
			"edit them one by one, each with its own --bundle")
	case b == nil && named != name:
		there, _, err := pemCertificates(target)
		if err == nil && !sameCertificates(there, certs) || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return withHint(&codeError{exitFinding, fmt.Errorf("%s is there and does not hold just these certificates, so another configuration may name it", target)},
				"remove it if nothing needs it, or name another file with --bundle")
		}
		b = &bundle{write: err != nil}
	case b == nil:
		b = &bundle{write: true}
	case !sameCertificates(b.certs, certs):
		b.write = true
	}
	b.path, b.certs = target, certs
	r.bundles[key] = b
	return c.set(o.symbol, kconfig.String(name))
}

func sameCertificates(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

func (r *kconfigRun) sortedBundles() []*bundle {
	var out []*bundle
	for _, b := range r.bundles {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b *bundle) int { return cmp.Compare(a.path, b.path) })
	return out
}

// writeBundles writes the files that configurations are going to name. They wait to
// be renamed until next is done, which is when nothing more can fill a disk.
func (r *kconfigRun) writeBundles(next func() error) error {
	for _, b := range r.sortedBundles() {
		if !b.write {
			continue
		}
		then := next
		next = func() error { return b.replace(then) }
	}
	return next()
}

func (b *bundle) replace(next func() error) error {
	var text bytes.Buffer
	for _, der := range b.certs {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o777); err != nil {
		return err
	}
	var other error // of what comes next
	err := outfile.Write(b.path, outfile.Options{}, func(w io.Writer) error {
		if _, err := text.WriteTo(w); err != nil {
			return err
		}
		if f, ok := w.(*os.File); ok {
			if err := f.Sync(); err != nil {
				return err
			}
		}
		other = next()
		return other
	})
	switch {
	case other != nil:
		return other
	case err != nil:
		return fmt.Errorf("writing %s: %w", b.path, err)
	}
	return nil
}
