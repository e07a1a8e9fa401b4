// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/modhash/modhash/modsig/certlist"
)

const (
	certHead    = 13                     // bytes that a certificate is recognized by, of which these
	certVersion = "\xa0\x03\x02\x01\x02" // are the last: version 3
	certMin     = 4

	// maxReserve is the most room for a further certificate that is looked
	// over behind a list (CONFIG_SYSTEM_EXTRA_CERTIFICATE_SIZE, 4096 by default).
	maxReserve = 1 << 20

	// maxWalk is the most certificates that are walked over, all places in a
	// kernel together.
	maxWalk = 1 << 16
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
func (im *Image) readCertificates(k *kernel) error {
	if k.syms != nil {
		if err := im.certificatesBySymbol(k); err != nil {
			return fmt.Errorf("reading the built-in certificates: %w", err)
		}
		return nil
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

// candidate is a list that was found by what it looks like.
type candidate struct {
	off, size int64
	module    int64 // size of the first part, if trusted
	trusted   bool  // the number behind the size is that of a trusted list's first part
}

// certificatesByScan takes a place for a list if its certificates add up to the
// size behind them. The list that is followed by the size of a first part is the
// trusted one. If it is not clear which one that is, all are taken for trusted.
func (im *Image) certificatesByScan(k *kernel) error {
	lists, err := im.candidates(k)
	if err != nil {
		return err
	}
	clear := 0
	for _, c := range lists {
		if c.trusted {
			clear++
		}
	}
	for _, c := range lists {
		b, err := k.bytes(c.off, c.size)
		if err != nil {
			return err
		}
		l := im.parseList(b, c.off, FromScan)
		l.ModuleSize = c.module
		into := &im.Trusted
		if clear == 1 && !c.trusted {
			into = &im.Revoked
		}
		if *into == nil {
			*into = l
			continue
		}
		im.problem(c.off, "one more list of %d certificates; which of them the kernel trusts cannot be told without symbols", len(l.Certificates))
		for _, cert := range l.Certificates {
			cert.Offset += l.Offset - (*into).Offset
			(*into).Certificates = append((*into).Certificates, cert)
		}
	}
	return nil
}

func (im *Image) candidates(k *kernel) ([]candidate, error) {
	f, err := k.found()
	if err != nil {
		return nil, err
	}
	if f.dropped {
		im.problem(0, "more than %d places look like a certificate, a banner or a config; not all were examined", maxFinds)
	}
	var lists []candidate
	steps, end := 0, int64(0)
	for _, off := range f.certs {
		if off < end {
			continue // in the list before
		}
		c, ok, err := k.candidate(off, &steps)
		if err != nil {
			return nil, err
		}
		if steps > maxWalk {
			im.problem(off, "too much looks like certificates; not all of it was examined")
			break
		}
		if ok {
			lists = append(lists, c)
			end = c.off + c.size
		}
	}
	return lists, nil
}

// candidate walks over the certificates from off on.
func (k *kernel) candidate(off int64, steps *int) (c candidate, ok bool, err error) {
	var ends []int64 // of the certificates
	at := off
	for k.size-at >= certMin && at-off <= certlist.MaxSize {
		head, err := k.bytes(at, certMin)
		if err != nil {
			return c, false, err
		}
		n := certMin + int64(binary.BigEndian.Uint16(head[2:]))
		if *steps++; head[0] != 0x30 || head[1] != 0x82 || n > k.size-at || *steps > maxWalk {
			break
		}
		at += n
		ends = append(ends, at-off)
	}
	sizeAt, ok, err := k.sizeBehind(off, at)
	if !ok || err != nil {
		return c, false, err
	}
	c = candidate{off: off, size: at - off}
	c.module, c.trusted, err = k.firstPart(off, sizeAt, ends)
	return c, true, err
}

// sizeBehind finds the number at-off, aligned, behind the list from off to at:
// next to it, or behind zeros, which are alignment or room for a certificate, and
// the length of what is in that room.
func (k *kernel) sizeBehind(off, at int64) (int64, bool, error) {
	b, err := k.bytes(at, min(maxReserve, k.size-at))
	if err != nil {
		return 0, false, err
	}
	zeros := 0
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	word := int(k.wordSize())
	first := (at + int64(zeros)) &^ 7 // the size itself may start with zeros
	places := []int64{first, first + 8}
	if off%256 == 0 {
		places = append(places, (first+4+255)&^255) // see firstPart
	}
	for _, p := range places {
		if i := int(p - at); i >= 0 && i+word <= len(b) && k.long(b[i:]) == uint64(at-off) {
			return p, true, nil
		}
	}
	return 0, false, nil
}

// firstPart reads the number behind a list's size, which is at sizeAt. It is
// that of a first part if the list has a certificate that ends there. What
// ".align 8" means depends on the assembler: 8 bytes, or 2^8.
func (k *kernel) firstPart(off, sizeAt int64, ends []int64) (int64, bool, error) {
	steps := []int64{8}
	if off%256 == 0 && sizeAt%256 == 0 {
		steps = append(steps, 256)
	}
	for _, s := range steps {
		if sizeAt+s+k.wordSize() > k.size {
			break
		}
		b, err := k.bytes(sizeAt+s, k.wordSize())
		if err != nil {
			return 0, false, err
		}
		n := k.long(b)
		for _, e := range ends {
			if uint64(e) == n {
				return e, true, nil
			}
		}
	}
	return 0, false, nil
}
