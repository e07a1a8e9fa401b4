// SPDX-License-Identifier: Apache-2.0

package modsig

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	stdx509 "crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"os"
	"sort"
	"testing"
	"time"
)

// messageNodes is a message of the vectors or of testdata/chain as values, with
// its SignedData's fields.
func messageNodes(t testing.TB, name string) (root *node, data *node) {
	t.Helper()
	var der []byte
	if b, err := os.ReadFile("testdata/chain/" + name + ".p7s"); err == nil {
		der = b
	} else {
		_, der = signedFile(t, "cases/"+name)
	}
	root = parseNodes(der)[0].clone()
	return root, root.kids[1].kids[0]
}

// signers is the set of SignerInfos.
func signers(data *node) *node { return data.kids[len(data.kids)-1] }

// directed are messages that lead to one rule each, with the answer of a kernel
// that trusts rsa2048, ecp384 and testdata/chain/ca.der. The answers were compared
// with those of the kernel's own code, as all of [TestOracle].
func directed(t testing.TB) []struct {
	name string
	der  []byte
	want Errno
} {
	type list = []struct {
		name string
		der  []byte
		want Errno
	}
	var out list
	add := func(name string, root *node, want Errno) {
		out = append(out, list{{name, root.append(nil), want}}...)
	}
	file := func(name string, want Errno) {
		root, _ := messageNodes(t, name)
		add(name, root, want)
	}
	file("loop", ENOKEY)
	file("wrong-authority-key", EKEYREJECTED)
	file("self-other-authority", ENOKEY)
	file("self-half-authority", EKEYREJECTED)
	file("leaf-only", ENOKEY)
	file("leaf-inter", success)
	file("leaf-inter-keyid", ENOKEY) // the kernel finds no certificate by key id
	file("byname", success)
	file("other-self-signed", ENOKEY)

	for name, want := range map[string]Errno{"c01-cert-included": success, "c02-unknown-cert-included": ENOKEY} {
		root, data := messageNodes(t, name)
		s := signers(data)
		s.kids = append(s.kids, s.kids[0].clone())
		add(name+" with its signer twice", root, want)
	}
	{
		root, data := messageNodes(t, "a1-rsa-good")
		_, other := messageNodes(t, "c04-signed-attrs-no-smimecap")
		s := signers(data)
		s.kids = append(s.kids, signers(other).kids[0])
		add("attributes of the second signer", root, EINVAL)
	}
	{
		root, data := messageNodes(t, "c01-cert-included")
		at := len(data.kids) - 1
		data.kids[at-1].kids = nil
		data.kids[at-1].leaf = nil
		add("no certificates, but their set", root, success)
	}
	{
		root, data := messageNodes(t, "a1-rsa-good")
		s := signers(data)
		s.kids, s.leaf = nil, nil
		add("no signers, but their set", root, EBADMSG)
	}
	for pad, want := range map[int]Errno{49: success, 50: EKEYREJECTED} {
		root, data := messageNodes(t, "a2-ec-good")
		value := signers(data).kids[0].kids[4]
		pair := parseNodes(value.leaf)[0].clone()
		for _, n := range pair.kids {
			n.leaf = append(make([]byte, pad-len(n.leaf)), n.leaf...)
		}
		value.leaf = pair.append(nil)
		add(fmt.Sprint("r and s of length ", pad), root, want)
	}
	for name, algorithm := range map[string][]byte{
		"a1-rsa-good": {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2},
		"a2-ec-good":  {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1},
	} {
		root, data := messageNodes(t, name)
		signers(data).kids[0].kids[3].kids[0].leaf = algorithm
		add(name+" as another algorithm", root, EKEYREJECTED)
	}
	for when, want := range map[string]Errno{"22000101000000Z": EKEYREJECTED, "20990101000000Z": success} {
		root := parseNodes(sequenceOfAttributes(t, "c01-cert-included"))[0].clone()
		for _, n := range root.all(nil) {
			if n.tag == tagUTCTime && len(n.leaf) == 13 && len(root.kids) > 0 && !inCertificate(root, n) {
				n.tag, n.leaf = tagGeneralizedTime, []byte(when)
			}
		}
		add("signed at "+when, root, want)
	}
	out = append(out, directedCertificates(t)...)
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name }) // maps have no order
	return out
}

// inCertificate reports whether n is in the message's certificates.
func inCertificate(root, n *node) bool {
	data := root.kids[1].kids[0]
	for _, c := range data.kids[3].all(nil) {
		if c == n {
			return true
		}
	}
	return false
}

func directedCertificates(t testing.TB) (out []struct {
	name string
	der  []byte
	want Errno
}) {
	for name, change := range map[string]func(tbs []*node){
		"time of the wrong type": func(tbs []*node) {
			*tbs[4].kids[0] = node{tag: tagGeneralizedTime, leaf: []byte("20200101000000Z")}
		},
		"thirtieth of February": func(tbs []*node) { tbs[4].kids[0].leaf = []byte("260230000000Z") },
		"no time":               func(tbs []*node) { *tbs[4] = node{tag: tagSequence} },
		"curve in the wrong place": func(tbs []*node) {
			tbs[2].kids = append(tbs[2].kids, tbs[6].kids[0].kids[1])
			tbs[6].kids[0].kids = tbs[6].kids[0].kids[:1]
		},
		"no subject": func(tbs []*node) { *tbs[5] = node{tag: tagSequence} },
		"key usage of two bytes": func(tbs []*node) {
			ext := tbs[7].kids[0].kids[0]
			ext.kids[0].leaf = []byte{0x55, 0x1d, 15}
			ext.kids[1].leaf = []byte{3, 1, 0}
		},
		"basic constraints with CA:FALSE": func(tbs []*node) {
			ext := tbs[7].kids[0].kids[0]
			ext.kids[0].leaf = []byte{0x55, 0x1d, 19}
			ext.kids[1].leaf = []byte{0x30, 3, 1, 1, 0}
		},
	} {
		root, data := messageNodes(t, "other-self-signed")
		change(data.kids[3].kids[0].kids[0].kids)
		out = append(out, struct {
			name string
			der  []byte
			want Errno
		}{name, root.append(nil), EBADMSG})
	}
	return out
}

