// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/modhash/modhash/kbuild/internal/spool"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/trailer"
)

// DefaultLimit is the decoded size in bytes above which an image is not read
// unless [Options] say otherwise. Those of distributions decode to 66 MB.
const DefaultLimit = 512 << 20

// Options change how an image is read. The zero value of a field, and a nil
// *Options, take the default.
type Options struct {
	Limit  int64  // most bytes that all layers together may decode to: DefaultLimit
	TmpDir string // where decoded layers are kept: the system's folder

	// SystemMap is the kernel's System.map, the output of nm(1). It is read if
	// the kernel has no symbol table; a flat kernel shows nothing but its banner,
	// its config and its certificates without it.
	SystemMap io.Reader
}

// Origin says how something was found in a kernel.
type Origin string

const (
	FromSection   Origin = "section"    // by the name of an ELF section
	FromSymbol    Origin = "symbol"     // by the ELF file's own symbol table
	FromSystemMap Origin = "system-map" // by Options.SystemMap
	FromScan      Origin = "scan"       // by what it looks like
)

// Image is what is in a kernel image. Offsets are in bytes from the start of the
// innermost layer, see [Image.Kernel].
type Image struct {
	Layers []Layer // the file itself first, the kernel last; at least one

	Arch  string           // machine, in the words of the manifest: "x86_64"
	Bits  int              // 32 or 64
	Order binary.ByteOrder // of numbers in the kernel

	// Banner is what the kernel says first, without the line feed at its end:
	// "Linux version 6.12.0 (user@host) (gcc …) #1 SMP …". Release is the word
	// behind "version", Version what begins with "#". All are "" if there is no
	// banner.
	Banner, Release, Version string

	BuildID []byte   // of the note in the kernel's notes; nil: none found
	Hashset *Hashset // nil: none found; see SymbolsFrom

	// Trusted has all certificates in the kernel that are not known to be revoked:
	// those of the list that symbols lead to, and whatever else the kernel could
	// take for one, wherever it is in what is loaded; nil if there is neither.
	// Some drivers have certificates of their own, and those are among them.
	Trusted *CertificateList

	// Revoked is the list of those that the kernel refuses; nil if symbols do not
	// lead to one. Without symbols its certificates are among the trusted ones.
	Revoked  *CertificateList
	Config   []byte    // text of the embedded .config; nil: none found
	Sections []Section // of the UKI that the kernel is in

	// SymbolsFrom is where addresses come from: FromSymbol, FromSystemMap, or ""
	// if there are none. Then what was not found may nevertheless be there: of a
	// flat kernel the hashset, of any kernel a certificate list that is empty; and
	// which certificates are revoked is not known.
	SymbolsFrom Origin

	// Problems are contradictions that did not prevent reading, in the order in
	// which they were met. An image that was built and not tampered with has
	// none.
	Problems []Problem

	r     io.ReaderAt
	size  int64
	spool *spool.Spool
}

// Problem is something in an image that cannot be right.
type Problem struct {
	Offset int64
	Text   string
}

// Hashset is the content of the kernel's section .module_hashes: 36 bytes, the
// levels (4 bytes in Order) and the root of a Merkle tree, or a flat list of
// digests of 32 bytes. All zero bytes are a placeholder that nobody filled in.
type Hashset struct {
	Data   []byte
	Order  binary.ByteOrder
	Offset int64
	Origin Origin
}

// CertificateList is a list of certificates that is compiled into the kernel.
// Offsets of the certificates are from Offset on, and negative for those that were
// found before the list.
type CertificateList struct {
	Certificates []certlist.Certificate // first those that are Listed, then those elsewhere in the kernel
	ModuleSize   int64                  // bytes at the start: the certificate of the key made by the build
	Inserted     int64                  // bytes at the end: put into the list's reserve after the build (insert-sys-cert)
	Offset, Size int64                  // of the list; FromScan: of what most likely is the list
	Origin       Origin
}

