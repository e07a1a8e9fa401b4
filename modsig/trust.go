// SPDX-License-Identifier: Apache-2.0

package modsig

import "bytes"

// chain is the kernel's pkcs7_verify_sig_chain: it follows the certificates of
// the message from that of a signer to their issuers, as far as they go.
func (v *verification) chain(s *signerState) Errno {
	for i := range v.certs {
		v.certs[i].seen = false
	}
	at := s.cert
	for {
		key, state := v.m.Keys[at], &v.certs[at]
		state.seen = true
		if state.blacklisted {
			s.blacklisted = true
			for p := s.cert; p != at; p = v.certs[p].signer {
				v.certs[p].blacklisted = true
			}
			return success
		}
		if key.SelfSigned {
			if !key.unsupported {
				state.signer = at
			}
			return success
		}
		next, errno := v.issuer(key)
		if errno != success || next < 0 || v.certs[next].seen {
			return errno // the top, or a loop
		}
		if errno := v.r.kernel.check(&v.m.Keys[next].public, &key.sig); errno != success {
			return errno
		}
		state.signer = next
		at = next
	}
}

// issuer finds the embedded certificate that signed key, -1 if there is none.
func (v *verification) issuer(key *Key) (int, Errno) {
	switch {
	case key.authorityID != nil:
		for i, p := range v.m.Keys {
			if !bytes.Equal(p.id, key.authorityID) {
				continue
			}
			if key.authorityKey != nil && (p.KeyID == nil || !bytes.Equal(p.KeyID, key.authorityKey)) {
				return -1, EKEYREJECTED
			}
			return i, success
		}
	case key.authorityKey != nil:
		for i, p := range v.m.Keys {
			if p.KeyID != nil && bytes.Equal(p.KeyID, key.authorityKey) {
				return i, success
			}
		}
	}
	return -1, success
}

// trust is the kernel's pkcs7_validate_trust. It returns the key of the first
// signer that it trusts.
func (v *verification) trust(ring []*Key) (*Key, error) {
	for i := range v.certs {
		v.certs[i].seen = false
	}
	result := ENOKEY
	var trusted *Key
	for i := range v.signers {
		key, errno := v.trustOne(i, ring)
		switch errno {
		case ENOKEY:
		case ENOPKG:
			if result == ENOKEY {
				result = ENOPKG
			}
		case success:
			result = success
			if trusted == nil {
				trusted = key
			}
		default:
			return nil, v.distrust(errno, i)
		}
	}
	if result != success {
		return nil, v.distrust(result, 0)
	}
	return trusted, nil
}

func (v *verification) distrust(errno Errno, i int) error {
	reason := ""
	switch errno {
	case ENOKEY:
		reason = "no trusted key of " + v.m.Signers[i].String()
	case ENOPKG:
		reason = "digest " + v.m.infos[i].hash + " is not built in"
	case EINVAL:
		reason = "signer without a name"
	case Unknown:
		reason = "signature algorithm " + v.signers[i].sig.algorithm + " is not checked here"
	default:
		reason = "wrong signature of " + v.m.Signers[i].String()
	}
	return refuse(errno, v.m.infos[i].offset, "%s", reason)
}

// trustOne is the kernel's pkcs7_validate_trust_one. The key is nil if the
// certificate of the message was verified for another signer before.
func (v *verification) trustOne(i int, ring []*Key) (*Key, Errno) {
	s := &v.signers[i]
	if s.unsupported {
		return nil, ENOPKG
	}
	sig := &s.sig
	last := -1
	for at := s.cert; at >= 0; at = v.certs[at].signer {
		state, key := &v.certs[at], v.m.Keys[at]
		if state.seen {
			if state.verified {
				return nil, v.verified(s, at)
			}
			return nil, ENOKEY
		}
		state.seen = true
		if found, errno := lookup(ring, key.id, key.KeyID); errno == success {
			return v.matched(s, at, found, sig)
		}
		if state.signer == at {
			return nil, ENOKEY
		}
		last, sig = at, &key.sig
	}
	if last >= 0 {
		key := v.m.Keys[last]
		if key.authorityID != nil || key.authorityKey != nil {
			found, errno := lookup(ring, key.authorityID, key.authorityKey)
			if errno == success {
				return v.matched(s, last, found, sig)
			}
			if errno != ENOKEY {
				return nil, errno
			}
		}
	}
	id := v.m.infos[i].id
	if id == nil {
		id = []byte{}
	}
	found, errno := lookup(ring, id, nil)
	if errno != success {
		return nil, errno
	}
	return v.matched(s, -1, found, &s.sig)
}

// matched verifies a signature with the trusted keys that were found for it.
func (v *verification) matched(s *signerState, at int, found []*Key, sig *signature) (*Key, Errno) {
	for _, key := range found {
		switch errno := v.r.kernel.check(&key.public, sig); errno {
		case success:
		case Unknown:
			return nil, Unknown
		default:
			return nil, EKEYREJECTED
		}
	}
	return found[0], v.verified(s, at)
}

func (v *verification) verified(s *signerState, at int) Errno {
	if at >= 0 {
		for p := s.cert; p != at; p = v.certs[p].signer {
			v.certs[p].verified = true
		}
		v.certs[at].verified = true
	}
	return success
}