func TestDirected(t *testing.T) {
	rings, args := oracleRings(t)
	payload := vector(t, "cases/00-payload")
	for _, test := range directed(t) {
		if got := answer(rings[0], test.der, payload); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if oracle := os.Getenv("MODHASH_ORACLE"); oracle != "" {
			out := askOracle(t, oracle, args[0], []sample{{payload, test.der}})
			if got := errnos[out[0]]; got != test.want {
				t.Errorf("%s: want %q, the kernel's code answers %q", test.name, test.want, got)
			}
		}
	}
}

// TestMakeChain writes the files of testdata/chain that OpenSSL cannot make. It
// runs only with MODHASH_MAKE_CHAIN set; every run gives other bytes.
func TestMakeChain(t *testing.T) {
	if os.Getenv("MODHASH_MAKE_CHAIN") == "" {
		t.Skip("MODHASH_MAKE_CHAIN is not set")
	}
	payload := vector(t, "cases/00-payload")
	newKey := func() crypto.Signer {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	template := func(name string, serial int64, skid []byte, extra ...pkix.Extension) *stdx509.Certificate {
		return &stdx509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, SubjectKeyId: skid,
			NotBefore: time.Unix(1767225600, 0), NotAfter: time.Unix(4922899200, 0), ExtraExtensions: extra}
	}
	create := func(c, parent *stdx509.Certificate, key, signer crypto.Signer) []byte {
		der, err := stdx509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	write := func(name string, certs [][]byte, keys map[int]crypto.Signer) {
		var root *node
		set := &node{tag: contextOf + 0, kids: []*node{}}
		for i, cert := range certs {
			set.kids = append(set.kids, parseNodes(cert)[0])
			key := keys[i]
			if key == nil {
				continue
			}
			s := &SigningKey{key: key, cert: &Key{Raw: cert}}
			parsed, err := stdx509.ParseCertificate(cert)
			if err != nil {
				t.Fatal(err)
			}
			sum, err := payloadOf(payload).Digest(crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			value, err := s.key.Sign(rand.Reader, sum, crypto.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			serial, err := asn1.Marshal(parsed.SerialNumber)
			if err != nil {
				t.Fatal(err)
			}
			f := &messageForm{hash: "sha256", algorithm: "ecdsa-with-sha256", value: value, cert: &Key{Raw: append(bytes.Clone(parsed.RawIssuer), serial...)}}
			f.cert.issuer = value0(f.cert.Raw[:len(parsed.RawIssuer)], 0)
			f.cert.serial = value0(serial, len(parsed.RawIssuer))
			der, err := f.marshal()
			if err != nil {
				t.Fatal(err)
			}
			one := parseNodes(der)[0]
			if root == nil {
				root = one
			} else {
				s := signers(root.kids[1].kids[0])
				s.kids = append(s.kids, signers(one.kids[1].kids[0]).kids[0])
			}
		}
		data := root.kids[1].kids[0]
		data.kids = append(data.kids[:3:3], set, data.kids[3])
		if err := os.WriteFile("testdata/chain/"+name+".p7s", root.append(nil), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	authority := func(keyID []byte, issuer string, serial int64) pkix.Extension {
		var parts []*node
		if keyID != nil {
			parts = append(parts, &node{tag: context + 0, leaf: keyID})
		}
		if issuer != "" {
			name, err := asn1.Marshal(pkix.Name{CommonName: issuer}.ToRDNSequence())
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, &node{tag: contextOf + 1, kids: []*node{{tag: contextOf + 4, leaf: name}}},
				&node{tag: context + 2, leaf: big.NewInt(serial).Bytes()})
		}
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Value: (&node{tag: tagSequence, kids: parts}).append(nil)}
	}

	a, b := newKey(), newKey()
	ta, tb := template("a", 1, []byte{0xa}), template("b", 2, []byte{0xb})
	write("loop", [][]byte{create(ta, tb, a, b), create(tb, ta, b, a)}, map[int]crypto.Signer{0: a, 1: b})

	upper := create(tb, tb, b, b)
	ta = template("a", 1, []byte{0xa}, authority([]byte{0xee}, "b", 2))
	write("wrong-authority-key", [][]byte{create(ta, tb, a, b), upper}, map[int]crypto.Signer{0: a})

	ta = template("a", 1, []byte{0xa}, authority([]byte{0xee}, "", 0))
	write("self-other-authority", [][]byte{create(ta, ta, a, b)}, map[int]crypto.Signer{0: a})
	ta = template("a", 1, []byte{0xa}, authority([]byte{0xa}, "a", 99))
	write("self-half-authority", [][]byte{create(ta, ta, a, a)}, map[int]crypto.Signer{0: a})
}

// value0 is the value whose DER is der, which starts at an offset.
func value0(der []byte, offset int) value {
	h := 2
	if der[1] >= 0x80 {
		h += int(der[1] - 0x80)
	}
	return value{tag: der[0], header: h, offset: offset + h, b: der[h:]}
}
