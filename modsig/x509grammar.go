// SPDX-License-Identifier: Apache-2.0

package modsig

// Tags of the grammars. The constructed bit stands where the kernel's grammar
// has a constructed type.
const (
	tagBoolean         = 0x01
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
	tagSet             = 0x31
	context            = 0x80 // primitive, with the number added
	contextOf          = 0xa0 // constructed, with the number added
)

type certStep = step[*certParser]

// certificateGrammar is the kernel's crypto/asymmetric_keys/x509.asn1, which
// follows RFC 5280, section 4.1.
var certificateGrammar = []certStep{
	{op: opSequence, tag: tagSequence, body: []certStep{
		{op: opSequence, tag: tagSequence, body: tbsGrammar},
		{op: opAct, act: (*certParser).noteTBS},
		{op: opSequence, tag: tagSequence, jump: true, body: algorithmGrammar},
		{op: opLeaf, tag: tagBitString, act: (*certParser).noteSignature},
	}},
}

var tbsGrammar = []certStep{
	{op: opSequence, tag: contextOf + 0, skip: true, jump: true, body: []certStep{
		{op: opLeaf, tag: tagInteger}, // version, not looked at
	}},
	{op: opLeaf, tag: tagInteger},
	{op: opAct, act: (*certParser).noteSerial},
	{op: opSequence, tag: tagSequence, jump: true, body: algorithmGrammar},
	{op: opAct, act: (*certParser).noteSignatureAlgorithm},
	{op: opRepeat, tag: tagSequence, jump: true, body: nameGrammar},
	{op: opAct, act: (*certParser).noteIssuer},
	{op: opSequence, tag: tagSequence, body: []certStep{
		{op: opLeaf, tag: tagUTCTime, skip: true},
		{op: opLeaf, tag: tagGeneralizedTime, skip: true, cond: true},
		{op: opNeed},
		{op: opAct, act: (*certParser).noteNotBefore},
		{op: opLeaf, tag: tagUTCTime, skip: true},
		{op: opLeaf, tag: tagGeneralizedTime, skip: true, cond: true},
		{op: opNeed},
		{op: opAct, act: (*certParser).noteNotAfter},
	}},
	{op: opRepeat, tag: tagSequence, jump: true, body: nameGrammar},
	{op: opAct, act: (*certParser).noteSubject},
	{op: opSequence, tag: tagSequence, body: []certStep{
		{op: opSequence, tag: tagSequence, jump: true, body: algorithmGrammar},
		{op: opLeaf, tag: tagBitString, act: (*certParser).noteKey},
	}},
	{op: opLeaf, tag: context + 1, skip: true}, // unique identifiers
	{op: opLeaf, tag: context + 2, skip: true},
	{op: opSequence, tag: contextOf + 3, skip: true, jump: true, body: []certStep{
		{op: opRepeat, tag: tagSequence, body: []certStep{
			{op: opSequence, tag: tagSequence, body: []certStep{
				{op: opLeaf, tag: tagOID, act: (*certParser).noteOID},
				{op: opLeaf, tag: tagBoolean, skip: true}, // critical
				{op: opLeaf, tag: tagOctetString, act: (*certParser).noteExtension},
			}},
		}},
	}},
}

var algorithmGrammar = []certStep{
	{op: opLeaf, tag: tagOID, act: (*certParser).noteOID},
	{op: opAny, skip: true, act: (*certParser).noteParams},
}

var nameGrammar = []certStep{
	{op: opRepeat, tag: tagSet, body: []certStep{
		{op: opSequence, tag: tagSequence, body: []certStep{
			{op: opLeaf, tag: tagOID, act: (*certParser).noteOID},
			{op: opAny, act: (*certParser).noteNameSegment},
		}},
	}},
}

// authorityGrammar is the kernel's x509_akid.asn1: RFC 5280, section 4.2.1.1.
var authorityGrammar = []certStep{
	{op: opSequence, tag: tagSequence, body: []certStep{
		{op: opLeaf, tag: context + 0, skip: true, act: (*certParser).noteAuthorityKey},
		{op: opRepeat, tag: contextOf + 1, skip: true, jump: true, body: generalNameGrammar},
		{op: opLeaf, tag: context + 2, skip: true, act: (*certParser).noteAuthoritySerial},
	}},
}

var generalNameGrammar = []certStep{
	{op: opSequence, tag: contextOf + 0, skip: true, jump: true, body: []certStep{
		{op: opLeaf, tag: tagOID},
		{op: opSequence, tag: contextOf + 0, body: []certStep{{op: opAny}}},
	}},
	{op: opLeaf, tag: context + 1, skip: true, cond: true},
	{op: opLeaf, tag: context + 2, skip: true, cond: true},
	{op: opSequence, tag: contextOf + 3, skip: true, cond: true, jump: true, body: []certStep{{op: opAny}}},
	{op: opSequence, tag: contextOf + 4, skip: true, cond: true, jump: true, body: []certStep{
		{op: opRepeat, tag: tagSequence, body: nameGrammar},
		{op: opAct, act: (*certParser).noteAuthorityName},
	}},
	{op: opSequence, tag: contextOf + 5, skip: true, cond: true, jump: true, body: []certStep{
		{op: opSequence, tag: contextOf + 0, skip: true, jump: true, body: []certStep{{op: opAny}}},
		{op: opSequence, tag: contextOf + 1, body: []certStep{{op: opAny}}},
	}},
	{op: opLeaf, tag: context + 6, skip: true, cond: true},
	{op: opLeaf, tag: context + 7, skip: true, cond: true},
	{op: opLeaf, tag: context + 8, skip: true, cond: true},
	{op: opNeed},
}
