// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"encoding/hex"
)

// Keyring is what a kernel checks signatures against: the keys that it trusts and
// the ones it denies. Once filled, it may be used concurrently.
type Keyring struct {
	kernel  Kernel
	trusted []*Key
	revoked []*Key
	// doubtful are those that the kernel may have among either.
	doubtful []*Key
	denied   map[string]bool
}

// NewKeyring returns an empty keyring of a kernel of the given kind.
func NewKeyring(k Kernel) *Keyring {
	return &Keyring{kernel: k, denied: map[string]bool{}}
}

// Kernel returns the kind of kernel that r is of.
func (r *Keyring) Kernel() *Kernel { return &r.kernel }

// Keys returns the trusted keys, in the order they were added.
func (r *Keyring) Keys() []*Key { return append([]*Key(nil), r.trusted...) }

// Add makes a key of the DER certificate and trusts it, as the kernel does with
// its built-in certificates. A *Refusal says why the kernel would not take it;
// it goes on without that one. With [Unknown] it may take it or not, and what it names
// a signer of is [Unknown] too. A key with the description of an earlier one
// takes its place.
func (r *Keyring) Add(der []byte) (*Key, error) {
	return r.add(&r.trusted, der)
}

// Revoke makes a key of the DER certificate and denies what is signed with it.
// The kernel needs CONFIG_SYSTEM_REVOCATION_LIST for that.
func (r *Keyring) Revoke(der []byte) (*Key, error) {
	return r.add(&r.revoked, der)
}

// Deny adds a hash to the blacklist. The kernel's form for a certificate is "tbs:"
// and the SHA-256 of what its issuer signed, in lower-case hex. Keys that are
// already in the ring stay.
func (r *Keyring) Deny(description string) { r.denied[description] = true }

func (r *Keyring) add(ring *[]*Key, der []byte) (*Key, error) {
	key, err := r.kernel.readKey(der, 0)
	if errnoOf(err) == Unknown {
		r.doubtful = append(r.doubtful, key)
	}
	if err != nil {
		return nil, err
	}
	if r.blacklisted(key) {
		return nil, deny(0, "blacklisted certificate")
	}
	for i, old := range *ring {
		if old.Description() == key.Description() {
			(*ring)[i] = key
			return key, nil
		}
	}
	*ring = append(*ring, key)
	return key, nil
}

// blacklisted looks a certificate up by the digest that its own signature is over
// and, as the kernel does since 7.0, by SHA-256. A kernel before that looks only
// at the former; looking at both errs towards refusal.
func (r *Keyring) blacklisted(key *Key) bool {
	if len(r.denied) == 0 {
		return false
	}
	sum := key.TBSDigest()
	return r.denied["tbs:"+hex.EncodeToString(sum[:])] ||
		!key.sig.takesData && r.denied["tbs:"+hex.EncodeToString(key.sig.m)]
}

// lookup is the kernel's find_asymmetric_key: the keys that have id, or else id2,
// as one of their first two ids. With both, their key id must be id2. Where
// several keys share an id, the kernel takes one of them, which one depends on
// the shape of its tree; the caller must be content with all of them.
func lookup(ring []*Key, id, id2 []byte) ([]*Key, Errno) {
	want := id
	if want == nil {
		want = id2
	}
	if len(want) == 0 {
		return nil, EINVAL
	}
	var found []*Key
	for _, key := range ring {
		if !bytes.Equal(key.id, want) && !bytes.Equal(key.KeyID, want) {
			continue
		}
		if id != nil && id2 != nil && !bytes.Equal(key.KeyID, id2) {
			return nil, EKEYREJECTED
		}
		found = append(found, key)
	}
	if found == nil {
		return nil, ENOKEY
	}
	return found, success
}
