// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/modhash/modhash/kbuild/compare"
	"github.com/modhash/modhash/kbuild/internal/units"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/trailer"
)

const (
	docRepro   = "Documentation/kbuild/reproducible-builds.rst"
	docSigning = "Documentation/admin-guide/module-signing.rst"
)

var (
	signatureKey = compare.Cause{ID: "signature.key", Class: compare.Root, Local: true, Title: "signature by another key",
		Mend: "use hashes instead of signatures, or sign with one key outside of the build (CONFIG_MODULE_SIG_ALL off)", Doc: docRepro}
	signatureAlgorithm = compare.Cause{ID: "signature.algorithm", Class: compare.Root, Local: true, Title: "signature by another algorithm",
		Mend: "the same CONFIG_MODULE_SIG_KEY_TYPE_…", Doc: docSigning}
	signatureHash = compare.Cause{ID: "signature.hash", Class: compare.Root, Local: true, Title: "signature over another digest",
		Mend: "the same CONFIG_MODULE_SIG_SHA…", Doc: docSigning}
	signatureForm = compare.Cause{ID: "signature.form", Class: compare.Root, Local: true, Title: "signature of another form (attributes, how the signer is named)",
		Mend: "the same sign-file and OpenSSL, with the same options", Doc: docSigning}
	signatureNonce = compare.Cause{ID: "signature.nonce", Class: compare.Root, Local: true, Title: "another signature by the same key (random nonce or signing time)",
		Mend: "RSA, or a signer that makes deterministic signatures", Doc: "RFC 6979"}
	signatureValue = compare.Cause{ID: "signature.value", Class: compare.Unverified, Local: true, Title: "signature by the same key over a payload that differs"}
	signedOnce     = compare.Cause{ID: "signature.presence", Class: compare.Root, Local: true, Title: "signed on one side only",
		Mend: "sign on both sides, once, after stripping; or not at all", Doc: docSigning}
	signedTwice = compare.Cause{ID: "signature.stacked", Class: compare.Root, Local: true, Title: "another number of trailers, one upon another",
		Mend: "sign once", Doc: docSigning}
	trailerKind = compare.Cause{ID: "trailer.kind", Class: compare.Root, Local: true, Title: "trailers of different kinds",
		Mend: "signatures or proofs on both sides", Doc: docSigning}
	trailerSize = compare.Cause{ID: "trailer.size", Class: compare.Derived, Local: true, Title: "length of the signature in the trailer"}
	proofBytes  = compare.Cause{ID: "proof", Class: compare.Unverified, Local: true, Title: "proof of another hashset: a module of the build differs"}
)

var trailerCauses = []*compare.Cause{
	&signatureKey, &signatureAlgorithm, &signatureHash, &signatureForm, &signatureNonce, &signatureValue, &signedOnce, &signedTwice,
	&trailerKind, &trailerSize, &proofBytes,
}

// trailers explains what follows the payload, if it is well-formed.
func trailers(p *pair) {
	p.each(p.Unit, func(x *place) {
		if x.block.Kind != units.Trailer {
			return
		}
		i := x.block.Ordinal
		if x.block.A.Len == 0 || x.block.B.Len == 0 {
			p.oneTrailer(x, i)
			return
		}
		la, lb := &p.A.Layers[i], &p.B.Layers[i]
		switch {
		case la.Block.Type != lb.Block.Type:
			p.claim(x, &trailerKind, "", la.Block.Type.String(), lb.Block.Type.String())
		case x.unit().Name == "block":
			p.claim(x, &trailerSize, "", "", "") // its other fields are fixed, or the trailer would be none
		case la.Block.Type == trailer.Merkle:
			p.claim(x, &proofBytes, "", "", "")
		case x.unit().Name == "signature" && la.Block.Type == trailer.PKCS7:
			p.signature(x, la.Signature, lb.Signature)
		case x.unit().Name == "signer", x.unit().Name == "key id":
			p.claim(x, &signatureKey, "legacy", "", "")
		}
	}, units.Part, units.Bytes)
}

// oneTrailer is for a trailer that one side lacks.
func (p *pair) oneTrailer(x *place, i int) {
	has := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}
	c := &signedOnce
	if i > 0 {
		c = &signedTwice
	}
	p.claim(x, c, "", has(x.block.A.Len > 0), has(x.block.B.Len > 0))
}

// signature compares two CMS messages. Bytes that belong to none of what a
// message holds, and a deterministic signature of one key over one payload that
// is another all the same, are not explained.
func (p *pair) signature(x *place, da, db []byte) {
	k := &modsig.Kernel{}
	ma, errA := k.ParseMessage(da)
	mb, errB := k.ParseMessage(db)
	if errA != nil || errB != nil || len(ma.Signers) != 1 || len(mb.Signers) != 1 || ma.Extra+mb.Extra > 0 || ma.Content || mb.Content || len(ma.Keys)+len(mb.Keys) > 0 {
		return
	}
	a, b := &ma.Signers[0], &mb.Signers[0]
	switch {
	case (a.KeyID == nil) != (b.KeyID == nil):
		p.claim(x, &signatureForm, "", a.String(), b.String())
	case a.String() != b.String() || a.Hex() != b.Hex():
		p.claim(x, &signatureKey, "", a.String(), b.String())
	case a.Algorithm != b.Algorithm:
		p.claim(x, &signatureAlgorithm, a.String(), a.Algorithm, b.Algorithm)
	case a.Digest != b.Digest:
		p.claim(x, &signatureHash, a.String(), a.Digest, b.Digest)
	case a.Attributes != b.Attributes || ma.Version != mb.Version:
		p.claim(x, &signatureForm, a.String(), "", "")
	case !p.PayloadEqual:
		p.claim(x, &signatureValue, a.String(), "", "")
	case a.Algorithm != "rsa" || a.Attributes:
		p.claim(x, &signatureNonce, a.String(), "", "")
	}
}
