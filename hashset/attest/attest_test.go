// SPDX-License-Identifier: Apache-2.0

package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// testKey is a throw-away key that depends on its name only.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("throw-away " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(t testing.TB, key crypto.Signer) *PublicKey {
	t.Helper()
	k, err := NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func artifact(t testing.TB, name, content string) Artifact {
	t.Helper()
	a, err := Measure(name, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var testSubject = Subject{"linux", "6.12-1", "amd64"}

func statement(t testing.TB, content string) *Statement {
	return &Statement{Product: artifact(t, testSubject.File(), content), Materials: []Artifact{artifact(t, "linux_6.12-1.buildinfo", "b"), artifact(t, "linux.deb", "d")}, Subject: testSubject}
}

func signed(t testing.TB, form Form, s *Statement, key crypto.Signer) []byte {
	t.Helper()
	doc, err := Sign(form, s, key)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPublished reads links and the key that a rebuilder of Arch Linux
// published.
func TestPublished(t *testing.T) {
	keys, err := ParseKeys(read(t, "reproducible-archlinux.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 1 || keys[0].ID != "1ae6d32cb5bb8a98312106de28e50af7e09a9b294d51df459537908ac1288b8f" {
		t.Fatalf("%d keys, the first is %s", len(keys), keys[0].ID)
	}
	if text, err := keys[0].PEM(); err != nil || string(text) != strings.ReplaceAll(string(read(t, "reproducible-archlinux.pub")), "\r", "") {
		t.Errorf("it is written as\n%s, %v", text, err)
	}
	const name = "filesystem-2025.10.12-1-any.pkg.tar.zst"
	file, err := Measure(name, bytes.NewReader(read(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	for suffix, want := range map[string]error{".in-toto.link": nil, ".INVALID.in-toto.link": ErrSignature} {
		l, err := Parse(read(t, strings.TrimSuffix(name, ".pkg.tar.zst")+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if !l.Product.Equal(file) || len(l.Materials) != 1 || !l.Materials[0].Equal(file) {
			t.Errorf("%s is about %+v", suffix, l.Statement)
		}
		if _, err := l.Verify(keys); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", suffix, err, want)
		}
		if _, err := l.Verify(nil); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("%s without keys: %v", suffix, err)
		}
	}
}

// TestForms signs in all forms, with all kinds of keys, and reads again.
func TestForms(t *testing.T) {
	stamp := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	built := artifact(t, testSubject.File(), "another")
	for _, curve := range []elliptic.Curve{nil, elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		var key crypto.Signer = testKey("a")
		if curve != nil {
			k, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			key = k
		}
		for _, form := range []Form{Metablock, Envelope} {
			for _, rebuilt := range []*Artifact{nil, &built} {
				s := statement(t, "manifest")
				s.Time, s.Rebuilt = stamp, rebuilt
				doc, err := Sign(form, s, key)
				if form == Metablock && (curve != nil || rebuilt != nil) {
					if err == nil {
						t.Errorf("signed: %s", doc)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if again := signed(t, form, s, key); !bytes.Equal(doc, again) {
					t.Errorf("signed twice:\n%s\n%s", doc, again)
				}
				l, err := Parse(doc)
				if err != nil {
					t.Fatal(err)
				}
				if !l.Product.Equal(s.Product) || len(l.Materials) != 2 || l.Form != form || (l.Rebuilt == nil) != (rebuilt == nil) {
					t.Errorf("read %+v", l.Statement)
				}
				if form == Envelope && (l.Subject != testSubject || !l.Time.Equal(stamp)) {
					t.Errorf("read %+v", l.Statement)
				}
				if by, err := l.Verify([]*PublicKey{public(t, testKey("b")), public(t, key)}); err != nil || len(by) != 1 || by[0].ID != public(t, key).ID {
					t.Errorf("%v, %v", by, err)
				}
			}
		}
	}
}

// TestCanonical pins what is signed.
func TestCanonical(t *testing.T) {
	s := statement(t, "manifest")
	s.Materials = s.Materials[:1]
	l, err := Parse(signed(t, Metablock, s, testKey("a")))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("\n", "", "\t", "").Replace(`{"_type":"link","byproducts":{},"command":[],"environment":null,
		"materials":{"linux_6.12-1.buildinfo":{"sha256":"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
		"sha512":"5267768822ee624d48fce15ec5ca79cbd602cb7f4c2157a516556991f22ef8c7b5ef7b18d1ff41c59370efb0858651d44a936c11b7b144c48fe04df3c6a3e8da"}},
		"name":"rebuild linux-6.12-1-amd64.modhash","products":{"linux-6.12-1-amd64.modhash":
		{"sha256":"05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f",
		"sha512":"`)
	if !strings.HasPrefix(string(l.message), want) {
		t.Errorf("got  %s\nwant %s", l.message, want)
	}
}

// TestFlipped flips each bit of each form: nothing of it is a signed statement.
func TestFlipped(t *testing.T) {
	keys := []*PublicKey{public(t, testKey("a"))}
	for _, form := range []Form{Metablock, Envelope} {
		doc := signed(t, form, statement(t, "manifest"), testKey("a"))
		for i := range doc {
			for bit := range 8 {
				bad := bytes.Clone(doc)
				bad[i] ^= 1 << bit
				if l, err := Parse(bad); err == nil {
					if _, err := l.Verify(keys); err == nil {
						t.Fatalf("byte %d bit %d: %s", i, bit, bad)
					}
				}
			}
		}
		for i := range doc {
			if _, err := Parse(doc[:i]); err == nil {
				t.Fatalf("the first %d bytes are a link", i)
			}
		}
	}
}

// TestStrict lists what others may read and this package does not.
func TestStrict(t *testing.T) {
	good := string(signed(t, Metablock, statement(t, "manifest"), testKey("a")))
	env := string(signed(t, Envelope, statement(t, "manifest"), testKey("a")))
	for _, c := range []struct{ name, doc, old, new, want string }{
		{"blanks", good, `{"signatures"`, " {\n\"signatures\"", ""},
		{"key twice", good, `"_type":"link"`, `"_type":"link","_type":"link"`, "twice"},
		{"unknown key", good, `"_type":"link"`, `"_type":"link","x":1`, `unknown key "x"`},
		{"unknown key outside", good, `{"signatures"`, `{"x":1,"signatures"`, ""},
		{"known key in another case outside", good, `{"signatures"`, `{"Signed":{},"signatures"`, `a key "Signed"`},
		{"a payload in another case", good, `{"signatures"`, `{"PAYLOAD":"","signatures"`, `a key "PAYLOAD"`},
		{"link and envelope", good, `{"signatures"`, `{"payloadType":"application/vnd.in-toto+json","signatures"`, `both`},
		{"link with payload", good, `{"signatures"`, `{"payload":"AAAA","signatures"`, `both`},
		{"envelope and link", env, `"payloadType"`, `"signed":{},"payloadType"`, "both"},
		{"signature in another case", good, `{"keyid"`, `{"SIG":"00","keyid"`, `a key "SIG"`},
		{"unknown key of a signature", good, `{"keyid"`, `{"method":"x","keyid"`, ""},
		{"another case", good, `"command"`, `"Command"`, `no "command"`},
		{"escape", good, `"link"`, `"\u006cink"`, "plain ASCII"},
		{"UTF-8", good, `buildinfo`, `büildinfo`, "plain ASCII"},
		{"second document", good, `"command":[]}}`, `"command":[]}}{}`, "more than one"},
		{"layout", good, `"_type":"link"`, `"_type":"layout"`, "_type"},
		{"other step", good, `"rebuild linux`, `"built linux`, "no rebuild"},
		{"step of another file", good, `"rebuild linux`, `"rebuild minux`, "one product"},
		{"two products", good, `"products":{`, `"products":{"a":{"sha256":"05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"},`, "one product"},
		{"upper-case hex", good, `"sha256":"05b3abf2`, `"sha256":"05B3ABF2`, "sha256"},
		{"unknown digest", good, `"sha256":"05b3`, `"md5":"00","sha256":"05b3`, `unknown key "md5"`},
		{"path", good, `linux.deb`, `../deb`, "dot"},
		{"slash", good, `linux.deb`, `linux/deb`, "no place"},
		{"fraction", good, `"byproducts":{}`, `"byproducts":{"return-value":1.5}`, "integer"},
		{"command", good, `"command":[]`, `"command":null`, "no list"},
		{"signatures", good, `"signatures":[{`, `"signatures":[{},{`, "signature 1"},
		{"too large", good, `"_type"`, strings.Repeat(" ", MaxLink) + `"_type"`, "more than"},
		{"deep", good, `"byproducts":{}`, `"byproducts":{"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, "deep"},
		{"payload type", env, `vnd.in-toto`, `vnd.another`, "type"},
		{"base64 with blanks", env, `"payload":"`, `"payload":" `, "base64"},
		{"no signature", env[:strings.Index(env, `,"signatures"`)] + `,"signatures":[]}`, "{", "{", "nobody"},
		{"two by one key", good, `"signatures":[`, `"signatures":[{"keyid":"` + public(t, testKey("a")).ID + `","sig":"00"},`, "two signatures"},
		{"empty", "", "", "", "EOF"},
	} {
		doc := strings.Replace(c.doc, c.old, c.new, 1)
		if doc == c.doc && c.old != c.new {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		_, err := Parse([]byte(doc))
		var fe *FormatError
		switch {
		case c.want == "":
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case !errors.As(err, &fe) || !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// TestStrictStatement is [TestStrict] for what is in an envelope.
func TestStrictStatement(t *testing.T) {
	const head, tail = `{"payloadType":"application/vnd.in-toto+json","payload":"`, `","signatures":[{"keyid":"` + "0000000000000000000000000000000000000000000000000000000000000000" + `","sig":"AAAA"}]}`
	stated := statement(t, "manifest")
	stated.Time = time.Unix(1700000000, 0)
	denied := *stated
	built := artifact(t, testSubject.File(), "another")
	denied.Rebuilt = &built
	payload := func(s *Statement) string {
		doc := string(signed(t, Envelope, s, testKey("a")))
		text, err := base64.StdEncoding.DecodeString(doc[len(head):strings.Index(doc, `","signatures"`)])
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, c := range []struct {
		st             *Statement
		old, new, want string
	}{
		{stated, "", "", ""},
		{&denied, "", "", ""},
		{stated, `"name":"rebuild linux-6.12`, `"name":"rebuild linux-6.13`, "step"},
		{stated, `/link/v0.3`, `/link/v0.4`, "another type"},
		{stated, `Statement/v1`, `Statement/v0.1`, "no in-toto Statement"},
		{stated, `"command":[]`, `"command":{}`, "no list"},
		{stated, `"environment":{}`, `"environment":null`, "environment"},
		{stated, `"byproducts":{`, `"byproducts":[],"x":{`, "unknown key"},
		{stated, `"timestamp":"2023-11-14T22:13:20Z"`, `"timestamp":"2023-11-14"`, "timestamp"},
		{stated, `"timestamp":"2023-11-14T22:13:20Z"`, `"timestamp":"2023-11-14T23:13:20+01:00"`, "timestamp"},
		{stated, `"architecture":"amd64"`, `"architecture":""`, "annotations"},
		{stated, `"architecture":"amd64"`, `"architecture":7`, "no string"},
		{stated, `"subject":[`, `"subject":[{},`, "2 elements"},
		{stated, `"name":"linux.deb"`, `"name":"linux_6.12-1.buildinfo"`, "two materials"},
		{&denied, `"rebuilt":{`, `"built":{`, "rebuilt"},
		{&denied, built.SHA256.String(), stated.Product.SHA256.String(), "equal files"},
	} {
		text := payload(c.st)
		changed := strings.Replace(text, c.old, c.new, 1)
		if c.want != "" && changed == text {
			t.Fatalf("%s: nothing was changed in %s", c.old, text)
		}
		l, err := Parse([]byte(head + base64.StdEncoding.EncodeToString([]byte(changed)) + tail))
		if (err == nil) != (c.want == "") || (l == nil) != (err != nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want %s", c.new, c.old, err, c.want)
		}
	}
}

func TestSubject(t *testing.T) {
	for in, want := range map[string]string{
		"linux=6.12-1/amd64":                  "linux-6.12-1-amd64.modhash",
		"linux-image-x=1:6.12~rc1+b1-2/any":   "linux-image-x-1:6.12~rc1+b1-2-any.modhash",
		"linux":                               "",
		"linux=6.12":                          "",
		"=6.12/amd64":                         "",
		"linux=/amd64":                        "",
		"linux=6.12/":                         "",
		"a=b=c/d":                             "",
		"li nux=6.12/amd64":                   "",
		"../x=1/y":                            "",
		"x=1/y/z":                             "",
		"x\n=1/y":                             "",
		`x"=1/y`:                              "",
		strings.Repeat("x", 250) + "=1/amd64": "",
	} {
		s, err := ParseSubject(in)
		if (err == nil) != (want != "") || err == nil && (s.File() != want || s.String() != in) {
			t.Errorf("%q: %v, %v", in, s.File(), err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	a, err := public(t, testKey("a")).PEM()
	if err != nil {
		t.Fatal(err)
	}
	b, err := public(t, testKey("b")).PEM()
	if err != nil {
		t.Fatal(err)
	}
	// By "openssl pkey -pubout": without NULL.
	const plain = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEASzXBHIBK0Na2c/aCJFJ83N3z7qiRAC69tqzW6wSu4qk=\n-----END PUBLIC KEY-----\n"
	for name, c := range map[string]struct {
		in   string
		want int
	}{
		"two":         {string(a) + string(b), 2},
		"CRLF":        {strings.ReplaceAll(string(a), "\n", "\r\n"), 1},
		"without":     {plain, 1},
		"twice":       {string(a) + string(a), 0},
		"nothing":     {"x", 0},
		"private":     {"-----BEGIN PRIVATE KEY-----\nMCowBQYDK2Vw\n-----END PRIVATE KEY-----\n", 0},
		"broken":      {"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2Vw\n-----END PUBLIC KEY-----\n", 0},
		"certificate": {"-----BEGIN CERTIFICATE-----\nMCow\n-----END CERTIFICATE-----\n", 0},
	} {
		keys, err := ParseKeys([]byte(c.in))
		if len(keys) != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
		if name == "without" && keys[0].ID != "1ae6d32cb5bb8a98312106de28e50af7e09a9b294d51df459537908ac1288b8f" {
			t.Errorf("%s: id %s", name, keys[0].ID)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, form := range []Form{Metablock, Envelope} {
		f.Add(signed(f, form, statement(f, "manifest"), testKey("a")))
	}
	s := statement(f, "manifest")
	built := artifact(f, "x", "another")
	s.Rebuilt = &built
	f.Add(signed(f, Envelope, s, testKey("a")))
	f.Add(read(f, "filesystem-2025.10.12-1-any.in-toto.link"))
	keys := []*PublicKey{public(f, testKey("a"))}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if (l == nil) != (err != nil) {
			t.Fatalf("%v, %v", l, err)
		}
		if err != nil {
			return
		}
		// What was read can be written, and is read alike.
		if s := l.Statement; s.Check() == nil && (s.Rebuilt == nil || l.Form == Envelope) {
			again, err := Parse(signed(t, l.Form, &s, testKey("b")))
			if err != nil || !again.Product.Equal(l.Product) || len(again.Materials) != len(l.Materials) || again.Subject != l.Subject || !again.Time.Equal(l.Time) {
				t.Fatalf("%v: %+v and %+v", err, l.Statement, again.Statement)
			}
		}
		if by, err := l.Verify(keys); err == nil && len(by) != 1 {
			t.Fatalf("signed by %d of one key", len(by))
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	f.Add(read(f, "reproducible-archlinux.pub"))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEASzXBHIBK0Na2c/aCJFJ83N3z7qiRAC69tqzW6wSu4qk=\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeys(data)
		if (len(keys) == 0) != (err != nil) {
			t.Fatalf("%v, %v", keys, err)
		}
		for _, k := range keys {
			text, err := k.PEM()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseKeys(text)
			if err != nil || len(again) != 1 || again[0].ID != k.ID {
				t.Fatalf("%v, %v", again, err)
			}
		}
	})
}
