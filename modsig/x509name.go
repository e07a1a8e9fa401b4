// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"time"
)

func (p *certParser) noteNameSegment(v value) error {
	// The kernel keeps lengths in one byte.
	b := v.b[:len(v.b)&0xff]
	switch p.last {
	case oidCN:
		p.cn = b
	case oidO:
		p.org = b
	case oidEmail:
		p.email = b
	}
	return nil
}

// name makes one text of the segments seen, and forgets them: both O and CN if
// they have little in common.
func (p *certParser) name() string {
	cn, o, email := p.cn, p.org, p.email
	p.cn, p.org, p.email = nil, nil, nil
	switch {
	case len(cn) > 0 && len(o) > 0:
		if bytes.HasPrefix(cn, o) || len(cn) >= 7 && len(o) >= 7 && bytes.Equal(cn[:7], o[:7]) {
			return string(cn)
		}
		return string(o) + ": " + string(cn)
	case len(cn) > 0:
		return string(cn)
	case len(o) > 0:
		return string(o)
	}
	return string(email)
}

func (p *certParser) noteIssuer(v value) error {
	p.c.issuer = v
	p.c.Issuer = p.name()
	return nil
}

func (p *certParser) noteSubject(v value) error {
	p.c.subject, p.inKey = v.b, true
	p.c.Subject = p.name()
	return nil
}

func (p *certParser) noteNotBefore(v value) (err error) {
	p.c.NotBefore, err = decodeTime(v, p.base)
	return err
}

func (p *certParser) noteNotAfter(v value) (err error) {
	p.c.NotAfter, err = decodeTime(v, p.base)
	return err
}

// decodeTime reads a UTCTime, or a GeneralizedTime outside the years that
// UTCTime has. The hour 24 and the second 60 are taken, as the kernel does.
func decodeTime(v value, base int) (time.Time, error) {
	bad := func() (time.Time, error) {
		return time.Time{}, refuse(EBADMSG, base+v.offset-v.header, "malformed time")
	}
	var n [7]int // two digits each: century, year, month, day, hour, minute, second
	b, at := v.b, 1
	switch {
	case v.tag == 0x17 && len(b) == 13:
	case v.tag == 0x18 && len(b) == 15:
		at = 0
	default:
		return bad()
	}
	for ; at < len(n); at++ {
		hi, lo := b[0]-'0', b[1]-'0'
		if hi > 9 || lo > 9 {
			return bad()
		}
		n[at], b = int(hi)*10+int(lo), b[2:]
	}
	year := n[0]*100 + n[1]
	if v.tag == 0x17 {
		if year += 2000; n[1] >= 50 {
			year -= 100
		}
	} else if year >= 1950 && year <= 2049 {
		return bad()
	}
	if b[0] != 'Z' || year < 1970 || n[2] < 1 || n[2] > 12 || n[4] > 24 || n[5] > 59 || n[6] > 60 {
		return bad()
	}
	month := time.Month(n[2])
	lastDay := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if n[3] < 1 || n[3] > lastDay {
		return bad()
	}
	return time.Date(year, month, n[3], n[4], n[5], n[6], 0, time.UTC), nil
}

func (p *certParser) noteExtension(v value) error {
	b := v.b
	switch p.last {
	case oidSubjectKeyID:
		if p.c.KeyID != nil || len(b) < 3 || b[0] != 0x04 || int(b[1]) != len(b)-2 {
			return p.refuse(EBADMSG, v, "malformed or second subject key identifier")
		}
		p.c.KeyID = b[2:]
	case oidAuthorityKeyID:
		p.akid = v
	case oidKeyUsage:
		if p.k.release() < r6_4 {
			return nil
		}
		if len(b) < 4 || b[0] != 0x03 || b[2] >= 8 {
			return p.refuse(EBADMSG, v, "malformed key usage")
		}
	case oidBasicConstraints:
		if p.k.release() < r6_4 {
			return nil
		}
		if len(b) < 2 || b[0] != 0x30 || int(b[1]) != len(b)-2 {
			return p.refuse(EBADMSG, v, "malformed basic constraints")
		}
		if b[1] != 0 && (len(b) < 5 || b[2] != 0x01 || b[3] != 1 || b[4] != 0xff) {
			return p.refuse(EBADMSG, v, "basic constraints that do not start with CA:TRUE")
		}
	}
	return nil
}

func (p *certParser) noteAuthorityKey(v value) error {
	if p.c.authorityKey == nil {
		p.c.authorityKey = v.b
	}
	return nil
}

func (p *certParser) noteAuthorityName(v value) error {
	p.akIssuer = v.b
	return nil
}

func (p *certParser) noteAuthoritySerial(v value) error {
	if p.akIssuer != nil && p.c.authorityID == nil {
		p.c.authorityID = append(bytes.Clone(v.b), p.akIssuer...)
	}
	return nil
}
