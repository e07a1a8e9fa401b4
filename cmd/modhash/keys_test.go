// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/modhash/modhash/modsig"
	"github.com/modhash/modhash/modsig/keys/store"
	"github.com/modhash/modhash/testdata/gen/vmlinux"
)

// caller runs the program, and checks its exit code and that the first line of its
// output, and of its errors, begin and contain what is wanted.
type caller struct {
	*testing.T
	stdout, stderr bytes.Buffer
}

func (c *caller) do(code int, first string, args ...string) {
	c.Helper()
	c.stdout.Reset()
	c.stderr.Reset()
	if got := run(context.Background(), args, nil, &c.stdout, &c.stderr); got != code {
		c.Errorf("%v: exit code %d, want %d\n%s%s", args, got, code, &c.stdout, &c.stderr)
	}
	if code != exitTrouble && !strings.HasPrefix(c.stdout.String(), first) || code == exitTrouble && !strings.Contains(c.stdout.String()+c.stderr.String(), first) {
		c.Errorf("%v: want %q\n%s%s", args, first, &c.stdout, &c.stderr)
	}
}

func (c *caller) says(texts ...string) {
	c.Helper()
	for _, text := range texts {
		if !strings.Contains(c.stdout.String(), text) {
			c.Errorf("the output lacks %q:\n%s", text, &c.stdout)
		}
	}
}

const trustConfig = "CONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_CRYPTO_RSA=y\nCONFIG_CRYPTO_ECDSA=y\nCONFIG_CRYPTO_SHA256=y\nCONFIG_CRYPTO_SHA512=y\n"

