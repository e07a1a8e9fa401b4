// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/image"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/certlist"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
	"github.com/modhash/modhash/testdata/keys"
)

func certificate(t *testing.T, text []byte) certlist.Certificate {
	t.Helper()
	b, _ := pem.Decode(text)
	c := certlist.ParseOne(b.Bytes)
	if c.Err != nil {
		t.Fatal(c.Err)
	}
	return c
}

func signer(t *testing.T, key, cert []byte) *ko.Key {
	t.Helper()
	k, err := ko.ParseKey(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// checkBytes answers for one module; nil if it is none.
func checkBytes(t *testing.T, op *kmod.Opener, r *modsig.Keyring, l *modsig.Listing, b []byte) *Signature {
	t.Helper()
	m, err := op.Open(bytes.NewReader(b), int64(len(b)))
	var fe *kmod.FormatError
	if errors.As(err, &fe) {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	x := &Signature{}
	if err := x.check(r, l, modsig.NewPayload(m.Payload(), m.Trailer.Payload), m); err != nil {
		t.Fatal(err)
	}
	if (x.Kind == "") != (x.Errno == "") || (x.Kind == "") != (x.Key != nil) {
		t.Fatalf("%+v", x)
	}
	return x
}

// TestEveryBit flips each bit of a signed module, and cuts it off at each byte. What is
// valid then has the payload and the signature that it had: the flip was in what a
// kernel passes over.
func TestEveryBit(t *testing.T) {
	payload := ko.Module{Name: "x", Text: ko.Code("x", 64)}.Bytes()
	signed := signer(t, keys.AKey, keys.ACert).Sign(payload)
	ring, _ := (&Keys{Trusted: []certlist.Certificate{certificate(t, keys.ACert)}}).ring(modsig.Kernel{}, nil)
	op := kmod.NewOpener(nil)
	defer op.Close()
	good := checkBytes(t, op, ring, nil, signed)
	if good == nil || good.Kind != "" {
		t.Fatalf("%+v", good)
	}
	msg, err := (&modsig.Kernel{}).ParseMessage(signed[len(payload) : len(signed)-trailer.BlockSize-len(trailer.Marker)])
	if err != nil {
		t.Fatal(err)
	}
	value := msg.Signers[0].Value
	at := bytes.Index(signed, value)
	if len(value) != 256 || at < len(payload) {
		t.Fatalf("%d bytes at %d", len(value), at)
	}
	passed := 0
	b := bytes.Clone(signed)
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			x := checkBytes(t, op, ring, nil, b)
			b[i] ^= 1 << bit
			if x == nil || x.Kind != "" {
				continue
			}
			passed++
			if i < len(payload) || i >= at && i < at+len(value) || i >= len(signed)-trailer.BlockSize-len(trailer.Marker) {
				t.Fatalf("valid with bit %d of byte %d of %d changed", bit, i, len(b))
			}
		}
		if x := checkBytes(t, op, ring, nil, signed[:i]); x != nil && x.Kind == "" {
			t.Fatalf("valid with %d of %d bytes", i, len(signed))
		}
	}
	if most := 8 * 20; passed > most {
		t.Errorf("%d flips passed over, at most %d are in what a kernel does not compare", passed, most)
	}
}

// TestEveryBitOfCertificate: what is valid by a certificate in which a bit was flipped
// is so by the same public key.
func TestEveryBitOfCertificate(t *testing.T) {
	signed := signer(t, keys.AKey, keys.ACert).Sign(ko.Module{Name: "x", Text: ko.Code("x", 64)}.Bytes())
	good := certificate(t, keys.ACert)
	parsed, err := x509.ParseCertificate(good.Raw)
	if err != nil {
		t.Fatal(err)
	}
	modulus := parsed.PublicKey.(*rsa.PublicKey).N.Bytes()
	op := kmod.NewOpener(nil)
	defer op.Close()
	for i := range good.Raw {
		for bit := range 8 {
			raw := bytes.Clone(good.Raw)
			raw[i] ^= 1 << bit
			c := certlist.ParseOne(raw)
			ring, _ := (&Keys{Trusted: []certlist.Certificate{c}}).ring(modsig.Kernel{}, nil)
			if x := checkBytes(t, op, ring, nil, signed); x.Kind == "" && !bytes.Contains(raw, modulus) {
				t.Fatalf("valid with bit %d of byte %d of the certificate changed", bit, i)
			}
		}
	}
}

// TestSignatureKinds: each kind of wrong, in the kernel's terms.
func TestSignatureKinds(t *testing.T) {
	a, b := signer(t, keys.AKey, keys.ACert), signer(t, keys.BKey, keys.BCert)
	payload := ko.Module{Name: "x", Text: ko.Code("x", 64)}.Bytes()
	signed := a.Sign(payload)
	message := signed[len(payload) : len(signed)-trailer.BlockSize-len(trailer.Marker)]
	wrap := func(typ trailer.Type, sig []byte) []byte { return trailer.Append(bytes.Clone(payload), sig, typ) }
	flip := func(i int) []byte {
		out := bytes.Clone(signed)
		out[i] ^= 1
		return out
	}
	listing, err := modsig.ReadListing(strings.NewReader(fmt.Sprintf(
		"0f8f2ca1 I------     1 perm 1f030000     0     0 asymmetri X: %x: X509.rsa 00 []\n", certificate(t, keys.BCert).KeyID)))
	if err != nil {
		t.Fatal(err)
	}
	own := certificate(t, keys.ACert)
	for name, tt := range map[string]struct {
		file  []byte
		keys  Keys
		kind  Kind
		errno modsig.Errno
	}{
		"good":               {signed, Keys{Trusted: []certlist.Certificate{own}}, "", ""},
		"one of two":         {signed, Keys{Trusted: []certlist.Certificate{certificate(t, keys.BCert), own}}, "", ""},
		"without a key":      {signed, Keys{}, UnknownKey, modsig.ENOKEY},
		"by another key":     {b.Sign(payload), Keys{Trusted: []certlist.Certificate{own}}, UnknownKey, modsig.ENOKEY},
		"revoked":            {signed, Keys{Trusted: []certlist.Certificate{own}, Revoked: []certlist.Certificate{own}}, RevokedKey, modsig.EKEYREJECTED},
		"listed":             {b.Sign(payload), Keys{Trusted: []certlist.Certificate{own}, Listing: listing}, Unchecked, modsig.Unknown},
		"listed and trusted": {signed, Keys{Trusted: []certlist.Certificate{own}, Listing: listing}, "", ""},
		"listed but wrong":   {flip(70), Keys{Trusted: []certlist.Certificate{own}, Listing: listing}, BadSignature, modsig.EKEYREJECTED},
		"unsigned":           {payload, Keys{Trusted: []certlist.Certificate{own}}, Unsigned, "ENODATA"},
		"junk":               {append(bytes.Clone(signed), '\n'), Keys{Trusted: []certlist.Certificate{own}}, Unsigned, "ENODATA"},
		"block":              {flip(len(signed) - 40), Keys{Trusted: []certlist.Certificate{own}}, BadSignature, modsig.EBADMSG},
		"payload":            {flip(70), Keys{Trusted: []certlist.Certificate{own}}, BadSignature, modsig.EKEYREJECTED},
		"no message":         {wrap(trailer.PKCS7, []byte("none at all")), Keys{Trusted: []certlist.Certificate{own}}, BadSignature, modsig.EBADMSG},
		"too long":           {wrap(trailer.PKCS7, append(bytes.Clone(message), make([]byte, 80<<10)...)), Keys{Trusted: []certlist.Certificate{own}}, BadSignature, "EMSGSIZE"},
		"bytes behind":       {wrap(trailer.PKCS7, append(bytes.Clone(message), 1, 2, 3)), Keys{Trusted: []certlist.Certificate{own}}, "", ""},
		"proof":              {wrap(trailer.Merkle, make([]byte, 36)), Keys{Trusted: []certlist.Certificate{own}}, Unsigned, modsig.ENOPKG},
	} {
		ring, _ := tt.keys.ring(modsig.Kernel{}, nil)
		op := kmod.NewOpener(nil)
		x := checkBytes(t, op, ring, tt.keys.Listing, tt.file)
		op.Close()
		if x == nil || x.Kind != tt.kind || x.Errno != tt.errno || (name == "bytes behind") != (x.Extra == 3) {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

// TestAlgorithms: every signature that the kernel's own tools made is valid by its key
// and no other, and what a kernel of that release does not know is said.
func TestAlgorithms(t *testing.T) {
	vectors := "../../testdata/vectors/signing/"
	payload, err := os.ReadFile(vectors + "payload.bin")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(vectors + "signed/*.signed")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := trailer.Split(bytes.NewReader(data), int64(len(data)))
		if err != nil || tr.State != trailer.Valid || tr.Payload != int64(len(payload)) {
			t.Fatalf("%s: %+v, %v", file, tr, err)
		}
		family, _, _ := strings.Cut(filepath.Base(file), ".")
		der, err := os.ReadFile(vectors + family + ".der")
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []modsig.Kernel{{}, modsig.KernelOf("6.6.1")} {
			ring, notes := (&Keys{Trusted: []certlist.Certificate{certlist.ParseOne(der)}}).ring(kind, nil)
			msg, err := kind.ParseMessage(data[tr.Payload : len(data)-trailer.BlockSize-len(trailer.Marker)])
			if err == nil {
				_, err = ring.Verify(msg, modsig.NewPayload(bytes.NewReader(data), tr.Payload))
			}
			old := kind.Major == 6
			unknown := old && (strings.Contains(file, "sha3-") || family[0] == 'm')
			attrs := strings.Contains(file, "attrs") // waived by no configuration here
			if (err == nil) != (!unknown && !attrs) || (len(notes) > 0) != (old && family[0] == 'm') {
				t.Errorf("%s, Linux %d.%d: %v, notes %v", file, kind.Major, kind.Minor, err, notes)
			}
		}
	}
}

// TestSameName: of two certificates with one name and key id a kernel knows the last.
func TestSameName(t *testing.T) {
	a, b := certificate(t, keys.ACert), certificate(t, keys.BCert)
	img := &Kernel{Image: &image.Image{Trusted: &image.CertificateList{Certificates: []certlist.Certificate{b, a}, Size: 1}}}
	ring, _ := (&Keys{Trusted: []certlist.Certificate{a, b}}).ring(modsig.Kernel{}, img)
	if k := ring.Keys(); len(k) != 2 || !bytes.Equal(k[0].Raw, b.Raw) {
		t.Error("not in the order of the image")
	}
	ring, notes := (&Keys{Trusted: []certlist.Certificate{a, b, a}}).ring(modsig.Kernel{}, nil)
	if len(ring.Keys()) != 2 || len(notes) != 0 {
		t.Errorf("given twice: %v", notes)
	}
	if _, notes := (&Keys{Trusted: []certlist.Certificate{{Raw: []byte{0x30, 0}}}}).ring(modsig.Kernel{}, nil); len(notes) != 1 {
		t.Errorf("no certificate: %v", notes)
	}
}

// TestStrayCertificate: without symbols, a certificate outside of the list of trusted
// ones may be revoked, and with them it is known not to be.
func TestStrayCertificate(t *testing.T) {
	a, b := certificate(t, keys.ACert), certificate(t, keys.BCert)
	for name, c := range map[string]struct {
		kernel vmlinux.Kernel
		valid  int
	}{
		"symbols":               {vmlinux.Kernel{Certs: [][]byte{a.Raw, b.Raw}}, 2},
		"no symbols":            {vmlinux.Kernel{Certs: [][]byte{a.Raw, b.Raw}, Stripped: true}, 2},
		"revoked":               {vmlinux.Kernel{Certs: [][]byte{a.Raw}, Revoked: [][]byte{b.Raw}, Stripped: true}, 1},
		"trusted and revoked":   {vmlinux.Kernel{Certs: [][]byte{a.Raw, b.Raw}, Revoked: [][]byte{b.Raw}, Stripped: true}, 1},
		"revoked, with symbols": {vmlinux.Kernel{Certs: [][]byte{a.Raw, b.Raw}, Revoked: [][]byte{b.Raw}}, 1},
	} {
		elf := c.kernel.ELF()
		img, err := image.Open(t.Context(), bytes.NewReader(elf), int64(len(elf)), nil)
		if err != nil {
			t.Fatal(err)
		}
		ring, notes := (&Keys{Trusted: []certlist.Certificate{a, b}}).ring(modsig.Kernel{}, &Kernel{Image: img})
		valid := 0
		for _, k := range []*ko.Key{signer(t, keys.AKey, keys.ACert), signer(t, keys.BKey, keys.BCert)} {
			if checkBytes(t, kmod.NewOpener(nil), ring, nil, k.Sign(ko.Module{Name: "x"}.Bytes())).Kind == "" {
				valid++
			}
		}
		if valid != c.valid || c.kernel.Stripped && len(notes) != 2-valid {
			t.Errorf("%s: %d valid, %+v", name, valid, notes)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAllowlist(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	l, err := ParseAllowlist(strings.NewReader(AllowlistHeader + "\n\n# why\nupdates/a.ko  a reason, with  blanks\nextra/b b.ko  sha256:" + digest + "  another\n"))
	if err != nil {
		t.Fatal(err)
	}
	if e := l.Entries(); len(e) != 2 || e[0] != (AllowEntry{4, "updates/a.ko", nil, "a reason, with  blanks"}) || e[1].Name != "extra/b b.ko" || e[1].Payload.String() != digest || e[1].Reason != "another" || e[1].Line != 5 {
		t.Errorf("%+v", e)
	}
	if l, err := ParseAllowlist(strings.NewReader(AllowlistHeader + "\n")); err != nil || len(l.Entries()) != 0 {
		t.Errorf("without an entry: %v", err)
	}
	for text, line := range map[string]int{
		"":                                                                  1,
		"\n":                                                                1,
		AllowlistHeader:                                                     1,
		AllowlistHeader + " \n":                                             1,
		"\ufeff" + AllowlistHeader:                                          1,
		AllowlistHeader + "\r\n":                                            1,
		"# modhash unsigned v2\n":                                           1,
		AllowlistHeader + "\na.ko":                                          2,
		AllowlistHeader + "\na.ko  why":                                     2,
		AllowlistHeader + "\na.ko\n":                                        2,
		AllowlistHeader + "\na.ko why\n":                                    2,
		AllowlistHeader + "\na.ko\twhy\n":                                   2,
		AllowlistHeader + "\na.ko  why\r\n":                                 2,
		AllowlistHeader + "\na.ko   why\n":                                  2,
		AllowlistHeader + "\na.ko  \n":                                      2,
		AllowlistHeader + "\na.ko  why \n":                                  2,
		AllowlistHeader + "\n a.ko  why\n":                                  2,
		AllowlistHeader + "\n/a.ko  why\n":                                  2,
		AllowlistHeader + "\n../a.ko  why\n":                                2,
		AllowlistHeader + "\nb/../a.ko  why\n":                              2,
		AllowlistHeader + "\n./a.ko  why\n":                                 2,
		AllowlistHeader + "\na.ko.xz  why\n":                                2,
		AllowlistHeader + "\n.ko  why\n":                                    2,
		AllowlistHeader + "\nupdates  why\n":                                2,
		AllowlistHeader + "\n*  why\n":                                      2,
		AllowlistHeader + "\na.ko  wh\x1by\n":                               2,
		AllowlistHeader + "\na.ko  wh\xffy\n":                               2,
		AllowlistHeader + "\na.ko  sha256:ab  why\n":                        2,
		AllowlistHeader + "\na.ko  sha256:" + digest + "\n":                 2,
		AllowlistHeader + "\na.ko  sha256:" + digest + " why\n":             2,
		AllowlistHeader + "\na.ko  sha256:" + "AB" + digest[2:] + "  why\n": 2,
		AllowlistHeader + "\na.ko  why\n\na.ko  why\n":                      4,
		AllowlistHeader + "\n# " + strings.Repeat("x", 5000) + "\n":         2,
	} {
		l, err := ParseAllowlist(strings.NewReader(text))
		var ae *AllowlistError
		if l != nil || !errors.As(err, &ae) || ae.Line != line {
			t.Errorf("%.60q: %v", text, err)
		}
	}
}

func FuzzAllowlist(f *testing.F) {
	f.Add([]byte(AllowlistHeader + "\nupdates/a.ko  why\n"))
	f.Add([]byte(AllowlistHeader + "\n# x\n\nb.ko  sha256:" + strings.Repeat("ab", 32) + "  why\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseAllowlist(bytes.NewReader(b))
		if (l == nil) == (err == nil) {
			t.Fatal(l, err)
		}
		if err != nil {
			return
		}
		// What was read makes the same list again.
		text := AllowlistHeader + "\n"
		for _, e := range l.Entries() {
			text += e.Name + "  "
			if e.Payload != nil {
				text += "sha256:" + e.Payload.String() + "  "
			}
			text += e.Reason + "\n"
		}
		again, err := ParseAllowlist(strings.NewReader(text))
		if err != nil || len(again.Entries()) != len(l.Entries()) {
			t.Fatalf("%q: %v", text, err)
		}
		for i, e := range again.Entries() {
			if o := l.Entries()[i]; e.Name != o.Name || e.Reason != o.Reason || (e.Payload == nil) != (o.Payload == nil) {
				t.Fatalf("%+v, was %+v", e, o)
			}
		}
	})
}

// TestConfigured: what the kernel has not built in, it does not check.
func TestConfigured(t *testing.T) {
	names, files, root := proven(3)
	dir := writeTree(t, names, files)
	updates := filepath.Join(dir, "lib/modules", testRelease, "updates")
	if err := os.Mkdir(updates, 0o755); err != nil {
		t.Fatal(err)
	}
	signed := signer(t, keys.AKey, keys.ACert).Sign(ko.Module{Name: "x", Release: testRelease}.Bytes())
	if err := os.WriteFile(filepath.Join(updates, "x.ko"), signed, 0o644); err != nil {
		t.Fatal(err)
	}
	for config, want := range map[string]string{
		"": "",
		"CONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_SHA256=y\n": "",
		"CONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_SHA256=m\n": "unknown-algorithm: updates/x.ko: ENOPKG",
		"CONFIG_CRYPTO_RSA=y\n":                         "unknown-algorithm: updates/x.ko: ENOPKG",
		"CONFIG_CRYPTO_SHA256=y\n":                      "unknown-key: updates/x.ko: ENOKEY",
	} {
		k := merkleKernel(root)
		if config != "" {
			k.Image.Config = []byte(config)
		}
		r, got := check(t, dir, Against{Kernel: k, Keys: &Keys{Trusted: []certlist.Certificate{certificate(t, keys.ACert)}}}, nil)
		if !strings.Contains(got, want) || (r.Failed() == 0) != (want == "") {
			t.Errorf("%q:\n%s%+v", config, got, r.Notes)
		}
	}
}
