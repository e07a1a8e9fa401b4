// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"maps"
	"slices"
	"strings"
)

// algorithmSymbols are the switches of the algorithms that package modsig asks for,
// by the start of their names.
var algorithmSymbols = map[string]string{
	"sha1": "CRYPTO_SHA1", "sha224": "CRYPTO_SHA256", "sha256": "CRYPTO_SHA256", "sha384": "CRYPTO_SHA512", "sha512": "CRYPTO_SHA512",
	"sha3": "CRYPTO_SHA3", "md4": "CRYPTO_MD4", "md5": "CRYPTO_MD5", "streebog256": "CRYPTO_STREEBOG", "streebog512": "CRYPTO_STREEBOG",
	"sm3": "CRYPTO_SM3_GENERIC", "sm2": "CRYPTO_SM2", "rsa": "CRYPTO_RSA", "ecdsa": "CRYPTO_ECDSA", "ecrdsa": "CRYPTO_ECRDSA",
	"mldsa44": "CRYPTO_MLDSA", "mldsa65": "CRYPTO_MLDSA", "mldsa87": "CRYPTO_MLDSA",
}

// ConfigSymbol is the name, without CONFIG_, of the switch of an algorithm that
// [Kernel].Has is asked for; "" for one that is not known.
func ConfigSymbol(algorithm string) string {
	family, _, _ := strings.Cut(algorithm, "-")
	return algorithmSymbols[family]
}

// ConfigSymbols are the names of all these switches, sorted.
func ConfigSymbols() []string { return slices.Compact(slices.Sorted(maps.Values(algorithmSymbols))) }
