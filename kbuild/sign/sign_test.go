// SPDX-License-Identifier: Apache-2.0

package sign

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modhash/modhash/hashset"
	"github.com/modhash/modhash/kbuild/kmod"
	"github.com/modhash/modhash/kbuild/rewrite"
	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys"
	"github.com/modhash/modhash/modsig/trailer"
	"github.com/modhash/modhash/testdata/gen/ko"
	testkeys "github.com/modhash/modhash/testdata/keys"
)

const vectors = "../../testdata/vectors/signing/"

func openKey(t testing.TB, name string) *modsig.SigningKey {
	t.Helper()
	cert, err := keys.ReadCertificate(t.Context(), vectors+name+".der")
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.Open(context.Background(), vectors+name+".key", cert, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k.SigningKey
}

func payload(name string) []byte {
	return ko.Module{Name: name, Release: "6.12.0-test", Text: ko.Code(name, 900)}.Bytes()
}

// tree writes modules: each name is a path, whose suffix says how it is
// compressed, and content what it ends in.
func tree(t testing.TB, content func(name string, p []byte) []byte, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		base, suffix, _ := strings.Cut(filepath.Base(n), ".ko")
		b := payload(base)
		if content != nil {
			b = content(n, b)
		}
		put(t, filepath.Join(dir, n), ko.Compress(b, suffix))
	}
	return dir
}

func put(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, paths ...string) *Files {
	t.Helper()
	f, err := Open(context.Background(), paths)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// decoded reads a module's decoded bytes.
func decoded(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	o := kmod.NewOpener(&kmod.Options{})
	defer o.Close()
	m, err := o.Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	p, err := io.ReadAll(m.Payload())
	if err != nil {
		t.Fatal(err)
	}
	tail, err := io.ReadAll(m.Tail())
	if err != nil {
		t.Fatal(err)
	}
	return append(p, tail...)
}

// check verifies what a module ends in.
func check(t testing.TB, key *modsig.SigningKey, path string) {
	t.Helper()
	b := decoded(t, path)
	tr := trailer.SplitTail(b[len(b)-trailer.TailSize:], int64(len(b)))
	if tr.State != trailer.Valid {
		t.Fatalf("%s: %v", path, tr)
	}
	ring := modsig.NewKeyring(modsig.Kernel{})
	if _, err := ring.Add(key.Key().Raw); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Check(b[tr.Payload:tr.SignatureOffset()+int64(tr.Block.SigLen)], modsig.NewPayload(bytes.NewReader(b), tr.Payload)); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	base, _, _ := strings.Cut(filepath.Base(path), ".ko")
	if !bytes.Equal(b[:tr.Payload], payload(base)) {
		t.Errorf("%s: the payload changed", path)
	}
}

var all = []string{"kernel/a.ko", "kernel/b/b.ko.gz", "updates/c.ko.xz", "updates/dkms/d.ko.zst"}

// TestKeys signs through every compression with every kind of key, twice, and
// takes the signatures off again.
func TestKeys(t *testing.T) {
	for _, name := range []string{"rsa2048", "ecp384", "mldsa65"} {
		key := openKey(t, name)
		dir := tree(t, nil, all...)
		for _, so := range []modsig.SignOptions{{}, {Hash: crypto.SHA256, KeyID: true}} {
			for round := range 2 {
				r, err := Sign(context.Background(), open(t, dir), key, so, &Options{Rewrite: rewrite.Options{Workers: 3}})
				want := []rewrite.Outcome{rewrite.Added, rewrite.Unchanged}[round]
				if err != nil || r.Count[want] != len(all) {
					t.Fatalf("%s: %v, %+v", name, err, r)
				}
			}
			for _, n := range all {
				check(t, key, filepath.Join(dir, n))
			}
			r, err := Unsign(context.Background(), open(t, dir), &Options{Rewrite: rewrite.Options{Workers: 3}})
			if err != nil || r.Count[rewrite.Removed] != len(all) {
				t.Fatalf("%s: %v, %+v", name, err, r)
			}
		}
	}
}

func kinds(err error) []Kind {
	var oe *ObstaclesError
	if !errors.As(err, &oe) {
		return nil
	}
	var list []Kind
	for _, o := range oe.Obstacles {
		list = append(list, o.Kind)
	}
	return list
}

// TestObstacles: one module of another kind stops all, and none was changed.
func TestObstacles(t *testing.T) {
	key := openKey(t, "rsa2048")
	other, err := ko.ParseKey(testkeys.AKey, testkeys.ACert)
	if err != nil {
		t.Fatal(err)
	}
	proof := func(p []byte) []byte { return trailer.Append(p, make([]byte, 4+32), trailer.Merkle) }
	for name, c := range map[string]struct {
		content         func([]byte) []byte
		kind            Kind
		replace, unsign bool // whether that goes with it
	}{
		"other key":     {other.Sign, otherTrailer, true, true},
		"stacked":       {func(p []byte) []byte { return other.Sign(other.Sign(p)) }, otherTrailer, true, true},
		"no message":    {func(p []byte) []byte { return trailer.Append(p, []byte("x"), trailer.PKCS7) }, otherTrailer, true, true},
		"proof":         {proof, carriesProof, false, false},
		"proof beneath": {func(p []byte) []byte { return other.Sign(proof(p)) }, carriesProof, false, false},
		"malformed":     {func(p []byte) []byte { b := other.Sign(p); b[len(b)-40] = 9; return b }, malformed, false, false},
		"junk":          {func(p []byte) []byte { return append(other.Sign(p), '\n') }, malformed, false, false},
		"no module":     {func([]byte) []byte { return []byte("text") }, corrupt, false, false},
		"empty":         {func([]byte) []byte { return nil }, corrupt, false, false},
	} {
		make := func() (string, string) {
			dir := tree(t, func(n string, p []byte) []byte {
				if n == "kernel/m.ko" {
					return c.content(p)
				}
				return p
			}, "kernel/a.ko", "kernel/m.ko", "kernel/z.ko")
			return dir, filepath.Join(dir, "kernel/a.ko")
		}
		dir, a := make()
		_, err := Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, &Options{Rewrite: rewrite.Options{Workers: 3}})
		if got := kinds(err); !slices.Equal(got, []Kind{c.kind}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if !bytes.Equal(decoded(t, a), payload("a")) {
			t.Errorf("%s: a module was changed", name)
		}
		_, err = Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, &Options{Replace: true})
		if (err == nil) != c.replace || err == nil && decoded(t, a) == nil {
			t.Errorf("%s, replace: %v", name, err)
		}
		dir, _ = make()
		_, err = Unsign(context.Background(), open(t, dir), &Options{Rewrite: rewrite.Options{Workers: 3}})
		if (err == nil) != c.unsign {
			t.Errorf("%s, unsign: %v", name, err)
		}
		if err == nil && !bytes.Equal(decoded(t, filepath.Join(dir, "kernel/m.ko")), payload("m")) {
			t.Errorf("%s: unsign left something", name)
		}
	}
}

