// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/kbuild/pkgfile"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig"
	testkeys "github.com/modhash/modhash/testdata/keys"
)

func parseSigner(t *testing.T) crypto.Signer {
	t.Helper()
	block, _ := pem.Decode(testkeys.AKey)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

// TestRoundTrip: in every layout, what is detached and attached is what signing
// at once makes, for keys that always sign alike.
func TestRoundTrip(t *testing.T) {
	for _, layout := range Layouts() {
		for _, name := range []string{"rsa2048", "ecp384", "mldsa44"} {
			if layout == OBS && name != "rsa2048" {
				continue
			}
			key, so := openKey(t, name), modsig.SignOptions{Hash: crypto.SHA256}
			dir, same := tree(t, nil, all...), tree(t, nil, all...)
			if _, err := Sign(context.Background(), open(t, same), key, so, &Options{Rewrite: rewrite.Options{Workers: 3}}); err != nil {
				t.Fatal(err)
			}
			store := &Store{Layout: layout, Path: filepath.Join(t.TempDir(), "new", "store")}
			if layout == Debian {
				store.Package = "linux-image"
			}
			from := dir
			if name == "ecp384" {
				from = same // takes the signatures off
				key = nil
			}
			if err := Detach(context.Background(), open(t, from), key, so, store, &Options{Rewrite: rewrite.Options{Workers: 3}}); err != nil {
				t.Fatalf("%s, %s: %v", layout, name, err)
			}
			for round := range 2 {
				r, err := Attach(context.Background(), open(t, dir), openKey(t, name).Key().Raw, so, store, &Options{Rewrite: rewrite.Options{Workers: 3}})
				if err != nil || r.Count[[]rewrite.Outcome{rewrite.Added, rewrite.Unchanged}[round]] != len(all) {
					t.Fatalf("%s, %s: %v, %+v", layout, name, err, r)
				}
			}
			for _, n := range all {
				a, err1 := os.ReadFile(filepath.Join(dir, n))
				b, err2 := os.ReadFile(filepath.Join(same, n))
				if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
					t.Errorf("%s, %s, %s: another file", layout, name, n)
				}
			}
		}
	}
}

// TestMutatedSignatures flips every byte of a detached signature: it is refused,
// or it is one that a kernel takes (some bytes of a message do not matter to it).
func TestMutatedSignatures(t *testing.T) {
	key := openKey(t, "ecp384")
	for _, layout := range []Layout{P7S, OBS} {
		if layout == OBS {
			key = openKey(t, "rsa2048")
		}
		so := modsig.SignOptions{Hash: crypto.SHA256}
		dir := tree(t, nil, "m.ko")
		path := filepath.Join(dir, "m.ko")
		store := &Store{Layout: layout, Path: t.TempDir()}
		if err := Detach(context.Background(), open(t, dir), key, so, store, &Options{Rewrite: rewrite.Options{Workers: 3}}); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(store.Path, store.name(&file{rel: "m.ko"}))
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		for i := range len(good) {
			bad := slices.Clone(good)
			bad[i] ^= 0x01
			put(t, name, bad)
			_, err := Attach(context.Background(), open(t, path), key.Key().Raw, so, store, &Options{Rewrite: rewrite.Options{Unsynced: true}})
			if err == nil {
				taken++
				check(t, key, path)
				put(t, path, payload("m"))
			} else if !slices.Equal(kinds(err), []Kind{wrongSignature}) {
				t.Errorf("byte %d: %v", i, err)
			}
		}
		for n := range len(good) {
			put(t, name, good[:n])
			if _, err := Attach(context.Background(), open(t, path), key.Key().Raw, so, store, &Options{Rewrite: rewrite.Options{Workers: 3}}); !slices.Equal(kinds(err), []Kind{wrongSignature}) {
				t.Errorf("the first %d bytes: %v", n, err)
			}
		}
		if taken > 40 || layout == OBS && taken > 0 {
			t.Errorf("%s: %d of %d changed signatures were taken", layout, taken, len(good))
		}
		if !bytes.Equal(decoded(t, path), payload("m")) {
			t.Error("the module was changed")
		}
	}
}

