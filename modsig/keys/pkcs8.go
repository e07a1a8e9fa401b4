// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // OpenSSL's default until version 1.1
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // PBKDF2's default
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"
	"golang.org/x/crypto/scrypt"
)

// Limits on what deriving a key may cost. OpenSSL writes 2,048 iterations, other
// tools up to a million; scrypt by RFC 7914 needs 128·N·r bytes.
const (
	maxIterations   = 50_000_000
	maxScryptMemory = 1 << 30
)

// The object identifiers of RFC 8018, RFC 7914 and NIST.
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
)

// parsePKCS8 reads a key that is not encrypted. OpenSSL writes ML-DSA keys as
// both the seed and what is derived from it, which the library does not take.
func parsePKCS8(der []byte) (any, error) {
	var key struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	var both struct{ Seed, Expanded []byte }
	if unmarshal(der, &key) == nil && unmarshal(key.Data, &both) == nil {
		params, ok := mldsaParameters[key.Algorithm.Algorithm.String()]
		if ok && len(key.Algorithm.Parameters.FullBytes) == 0 {
			// That the seed is the right one shows in the public key, which is
			// compared with the certificate's.
			return mldsa.NewPrivateKey(params(), both.Seed)
		}
	}
	return mldsax509.ParsePKCS8PrivateKey(der)
}

// mldsaParameters are those of RFC 9881, by identifier.
var mldsaParameters = map[string]func() mldsa.Parameters{
	"2.16.840.1.101.3.4.3.17": mldsa.MLDSA44,
	"2.16.840.1.101.3.4.3.18": mldsa.MLDSA65,
	"2.16.840.1.101.3.4.3.19": mldsa.MLDSA87,
}

// ciphers are what PBES2 encrypts with, by identifier.
var ciphers = map[string]struct {
	size int // of the key, in bytes
	new  func([]byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// prfs are the hashes of PBKDF2's HMAC, by identifier.
var prfs = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// encryptedKey is an EncryptedPrivateKeyInfo of RFC 5958 that was understood.
type encryptedKey struct {
	derive func(pin []byte, size int) ([]byte, error)
	size   int
	new    func([]byte) (cipher.Block, error)
	iv     []byte
	data   []byte
}

// parseEncrypted reads everything that needs no PIN, so that a file that cannot
// be read does not cost the user one.
func parseEncrypted(der []byte) (*encryptedKey, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if err := unmarshal(der, &info); err != nil {
		return nil, err
	}
	if !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, fmt.Errorf("it is encrypted in a way that is not known here (%v); openssl pkcs8 -topk8 writes PBES2", info.Algorithm.Algorithm)
	}
	var params struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	if err := unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	c, ok := ciphers[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("it is encrypted with a cipher that is not known here (%v)", params.Cipher.Algorithm)
	}
	e := &encryptedKey{size: c.size, new: c.new, data: info.Data}
	if err := unmarshal(params.Cipher.Parameters.FullBytes, &e.iv); err != nil {
		return nil, err
	}
	var err error
	switch {
	case params.KDF.Algorithm.Equal(oidPBKDF2):
		e.derive, err = pbkdf2Of(params.KDF.Parameters.FullBytes, c.size)
	case params.KDF.Algorithm.Equal(oidScrypt):
		e.derive, err = scryptOf(params.KDF.Parameters.FullBytes, c.size)
	default:
		err = fmt.Errorf("its PIN is hashed in a way that is not known here (%v)", params.KDF.Algorithm)
	}
	return e, err
}

func unmarshal(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes behind the end", len(rest))
	}
	return err
}

func pbkdf2Of(der []byte, size int) (func([]byte, int) ([]byte, error), error) {
	var p struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	if err := unmarshal(der, &p); err != nil {
		return nil, err
	}
	newHash := sha1.New // the default of RFC 8018
	if p.PRF.Algorithm != nil {
		newHash = prfs[p.PRF.Algorithm.String()]
	}
	switch {
	case newHash == nil:
		return nil, fmt.Errorf("PBKDF2 with a function that is not known here (%v)", p.PRF.Algorithm)
	case p.Iterations < 1 || p.Iterations > maxIterations:
		return nil, fmt.Errorf("PBKDF2 with %d iterations", p.Iterations)
	case p.KeyLength != 0 && p.KeyLength != size:
		return nil, fmt.Errorf("PBKDF2 to %d bytes for a key of %d", p.KeyLength, size)
	}
	return func(pin []byte, size int) ([]byte, error) {
		return pbkdf2Key(newHash, pin, p.Salt, p.Iterations, size)
	}, nil
}

// pbkdf2Key is PBKDF2 of RFC 8018 without the PIN in a string, which could not be
// overwritten; a key of three hashes' length at most is needed.
func pbkdf2Key(newHash func() hash.Hash, pin, salt []byte, iterations, size int) ([]byte, error) {
	mac := hmac.New(newHash, pin)
	var key []byte
	for block := byte(1); len(key) < size; block++ {
		mac.Reset()
		mac.Write(salt)
		mac.Write([]byte{0, 0, 0, block})
		u := mac.Sum(nil)
		t := append([]byte(nil), u...)
		for range iterations - 1 {
			mac.Reset()
			mac.Write(u)
			u = mac.Sum(u[:0])
			for i := range t {
				t[i] ^= u[i]
			}
		}
		key = append(key, t...)
	}
	return key[:size], nil
}

func scryptOf(der []byte, size int) (func([]byte, int) ([]byte, error), error) {
	var p struct {
		Salt      []byte
		N, R, P   int
		KeyLength int `asn1:"optional"`
	}
	if err := unmarshal(der, &p); err != nil {
		return nil, err
	}
	// Each factor is limited before they are multiplied.
	const most = 1 << 24
	if p.N < 2 || p.N > most || p.R < 1 || p.R > most || p.P < 1 || p.P > 256 || 128*int64(p.N)*int64(p.R) > maxScryptMemory {
		return nil, fmt.Errorf("scrypt with N %d, r %d and p %d", p.N, p.R, p.P)
	}
	if p.KeyLength != 0 && p.KeyLength != size {
		return nil, fmt.Errorf("scrypt to %d bytes for a key of %d", p.KeyLength, size)
	}
	return func(pin []byte, size int) ([]byte, error) { return scrypt.Key(pin, p.Salt, p.N, p.R, p.P, size) }, nil
}

// decrypt returns the PKCS #8 key. A wrong PIN is [ErrPIN].
func (e *encryptedKey) decrypt(pin []byte) ([]byte, error) {
	key, err := e.derive(pin, e.size)
	if err != nil {
		return nil, errors.New("hashing the PIN failed")
	}
	defer clear(key)
	block, err := e.new(key)
	if err != nil {
		return nil, errors.New("the cipher refuses its key")
	}
	n := block.BlockSize()
	if len(e.iv) != n || len(e.data) == 0 || len(e.data)%n != 0 {
		return nil, fmt.Errorf("%d encrypted bytes and %d of start value for a cipher with blocks of %d", len(e.data), len(e.iv), n)
	}
	plain := make([]byte, len(e.data))
	cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(plain, e.data)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > n {
		return nil, ErrPIN
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, ErrPIN
		}
	}
	return plain[:len(plain)-pad], nil
}