// TestForms: another hash, another form and a signature over something else are
// no reason to leave a module alone.
func TestForms(t *testing.T) {
	key := openKey(t, "rsa2048")
	sign := func(so modsig.SignOptions) func(string, []byte) []byte {
		return func(_ string, p []byte) []byte {
			der, err := key.Sign(modsig.NewPayload(bytes.NewReader(p), int64(len(p))), so)
			if err != nil {
				t.Fatal(err)
			}
			return trailer.Append(p, der, trailer.PKCS7)
		}
	}
	for name, content := range map[string]func(string, []byte) []byte{
		"another hash": sign(modsig.SignOptions{Hash: crypto.SHA256}),
		"key id":       sign(modsig.SignOptions{KeyID: true}),
		"payload":      func(n string, p []byte) []byte { b := sign(modsig.SignOptions{})(n, p); b[300] ^= 1; return b },
		"bytes behind": func(n string, p []byte) []byte {
			b := sign(modsig.SignOptions{})(n, p)
			return trailer.Append(p, append(b[len(p):len(b)-40:len(b)-40], 0), trailer.PKCS7)
		},
	} {
		dir := tree(t, content, "m.ko")
		if _, err := Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, &Options{Rewrite: rewrite.Options{Workers: 3}}); !slices.Equal(kinds(err), []Kind{otherTrailer}) {
			t.Errorf("%s: %v", name, err)
		}
		r, err := Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, &Options{Replace: true})
		if err != nil || r.Count[rewrite.Replaced] != 1 {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
	}
}

// TestManifests: what a manifest lists, by its payload or its name, is covered,
// wherever the manifest is.
func TestManifests(t *testing.T) {
	key := openKey(t, "ecp384")
	digest := func(name string) hashset.Digest {
		h := hashset.NewHasher(hashset.None, 0)
		h.Write(payload(name))
		d, _ := h.Sum()
		return d
	}
	m := &hashset.Manifest{Release: "6.12.0-test", Arch: "x86_64 elf64 little", Scheme: hashset.None,
		Image: hashset.ImageDigest{State: hashset.ImageNone}, Entries: []hashset.Entry{{Name: "kernel/a.ko", Digest: digest("a")}, {Name: "kernel/b/b.ko", Digest: digest("other")}}}
	var text bytes.Buffer
	if _, err := m.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	names := []string{"lib/modules/x/kernel/a.ko", "lib/modules/x/kernel/b/b.ko.gz", "lib/modules/x/updates/c.ko.xz", "elsewhere/a.ko", "elsewhere/kernel/kernel/b/b.ko"}
	for _, c := range []struct {
		given bool
		want  []string // covered
	}{
		{false, names[:2]},
		{true, []string{names[0], names[1], names[3], names[4]}},
	} {
		dir := tree(t, nil, names...)
		o := &Options{}
		if c.given {
			o.Manifests = []*hashset.Manifest{m}
		} else {
			put(t, filepath.Join(dir, "lib/modules/x/"+manifestName), text.Bytes())
		}
		_, err := Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, o)
		if got := kinds(err); len(got) != len(c.want) || slices.ContainsFunc(got, func(k Kind) bool { return k != inManifest }) {
			t.Errorf("given %v: %v", c.given, err)
		}
		for _, n := range names { // one by one
			_, err := Sign(context.Background(), open(t, filepath.Join(dir, n)), key, modsig.SignOptions{}, &Options{Manifests: o.Manifests, Rewrite: rewrite.Options{Out: outRoot(t)}})
			if (err != nil) != slices.Contains(c.want, n) {
				t.Errorf("given %v, %s: %v", c.given, n, err)
			}
		}
		o.Covered = Skip
		r, err := Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, o)
		if err != nil || r.Count[rewrite.Untried] != len(c.want) || r.Count[rewrite.Added] != len(names)-len(c.want) {
			t.Errorf("given %v, skip: %v, %+v", c.given, err, r.Count)
		}
		o.Covered = Include
		r, err = Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, o)
		if err != nil || r.Count[rewrite.Added] != len(c.want) {
			t.Errorf("given %v, include: %v, %+v", c.given, err, r.Count)
		}
	}
}

