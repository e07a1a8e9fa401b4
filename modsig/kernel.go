// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"crypto"
	_ "crypto/md5" // the digests that a kernel may have, for crypto.Hash.New
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"encoding/asn1"
	"strconv"
	"strings"
)

// Kernel is what, beside keys, decides how a kernel answers a signature. The
// zero value is the newest kernel known here, 7.3, with every algorithm built in.
//
// The rules are those of Linux 5.14 and later. What changed since: SHA-3 came
// and MD4 and MD5 went in 6.7, P-521 came in 6.10, SM2 went in 6.11, ML-DSA came
// in 7.0.
type Kernel struct {
	Major, Minor int // 6, 12

	// Has tells whether an algorithm is built in, by the kernel's name for it:
	// "sha256", "sha3-512", "rsa", "ecdsa-nist-p384", "mldsa65". One that is a
	// module counts as absent, because loading it takes a signature check. Nil:
	// all that a kernel of that version can have are.
	Has func(algorithm string) bool

	// WaivesAttributes is CONFIG_PKCS7_WAIVE_AUTHATTRS_REJECTION_FOR_MLDSA.
	WaivesAttributes bool
}

// KernelOf is the kind of kernel that has a release such as "6.12.0-rc1", with every
// algorithm built in; the newest one for what is no release.
func KernelOf(name string) Kernel {
	var k Kernel
	k.Major, k.Minor = parseRelease(name)
	return k
}

func (k *Kernel) has(algorithm string) bool {
	return k.Has == nil || k.Has(algorithm)
}

// release is major and minor in a form that compares.
func (k *Kernel) release() int {
	if k.Major == 0 && k.Minor == 0 {
		return release(7, 3)
	}
	return release(k.Major, k.Minor)
}

func release(major, minor int) int { return major<<16 | minor&0xffff }

// object is an entry of the kernel's table of object identifiers
// (include/linux/oid_registry.h), as far as signatures need it.
type object struct {
	name         string // by which this package knows it
	dotted       string
	since, until int // releases; 0 is no limit, until is exclusive
}

// The names of objects. Those of digests are the kernel's names of the
// algorithms.
const (
	oidData              = "data"
	oidSignedDataType    = "signedData"
	oidAuthenticode      = "indirectData"
	oidContentType       = "contentType"
	oidMessageDigest     = "messageDigest"
	oidSigningTime       = "signingTime"
	oidSMIMECapabilities = "smimeCapabilities"
	oidOpusInfo          = "spOpusInfo"
	oidStatementType     = "statementType"
	oidRSA               = "rsaEncryption"
	oidECKey             = "ecPublicKey"
	oidCN                = "commonName"
	oidO                 = "organizationName"
	oidEmail             = "emailAddress"
	oidSubjectKeyID      = "subjectKeyIdentifier"
	oidAuthorityKeyID    = "authorityKeyIdentifier"
	oidKeyUsage          = "keyUsage"
	oidBasicConstraints  = "basicConstraints"
)

var (
	r6_4  = release(6, 4)
	r6_7  = release(6, 7)
	r6_10 = release(6, 10)
	r6_11 = release(6, 11)
	r7_0  = release(7, 0)
)

