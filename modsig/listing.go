// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Listing is what /proc/keys of a running system shows of its certificates. It
// holds no key, so it can tell that a signer may be known there, and nothing about
// a signature; nor does it tell which keyring a key is in.
type Listing struct {
	keys    [][]byte // the key id, or the serial number of a certificate without one
	revoked [][]byte // those among them that only the blacklist can hold
	denied  []string // "tbs:…" and "bin:…", of the blacklist
	held    int      // by the blacklist: what is denied, and certificates
}

// maxListing is above any listing in bytes.
const maxListing = 16 << 20

// ErrNotListing is what [ReadListing] wraps.
var ErrNotListing = errors.New("not a listing of /proc/keys")

// ReadListing reads a copy of /proc/keys (security/keys/proc.c), with lines like
//
//	0f8f2ca1 I------     1 perm 1f030000     0     0 asymmetri NAME: HEX: X509.rsa 89abcdef []
//
// Keys of other types than asymmetric and blacklist are passed over, but for the
// keyring .blacklist, the line of which says how many keys it holds. The error wraps
// [ErrNotListing], or is one of r.
func ReadListing(r io.Reader) (*Listing, error) {
	in := bufio.NewScanner(io.LimitReader(r, maxListing+1))
	in.Buffer(nil, 64<<10)
	l := &Listing{}
	line, size := 0, 0
	for in.Scan() {
		line++
		size += len(in.Bytes()) + 1
		if err := l.add(string(bytes.TrimSuffix(in.Bytes(), []byte("\r")))); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrNotListing, line, err)
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: line %d is too long", ErrNotListing, line+1)
	case err != nil:
		return nil, err
	case size > maxListing:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrNotListing, maxListing)
	case line == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrNotListing)
	}
	return l, nil
}

// add reads a line: serial number in hex, flags, usage, timeout, permissions in
// hex, user, group, type (its first nine characters), description.
func (l *Listing) add(line string) error {
	rest := line
	var f [8]string
	for i := range f {
		rest = strings.TrimLeft(rest, " ")
		f[i], rest, _ = strings.Cut(rest, " ")
	}
	if !isHex(f[0], 8) || !isHex(f[4], 8) || len(f[1]) != 7 || f[7] == "" {
		return fmt.Errorf("%.60q", line)
	}
	rest = strings.TrimLeft(rest, " ")
	switch f[7] {
	case "asymmetri":
		if k, ok := parseDescription(rest); ok {
			l.keys = append(l.keys, k)
			if f[4] == revokedLater {
				l.revoked = append(l.revoked, k)
			}
		}
	case "keyring":
		if n, ok := strings.CutPrefix(strings.TrimSpace(rest), ".blacklist: "); ok {
			l.held, _ = strconv.Atoi(n) // "empty" is none
		}
	case "blacklist":
		l.denied = append(l.denied, strings.TrimSpace(rest))
	}
	return nil
}

// revokedLater are the permissions that certificates have which the kernel takes from
// the firmware's lists of revoked ones (add_key_to_revocation_list in certs/blacklist.c).
// Those of its own list have what trusted ones have.
const revokedLater = "0b010000"

func isHex(s string, n int) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == n
}

// parseDescription takes the id out of "NAME: HEX: X509.rsa 89abcdef []"; NAME may
// hold colons.
func parseDescription(s string) ([]byte, bool) {
	i := strings.LastIndex(s, ": X509.")
	if i < 0 {
		return nil, false // a key of another kind, such as one of a TPM
	}
	s = s[:i]
	id, err := hex.DecodeString(s[strings.LastIndexByte(s, ' ')+1:])
	return id, err == nil && len(id) > 0
}

// Denied are the entries of the blacklist, as [Keyring.Deny] takes them.
func (l *Listing) Denied() []string { return l.denied }

// Len is the number of keys, without those of the blacklist.
func (l *Listing) Len() int { return len(l.keys) }

// Lists reports whether a key with the id of k, or with its serial number if it has no
// id, is among the listed ones.
func (l *Listing) Lists(k *Key) bool {
	return slices.ContainsFunc(l.keys, func(id []byte) bool { return names(id, k) })
}

// Denies reports whether the blacklist names the certificate of k.
func (l *Listing) Denies(k *Key) bool {
	sum := k.TBSDigest()
	return slices.ContainsFunc(l.denied, func(d string) bool {
		first, _, _ := strings.Cut(d, " ")
		return first == "tbs:"+hex.EncodeToString(sum[:])
	})
}

// Revokes reports whether the certificate of k is revoked itself, by its id: yes, or
// maybe, because the blacklist holds certificates that look in a listing like trusted
// ones, and k is listed.
func (l *Listing) Revokes(k *Key) (yes, maybe bool) {
	is := func(id []byte) bool { return names(id, k) }
	yes = slices.ContainsFunc(l.revoked, is)
	return yes, !yes && l.held > len(l.denied)+len(l.revoked) && l.Lists(k)
}

// names reports whether an id in a listing is that of k.
func names(id []byte, k *Key) bool {
	if k.KeyID != nil {
		return bytes.Equal(k.KeyID, id)
	}
	return bytes.Equal(k.Serial.Bytes(), bytes.TrimLeft(id, "\x00"))
}

// MayKnow reports whether the key of a signer can be among the listed ones that are
// not known: by its key id. A signature that names an issuer and a serial number
// tells no key id, and a listing neither, so that any other key may be the signer's.
func (l *Listing) MayKnow(s *Signer, known []*Key) bool {
	return slices.ContainsFunc(l.keys, func(id []byte) bool {
		if s.KeyID != nil {
			return bytes.Equal(id, s.KeyID)
		}
		return !slices.ContainsFunc(known, func(k *Key) bool { return names(id, k) })
	})
}
