// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto"
	_ "crypto/sha1" // for crypto.Hash
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"strings"
)

// hashes are the digests of signatures that kernels verify, by the kernel's
// names, as in CONFIG_MODULE_SIG_HASH.
var hashes = []struct {
	name string
	hash crypto.Hash
}{
	{"sha1", crypto.SHA1}, {"sha224", crypto.SHA224}, {"sha256", crypto.SHA256}, {"sha384", crypto.SHA384}, {"sha512", crypto.SHA512},
	{"sha3-256", crypto.SHA3_256}, {"sha3-384", crypto.SHA3_384}, {"sha3-512", crypto.SHA3_512},
}

// HashNames are the names that [ParseHash] takes.
func HashNames() []string {
	var names []string
	for _, h := range hashes {
		names = append(names, h.name)
	}
	return names
}

// ParseHash returns the digest of a name: one of the kernel's, or as OpenSSL
// writes it, in capitals, as SHA2-256 or RSA-SHA256. It is false for what no
// kernel verifies, MD5 and SM3 among it.
func ParseHash(name string) (crypto.Hash, bool) {
	name = strings.TrimPrefix(strings.ToLower(name), "rsa-")
	if bits, ok := strings.CutPrefix(name, "sha2-"); ok {
		name = "sha" + bits
	}
	for _, h := range hashes {
		if h.name == name || strings.Replace(h.name, "sha", "sha-", 1) == name {
			return h.hash, true
		}
	}
	return 0, false
}

// HashName is the kernel's name of a digest, "" if it has none.
func HashName(h crypto.Hash) string {
	for _, known := range hashes {
		if known.hash == h {
			return known.name
		}
	}
	return ""
}
