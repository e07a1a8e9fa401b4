// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"slices"

	"github.com/modhash/modhash/modsig"
)

// maxRead is above the length that the kernel's decoder takes, from which on the
// answer is always the same.
const maxRead = 64 << 10

// checkSignature asks package modsig, with every keyring that the kernel may have.
func (a *authenticator) checkSignature() ([]Errno, error) {
	if len(a.k.Keyrings) == 0 {
		a.step("signature", []Errno{unknown}, "the keys that the kernel trusts are not known")
		return []Errno{unknown}, nil
	}
	der := make([]byte, min(a.signature, maxRead))
	if n, err := a.r.ReadAt(der, a.payload); n < len(der) {
		return nil, err
	}
	var errnos []Errno
	var texts []string
	payload := modsig.NewPayload(a.r, a.payload)
	for _, ring := range a.k.Keyrings {
		e, text, err := a.verify(ring, der, payload)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(errnos, e) {
			errnos, texts = append(errnos, e), append(texts, text)
		}
	}
	text := texts[0]
	if len(texts) > 1 {
		text += "; or, depending on which algorithms are built in, " + texts[1]
	}
	if a.k.Revokes != No && slices.Contains(errnos, success) {
		text += "; unless the key is revoked: which are, in the firmware's dbx for one, is not known"
		if !slices.Contains(errnos, modsig.EKEYREJECTED) {
			errnos = append(errnos, modsig.EKEYREJECTED)
		}
	}
	a.step("signature", errnos, "%s", text)
	return errnos, nil
}

// verify is the answer of one keyring. A listing of keys can only say that the
// kernel may know the signer, which makes an answer that it does not unknown.
func (a *authenticator) verify(ring *modsig.Keyring, der []byte, p *modsig.Payload) (Errno, string, error) {
	key, err := ring.Check(der, p)
	if err == nil {
		return success, fmt.Sprintf("valid, by %s", key), nil
	}
	var r *modsig.Refusal
	if !errors.As(err, &r) {
		return "", "", err
	}
	if r.Errno == modsig.ENOKEY && a.k.Listing != nil {
		m, err := ring.Kernel().ParseMessage(der)
		if err != nil {
			return r.Errno, r.Error(), nil
		}
		for i := range m.Signers {
			if a.k.Listing.MayKnow(&m.Signers[i], ring.Keys()) {
				return unknown, fmt.Sprintf("the key of %s may be one that the running system lists; without its certificate the signature cannot be checked", &m.Signers[i]), nil
			}
		}
	}
	return r.Errno, r.Error(), nil
}