func writeKernel(t *testing.T, k vmlinux.Kernel) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vmlinux")
	if err := os.WriteFile(path, k.ELF(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKeysCheckImage: where in an image a certificate is, and whether that kernel
// takes it.
func TestKeysCheckImage(t *testing.T) {
	c := &caller{T: t}
	rsa, ec, other, ml := readVector(t, "rsa2048.der"), readVector(t, "ecp384.der"), readVector(t, "unknown.der"), readVector(t, "mldsa65.der")
	k := vmlinux.Kernel{Release: "6.12.1", Config: trustConfig, Certs: [][]byte{rsa, ec}, Reserve: 8192, Extra: ml}
	for _, stripped := range []bool{false, true} {
		k.Stripped = stripped
		image := writeKernel(t, k)
		c.do(0, "trusted: "+signingVectors+"rsa2048.der is in ", "keys", "check", image, signingVectors+"rsa2048.der")
		c.says("in there     yes: built in, as that of the build's own key", "is read      yes", "is accepted  yes: rsa")
		c.do(0, "trusted: ", "keys", "check", image, signingVectors+"ecp384.crt") // PEM
		c.says("yes: built in\n", "yes: ecdsa-nist-p384")
		c.do(1, "not trusted: ", "keys", "check", image, signingVectors+"mldsa65.der")
		c.says("yes: in the reserve, inserted after the build", "is accepted  no: the kernel answers", "ENOPKG")
		c.do(1, "not trusted: ", "keys", "check", image, signingVectors+"unknown.der")
		c.says("no: 3 certificates are trusted, none is this one")
	}
	// Which algorithms are built in.
	k.Config = strings.Replace(trustConfig, "ECDSA=y", "ECDSA=m", 1)
	c.do(2, "not known: whether", "keys", "check", writeKernel(t, k), signingVectors+"ecp384.der")
	k.Config = strings.Replace(trustConfig, "CONFIG_CRYPTO_ECDSA=y\n", "", 1)
	c.do(1, "not trusted: ", "keys", "check", writeKernel(t, k), signingVectors+"ecp384.der")
	k.Config = ""
	image := writeKernel(t, k)
	c.do(2, "not known: whether", "keys", "check", image, signingVectors+"rsa2048.der")
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte(trustConfig), 0o666); err != nil {
		t.Fatal(err)
	}
	c.do(0, "trusted: ", "keys", "check", "--config", config, image, signingVectors+"rsa2048.der")
	if err := os.WriteFile(config, []byte(strings.Replace(trustConfig, "MODULE_SIG=y", "X=y", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	c.do(2, "it does not set CONFIG_MODULE_SIG, and the image has the certificate", "keys", "check", "--config", config, image, signingVectors+"rsa2048.der")
	k = vmlinux.Kernel{Release: "6.12.1", Certs: [][]byte{rsa, ec}, NoModule: true}
	c.do(1, "not trusted: ", "keys", "check", "--config", config, writeKernel(t, k), signingVectors+"rsa2048.der")
	c.says("no CONFIG_MODULE_SIG")
	// Revoked.
	k = vmlinux.Kernel{Release: "6.12.1", Config: trustConfig, Certs: [][]byte{rsa, other}, Revoked: [][]byte{other}}
	c.do(1, "not trusted: ", "keys", "check", writeKernel(t, k), signingVectors+"unknown.der")
	c.says("revoked: ")
	// In an image without symbols a certificate of a driver may be in the list.
	k = vmlinux.Kernel{Release: "6.12.1", Config: trustConfig, Certs: [][]byte{rsa}, Revoked: [][]byte{other}, Stripped: true}
	c.do(2, "not known: ", "keys", "check", writeKernel(t, k), signingVectors+"unknown.der")

	for _, args := range [][]string{
		{image}, {image, "x", "y"}, {image, "missing"}, {image, config}, {"missing", signingVectors + "rsa2048.der"}, {t.TempDir(), signingVectors + "rsa2048.der"},
		{"--enforcing", image, signingVectors + "rsa2048.der"}, {"--release", "6.1", image, signingVectors + "rsa2048.der"}, {"--max-image", "0", image, signingVectors + "rsa2048.der"},
		{"--config", signingVectors + "rsa2048.der", image, signingVectors + "rsa2048.der"}, {signingVectors + "rsa2048.der", signingVectors + "rsa2048.der"},
	} {
		c.do(2, "error", append([]string{"keys", "check"}, args...)...)
	}
}

// TestKeysCheckLength: the boot loader of certificates reads no short ones, and
// loses those behind them.
func TestKeysCheckLength(t *testing.T) {
	c := &caller{T: t}
	short := append([]byte{0x30, 0x81, 200}, make([]byte, 200)...)
	path := filepath.Join(t.TempDir(), "short.der")
	if err := os.WriteFile(path, short, 0o666); err != nil {
		t.Fatal(err)
	}
	c.do(1, "not trusted: ", "keys", "check", writeKernel(t, vmlinux.Kernel{Config: trustConfig, Certs: [][]byte{readVector(t, "rsa2048.der")}}), path)
	c.says("is read      no: the certificate has 203 bytes")
	image := writeKernel(t, vmlinux.Kernel{Config: trustConfig, Certs: [][]byte{readVector(t, "rsa2048.der"), short, readVector(t, "ecp384.der")}})
	c.do(0, "trusted: ", "keys", "check", image, signingVectors+"rsa2048.der")
	c.do(1, "not trusted: ", "keys", "check", image, signingVectors+"ecp384.der")
	c.says("no: it is in the list, but the kernel stops reading that before it")
}

// TestKeysCheckListing: /proc/keys, and what the running kernel says.
func TestKeysCheckListing(t *testing.T) {
	c := &caller{T: t}
	dir := t.TempDir()
	key := func(name string) *modsig.Key {
		k, err := (&modsig.Kernel{}).ParseKey(readVector(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sum := key("unknown.der").TBSDigest()
	keys := file("keys", "0f8f2ca1 I------     1 perm 1f030000     0     0 asymmetri "+key("rsa2048.der").Description()+": X509.rsa 89abcdef []\n"+
		"0f8f2ca2 I------     1 perm 1f030000     0     0 asymmetri "+key("unknown.der").Description()+": X509.rsa 89abcdef []\n"+
		"0f8f2ca3 I------     1 perm 1f030000     0     0 blacklist tbs:"+strings.ToLower(hexOf(sum[:]))+"\n")
	rsa, ec := signingVectors+"rsa2048.der", signingVectors+"ecp384.der"
	c.do(0, "trusted: ", "keys", "check", keys, rsa)
	c.says("yes: a key of that id is listed")
	c.do(1, "not trusted: ", "keys", "check", keys, ec)
	c.says("no: none of 2 listed keys is this one")
	c.do(1, "not trusted: ", "keys", "check", keys, signingVectors+"unknown.der")
	c.says("denied: the blacklist names it")
	// The kernel's own list of revoked certificates has them with the permissions of
	// trusted ones; what the firmware revokes has others.
	listing := "0f8f2ca1 I------     1 perm 1f030000     0     0 asymmetri " + key("rsa2048.der").Description() + ": X509.rsa 89abcdef []\n" +
		"0f8f2ca2 I------     1 perm 0b010000     0     0 asymmetri " + key("unknown.der").Description() + ": X509.rsa 89abcdef []\n" +
		"0f8f2ca3 I------     1 perm 0b0b0000     0     0 blacklist bin:00\n" +
		"0f8f2ca4 I--Q---     3 perm 1f0b0000     0     0 keyring   .blacklist: "
	for count, code := range map[string]int{"empty": 0, "2": 0, "3": 2} {
		c.do(code, map[int]string{0: "trusted: ", 2: "not known: "}[code], "keys", "check", file("revoking", listing+count+"\n"), rsa)
		c.do(1, "not trusted: ", "keys", "check", file("revoking", listing+count+"\n"), signingVectors+"unknown.der")
		c.says("revoked: the blacklist holds it")
	}
	c.do(1, "not trusted: ", "keys", "check", "--release", "6.12.0", keys, signingVectors+"mldsa65.der")
	c.says("ENOPKG")

	none, lock := file("none", "[none] integrity confidentiality\n"), file("lock", "none [integrity] confidentiality\n")
	yes, no, odd := file("yes", "Y\n"), file("no", "N\n"), file("odd", "maybe\n")
	gone := filepath.Join(dir, "gone")
	for _, tt := range []struct {
		code         int
		sig, lock    string
		first, wants string
	}{
		{0, yes, none, "trusted", "yes: sig_enforce is on"},
		{0, no, lock, "trusted", "yes: it is locked down (integrity)"},
		{1, no, none, "not enforced: ", "no: sig_enforce is off, and it is not locked down"},
		{2, no, gone, "not known", "whether it is locked down cannot be read"},
		{2, gone, none, "not known", "CONFIG_MODULE_SIG"},
		{2, odd, none, "which is not understood", ""}, {2, yes, odd, "which is not understood", ""},
	} {
		c.do(tt.code, tt.first, "keys", "check", "--enforcing", "--sig-enforce", tt.sig, "--lockdown", tt.lock, keys, rsa)
		c.says(tt.wants)
	}
	c.do(0, "trusted", "keys", "check", "--sig-enforce", no, "--lockdown", none, keys, rsa) // told, not demanded
	c.says("enforces     no:")
	for _, text := range []string{"0f8f2ca1 I------ x\n", "0f8f2ca1 I------     1 perm 1f03000     0     0 asymmetri a: 00: X509.rsa 0 []\n", "0f8f2ca1 " + strings.Repeat("x", 70<<10)} {
		c.do(2, "not a listing of /proc/keys", "keys", "check", file("malformed", text), rsa)
	}
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// TestKeysExtract lists and writes what is in an image.
func TestKeysExtract(t *testing.T) {
	c := &caller{T: t}
	rsa, ec, extra, revoked := readVector(t, "rsa2048.der"), readVector(t, "ecp384.der"), readVector(t, "mldsa44.der"), readVector(t, "unknown.der")
	image := writeKernel(t, vmlinux.Kernel{Certs: [][]byte{rsa, ec}, Reserve: 8192, Extra: extra, Revoked: [][]byte{revoked}})
	c.do(0, "4 certificates in ", "keys", "extract", image)
	c.says("\n  build     ", "\n  listed    ", "\n  inserted  ", "\n  revoked   ", "Z to 2126-", "P-384, ecdsa-with-SHA512\n", "ML-DSA-44", "serial ", "key id ")
	out := filepath.Join(t.TempDir(), "out")
	for choose, want := range map[string][]byte{
		"": bytes.Join([][]byte{rsa, ec, extra, revoked}, nil), "build": rsa, "inserted": extra, "revoked": revoked, "listed": bytes.Join([][]byte{rsa, ec, extra}, nil),
		hexOf(mustKey(t, ec).KeyID): ec, hexOf(mustKey(t, rsa).Serial.Bytes()): rsa, "00" + strings.ToUpper(hexOf(mustKey(t, rsa).Serial.Bytes())): rsa,
	} {
		args := []string{"keys", "extract", "--der", "-o", out, image}
		if choose != "" {
			args = append(args, "--select", choose)
		}
		c.do(0, "", args...)
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d (%v)", choose, len(got), len(want), err)
		}
	}
	c.do(0, "", "keys", "extract", "--select", "listed", "-o", "-", image)
	block, rest := pem.Decode(c.stdout.Bytes())
	if block == nil || !bytes.Equal(block.Bytes, rsa) || bytes.Count(rest, []byte("BEGIN CERTIFICATE")) != 2 {
		t.Errorf("PEM: %.60q", &c.stdout)
	}
	c.do(1, "", "keys", "extract", "--select", "elsewhere", image)
	c.do(1, "", "keys", "extract", "--select", "0102", "-o", out, image)
	c.do(1, "0 certificates in ", "keys", "extract", writeKernel(t, vmlinux.Kernel{}))
	c.do(1, "", "keys", "extract", "-o", out, writeKernel(t, vmlinux.Kernel{}))
	broken := bytes.Clone(ec)
	broken[len(broken)-200] ^= 0xff // a length in the extensions
	broken[4] ^= 1
	c.do(1, "1 certificate in ", "keys", "extract", writeKernel(t, vmlinux.Kernel{Certs: [][]byte{broken}}))
	c.says("malformed")
	for _, args := range [][]string{{}, {"a", "b"}, {"missing"}, {"--der", image}, {"--select", "", "-o", out, image}, {signingVectors + "rsa2048.der"}} {
		c.do(2, "error", append([]string{"keys", "extract"}, args...)...)
	}
}

func mustKey(t *testing.T, der []byte) *modsig.Key {
	t.Helper()
	k, err := (&modsig.Kernel{}).ParseKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKeysShowImages: which kernels trust a key.
func TestKeysShowImages(t *testing.T) {
	c := &caller{T: t}
	dir := filepath.Join(t.TempDir(), "keys")
	c.do(0, "rotated: ", "keys", "rotate", dir)
	entry, err := store.CurrentKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	c.do(0, "rotated: ", "keys", "rotate", "--period", "always", dir)
	image := writeKernel(t, vmlinux.Kernel{Config: trustConfig, Certs: [][]byte{readVector(t, "rsa2048.der"), entry.Certificate.Raw}})
	c.do(0, "2 keys in ", "keys", "show", dir, image)
	c.says("      trusted by "+image+" (built in)\n", "\n      trusted by none of the images\n")
	c.do(2, "", "keys", "show", dir, "missing")
	if err := os.RemoveAll(filepath.Join(dir, entry.Name, store.BothPEM)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, entry.Name, store.PrivatePEM)); err != nil {
		t.Fatal(err)
	}
	c.do(0, "2 keys in ", "keys", "show", dir)
	c.says("the private key is not here")
}

// TestRotateAtOnce: runs at a time wait for one another, and each makes a whole key.
func TestRotateAtOnce(t *testing.T) {
	tree := t.TempDir()
	config := filepath.Join(tree, ".config")
	if err := os.WriteFile(config, []byte("CONFIG_SYSTEM_TRUSTED_KEYRING=y\nCONFIG_SYSTEM_TRUSTED_KEYS=\"\"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(tree, "keys")
	const n = 6
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			var out, errs bytes.Buffer
			if code := run(context.Background(), []string{"keys", "rotate", "-q", "--period", "always", "--config", config, dir}, nil, &out, &errs); code != 0 {
				t.Errorf("exit code %d: %s", code, &errs)
			}
		})
	}
	wg.Wait()
	c := &caller{T: t}
	c.do(0, "6 keys in ", "keys", "show", dir)
	c.do(0, "keys/current/signing_crt.pem\n", "kconfig", "--get", "SYSTEM_TRUSTED_KEYS", config)
	left, err := filepath.Glob(filepath.Join(dir, ".new*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRotateUndone: the configuration changes while a key is made, or the run is
// interrupted: the old key stays, and no half of a new one.
func TestRotateUndone(t *testing.T) {
	tree := t.TempDir()
	config, dir := filepath.Join(tree, ".config"), filepath.Join(tree, "keys")
	if err := os.WriteFile(config, []byte("CONFIG_SYSTEM_TRUSTED_KEYRING=y\nCONFIG_SYSTEM_TRUSTED_KEYS=\"\"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	c := &caller{T: t}
	c.do(0, "rotated: ", "keys", "rotate", "-q", dir)
	before, err := store.CurrentKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if code := run(ctx, []string{"keys", "rotate", "--period", "always", "--config", config, dir}, nil, &c.stdout, &c.stderr); code != exitTrouble {
		t.Errorf("exit code %d", code)
	}
	// The file of certificates cannot be written where a folder has its name.
	if err := os.MkdirAll(filepath.Join(tree, "certs/trusted-keys.pem"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "vendor.pem"), readVector(t, "rsa2048.crt"), 0o666); err != nil {
		t.Fatal(err)
	}
	c.do(0, "", "kconfig", "-q", "--trusted-key", filepath.Join(tree, "vendor.pem"), config)
	c.do(1, "", "keys", "rotate", "-q", "--period", "always", "--config", config, dir)
	after, err := store.CurrentKey(dir)
	if err != nil || after.Name != before.Name {
		t.Errorf("%v: %v is the current key, was %v", err, after, before)
	}
	if entries, err := store.List(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d keys, %v", len(entries), err)
	}
	c.do(0, "vendor.pem\n", "kconfig", "--get", "SYSTEM_TRUSTED_KEYS", config)
}
