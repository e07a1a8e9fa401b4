// SPDX-License-Identifier: Apache-2.0

// Package inspect tells what is in a file: a module, a kernel image, a package or
// folder of a build, a manifest, a sidecar. It judges nothing: what cannot be
// read is said in its place.
package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild"
	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/pkgfile"
	"github.com/modhash/modhash/modsig/trailer"
)

// File is what was found out about one file. Exactly one of the pointers is set.
// It must be closed.
type File struct {
	Path     string
	Size     int64 // in bytes; 0 for a folder
	Module   *Module
	Image    *image.Image
	Build    *Build
	Manifest *hashset.Manifest
	Sidecar  *hashset.Proof

	// Of an Image: its digest without what signing adds, or why there is none.
	ImageDigest hashset.Digest
	ImageForm   image.Form
	ImageFault  string
}

// Options of an inspection.
type Options struct {
	Build kbuild.Options // limits and the folder for temporary files
	Image image.Options
}

// ErrUnknown is wrapped by the error for a file that is nothing known.
var ErrUnknown = errors.New("neither a module, a kernel image, a package, a manifest nor a sidecar")

// Open inspects a file or folder. Its kind follows from the content.
func Open(ctx context.Context, path string, o *Options) (*File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Size: st.Size()}
	switch {
	case st.IsDir():
		f.Size = 0
		f.Build, err = openBuild(ctx, path, &o.Build)
		return f, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close() // read only; of an image everything has been read
	if err := f.recognize(ctx, r, o); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Close frees what an image was decoded into.
func (f *File) Close() error {
	if f.Image == nil {
		return nil
	}
	return f.Image.Close()
}

func (f *File) recognize(ctx context.Context, r io.ReaderAt, o *Options) error {
	head := make([]byte, min(f.Size, 64))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return fmt.Errorf("reading: %w", err)
	}
	if hashset.IsManifest(head) {
		var err error
		f.Manifest, err = hashset.Parse(io.NewSectionReader(r, 0, f.Size))
		return err
	}
	kind, err := pkgfile.Sniff(r)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if kind != 0 {
		f.Build, err = openBuild(ctx, f.Path, &o.Build)
		return err
	}
	if f.Size <= maxSidecar && !bytes.HasPrefix(head, []byte("\x7fELF")) {
		if f.Sidecar, err = readSidecar(r, f.Size); f.Sidecar != nil || err != nil {
			return err
		}
	}
	return f.binary(ctx, r, o)
}

// binary tells a module from an image. Both can be compressed.
func (f *File) binary(ctx context.Context, r io.ReaderAt, o *Options) error {
	m, isModule, modErr := openModule(r, f.Size, &o.Build)
	if isModule || modErr != nil && !isFormat(modErr) {
		f.Module = m
		return modErr
	}
	img, err := image.Open(ctx, r, f.Size, &o.Image)
	switch {
	case err == nil:
		f.Image = img
		return f.digest(r)
	case errors.Is(err, image.ErrUnknown) && modErr != nil:
		return fmt.Errorf("%w: %w; %w", ErrUnknown, modErr, err)
	}
	return err
}

// digest computes the digest of an image.
func (f *File) digest(r io.ReaderAt) error {
	var err error
	f.ImageDigest, f.ImageForm, err = image.Digest(r, f.Size)
	var fe *image.FormatError
	if errors.As(err, &fe) {
		f.ImageFault, err = err.Error(), nil
	}
	return err
}

func isFormat(err error) bool {
	var fe *kmod.FormatError
	return errors.As(err, &fe)
}

// maxSidecar is above any sidecar in bytes.
const maxSidecar = 4096

// readSidecar reads a proof that stands alone; nil if the file is something else.
func readSidecar(r io.ReaderAt, size int64) (*hashset.Proof, error) {
	b := make([]byte, size)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("reading: %w", err)
	}
	if !bytes.HasSuffix(b, []byte(trailer.Marker)) {
		return nil, nil
	}
	p, err := hashset.ParseSidecar(b)
	if err != nil {
		return nil, nil
	}
	return &p, nil
}
