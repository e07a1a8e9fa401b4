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

	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/outfile"
	"github.com/modhash/modhash/kbuild/verify"
	"github.com/modhash/modhash/modsig/certlist"
)

// openKernel opens the image that --image names, in the build or beside it, and
// what may be built into it.
func (a *app) openKernel(ctx context.Context, f *verifyFlags, b *kbuild.Build, o *kbuild.Options) (*verify.Kernel, error) {
	if f.maxImage <= 0 || f.maxImage > 1<<20 {
		return nil, usageError("--max-image %d", f.maxImage)
	}
	keys, err := readCertificates(f.keys)
	if err != nil {
		return nil, err
	}
	img, err := b.NamedImage()
	if err != nil {
		return nil, hintFor(err)
	}
	opt := image.Options{Limit: f.maxImage * mib, TmpDir: o.TempDir}
	if f.systemMap != "" {
		m, err := os.Open(f.systemMap)
		if err != nil {
			return nil, err
		}
		defer m.Close() // read only
		opt.SystemMap = m
	}
	c, err := img.Open()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", img.Path, err)
	}
	defer c.Close() // read only; everything is read by Open
	k, err := image.Open(ctx, c, c.Size(), &opt)
	if errors.Is(err, image.ErrTooLarge) {
		err = withHint(err, "--max-image raises the limit, if the file is to be trusted")
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", img.Path, err)
	}
	return &verify.Kernel{Image: k, Path: img.Path, Digest: img.Digest, Keys: keys}, nil
}

// maxCertificates is above any file of certificates in bytes.
const maxCertificates = 16 << 20

// readCertificates reads the certificates in files, PEM or DER, and in the files
// of folders. A file without one is an error.
func readCertificates(paths []string) ([]certlist.Certificate, error) {
	var out []certlist.Certificate
	for _, path := range paths {
		files := []string{path}
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			entries, err := os.ReadDir(path)
			if err != nil {
				return nil, err
			}
			files = nil
			for _, e := range entries {
				if !e.IsDir() {
					files = append(files, filepath.Join(path, e.Name()))
				}
			}
		}
		for _, file := range files {
			certs, err := certificatesOf(file)
			if err != nil {
				return nil, withHint(fmt.Errorf("reading the certificates in %s: %w", file, err), "--keys takes X.509 certificates, PEM or DER")
			}
			out = append(out, certs...)
		}
	}
	return out, nil
}

func certificatesOf(path string) ([]certlist.Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, outfile.Bare(err)
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxCertificates+1))
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
