// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/verify"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
)

// readKeys reads what --keys names: certificates, folders of them, kernel images for
// those that are built in, or a copy of /proc/keys. checked is the image that is
// checked itself, nil if none is.
func readKeys(ctx context.Context, paths []string, opt image.Options, checked *verify.Kernel) (*verify.Keys, error) {
	k := &verify.Keys{}
	for _, path := range paths {
		if err := readKeysOf(ctx, k, path, opt, checked); err != nil {
			return nil, err
		}
	}
	return k, nil
}

func readKeysOf(ctx context.Context, k *verify.Keys, path string, opt image.Options, checked *verify.Kernel) error {
	head, err := firstBytes(path)
	switch {
	case err != nil:
		return err
	case isKeyListing(head) && k.Listing != nil:
		return usageError("--keys %s: a second copy of /proc/keys", path)
	case isKeyListing(head):
		return readInput(ctx, path, func(r io.Reader) (err error) {
			k.Listing, err = modsig.ReadListing(r)
			return err
		})
	}
	certs, err := readCertificates(ctx, []string{path})
	if err == nil {
		k.Trusted = append(k.Trusted, certs...)
		return nil
	}
	if head == nil {
		return withHint(err, "--keys takes X.509 certificates, PEM or DER; a folder must hold nothing else")
	}
	imageErr := builtInKeys(ctx, k, path, opt, checked)
	if errors.Is(imageErr, image.ErrUnknown) {
		return withHint(err, "--keys takes X.509 certificates, PEM or DER, folders of them, a kernel image, or a copy of /proc/keys")
	}
	return imageErr
}

// builtInKeys takes the certificates that a kernel image trusts. What else looks like
// one in it may be revoked, so nothing is valid by that.
func builtInKeys(ctx context.Context, k *verify.Keys, path string, opt image.Options, checked *verify.Kernel) error {
	in, size, err := openRegular(path)
	if err != nil {
		return fmt.Errorf("image %s: %w", path, outfile.Bare(err))
	}
	defer in.Close() // read only; everything is read by Open
	img, err := image.Open(ctx, in, size, &opt)
	if err != nil {
		return fmt.Errorf("image %s: %w", path, err)
	}
	defer img.Close() // what it was decoded into
	if checked != nil {
		digest, err := imageDigest(in, size)
		if err != nil {
			return fmt.Errorf("image %s: %w", path, err)
		}
		if digest == checked.Digest {
			return withHint(usageError("--keys %s is the image that is checked: its certificates cannot vouch for themselves", path),
				"give the certificates from where you know them")
		}
	}
	l := img.Trusted
	switch {
	case len(img.Problems) > 0:
		return fmt.Errorf("image %s: offset %d: %s", path, img.Problems[0].Offset, img.Problems[0].Text)
	case l == nil || len(l.Certificates) == 0:
		return fmt.Errorf("image %s: no certificate is built in", path)
	case l.Origin == image.FromScan && l.ModuleSize == 0:
		return withHint(fmt.Errorf("image %s: which of its %s it trusts cannot be told without symbols", path, plural(len(l.Certificates), "certificate")),
			"give the vmlinux that it was made of, or the certificates themselves; modhash inspect lists them")
	}
	for i := range l.Certificates {
		c := &l.Certificates[i]
		c.Raw = slices.Clone(c.Raw)
		if l.Listed(c) {
			k.Trusted = append(k.Trusted, *c)
		} else {
			k.Revoked = append(k.Revoked, *c)
		}
	}
	if img.Revoked != nil {
		k.Revoked = append(k.Revoked, img.Revoked.Certificates...)
	}
	return nil
}

func imageDigest(r io.ReaderAt, size int64) (hashset.Digest, error) {
	d, _, err := image.Digest(r, size)
	return d, err
}

// firstBytes are those of a file; nil for a folder, and for a pipe, which can be read
// only once.
func firstBytes(path string) ([]byte, error) {
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		return nil, err
	}
	head := make([]byte, 16)
	err := readFile(path, func(r io.Reader) error {
		n, err := io.ReadFull(r, head)
		head = head[:n]
		if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
			err = nil
		}
		return err
	})
	return head, err
}

// isKeyListing tells a copy of /proc/keys by its first bytes: the first of a
// certificate in DER is a digit too.
func isKeyListing(head []byte) bool {
	return len(head) > 9 && head[8] == ' ' && len(bytes.TrimLeft(head[:8], "0123456789abcdef")) == 0
}

// maxCertificates is above any file of certificates in bytes.
const maxCertificates = 16 << 20

// readCertificates reads the certificates in files, PEM or DER, and in the files
// of folders. A file without one is an error.
func readCertificates(ctx context.Context, paths []string) ([]certlist.Certificate, error) {
	var out []certlist.Certificate
	for _, path := range paths {
		files := []string{path}
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			entries, err := os.ReadDir(path)
			if err != nil {
				return nil, err
			}
			files = nil
			if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() }) {
				return nil, fmt.Errorf("%s: no certificate in the folder", path)
			}
			for _, e := range entries {
				if !e.IsDir() {
					files = append(files, filepath.Join(path, e.Name()))
				}
			}
		}
		for _, file := range files {
			certs, err := certificatesOf(ctx, file)
			if err != nil {
				return nil, withHint(fmt.Errorf("reading the certificates in %s: %w", file, err), "--keys takes X.509 certificates, PEM or DER")
			}
			out = append(out, certs...)
		}
	}
	return out, nil
}

func certificatesOf(ctx context.Context, path string) ([]certlist.Certificate, error) {
	f, err := openUntilDone(ctx, path)
	if err != nil {
		return nil, outfile.Bare(err)
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(untilDone{ctx, f}, maxCertificates+1))
	switch {
	case err != nil:
		return nil, outfile.Bare(err)
	case len(data) > maxCertificates:
		return nil, fmt.Errorf("more than %d bytes", maxCertificates)
	}
	var out []certlist.Certificate
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		if out, err = certlist.Parse(data); err != nil { // no list, or a short certificate
			out = []certlist.Certificate{certlist.ParseOne(data)}
		}
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out = append(out, certlist.ParseOne(block.Bytes))
		}
	}
	for i := range out {
		if out[i].Err != nil {
			return nil, out[i].Err
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is none")
	}
	return out, nil
}