func outRoot(t *testing.T) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestPaths: files and folders in several places are one job, with their hard
// links; links are passed over in folders and followed as arguments.
func TestPaths(t *testing.T) {
	key := openKey(t, "rsa2048")
	one, two := tree(t, nil, "x/a.ko", "x/b.ko.gz"), tree(t, nil, "c.ko", "named.module")
	if err := os.Link(filepath.Join(one, "x/a.ko"), filepath.Join(two, "a.ko")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(two, "c.ko"), filepath.Join(one, "x/link.ko")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(two, "named.module"), payload("named"))
	if _, err := Sign(context.Background(), open(t, one), key, modsig.SignOptions{}, &Options{Rewrite: rewrite.Options{Workers: 3}}); !slices.Equal(kinds(err), []Kind{hardLink}) {
		t.Error(err)
	}
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(two, alias); err != nil {
		t.Fatal(err)
	}
	f := open(t, one, filepath.Join(alias, "a.ko"), filepath.Join(alias, "named.module"))
	r, err := Sign(context.Background(), f, key, modsig.SignOptions{}, &Options{Rewrite: rewrite.Options{Workers: 3}})
	if err != nil || f.Len() != 4 || r.Count[rewrite.Failed] != 0 {
		t.Fatalf("%v, %d files, %+v", err, f.Len(), r)
	}
	s1, err1 := os.Stat(filepath.Join(one, "x/a.ko"))
	s2, err2 := os.Stat(filepath.Join(two, "a.ko"))
	if err1 != nil || err2 != nil || !os.SameFile(s1, s2) {
		t.Error("the names are no longer of one file")
	}
	check(t, key, filepath.Join(two, "a.ko"))
	if !bytes.Equal(decoded(t, filepath.Join(two, "c.ko")), payload("c")) {
		t.Error("what a link leads to was signed")
	}
	if r.Results[3].Name != filepath.Join(alias, "named.module") {
		t.Errorf("name %q", r.Results[3].Name)
	}
	for _, paths := range [][]string{{t.TempDir()}, {filepath.Join(one, "none")}, {}} {
		if f, err := Open(context.Background(), paths); err == nil {
			t.Errorf("%q: %d files", paths, f.Len())
		}
	}
}

// failing is a key that fails after some signatures.
type failing struct {
	crypto.Signer
	left int
}

func (f *failing) Sign(r io.Reader, d []byte, o crypto.SignerOpts) ([]byte, error) {
	if f.left--; f.left < 0 {
		return nil, errors.New("token removed")
	}
	return f.Signer.Sign(r, d, o)
}

// TestKeyFails: after the first failure of the key it is not asked again; what
// was signed is whole.
func TestKeyFails(t *testing.T) {
	k, err := ko.ParseKey(testkeys.AKey, testkeys.ACert)
	if err != nil {
		t.Fatal(err)
	}
	_ = k
	signer := &failing{Signer: parseSigner(t), left: 2}
	cert, err := keys.ParseCertificate(testkeys.ACert)
	if err != nil {
		t.Fatal(err)
	}
	key, err := modsig.NewSigningKey(signer, cert)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"a.ko", "b.ko", "c.ko", "d.ko", "e.ko", "f.ko"}
	dir := tree(t, nil, names...)
	r, err := Sign(context.Background(), open(t, dir), key, modsig.SignOptions{}, &Options{})
	var ke *KeyError
	if !errors.As(err, &ke) || r.Count[rewrite.Added] != 2 || signer.left != -1 {
		t.Errorf("%v, %+v, asked %d times too often", err, r, -1-signer.left)
	}
	for i, n := range names {
		if b := decoded(t, filepath.Join(dir, n)); (len(b) > len(payload(n[:1]))) != (i < 2) {
			t.Errorf("%s has %d bytes", n, len(b))
		}
	}
}

// TestCanceled: nothing is begun when the context is done.
func TestCanceled(t *testing.T) {
	dir := tree(t, nil, all...)
	f := open(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Sign(ctx, f, openKey(t, "rsa2048"), modsig.SignOptions{}, &Options{Rewrite: rewrite.Options{Workers: 3}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Open(ctx, []string{dir}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
