// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"fmt"

	"github.com/modhash/modhash/modsig/certlist"
)

// readCertificates finds the lists of certificates that the kernel trusts when
// it starts, and of those that it refuses.
//
// Source: certs/system_certificates.S and revocation_certificates.S, both in
// the read-only data of the init sections. A list is aligned; behind it are, if
// so configured, zeros as room for one more certificate and the length (u32) of
// what is in use of it; then, aligned, the list's size (unsigned long); and
// behind that of the trusted list, aligned, the size of its first part
// (unsigned long), the certificate of the key that the build made.
//
// Symbols alone do not decide, since a table can lack some, or lie. Whatever else
// in the kernel is a certificate counts as trusted.
func (im *Image) readCertificates(k *kernel) error {
	if err := im.certificatesBySymbol(k); err != nil {
		return fmt.Errorf("reading the built-in certificates: %w", err)
	}
	return im.certificatesByScan(k)
}

func (im *Image) certificatesBySymbol(k *kernel) (err error) {
	if im.Trusted, err = im.listAt(k, symTrusted, symTrustedSize); err != nil {
		return err
	}
	if im.Revoked, err = im.listAt(k, symRevoked, symRevokedSize); err != nil {
		return err
	}
	if im.Trusted != nil {
		sizeAt, err := k.offset(k.syms[symTrustedSize], uint64(k.wordSize()))
		if err != nil {
			return err
		}
		if im.Trusted.Inserted, err = k.inserted(im.Trusted, sizeAt); err != nil {
			return err
		}
	}
	if _, ok := k.syms[symModuleSize]; !ok || im.Trusted == nil {
		return nil
	}
	n, err := k.longAt(symModuleSize)
	if err != nil {
		return err
	}
	if n > uint64(im.Trusted.Size) {
		im.problem(im.Trusted.Offset, "%s is %d, the list has %d bytes", symModuleSize, n, im.Trusted.Size)
		return nil
	}
	im.Trusted.ModuleSize = int64(n)
	return nil
}

// listAt reads the list at a symbol; it returns nil if there is none.
func (im *Image) listAt(k *kernel, symbol, sizeSymbol string) (*CertificateList, error) {
	addr, ok := k.syms[symbol]
	if !ok {
		return nil, nil
	}
	if _, ok := k.syms[sizeSymbol]; !ok {
		return nil, badf(0, "symbol %s without %s", symbol, sizeSymbol)
	}
	size, err := k.longAt(sizeSymbol)
	if err != nil {
		return nil, err
	}
	if size > certlist.MaxSize {
		return nil, badf(0, "%s is %d, at most %d bytes are read", sizeSymbol, size, certlist.MaxSize)
	}
	b, off, err := k.at(addr, size)
	if err != nil {
		return nil, err
	}
	return im.parseList(b, off, k.origin), nil
}

// parseList reads as much of a list as a kernel would.
func (im *Image) parseList(b []byte, off int64, origin Origin) *CertificateList {
	certs, err := certlist.Parse(b)
	var le *certlist.Error
	if errors.As(err, &le) {
		im.problem(off+le.Offset, "a built-in list of certificates is malformed, a kernel stops here: %s", le.Reason)
	}
	for i := range certs {
		if e := certs[i].Err; e != nil {
			im.problem(off+certs[i].Offset, "built-in %v", e)
		}
	}
	return &CertificateList{Certificates: certs, Offset: off, Size: int64(len(b)), Origin: origin}
}

// Listed reports whether c, one of the Certificates, is within the list, and not
// elsewhere in the kernel.
func (l *CertificateList) Listed(c *certlist.Certificate) bool {
	return c.Offset >= 0 && c.Offset < l.Size
}

// OfBuild reports whether c, one of the Certificates, is that of the key that the
// build made.
func (l *CertificateList) OfBuild(c *certlist.Certificate) bool {
	return c.Offset >= 0 && c.Offset < l.ModuleSize
}

// InReserve reports whether c, one of the Certificates, was put into the list's
// reserve after the build.
func (l *CertificateList) InReserve(c *certlist.Certificate) bool {
	return l.Listed(c) && c.Offset >= l.Size-l.Inserted
}

// inserted reads how much of the reserve behind a list is in use: an u32 before the
// list's size, with nothing but alignment between them. Where there is no reserve,
// there are zeros.
func (k *kernel) inserted(l *CertificateList, sizeAt int64) (int64, error) {
	const u32, most = 4, 256 // of alignment
	for at := sizeAt - u32; at >= l.Offset+l.Size && at >= sizeAt-most; at -= u32 {
		b, err := k.view(at, u32)
		if err != nil || len(b) < u32 {
			return 0, err
		}
		n := int64(k.order.Uint32(b))
		if n == 0 {
			continue
		}
		if n > l.Size {
			return 0, nil // it is something else
		}
		return n, nil
	}
	return 0, nil
}