var objects = []object{
	{oidData, "1.2.840.113549.1.7.1", 0, 0},
	{oidSignedDataType, "1.2.840.113549.1.7.2", 0, 0},
	{oidAuthenticode, "1.3.6.1.4.1.311.2.1.4", 0, 0},
	{oidContentType, "1.2.840.113549.1.9.3", 0, 0},
	{oidMessageDigest, "1.2.840.113549.1.9.4", 0, 0},
	{oidSigningTime, "1.2.840.113549.1.9.5", 0, 0},
	{oidSMIMECapabilities, "1.2.840.113549.1.9.15", 0, 0},
	{oidStatementType, "1.3.6.1.4.1.311.2.1.11", 0, 0},
	{oidOpusInfo, "1.3.6.1.4.1.311.2.1.12", 0, 0},

	{"md4", "1.2.840.113549.2.4", 0, r6_7},
	{"md5", "1.2.840.113549.2.5", 0, r6_7},
	{"sha1", "1.3.14.3.2.26", 0, 0},
	{"sha256", "2.16.840.1.101.3.4.2.1", 0, 0},
	{"sha384", "2.16.840.1.101.3.4.2.2", 0, 0},
	{"sha512", "2.16.840.1.101.3.4.2.3", 0, 0},
	{"sha224", "2.16.840.1.101.3.4.2.4", 0, 0},
	{"sha3-256", "2.16.840.1.101.3.4.2.8", r6_7, 0},
	{"sha3-384", "2.16.840.1.101.3.4.2.9", r6_7, 0},
	{"sha3-512", "2.16.840.1.101.3.4.2.10", r6_7, 0},
	{"sm3", "1.2.156.10197.1.401", 0, 0},
	{"streebog256", "1.2.643.7.1.1.2.2", 0, 0},
	{"streebog512", "1.2.643.7.1.1.2.3", 0, 0},

	// Key algorithms, and signature algorithms of messages.
	{oidRSA, "1.2.840.113549.1.1.1", 0, 0},
	{oidECKey, "1.2.840.10045.2.1", 0, 0},
	{"ecrdsa-256", "1.2.643.7.1.1.1.1", 0, 0},
	{"ecrdsa-512", "1.2.643.7.1.1.1.2", 0, 0},
	{"mldsa44", "2.16.840.1.101.3.4.3.17", r7_0, 0},
	{"mldsa65", "2.16.840.1.101.3.4.3.18", r7_0, 0},
	{"mldsa87", "2.16.840.1.101.3.4.3.19", r7_0, 0},
	{"ecdsa-nist-p192", "1.2.840.10045.3.1.1", 0, 0},
	{"ecdsa-nist-p256", "1.2.840.10045.3.1.7", 0, 0},
	{"ecdsa-nist-p384", "1.3.132.0.34", 0, 0},
	{"ecdsa-nist-p521", "1.3.132.0.35", r6_10, 0},
	{"sm2", "1.2.156.10197.1.301", 0, r6_11},

	// Signature algorithms with their digest: "ecdsa-with-" and "rsa-with-" are
	// cut off where the digest is wanted.
	{"ecdsa-with-sha1", "1.2.840.10045.4.1", 0, 0},
	{"ecdsa-with-sha224", "1.2.840.10045.4.3.1", 0, 0},
	{"ecdsa-with-sha256", "1.2.840.10045.4.3.2", 0, 0},
	{"ecdsa-with-sha384", "1.2.840.10045.4.3.3", 0, 0},
	{"ecdsa-with-sha512", "1.2.840.10045.4.3.4", 0, 0},
	{"ecdsa-with-sha3-256", "2.16.840.1.101.3.4.3.10", r6_7, 0},
	{"ecdsa-with-sha3-384", "2.16.840.1.101.3.4.3.11", r6_7, 0},
	{"ecdsa-with-sha3-512", "2.16.840.1.101.3.4.3.12", r6_7, 0},
	{"rsa-with-md4", "1.2.840.113549.1.1.3", 0, r6_7},
	{"rsa-with-md5", "1.2.840.113549.1.1.4", 0, r6_7},
	{"rsa-with-sha1", "1.2.840.113549.1.1.5", 0, 0},
	{"rsa-with-sha256", "1.2.840.113549.1.1.11", 0, 0},
	{"rsa-with-sha384", "1.2.840.113549.1.1.12", 0, 0},
	{"rsa-with-sha512", "1.2.840.113549.1.1.13", 0, 0},
	{"rsa-with-sha224", "1.2.840.113549.1.1.14", 0, 0},
	{"rsa-with-sha3-256", "2.16.840.1.101.3.4.3.14", r6_7, 0},
	{"rsa-with-sha3-384", "2.16.840.1.101.3.4.3.15", r6_7, 0},
	{"rsa-with-sha3-512", "2.16.840.1.101.3.4.3.16", r6_7, 0},
	{"ecrdsa-with-streebog256", "1.2.643.7.1.1.3.2", 0, 0},
	{"ecrdsa-with-streebog512", "1.2.643.7.1.1.3.3", 0, 0},
	{"sm2-with-sm3", "1.2.156.10197.1.501", 0, r6_11},

	{oidCN, "2.5.4.3", 0, 0},
	{oidO, "2.5.4.10", 0, 0},
	{oidEmail, "1.2.840.113549.1.9.1", 0, 0},
	{oidSubjectKeyID, "2.5.29.14", 0, 0},
	{oidKeyUsage, "2.5.29.15", 0, 0},
	{oidBasicConstraints, "2.5.29.19", 0, 0},
	{oidAuthorityKeyID, "2.5.29.35", 0, 0},
}

// registry finds objects by the content octets of their identifier. The kernel
// compares octets, so that an identifier in non-minimal form is an unknown one.
var registry = func() map[string]*object {
	m := make(map[string]*object, len(objects))
	for i := range objects {
		der, err := asn1.Marshal(parseDotted(objects[i].dotted))
		if err != nil {
			panic("modsig: internal error: " + objects[i].dotted)
		}
		m[string(der[2:])] = &objects[i]
	}
	return m
}()

func parseDotted(s string) (oid asn1.ObjectIdentifier) {
	for _, arc := range strings.Split(s, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			panic("modsig: internal error: " + s)
		}
		oid = append(oid, n)
	}
	return oid
}

// object is the name of an object identifier, "" if this kernel has none.
func (k *Kernel) object(content []byte) string {
	o := registry[string(content)]
	if r := k.release(); o == nil || r < o.since || o.until != 0 && r >= o.until {
		return ""
	}
	return o.name
}

// hashes are the digests that can be computed here.
var hashes = map[string]crypto.Hash{
	"md5":      crypto.MD5,
	"sha1":     crypto.SHA1,
	"sha224":   crypto.SHA224,
	"sha256":   crypto.SHA256,
	"sha384":   crypto.SHA384,
	"sha512":   crypto.SHA512,
	"sha3-256": crypto.SHA3_256,
	"sha3-384": crypto.SHA3_384,
	"sha3-512": crypto.SHA3_512,
}

// digestKnown reports whether the kernel's message parser takes an object for
// a digest algorithm.
func digestKnown(name string) bool {
	switch name {
	case "md4", "sm3", "streebog256", "streebog512":
		return true
	}
	return hashes[name] != 0
}

// parseRelease takes "6.12" out of a release; 0, 0 if there is none.
func parseRelease(release string) (major, minor int) {
	first, rest, _ := strings.Cut(release, ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return 0, 0
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	minor, err = strconv.Atoi(rest[:end])
	if err != nil {
		return 0, 0
	}
	return major, minor
}
