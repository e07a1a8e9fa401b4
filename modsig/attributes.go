// SPDX-License-Identifier: Apache-2.0

package modsig

import "bytes"

// noteAttribute sees every value of every signed attribute. The kernel takes at
// most one of a kind that it knows, and ignores the others.
func (p *messageParser) noteAttribute(v value) error {
	var bit attributeSet
	switch p.last {
	case oidContentType:
		bit = hasContentType
	case oidSigningTime:
		bit = hasSigningTime
	case oidMessageDigest:
		bit = hasMessageDigest
	case oidSMIMECapabilities:
		bit = hasSMIMECapabilities
	case oidOpusInfo:
		bit = hasOpusInfo
	case oidStatementType:
		bit = hasStatementType
	default:
		return nil
	}
	if p.si.seen&bit != 0 {
		return p.refuse(EKEYREJECTED, v, "signed attribute with several values")
	}
	p.si.seen |= bit
	switch bit {
	case hasContentType:
		if name := p.k.object(v.b); name != p.m.dataType {
			return p.refuse(EBADMSG, v, "signed content type that is not that of the content")
		}
	case hasSigningTime:
		t, err := decodeTime(v, 0)
		if err != nil {
			return err
		}
		p.si.signedAt = t
	case hasMessageDigest:
		if v.tag != tagOctetString {
			return p.refuse(EBADMSG, v, "signed message digest that is not an octet string")
		}
		p.si.digest = v.b
	default:
		if p.m.dataType != oidAuthenticode {
			return p.refuse(EKEYREJECTED, v, "signed attribute that only Authenticode has")
		}
	}
	return nil
}

// noteAttributes ends the [0] form of the signed attributes, the only one that
// the signature then covers. What is digested has the tag of a set instead.
func (p *messageParser) noteAttributes(v value) error {
	const need = hasContentType | hasMessageDigest
	if p.si.seen&need != need {
		return p.refuse(EBADMSG, v, "signed attributes without content type or message digest")
	}
	if p.m.dataType != oidAuthenticode && p.si.seen&hasOpusInfo != 0 {
		return p.refuse(EBADMSG, v, "signed attribute that only Authenticode has")
	}
	p.si.attrs = bytes.Clone(v.element(p.in))
	p.si.attrs[0] = tagSet
	return nil
}