// Open reads the kernel image in the first size bytes of r, which must stay open
// as long as the result, and the result must be closed.
//
// It fails with a [*FormatError] for a malformed image, wrapping [ErrUnknown]
// for what is no image or none that is read, and [ErrTooLarge] for one that
// decodes to more than the limit; with the context's error when that ends, and
// with errors of r and of the file in the temporary folder. At most 8 layers are
// taken off. Memory: the compressed payload, at most 256 MiB; what zstd and lz4
// decode to, at most 128 MiB, or beyond that, and for other compressions, their
// window, at most about 1.5 times 128 MiB and no more than a small multiple of
// what is decoded. Distributions' images take 30 to 140 MB.
func Open(ctx context.Context, r io.ReaderAt, size int64, o *Options) (*Image, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Limit <= 0 {
		opts.Limit = DefaultLimit
	}
	im := &Image{spool: spool.New(opts.TmpDir, opts.Limit)}
	if err := im.open(ctx, r, size, &opts); err != nil {
		im.spool.Close()
		return nil, err
	}
	return im, nil
}

func (im *Image) open(ctx context.Context, r io.ReaderAt, size int64, o *Options) error {
	size, err := withoutTrailer(r, size)
	if err != nil {
		return err
	}
	u := &unwrapper{ctx: ctx, limit: o.Limit, spool: im.spool}
	if im.r, im.size, err = u.unwrap(r, size); err != nil {
		return err
	}
	for _, w := range u.layers {
		im.Layers = append(im.Layers, w.Layer)
		if w.sections != nil {
			im.Sections = w.sections
		}
	}
	k, err := newKernel(im.r, im.size, u.layers[len(u.layers)-1], o.SystemMap)
	var fe *FormatError
	switch {
	case errors.As(err, &fe):
		return u.within(err)
	case err != nil:
		return err // of the system map
	}
	im.Arch, im.Bits, im.Order, im.SymbolsFrom = k.arch, k.bits, k.order, k.origin
	if err := im.read(ctx, k); err != nil {
		return u.within(err)
	}
	im.crossCheck(u.layers)
	return nil
}

// withoutTrailer returns the size of the file without a module's signature
// trailer, which images of s390 and powerpc have.
func withoutTrailer(r io.ReaderAt, size int64) (int64, error) {
	if size <= 0 {
		return size, nil
	}
	t, err := trailer.Split(r, size)
	if err != nil {
		return 0, fmt.Errorf("reading image: %w", err)
	}
	if t.State == trailer.Valid {
		return t.Payload, nil
	}
	return size, nil
}

// read fills in what is found in k.
func (im *Image) read(ctx context.Context, k *kernel) error {
	for _, part := range []func(*kernel) error{im.readBanner, im.readBuildID, im.readHashset, im.readCertificates, im.readConfig} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := part(k); err != nil {
			return err
		}
	}
	return nil
}

// crossCheck compares what wrappers say with what is in them.
func (im *Image) crossCheck(layers []*wrapper) {
	for _, w := range layers {
		if w.release != "" && im.Release != "" && firstWord(w.release) != im.Release {
			im.problem(0, "the %s says that it is release %.64q, the kernel in it %q", w.Kind, firstWord(w.release), im.Release)
		}
		if w.Kind == UKI && w.arch != im.Arch {
			im.problem(0, "the uki is for %s, the kernel in it for %s", w.arch, im.Arch)
		}
	}
}

func (im *Image) problem(off int64, format string, args ...any) {
	im.Problems = append(im.Problems, Problem{off, fmt.Sprintf(format, args...)})
}

// Kernel returns the innermost layer: vmlinux or a flat binary, in the form in
// which the wrappers hold it. On x86, relocations follow the ELF file. It can
// be read until the Image is closed.
func (im *Image) Kernel() *io.SectionReader { return io.NewSectionReader(im.r, 0, im.size) }

// Kind returns the form of the innermost layer, [ELF] or [Flat].
func (im *Image) Kind() Kind { return im.Layers[len(im.Layers)-1].Kind }

// Close frees what was decoded.
func (im *Image) Close() error { return im.spool.Close() }
