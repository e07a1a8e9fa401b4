// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"slices"

	"github.com/modhash/modhash/modsig/certlist"
)

const (
	// maxFound is the most certificates, and maxFoundSize the most bytes of them,
	// that a scan adds. A kernel has a few, in some ten thousand bytes.
	maxFound     = 1 << 10
	maxFoundSize = certlist.MaxSize

	// maxRuns is the most places that are looked at for a list's size behind
	// them, and maxReserve the most room for a further certificate that is looked
	// over there (CONFIG_SYSTEM_EXTRA_CERTIFICATE_SIZE, 4096 by default).
	maxRuns    = 16
	maxReserve = 1 << 20
)

// certificatesByScan adds to the trusted certificates what looks like one
// anywhere in what is loaded of the kernel. Which list a kernel trusts cannot be
// told from bytes, as whoever makes an image can put any list in it. So nothing
// that only a scan finds is taken for revoked, and only what symbols lead to is
// left out.
func (im *Image) certificatesByScan(k *kernel) error {
	found, err := im.scanCertificates(k)
	if err != nil {
		return err
	}
	known := map[int64]bool{}
	for _, l := range []*CertificateList{im.Trusted, im.Revoked} {
		for i := 0; l != nil && i < len(l.Certificates); i++ {
			known[l.Offset+l.Certificates[i].Offset] = true
		}
	}
	found = slices.DeleteFunc(found, func(c certlist.Certificate) bool { return known[c.Offset] })
	if len(found) == 0 {
		return nil
	}
	if im.Trusted == nil {
		l, err := k.likelyList(found)
		if err != nil {
			return err
		}
		im.Trusted = &l
	}
	l := im.Trusted
	var elsewhere []certlist.Certificate
	for _, c := range found {
		c.Offset -= l.Offset
		if l.Origin == FromScan && l.Listed(&c) {
			l.Certificates = append(l.Certificates, c)
		} else {
			elsewhere = append(elsewhere, c)
		}
	}
	l.Certificates = append(l.Certificates, elsewhere...)
	return nil
}

// scanCertificates returns what looks like a certificate, in order. Offsets are
// those in the kernel.
func (im *Image) scanCertificates(k *kernel) ([]certlist.Certificate, error) {
	f, err := k.found()
	if err != nil {
		return nil, err
	}
	if f.dropped {
		im.problem(0, "more than %d places look like a certificate, a banner or a config; not all were examined", maxFinds)
	}
	var found []certlist.Certificate
	size := 0
	for _, off := range f.certs {
		c, ok, err := k.certificateAt(off)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			continue
		}
		if size += len(c.Raw); len(found) == maxFound || size > maxFoundSize {
			im.problem(off, "too much looks like certificates; not all of it was examined")
			break
		}
		found = append(found, c)
	}
	return found, nil
}

// certificateAt reads a certificate. If the kernel could take it for one and
// this program cannot read it, it has its Err set.
func (k *kernel) certificateAt(off int64) (c certlist.Certificate, ok bool, err error) {
	const header = 4
	head, err := k.view(off, min(header, k.size-off))
	if err != nil || len(head) < header {
		return c, false, err
	}
	want := header + int64(head[2])<<8 + int64(head[3])
	b, err := k.view(off, min(want, k.rangeEnd(off)-off))
	if err != nil || !certlist.Resembles(b) {
		return c, false, err
	}
	b = slices.Clone(b) // and not a part of the whole kernel
	if c = certlist.ParseOne(b); int64(len(b)) < want {
		c.Err = fmt.Errorf("certificate: %d bytes, of which %d are loaded", want, len(b))
	}
	c.Offset = off
	return c, true, nil
}

// likelyList describes the list that most likely is the trusted one, without its
// certificates: the one that is followed by the size of a first part. If none or
// several are, it is the first of all, and no certificate is said to be that of
// the build.
func (k *kernel) likelyList(found []certlist.Certificate) (CertificateList, error) {
	var first, likely CertificateList
	clear := 0
	for i, runs := 0, 0; i < len(found) && runs < maxRuns; runs++ {
		l := CertificateList{Offset: found[i].Offset, Origin: FromScan}
		var ends []int64
		for ; i < len(found) && found[i].Offset <= l.Offset+l.Size; i++ {
			if found[i].Offset == l.Offset+l.Size { // and not within the one before
				l.Size += int64(len(found[i].Raw))
				ends = append(ends, l.Size)
			}
		}
		if runs == 0 {
			first = l
		}
		sizeAt, ok, err := k.sizeBehind(l.Offset, l.Offset+l.Size)
		if err != nil {
			return first, err
		}
		if !ok {
			continue
		}
		if l.ModuleSize, ok, err = k.firstPart(l.Offset, sizeAt, ends); err != nil {
			return first, err
		}
		if ok {
			if l.Inserted, err = k.inserted(&l, sizeAt); err != nil {
				return first, err
			}
			likely = l
			clear++
		}
	}
	if clear == 1 {
		return likely, nil
	}
	return first, nil
}

// sizeBehind finds the number at-off, aligned, behind the list from off to at:
// next to it, or behind zeros, which are alignment or room for a certificate, and
// the length of what is in that room.
func (k *kernel) sizeBehind(off, at int64) (int64, bool, error) {
	b, err := k.view(at, min(maxReserve, k.size-at))
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
		b, err := k.view(sizeAt+s, k.wordSize())
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
