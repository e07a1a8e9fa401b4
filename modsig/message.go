// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"math/big"
	"strings"
	"time"
)

// Message is a CMS SignedData message (RFC 5652) as a kernel reads it.
type Message struct {
	Version int // 1 or 3
	Signers []Signer
	Keys    []*Key // of the certificates in the message
	Content bool   // the message holds its content; it must not
	Extra   int    // bytes behind the message, which a kernel ignores

	dataType string
	infos    []signerInfo
	attrs    bool // signed attributes
	waivable bool
}

// signerInfo is what a kernel keeps of a SignerInfo.
type signerInfo struct {
	offset   int
	sig      signature
	hash     string // of the payload; sig.hash may be "none" instead
	id       []byte // serial number and issuer, contents only, or key id
	attrs    []byte // signed attributes as they are digested, nil if none
	digest   []byte // message digest attribute
	seen     attributeSet
	signedAt time.Time
}

// attributeSet says which signed attributes were there.
type attributeSet uint8

const (
	hasContentType attributeSet = 1 << iota
	hasSigningTime
	hasMessageDigest
	hasSMIMECapabilities
	hasOpusInfo
	hasStatementType
)

// ParseMessage reads the message that der starts with. It takes what a kernel's parser takes
// and answers, with a *Refusal, what that answers. Bytes after the message are
// counted and ignored. The message shares the memory of der.
func (k *Kernel) ParseMessage(der []byte) (*Message, error) {
	p := &messageParser{k: k, in: der, m: &Message{}}
	n, err := decode(messageGrammar, p, der, 0)
	if err != nil {
		return nil, err
	}
	m := p.m
	m.Extra = len(der) - n
	if err := m.checkAttributes(); err != nil {
		return nil, err
	}
	return m, nil
}

// checkAttributes is the kernel's pkcs7_check_authattrs: every signer has signed
// attributes, or none has. Without them, ML-DSA takes the payload itself.
func (m *Message) checkAttributes() error {
	if len(m.infos) == 0 {
		return refuse(EINVAL, -1, "message without a signer")
	}
	m.attrs = m.infos[0].attrs != nil
	m.waivable = m.attrs && strings.HasPrefix(m.infos[0].sig.algorithm, "mldsa")
	for i := range m.infos {
		si := &m.infos[i]
		if (si.attrs != nil) != m.attrs {
			return refuse(EINVAL, si.offset, "signed attributes of some signers only")
		}
		if !m.attrs && si.sig.takesData {
			si.sig.hash = "none"
		}
	}
	return nil
}

// messageParser is the state that the actions of the message grammar share, as
// in the kernel's crypto/asymmetric_keys/pkcs7_parser.c. What one SignerInfo
// leaves in issuer, serial and skid is still there for the next one.
type messageParser struct {
	k    *Kernel
	in   []byte
	m    *Message
	last string // name of the last object identifier
	dot  []byte // its content

	si                   signerInfo
	bySKID               bool
	issuer, serial, skid value
}

func (p *messageParser) refuse(e Errno, v value, reason string) error {
	return refuse(e, v.offset-v.header, "%s", reason)
}

func (p *messageParser) noteOID(v value) error {
	p.last, p.dot = p.k.object(v.b), v.b
	return nil
}

func (p *messageParser) checkType(v value) error {
	if p.last != oidSignedDataType {
		return p.refuse(EINVAL, v, "content type other than signed data")
	}
	return nil
}

func (p *messageParser) noteVersion(v value) error {
	if len(v.b) != 1 || v.b[0] != 1 && v.b[0] != 3 {
		return p.refuse(EINVAL, v, "version of signed data other than 1 and 3")
	}
	p.m.Version = int(v.b[0])
	return nil
}

func (p *messageParser) noteContentType(v value) error {
	if p.last != oidData && p.last != oidAuthenticode {
		return p.refuse(EINVAL, v, "unknown type of content")
	}
	p.m.dataType = p.last
	return nil
}

func (p *messageParser) noteContent(v value) error {
	p.m.Content = true
	return nil
}

// noteCertificate also gets what the grammar takes for certificates in a list
// of revocations; the kernel forgets those once they were parsed.
func (p *messageParser) noteCertificate(v value) error {
	if v.tag != tagSequence {
		return p.refuse(EBADMSG, v, "certificate that is not a sequence")
	}
	key, err := p.k.parseKey(v.element(p.in), v.offset-v.header)
	if err != nil {
		return err
	}
	p.m.Keys = append(p.m.Keys, key)
	return nil
}

func (p *messageParser) noteRevocation(v value) error {
	n := len(p.m.Keys)
	err := p.noteCertificate(v)
	p.m.Keys = p.m.Keys[:n]
	return err
}

func (p *messageParser) noteSignerVersion(v value) error {
	p.si.offset = v.offset - v.header
	switch {
	case len(v.b) != 1 || v.b[0] != 1 && v.b[0] != 3:
		return p.refuse(EINVAL, v, "version of a signer other than 1 and 3")
	case (v.b[0] == 1) != (p.m.Version == 1):
		return p.refuse(EBADMSG, v, "versions of signed data and signer that do not agree")
	}
	p.bySKID = v.b[0] == 3
	return nil
}

func (p *messageParser) noteIssuer(v value) error { p.issuer = v; return nil }
func (p *messageParser) noteSerial(v value) error { p.serial = v; return nil }
func (p *messageParser) noteSKID(v value) error   { p.skid = v; return nil }

func (p *messageParser) noteDigest(v value) error {
	if !digestKnown(p.last) {
		return p.refuse(ENOPKG, v, "unknown digest algorithm "+dotted(p.dot))
	}
	p.si.hash, p.si.sig.hash = p.last, p.last
	return nil
}

func (p *messageParser) noteAlgorithm(v value) error {
	var ok bool
	p.si.sig.algorithm, p.si.sig.takesData, ok = messageSignature(p.last)
	if !ok {
		return p.refuse(ENOPKG, v, "unknown signature algorithm "+dotted(p.dot))
	}
	return nil
}

func (p *messageParser) noteSignature(v value) error {
	p.si.sig.s = v.b
	return nil
}

// noteSigner ends a SignerInfo. Its version, not what it holds, decides how the
// signer is named.
func (p *messageParser) noteSigner(v value) error {
	if p.m.dataType == oidAuthenticode && p.si.attrs == nil {
		return p.refuse(EBADMSG, v, "Authenticode signer without signed attributes")
	}
	si := p.si
	shown := Signer{
		Digest:     si.hash,
		Algorithm:  si.sig.algorithm,
		Attributes: si.seen != 0,
		Value:      si.sig.s,
	}
	if p.bySKID {
		si.id = p.skid.b
		shown.KeyID = bytes.Clone(p.skid.b)
		if shown.KeyID == nil {
			shown.KeyID = []byte{}
		}
	} else {
		si.id = append(bytes.Clone(p.serial.b), p.issuer.b...)
		shown.Serial = new(big.Int).SetBytes(p.serial.b)
		if p.issuer.b != nil {
			shown.Issuer, _ = issuerName(p.issuer.element(p.in))
		}
	}
	p.m.infos = append(p.m.infos, si)
	p.m.Signers = append(p.m.Signers, shown)
	p.si = signerInfo{}
	return nil
}
