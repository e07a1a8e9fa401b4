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
	oid  string
	hash crypto.Hash
}{
	{"sha1", "1.3.14.3.2.26", crypto.SHA1},
	{"sha224", "2.16.840.1.101.3.4.2.4", crypto.SHA224},
	{"sha256", "2.16.840.1.101.3.4.2.1", crypto.SHA256},
	{"sha384", "2.16.840.1.101.3.4.2.2", crypto.SHA384},
	{"sha512", "2.16.840.1.101.3.4.2.3", crypto.SHA512},
	{"sha3-256", "2.16.840.1.101.3.4.2.8", crypto.SHA3_256},
	{"sha3-384", "2.16.840.1.101.3.4.2.9", crypto.SHA3_384},
	{"sha3-512", "2.16.840.1.101.3.4.2.10", crypto.SHA3_512},
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
// writes it, in capitals, as SHA2-256, RSA-SHA256 or sha256WithRSAEncryption, or its
// object identifier in dotted form. It is false for others, among them what current
// kernels do not verify, such as MD5 and SM3.
func ParseHash(name string) (crypto.Hash, bool) {
	name = strings.ToLower(name)
	switch name {
	case "ssl3-sha1", "rsa-sha1-2", "sha1withrsa": // OpenSSL's other names of SHA-1
		name = "sha1"
	}
	name = strings.TrimPrefix(name, "rsa-")
	name = strings.TrimSuffix(name, "withrsaencryption")
	if bits, ok := strings.CutPrefix(name, "sha2-"); ok {
		name = "sha" + bits
	}
	for _, h := range hashes {
		if h.name == name || h.oid == name || strings.Replace(h.name, "sha", "sha-", 1) == name {
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
