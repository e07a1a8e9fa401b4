// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"errors"
)

// Verify answers as the kernel's verify_pkcs7_signature does for a module: nil and
// the key that a valid signature was checked with, or a *Refusal. m must come
// from [Kernel.ParseMessage] of the same kind of kernel. Other errors are those
// of reading the payload.
//
// Several signers: one that a trusted key vouches for is enough, unknown ones are
// passed over, and a wrong signature by a known key is final.
//
// A kernel with a platform keyring that is asked after this one (a patch of some
// distributions) is told by calling Verify again with that keyring on ENOKEY.
func (r *Keyring) Verify(m *Message, p *Payload) (*Key, error) {
	if m.Content {
		return nil, refuse(EBADMSG, -1, "message that holds its content")
	}
	if m.dataType != oidData {
		return nil, refuse(EKEYREJECTED, -1, "content of a type other than data")
	}
	if m.attrs && !(m.waivable && r.kernel.WaivesAttributes) {
		return nil, refuse(EKEYREJECTED, m.infos[0].offset, "signed attributes")
	}
	if len(r.doubtful) > 0 {
		// Who is named by a key that may be there, in whatever way, is beyond
		// knowing; a wrong message is wrong nevertheless.
		v := newVerification(r, m, p)
		if err := v.signatures(); err != nil {
			return nil, err
		}
		if _, err := v.trust(r.doubtful); errnoOf(err) != ENOKEY && errnoOf(err) != ENOPKG {
			return nil, refuse(Unknown, m.infos[0].offset, "a certificate that the kernel may take or not, which is not known here, names the signer")
		}
	}
	v := newVerification(r, m, p)
	if err := v.signatures(); err != nil {
		return nil, err
	}
	if len(r.revoked) > 0 {
		if _, err := v.trust(r.revoked); err == nil {
			return nil, deny(m.infos[0].offset, "signed with a revoked key")
		}
	}
	return v.trust(r.trusted)
}

// Check is ParseMessage and Verify.
func (r *Keyring) Check(der []byte, p *Payload) (*Key, error) {
	m, err := r.kernel.ParseMessage(der)
	if err != nil {
		return nil, err
	}
	return r.Verify(m, p)
}

// verification is what the kernel writes into a message while it verifies it.
type verification struct {
	r       *Keyring
	m       *Message
	p       *Payload
	signers []signerState // by SignerInfo
	certs   []certState   // by embedded certificate
}

type signerState struct {
	sig         signature
	cert        int // embedded certificate of the signer, -1 if there is none
	unsupported bool
	blacklisted bool
}

type certState struct {
	signer         int // embedded certificate that signed it, -1 if not known
	seen, verified bool
	blacklisted    bool
}

func newVerification(r *Keyring, m *Message, p *Payload) *verification {
	v := &verification{r: r, m: m, p: p, signers: make([]signerState, len(m.infos)), certs: make([]certState, len(m.Keys))}
	for i, key := range m.Keys {
		v.certs[i] = certState{signer: -1, blacklisted: r.blacklisted(key)}
	}
	for i := range m.infos {
		v.signers[i] = signerState{sig: m.infos[i].sig, cert: -1}
	}
	return v
}

// signatures is the kernel's pkcs7_verify: digests, and what can be checked with
// the certificates of the message itself.
func (v *verification) signatures() error {
	result := ENOPKG
	for i := range v.signers {
		errno, err := v.signer(i)
		switch {
		case err != nil:
			return err
		case v.signers[i].blacklisted:
			if result == ENOPKG {
				result = EKEYREJECTED
			}
		case errno == ENOPKG:
			v.signers[i].unsupported = true
		case errno != success:
			return refuse(errno, v.m.infos[i].offset, "signature that the message's own certificate does not bear out")
		default:
			result = success
		}
	}
	switch result {
	case ENOPKG:
		return refuse(ENOPKG, v.m.infos[0].offset, "digest %s is not built in", v.m.infos[0].hash)
	case EKEYREJECTED:
		return deny(v.m.infos[0].offset, "signed with a blacklisted key")
	}
	return nil
}

// signer is the kernel's pkcs7_verify_one.
func (v *verification) signer(i int) (Errno, error) {
	info, s := &v.m.infos[i], &v.signers[i]
	if errno, err := v.digest(info, &s.sig); errno != success || err != nil {
		return errno, err
	}
	for c, key := range v.m.Keys {
		if bytes.Equal(key.id, info.id) {
			s.cert = c
			break
		}
	}
	if s.cert < 0 {
		return success, nil
	}
	key := v.m.Keys[s.cert]
	if info.seen&hasSigningTime != 0 && (info.signedAt.Before(key.NotBefore) || info.signedAt.After(key.NotAfter)) {
		return EKEYREJECTED, nil
	}
	if errno := v.r.kernel.check(&key.public, &s.sig); errno != success {
		return errno, nil
	}
	return v.chain(s), nil
}

// digest sets what the signature is over: pkcs7_digest.
func (v *verification) digest(info *signerInfo, sig *signature) (errno Errno, err error) {
	if info.attrs == nil && sig.takesData {
		sig.m, err = v.p.bytes()
		return success, err
	}
	if !v.r.kernel.has(info.hash) {
		return ENOPKG, nil
	}
	h := hashes[info.hash]
	if h == 0 {
		return Unknown, nil
	}
	sum, err := v.p.Digest(h)
	if err != nil {
		return success, err
	}
	sig.m = sum
	if info.attrs == nil {
		return success, nil
	}
	switch {
	case len(info.digest) != len(sum):
		return EBADMSG, nil
	case !bytes.Equal(info.digest, sum):
		return EKEYREJECTED, nil
	}
	if sig.m = info.attrs; !sig.takesData {
		sig.m, err = hashBytes(info.hash, info.attrs)
	}
	return success, err
}

// errnoOf is the answer in an error of this package, "" if there is none.
func errnoOf(err error) Errno {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Errno
	}
	return success
}
