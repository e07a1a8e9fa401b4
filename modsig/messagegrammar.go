// SPDX-License-Identifier: Apache-2.0

package modsig

type messageStep = step[*messageParser]

// messageGrammar is the kernel's crypto/asymmetric_keys/pkcs7.asn1: RFC 5652,
// and RFC 2315 where they differ.
var messageGrammar = []messageStep{
	{op: opSequence, tag: tagSequence, body: []messageStep{
		{op: opLeaf, tag: tagOID, act: (*messageParser).noteOID},
		{op: opAct, act: (*messageParser).checkType},
		{op: opSequence, tag: contextOf + 0, skip: true, jump: true, body: []messageStep{
			{op: opSequence, tag: tagSequence, body: signedDataGrammar},
		}},
	}},
}

var signedDataGrammar = []messageStep{
	{op: opLeaf, tag: tagInteger, act: (*messageParser).noteVersion},
	{op: opRepeat, tag: tagSet, skip: true, jump: true, body: digestsGrammar},
	{op: opRepeat, tag: tagSequence, skip: true, cond: true, jump: true, body: digestsGrammar},
	{op: opNeed},
	{op: opSequence, tag: tagSequence, body: []messageStep{
		{op: opLeaf, tag: tagOID, act: (*messageParser).noteOID},
		{op: opSequence, tag: contextOf + 0, skip: true, jump: true, body: []messageStep{
			{op: opAny, act: (*messageParser).noteContent},
		}},
	}},
	{op: opAct, act: (*messageParser).noteContentType},
	// Certificates, as a set or a sequence. In a set, the extended certificates
	// of PKCS #6 are an alternative that never comes to be tried.
	{op: opRepeat, tag: contextOf + 0, skip: true, jump: true, body: []messageStep{
		{op: opAny, skip: true, act: (*messageParser).noteCertificate},
		{op: opAny, skip: true, cond: true, act: (*messageParser).noteCertificate},
		{op: opNeed},
	}},
	{op: opRepeat, tag: contextOf + 2, skip: true, cond: true, jump: true, body: []messageStep{
		{op: opAny, act: (*messageParser).noteCertificate},
	}},
	{op: opRepeat, tag: contextOf + 1, skip: true, jump: true, body: revocationsGrammar},
	{op: opRepeat, tag: contextOf + 3, skip: true, cond: true, jump: true, body: revocationsGrammar},
	{op: opRepeat, tag: tagSet, skip: true, jump: true, body: signersGrammar},
	{op: opRepeat, tag: tagSequence, skip: true, cond: true, jump: true, body: signersGrammar},
	{op: opNeed},
}

var digestsGrammar = []messageStep{
	{op: opSequence, tag: tagSequence, jump: true, body: messageAlgorithmGrammar},
}

var messageAlgorithmGrammar = []messageStep{
	{op: opLeaf, tag: tagOID, act: (*messageParser).noteOID},
	{op: opAny, skip: true}, // parameters, not looked at
}

// revocationsGrammar takes a revocation list for a sequence of certificates, so
// that a real one is refused.
var revocationsGrammar = []messageStep{
	{op: opRepeat, tag: tagSequence, jump: true, body: []messageStep{
		{op: opAny, act: (*messageParser).noteRevocation},
	}},
}

var signersGrammar = []messageStep{
	{op: opSequence, tag: tagSequence, jump: true, body: signerGrammar, act: (*messageParser).noteSigner},
}

var signerGrammar = []messageStep{
	{op: opLeaf, tag: tagInteger, act: (*messageParser).noteSignerVersion},
	{op: opSequence, tag: tagSequence, skip: true, jump: true, body: []messageStep{
		{op: opRepeat, tag: tagSequence, body: []messageStep{
			{op: opRepeat, tag: tagSet, body: []messageStep{
				{op: opSequence, tag: tagSequence, body: []messageStep{
					{op: opLeaf, tag: tagOID, act: (*messageParser).noteOID},
					{op: opAny},
				}},
			}},
		}},
		{op: opAct, act: (*messageParser).noteIssuer},
		{op: opLeaf, tag: tagInteger},
		{op: opAct, act: (*messageParser).noteSerial},
	}},
	{op: opLeaf, tag: context + 0, skip: true, cond: true, act: (*messageParser).noteSKID},
	{op: opNeed},
	{op: opSequence, tag: tagSequence, jump: true, body: messageAlgorithmGrammar},
	{op: opAct, act: (*messageParser).noteDigest},
	{op: opRepeat, tag: contextOf + 0, skip: true, jump: true, body: attributesGrammar},
	{op: opMaybe, act: (*messageParser).noteAttributes},
	{op: opSequence, tag: contextOf + 2, skip: true, cond: true, jump: true, body: []messageStep{
		{op: opRepeat, tag: tagSequence, body: attributesGrammar},
	}},
	{op: opSequence, tag: tagSequence, body: messageAlgorithmGrammar},
	{op: opAct, act: (*messageParser).noteAlgorithm},
	{op: opLeaf, tag: tagOctetString, act: (*messageParser).noteSignature},
	{op: opRepeat, tag: contextOf + 1, skip: true, jump: true, body: unsignedGrammar},
	{op: opRepeat, tag: contextOf + 3, skip: true, cond: true, jump: true, body: unsignedGrammar},
}

var attributesGrammar = []messageStep{
	{op: opSequence, tag: tagSequence, jump: true, body: []messageStep{
		{op: opLeaf, tag: tagOID, act: (*messageParser).noteOID},
		{op: opRepeat, tag: tagSet, body: []messageStep{
			{op: opAny, act: (*messageParser).noteAttribute},
		}},
	}},
}

var unsignedGrammar = []messageStep{
	{op: opSequence, tag: tagSequence, jump: true, body: []messageStep{
		{op: opLeaf, tag: tagOID},
		{op: opRepeat, tag: tagSet, body: []messageStep{{op: opAny}}},
	}},
}
