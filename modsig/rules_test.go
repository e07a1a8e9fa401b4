// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// message of a signed file of the vectors, with its payload.
func signedFile(t testing.TB, name string) (payload, der []byte) {
	t.Helper()
	b := vector(t, name)
	n := len(b) - 40
	size := int(b[n+8])<<24 | int(b[n+9])<<16 | int(b[n+10])<<8 | int(b[n+11])
	return b[:n-size], b[n-size : n]
}

func ringOf(t testing.TB, k Kernel, names ...string) *Keyring {
	t.Helper()
	r := NewKeyring(k)
	for _, name := range names {
		if _, err := r.Add(vector(t, name+".der")); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return r
}

func answer(r *Keyring, der, payload []byte) Errno {
	_, err := r.Check(der, payloadOf(payload))
	return errnoOf(err)
}

// TestMLDSA holds the rules of Linux 7.0 and later, which no kernel of
// kernel-results.tsv could show, because they had no ML-DSA.
func TestMLDSA(t *testing.T) {
	waiver := Kernel{WaivesAttributes: true}
	for _, name := range []string{"mldsa44", "mldsa65", "mldsa87"} {
		payload, plain := signedFile(t, "signed/"+name+".noattr.signed")
		_, attrs := signedFile(t, "signed/"+name+".attrs.signed")
		strict, lax := ringOf(t, Kernel{}, name), ringOf(t, waiver, name)
		other := append([]byte{1}, payload...)
		for i, test := range []struct {
			ring         *Keyring
			der, payload []byte
			want         Errno
		}{
			{strict, plain, payload, success},
			{strict, plain, other, EKEYREJECTED},
			{strict, attrs, payload, EKEYREJECTED},
			{lax, plain, payload, success},
			{lax, attrs, payload, success},
			{lax, attrs, other, EKEYREJECTED},
			{NewKeyring(Kernel{}), plain, payload, ENOKEY},
			{NewKeyring(Kernel{}), attrs, payload, EKEYREJECTED},
			{NewKeyring(waiver), attrs, payload, ENOKEY},
			{NewKeyring(Kernel{Major: 6, Minor: 18}), plain, payload, ENOPKG},
			{NewKeyring(Kernel{Major: 6, Minor: 18}), attrs, payload, ENOPKG},
		} {
			if got := answer(test.ring, test.der, test.payload); got != test.want {
				t.Errorf("%s, %d: %q, want %q", name, i, got, test.want)
			}
		}
		// Attributes with another digest than SHA-512: refused with the key.
		sha256 := bytes.ReplaceAll(attrs, []byte{0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 3}, []byte{0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 1})
		if got := answer(lax, sha256, payload); got != EBADMSG {
			t.Errorf("%s, digest attribute of another length: %q", name, got)
		}
	}
	for name, k := range map[string]Kernel{
		"6.18":       {Major: 6, Minor: 18},
		"not there":  {Has: func(a string) bool { return !strings.HasPrefix(a, "mldsa") }},
		"no SHA-512": {Has: func(a string) bool { return a != "sha512" }},
	} {
		_, err := k.ParseKey(vector(t, "mldsa44.der"))
		if want := map[string]Errno{"6.18": ENOPKG, "not there": errNoEnt}[name]; errnoOf(err) != want {
			t.Errorf("%s: certificate: %v, want %q", name, err, want)
		}
	}
}

// TestWaiver: only ML-DSA's attributes are waived.
func TestWaiver(t *testing.T) {
	payload, der := signedFile(t, "cases/c04-signed-attrs-no-smimecap")
	if got := answer(ringOf(t, Kernel{WaivesAttributes: true}, "rsa2048"), der, payload); got != EKEYREJECTED {
		t.Errorf("%q, want %q", got, EKEYREJECTED)
	}
}

// TestMLDSASignature: no bit of a signature value can change.
func TestMLDSASignature(t *testing.T) {
	payload, der := signedFile(t, "signed/mldsa44.noattr.signed")
	ring := ringOf(t, Kernel{}, "mldsa44")
	start := len(der) - 2420
	for i := 0; i < 2420; i += 3 {
		b := bytes.Clone(der)
		b[start+i] ^= 1 << (i % 8)
		if got := answer(ring, b, payload); got != EKEYREJECTED {
			t.Errorf("byte %d of the signature: %q", i, got)
		}
	}
}

// TestVersions: algorithms come and go.
func TestVersions(t *testing.T) {
	payload, sha3 := signedFile(t, "signed/rsa2048.sha3-256.signed")
	for _, test := range []struct {
		major, minor int
		want         Errno
	}{{6, 6, ENOPKG}, {6, 7, success}, {7, 3, success}, {0, 0, success}} {
		k := Kernel{Major: test.major, Minor: test.minor}
		if got := answer(ringOf(t, k, "rsa2048"), sha3, payload); got != test.want {
			t.Errorf("SHA3-256 with Linux %d.%d: %q, want %q", test.major, test.minor, got, test.want)
		}
	}
	payload, md5 := signedFile(t, "cases/c12-digest-md5")
	for _, test := range []struct {
		k    Kernel
		want Errno
	}{
		{Kernel{Major: 6, Minor: 1}, success},
		{Kernel{Major: 6, Minor: 1, Has: func(a string) bool { return a != "md5" }}, ENOPKG},
		{Kernel{Major: 6, Minor: 7}, ENOPKG},
	} {
		if got := answer(ringOf(t, test.k, "rsa2048"), md5, payload); got != test.want {
			t.Errorf("MD5 with Linux %d.%d: %q, want %q", test.k.Major, test.k.Minor, got, test.want)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := newCertificate(t, key, nil)
	for minor, want := range map[int]Errno{9: ENOPKG, 10: success} {
		k := Kernel{Major: 6, Minor: minor}
		if _, err := k.ParseKey(cert); errnoOf(err) != want {
			t.Errorf("P-521 with Linux 6.%d: %v, want %q", minor, err, want)
		}
	}
}

// TestRSASizes: keys that the standard library refuses and the kernel takes, and
// the other way round.
func TestRSASizes(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0") // to make the keys, not to check with them
	for bits, want := range map[int]Errno{512: success, 1000: EINVAL, 1024: success, 1536: success, 2047: success, 2560: EINVAL} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		cert := newCertificate(t, key, nil)
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			t.Setenv("GODEBUG", "rsa1024min=1")
			_, err := (&Kernel{}).ParseKey(cert)
			if errnoOf(err) != want || err == nil && want != success {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

// TestUnknown: what cannot be computed here is never called valid, nor refused
// in the kernel's name.
func TestUnknown(t *testing.T) {
	payload, der := signedFile(t, "cases/a1-rsa-good")
	sha256 := []byte{0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 2, 1}
	sm3 := []byte{0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11, 0x05, 0x00} // and a NULL in part
	root := parseNodes(der)[0].clone()
	for _, n := range root.all(nil) {
		for i, k := range n.kids {
			if k.kids == nil && bytes.Equal(k.append(nil), sha256) {
				n.kids[i] = parseNodes(sm3[:10])[0]
			}
		}
	}
	changed := root.append(nil)
	all := ringOf(t, Kernel{}, "rsa2048")
	if got := answer(all, changed, payload); got != Unknown {
		t.Errorf("SM3: %q, want %q", got, Unknown)
	}
	if got := answer(ringOf(t, kernel7_2, "rsa2048"), changed, payload); got != ENOPKG {
		t.Errorf("SM3, not built in: %q, want %q", got, ENOPKG)
	}
}

func TestKeyring(t *testing.T) {
	payload, der := signedFile(t, "cases/a1-rsa-good")
	key, err := (&Kernel{}).ParseKey(vector(t, "rsa2048.der"))
	if err != nil {
		t.Fatal(err)
	}
	const description = "modhash test vectors: Throwaway module signing key: 5211a5dae3c98a99dfaa5932eb2daac9be45899e"
	if got := key.Description(); got != description || !key.SelfSigned || key.Algorithm != "rsa" {
		t.Errorf("%q, %v, %s", got, key.SelfSigned, key.Algorithm)
	}
	tbs := fmt.Sprintf("tbs:%x", key.TBSDigest())

	denied := NewKeyring(Kernel{})
	denied.Deny(tbs)
	if _, err := denied.Add(vector(t, "rsa2048.der")); errnoOf(err) != EKEYREJECTED {
		t.Errorf("blacklisted certificate: %v", err)
	}
	if got := answer(denied, der, payload); got != ENOKEY {
		t.Errorf("signed with a key that is not loaded: %q", got)
	}
	_, withCert := signedFile(t, "cases/c01-cert-included")
	if got := answer(denied, withCert, payload); got != EKEYREJECTED {
		t.Errorf("blacklisted certificate in the message: %q", got)
	}

	revoked := ringOf(t, Kernel{}, "rsa2048", "ecp384")
	if _, err := revoked.Revoke(vector(t, "rsa2048.der")); err != nil {
		t.Fatal(err)
	}
	if got := answer(revoked, der, payload); got != EKEYREJECTED {
		t.Errorf("signed with a revoked key: %q", got)
	}
	_, ec := signedFile(t, "cases/a2-ec-good")
	if got := answer(revoked, ec, payload); got != success {
		t.Errorf("signed with another than the revoked key: %q", got)
	}

	twice := ringOf(t, Kernel{}, "rsa2048", "ecp384", "rsa2048")
	if n := len(twice.Keys()); n != 2 {
		t.Errorf("%d keys, one was added twice", n)
	}
	if got, err := twice.Check(der, payloadOf(payload)); err != nil || got.Description() != description {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, {0x30}, vector(t, "rsa2048.der")[:100]} {
		if key, err := twice.Add(bad); key != nil || errnoOf(err) != EBADMSG {
			t.Errorf("%d bytes as a certificate: %v, %v", len(bad), key, err)
		}
	}
}

// TestPayload: digests that are told are used; a reader's error is not a refusal.
func TestPayload(t *testing.T) {
	payload, der := signedFile(t, "cases/a1-rsa-good")
	ring := ringOf(t, Kernel{}, "rsa2048")
	sum, err := payloadOf(payload).Digest(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	broken := iotest.ErrReader(os.ErrClosed)
	p := NewPayload(readerAt{broken}, int64(len(payload)))
	if key, err := ring.Check(der, p); !errors.Is(err, os.ErrClosed) || errnoOf(err) != success || key != nil {
		t.Errorf("%v, %v", key, err)
	}
	p.SetDigest(crypto.SHA256, sum)
	if _, err := ring.Check(der, p); err != nil {
		t.Error(err)
	}
	for _, size := range []int64{-1, int64(len(payload)) + 1} {
		p := NewPayload(bytes.NewReader(payload), size)
		if _, err := ring.Check(der, p); err == nil || !strings.Contains(err.Error(), "payload of") && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

type readerAt struct {
	r interface{ Read([]byte) (int, error) }
}

func (r readerAt) ReadAt(b []byte, _ int64) (int, error) { return r.r.Read(b) }

func TestParseMessage(t *testing.T) {
	_, der := signedFile(t, "cases/e08-8-zero-bytes-after-der")
	m, err := (&Kernel{}).ParseMessage(der)
	if err != nil || m.Extra != 8 || m.Version != 1 || len(m.Signers) != 1 || m.Content || len(m.Keys) != 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	s := m.Signers[0]
	if s.String() != "Throwaway module signing key, serial 7c8e49e3f17a4f168c6bb3f03271ca7a531854a4" ||
		s.Digest != "sha256" || s.Algorithm != "rsa" || s.Attributes || len(s.Value) != 256 {
		t.Errorf("%+v", s)
	}
	_, der = signedFile(t, "cases/c01-cert-included")
	if m, err = (&Kernel{}).ParseMessage(der); err != nil || len(m.Keys) != 1 || m.Keys[0].Subject != "modhash test vectors: Throwaway module signing key" {
		t.Errorf("%+v, %v", m, err)
	}
	long := make([]byte, 65536)
	copy(long, der)
	var r *Refusal
	if _, err = (&Kernel{}).ParseMessage(long); !errors.As(err, &r) || r.Errno != "EMSGSIZE" {
		t.Errorf("%v", err)
	}
	_, der = signedFile(t, "cases/e10-signeddata-version-2")
	if _, err = (&Kernel{}).ParseMessage(der); err == nil || err.Error() != "version of signed data other than 1 and 3 at byte 23 (EINVAL)" {
		t.Errorf("%v", err)
	}
}

// TestPredictions are the answers for the vectors that kernel-results.tsv leaves
// out, from the kernel's source: for 6.12 and for 7.2.
func TestPredictions(t *testing.T) {
	old, recent := keyring(t, kernel6_12), keyring(t, kernel7_2)
	for name, want := range map[string][2]Errno{
		"cases/b1-unknown-key":               {ENOKEY, ENOKEY},
		"cases/c04-signed-attrs-no-smimecap": {EKEYREJECTED, EKEYREJECTED},
		"cases/c11-pkcs7-null-params":        {},
		"cases/c14-digest-sha512-256":        {ENOPKG, ENOPKG},
		"cases/c15-digest-ripemd160":         {ENOPKG, ENOPKG},
		"cases/d10-siglen-minus-1":           {EBADMSG, EBADMSG},
		"cases/d11-siglen-little-endian":     {EBADMSG, EBADMSG},
		"cases/d2x-idtype-000":               {ENOPKG, ENOPKG},
		"cases/d2x-idtype-001":               {ENOPKG, ENOPKG},
		"cases/d34-keyidlen-1":               {EBADMSG, EBADMSG},
		"cases/d41-marker-without-newline":   {"ENODATA", "ENODATA"},
		"cases/e06-der-garbage":              {EBADMSG, EBADMSG},
		"cases/e07-der-outer-length-too-big": {EBADMSG, EBADMSG},
		"cases/e08-8-zero-bytes-after-der":   {},
		"cases/e11-signerinfo-version-3":     {EBADMSG, EBADMSG},
		"cases/e17-serial-changed":           {ENOKEY, ENOKEY},
		"cases/f1-inner-unknown-outer-known": {},
		"signed/ecp384.sha512.keyid.signed":  {},
		"signed/mldsa44.noattr.signed":       {ENOPKG, ENOKEY},
		"signed/mldsa87.noattr.signed":       {ENOPKG, ENOKEY},
	} {
		b := vector(t, name)
		if got := [2]Errno{signatureCheck(old, b), signatureCheck(recent, b)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