// TestRequests: what goes out depends on payloads and names alone, and digests
// that come back signed are as if the module had been there.
func TestRequests(t *testing.T) {
	key := openKey(t, "ecp384")
	so := modsig.SignOptions{Hash: crypto.SHA384}
	plain := tree(t, nil, "kernel/a.ko", "kernel/b/b.ko", "updates/c.ko", "updates/dkms/d.ko")
	packed := tree(t, nil, all...)
	if _, err := Sign(context.Background(), open(t, packed), openKey(t, "rsa2048"), modsig.SignOptions{}, &Options{Rewrite: rewrite.Options{Workers: 3}}); err != nil {
		t.Fatal(err)
	}
	for _, store := range []*Store{{Layout: P7S}, {Layout: OBS}, {Layout: Debian, Package: "p"}} {
		var a, b bytes.Buffer
		err1 := Request(context.Background(), open(t, plain), store, crypto.SHA384, &a, &Options{Rewrite: rewrite.Options{Workers: 3}})
		err2 := Request(context.Background(), open(t, packed), store, crypto.SHA384, &b, &Options{Rewrite: rewrite.Options{Workers: 3}})
		if err1 != nil || err2 != nil || !bytes.Equal(a.Bytes(), b.Bytes()) || a.Len() == 0 {
			t.Errorf("%s: %v, %v", store.Layout, err1, err2)
		}
		switch store.Layout {
		case OBS:
			name := filepath.Join(t.TempDir(), "x.cpio")
			put(t, name, a.Bytes())
			c, err := pkgfile.Open(context.Background(), name, nil)
			if err != nil || len(c.Members()) != 4 || len(c.Problems()) != 0 || c.Members()[2].Raw != "./updates/c.ko" {
				t.Fatalf("%v, %+v", err, c)
			}
			c.Close()
		case P7S:
			from := &Store{Layout: P7S, Path: t.TempDir()}
			if n, err := DetachDigests(context.Background(), &a, key, so, from); err != nil || n != 4 {
				t.Fatal(n, err)
			}
			if _, err := Attach(context.Background(), open(t, plain), key.Key().Raw, so, from, &Options{Rewrite: rewrite.Options{Workers: 3}}); err != nil {
				t.Error(err)
			}
			check(t, key, filepath.Join(plain, "updates/c.ko"))
			if _, err := Unsign(context.Background(), open(t, plain), &Options{Rewrite: rewrite.Options{Workers: 3}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := DetachDigests(context.Background(), strings.NewReader(""), openKey(t, "mldsa44"), so, &Store{Layout: P7S, Path: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "ML-DSA") {
		t.Error(err)
	}
}

func TestDigestLists(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for text, want := range map[string]string{
		"":                                      "empty list",
		sum + "  a.ko\n":                        "",
		sum + "  x/a.ko\n" + sum + "  b.ko":     "",
		sum + "  a.ko\n" + sum + "  a.ko\n":     "line 2: a.ko is listed twice",
		sum + " a.ko\n":                         "line 1: want",
		sum + "  \n":                            "line 1: want",
		sum + "  ../a.ko\n":                     "line 1: the path \"../a.ko\" leads out",
		sum + "  /a.ko\n":                       "leads out of the folder",
		sum + "  a/../b.ko\n":                   "not in its shortest form",
		sum + "  a//b.ko\n":                     "not in its shortest form",
		sum + "  .\n":                           "not in its shortest form",
		sum + "  a\\b.ko\n":                     "backslashes",
		sum[2:] + "  a.ko\n":                    "a digest of 31 bytes",
		sum[1:] + "  a.ko\n":                    "line 1: want",
		"\\" + sum + "  a.ko\n":                 "line 1: want",
		sum + "  " + strings.Repeat("x", 1<<17): "too long",
	} {
		list, err := readDigests(strings.NewReader(text), crypto.SHA256)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.90q: %v, %d entries", text, err, len(list))
		}
	}
}

func FuzzReadDigests(f *testing.F) {
	f.Add(strings.Repeat("0a", 32) + "  x/a.ko\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readDigests(strings.NewReader(text), crypto.SHA256)
		if (err == nil) != (len(list) > 0) {
			t.Error(err)
		}
		for _, e := range list {
			if !filepath.IsLocal(e.name) || len(e.sum) != 32 {
				t.Errorf("%q", e.name)
			}
		}
	})
}

// TestStores refuses names that clash or lead elsewhere, and stores that are none.
func TestStores(t *testing.T) {
	cert := openKey(t, "rsa2048").Key().Raw
	f := open(t, tree(t, nil, "a.ko", "b.ko.xz"))
	for _, s := range []*Store{{}, {Layout: "cab"}, {Layout: Debian}, {Layout: P7S, Package: "p"}, {Layout: Debian, Package: ".."}, {Layout: Debian, Package: "a/b"}} {
		if err := Detach(context.Background(), f, nil, modsig.SignOptions{}, s, &Options{Rewrite: rewrite.Options{Workers: 3}}); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	clash := open(t, tree(t, nil, "a.ko", "a.ko.xz"))
	if err := Detach(context.Background(), clash, openKey(t, "rsa2048"), modsig.SignOptions{}, &Store{Layout: P7S, Path: t.TempDir()}, &Options{Rewrite: rewrite.Options{Workers: 3}}); err == nil || !strings.Contains(err.Error(), "same signature") {
		t.Error(err)
	}
	large := t.TempDir()
	put(t, filepath.Join(large, "a.ko.p7s"), make([]byte, maxDetached+1))
	if err := os.Mkdir(filepath.Join(large, "b.ko.p7s"), 0o777); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	put(t, filepath.Join(outside, "x"), []byte("x"))
	leads := t.TempDir()
	if err := os.Symlink(filepath.Join(outside, "x"), filepath.Join(leads, "a.ko.p7s")); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{large: "no signature", leads: "escapes", filepath.Join(outside, "none"): "no such file", filepath.Join(outside, "x"): ""} {
		_, err := Attach(context.Background(), f, cert, modsig.SignOptions{}, &Store{Layout: P7S, Path: dir}, &Options{Rewrite: rewrite.Options{Workers: 3}})
		if err == nil || !strings.Contains(err.Error(), want) || kinds(err) != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := Attach(context.Background(), f, cert, modsig.SignOptions{}, &Store{Layout: P7S, Path: t.TempDir()}, &Options{Rewrite: rewrite.Options{Workers: 3}}); !slices.Equal(kinds(err), []Kind{noSignature, noSignature}) {
		t.Error(err)
	}
}
